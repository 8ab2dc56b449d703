// Shared by the tests of examples/postgrest: the application, running for one
// file, and a client with a cookie jar.
//
// Connects as a superuser, with PGHOST, PGPORT, PGUSER and PGDATABASE.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";

// The example fixes these names.
const ROLES = ["authenticator", "web_anon", "web_user", "web_admin", "web_token", "app_owner", "fleet_owner", "resource_server"];

const TIMES = ["created_at", "authenticated_at", "refreshed_at", "last_seen_at", "rotated_at", "expires_at", "refresh_expires_at"];

export const SESSION = "__Host-session";
export const REFRESH = "__Secure-refresh";
export const PASSWORD = "correct horse";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// The package of PostgREST has a program for one platform only.
export const skip = process.platform === "linux" && process.arch === "x64" ? false : "no PostgREST for this platform";

// Starts the application and returns its URLs: one, or with a certificate two.
async function startServer({ host, port }, database, certificate) {
	const child = spawn(process.execPath, [here("../../scripts/postgrest/start.mjs")], {
		stdio: ["ignore", "pipe", "pipe"],
		env: {
			...process.env,
			DATABASE_URL: `postgresql://authenticator@/${database}?host=${encodeURIComponent(host)}&port=${port}`,
			...(certificate && { CERTIFICATE: certificate.folder }),
		},
	});
	process.once("exit", () => child.kill());
	const log = [];
	createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
	const urls = [];
	for await (const url of createInterface({ input: child.stdout })) {
		if (urls.push(url) === (certificate ? 2 : 1))
			return { child, url: urls[0], secureUrl: urls[1] };
	}
	return assert.fail(`the application did not start:\n${log.join("\n")}`);
}

// Makes a certificate. spki is the hash of its public key, for Chromium.
function makeCertificate() {
	const folder = mkdtempSync(join(tmpdir(), "session-certificate."));
	process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
	const spki = execFileSync(here("../../scripts/postgrest/certificate"), [folder], { encoding: "utf8" }).trim();
	const read = (name) => readFileSync(join(folder, name));
	return { folder, spki, key: read("key.pem"), cert: read("cert.pem") };
}

// Runs the application in a database of its own, from the calling file's first
// test to its last. secure: with HTTPS as well. settings: those of the database.
export function application({ secure = false, settings = {} } = {}) {
	const database = `session_e2e_${process.pid}`;
	const certificate = secure && !skip ? makeCertificate() : undefined;
	let server, client, running;
	let users = 0;

	async function connect() {
		server = new pg.Client();
		await server.connect();
	}

	async function start() {
		client = new pg.Client({ database });
		await client.connect();
		running = await startServer(server, database, certificate);
	}

	async function stop() {
		if (running) {
			running.child.kill();
			await once(running.child, "exit");
		}
		await client?.end();
	}

	before(async () => {
		if (skip)
			return;
		await connect();
		await server.query(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`);
		const loader = new pg.Client({ database });
		await loader.connect();
		await loader.query(await readFile(new URL("../../examples/postgrest/app.sql", import.meta.url), "utf8"));
		for (const [name, value] of Object.entries(settings))
			await loader.query(`ALTER DATABASE ${database} SET ${name} = '${value}'`);
		await loader.end();
		await start();
	}, { timeout: 60000 });

	after(async () => {
		if (skip)
			return;
		await stop();
		await server.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
		await server.query(`DROP ROLE IF EXISTS ${ROLES}`);
		await server.end();
	});

	const rows = async (sql, ...values) => (await client.query(sql, values)).rows;
	return {
		get url() { return running.url; },
		get secureUrl() { return running.secureUrl; },
		certificate,
		rows,
		// Returns another connection of the superuser.
		connection: async () => {
			const other = new pg.Client({ database });
			await other.connect();
			return other;
		},
		// Restarts PostgreSQL and the application, which may get other URLs.
		restart: async () => {
			const [{ pg_ctl: program, data }] = await rows(`
				SELECT setting || '/pg_ctl' AS pg_ctl, current_setting('data_directory') AS data
				FROM pg_config WHERE name = 'BINDIR'`);
			await stop();
			await server.end();
			execFileSync(program, ["-D", data, "-l", join(data, "restart.log"), "-m", "fast", "-w", "restart"]);
			await connect();
			await start();
		},
		// Changes a setting for all later requests.
		set: async (name, value) => {
			await client.query(`ALTER DATABASE ${database} SET ${name} = '${value}'`);
			await reconnect();
		},
		reset: async (name) => {
			await client.query(`ALTER DATABASE ${database} RESET ${name}`);
			await reconnect();
		},
		// Moves all times of a session to the past.
		age: (id, by) => rows(`UPDATE session.sessions SET ${TIMES.map((time) => `${time} = ${time} - $2::interval`)} WHERE id = $1`, id, by),
		// Runs a script of the example.
		run: async (script) => client.query(await readFile(new URL(`../../examples/postgrest/${script}`, import.meta.url), "utf8")),
		addAdministrator: (name) => rows(
			"INSERT INTO app.users (name, password, admin) VALUES ($1, app.hash_password($2), true)", name, PASSWORD),
		client: (options) => new Client(running.url, options),
		// Returns a script that has an API token.
		script: (token) => new Client(running.url, { agent: "curl/8.5.0", headers: { "x-api-token": token } }),
		// Creates an account and returns a client that is logged in to it.
		user: async (options = {}) => {
			const user = new Client(running.url, options);
			user.name = options.name ?? `user${++users}`;
			const { status, body } = await user.post("rpc/sign_up",
				{ name: user.name, password: PASSWORD, ...(options.remember && { remember: true }) });
			assert.equal(status, 200, JSON.stringify(body));
			return user;
		},
	};

	// Ends the connections of PostgREST, which then opens new ones, and waits
	// until it answers.
	async function reconnect() {
		await client.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'authenticator'");
		const visitor = new Client(running.url);
		while ((await visitor.get("rpc/me")).status !== 200)
			;
	}
}

// A client that sends requests and keeps cookies as a browser does.
export class Client {
	constructor(url, { agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", headers = {} } = {}) {
		this.url = url;
		this.agent = agent;
		this.headers = headers;
		this.jar = new Map();
	}

	// Returns the value of a cookie in the jar.
	cookie(name) {
		return this.jar.get(name)?.value;
	}

	// Returns a new API token of the user, for scopes.
	async apiToken(name, ...scopes) {
		assert.equal((await this.post("rpc/step_up", { password: PASSWORD })).status, 200);
		const { status, body } = await this.post("rpc/create_token", { name, scopes, days: 30 });
		assert.equal(status, 200, JSON.stringify(body));
		return body.token;
	}

	// Returns another client with the same cookies.
	copy() {
		const other = new Client(this.url, { agent: this.agent, headers: this.headers });
		other.jar = new Map(this.jar);
		return other;
	}

	get(path, headers) { return this.ask("GET", path, undefined, headers); }
	post(path, body, headers) { return this.ask("POST", path, body, headers); }
	patch(path, body, headers) { return this.ask("PATCH", path, body, headers); }
	delete(path, headers) { return this.ask("DELETE", path, undefined, headers); }

	async ask(method, path, body, headers = {}) {
		const url = new URL(`/api/${path}`, this.url);
		const cookies = [...this.jar.values()]
			.filter((cookie) => (url.pathname + "/").startsWith(cookie.path.replace(/\/?$/, "/")))
			.map(({ name, value }) => `${name}=${value}`).join("; ");
		const answer = await raw(url, {
			method,
			headers: {
				"user-agent": this.agent,
				...(cookies && { cookie: cookies }),
				...(body !== undefined && { "content-type": "application/json" }),
				...this.headers,
				...headers,
			},
		}, body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
		answer.given = (answer.headers["set-cookie"] ?? []).map(parseCookie);
		for (const cookie of answer.given) {
			if (cookie.maxAge === 0)
				this.jar.delete(cookie.name);
			else
				this.jar.set(cookie.name, cookie);
		}
		return answer;
	}
}

// Sends one request with exactly these headers.
export async function raw(url, options, body) {
	const request = httpRequest(url, { agent: false, timeout: 20000, ...options });
	request.on("timeout", () => request.destroy(new Error("no answer")));
	request.end(body);
	const [response] = await once(request, "response");
	const chunks = [];
	for await (const chunk of response)
		chunks.push(chunk);
	const text = Buffer.concat(chunks).toString();
	let parsed = text;
	if (/json/.test(response.headers["content-type"]))
		parsed = text === "" ? null : JSON.parse(text);
	return { status: response.statusCode, headers: response.headers, text, body: parsed };
}

function parseCookie(header) {
	const [pair, ...attributes] = header.split("; ");
	const at = pair.indexOf("=");
	const value = (name) => attributes.find((attribute) => attribute.startsWith(`${name}=`))?.slice(name.length + 1);
	const maxAge = value("Max-Age");
	return {
		header,
		name: pair.slice(0, at),
		value: pair.slice(at + 1),
		path: value("Path"),
		sameSite: value("SameSite"),
		maxAge: maxAge === undefined ? undefined : Number(maxAge),
		httpOnly: attributes.includes("HttpOnly"),
		secure: attributes.includes("Secure"),
	};
}

// Asserts that a client cannot distinguish two answers.
export function assertSame(one, other) {
	const shape = ({ status, headers, text }) => ({ status, text, headers: { ...headers, date: undefined } });
	assert.deepEqual(shape(one), shape(other));
}
