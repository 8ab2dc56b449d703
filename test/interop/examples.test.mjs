// Runs the small examples as a user would.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { parse as parseSetCookie } from "set-cookie-parser";
import { ownDatabase } from "./support.mjs";

const example = (path) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

// Debian's package of psycopg is for Debian's interpreter.
const PYTHON = "/usr/bin/python3";

const db = ownDatabase("examples", finish, "");
let made = false;
let directory;

async function finish() {
	if (directory)
		await rm(directory, { recursive: true });
	if (made)
		await db.rows("DROP OWNED BY notes_app; DROP ROLE notes_app");
}

before(async () => {
	await db.rows(await readFile(example("notes.sql"), "utf8"));
	made = true;
	// A directory in which the examples find the packages that they import.
	directory = await mkdtemp(join(tmpdir(), "session-examples-"));
	await symlink(fileURLToPath(new URL("node_modules", import.meta.url)), join(directory, "node_modules"));
});

// Runs an example at the address that it prints, for the duration of the work.
async function running(path, work) {
	const { host, port } = new pg.Client();
	const file = join(directory, path.replace("/", "-"));
	await copyFile(example(path), file);
	const child = spawn(path.endsWith(".py") ? PYTHON : process.execPath, [file], {
		stdio: ["ignore", "pipe", "pipe"],
		env: { DATABASE_URL: `postgresql://notes_app@/${db.database}?host=${encodeURIComponent(host)}&port=${port}`, PORT: "0" },
	});
	const kill = () => child.kill("SIGKILL");
	process.once("exit", kill);
	const said = [];
	createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
	try {
		const address = await Promise.race([
			once(createInterface({ input: child.stdout }), "line").then(([line]) => line),
			once(child, "exit").then(() => assert.fail(said.join("\n"))),
		]);
		assert.match(address, /^http:\/\/127\.0\.0\.1:\d+$/);
		await work(address, said);
	} finally {
		if (child.exitCode === null) {
			kill();
			await once(child, "exit");
		}
		process.off("exit", kill);
	}
}

async function ask(origin, path, { method, cookie, body, headers = {} } = {}) {
	const response = await fetch(origin + path, {
		method: method ?? (body === undefined ? "GET" : "POST"),
		headers: { ...headers, ...(cookie && { cookie }), ...(body !== undefined && { "content-type": "application/json" }) },
		body: typeof body === "string" ? body : JSON.stringify(body),
		signal: AbortSignal.timeout(20000),
	});
	const text = await response.text();
	return { status: response.status, setCookie: response.headers.getSetCookie?.() ?? [response.headers.get("set-cookie")].filter(Boolean), body: text && JSON.parse(text) };
}

async function logIn(origin, name, old) {
	const { status, setCookie } = await ask(origin, "/login", { cookie: old, headers: { "user-agent": "test" }, body: { name, password: `${name}'s password` } });
	assert.equal(status, 204);
	assert.equal(setCookie.length, 1);
	const [cookie] = parseSetCookie(setCookie);
	assert.deepEqual({ ...cookie, value: "" },
		{ name: "__Host-session", value: "", path: "/", secure: true, httpOnly: true, sameSite: "Lax" });
	return `${cookie.name}=${cookie.value}`;
}

const live = (user) => db.value("(SELECT count(*)::int FROM session_list($1))", user);

// A login takes over the visit of a stranger, gives the user's session a new
// token, and ends the session of another user. It keeps where it came from.
async function logsInOverAnyCookie(origin) {
	const before = await live("ada");
	const visit = await db.value("(session_create(data => '{\"cart\": [\"tea\"]}')).token");
	const first = await logIn(origin, "ada", `__Host-session=${visit}`);
	const second = await logIn(origin, "ada", first);
	const [seen] = await db.rows("SELECT data, host(ip) AS ip, user_agent, amr FROM session_validate(session_cookie_read($1))", second);
	assert.deepEqual(seen, { data: { cart: ["tea"] }, ip: "127.0.0.1", user_agent: "test", amr: ["pwd"] });
	assert.equal(await live("ada"), before + 1);
	const bob = await logIn(origin, "bob", second);
	assert.equal(await live("ada"), before);
	for (const [cookie, status] of [[first, "unknown"], [second, "revoked"], [bob, "active"]])
		assert.equal(await db.value("session_status(session_cookie_read($1))", cookie), status);
	assert.deepEqual(await db.value("session_data(session_cookie_read($1))", bob), {});
}

async function refusesStrangers(origin) {
	const before = await live("ada");
	for (const body of [{ name: "ada", password: "wrong" }, { name: "eve", password: "eve's password" }, { name: "ada" }, {}])
		assert.equal((await ask(origin, "/login", { body })).status, 401);
	assert.equal((await ask(origin, "/login", { body: "junk" })).status, 400);
	assert.equal(await live("ada"), before);
}

for (const path of ["node/app.mjs", "python/app.py"])
	test(`${path}: a user can log in, sees only their own notes, and can log out`, { timeout: 60000 }, () => running(path, async (origin, said) => {
		await db.rows("TRUNCATE api.note");
		await refusesStrangers(origin);
		await logsInOverAnyCookie(origin);
		const [ada, bob] = [await logIn(origin, "ada"), await logIn(origin, "bob")];
		assert.equal((await ask(origin, "/notes")).status, 401);
		assert.equal((await ask(origin, "/notes", { body: { body: "x" } })).status, 401);
		assert.equal((await ask(origin, "/elsewhere")).status, 404);
		const { status, body } = await ask(origin, "/notes", { cookie: ada, body: { body: "first" } });
		assert.equal(status, 200);
		assert.equal(body[0].body, "first");

		// More requests at once than there are connections; some of them fail.
		const notes = async (cookie) => (await ask(origin, "/notes", { cookie })).body || null;
		await Promise.all(Array.from({ length: 40 }, async () => {
			assert.equal((await ask(origin, "/notes", { cookie: bob, body: { body: null } })).status, 500);
			assert.deepEqual(await notes(ada), body);
			assert.equal(await notes(`${ada}x`), null);
			assert.deepEqual(await notes(`theme=dark; ${bob}`), []);
			assert.equal(await notes(), null);
		}));

		const before = await live("ada");
		const out = await ask(origin, "/logout", { method: "POST", cookie: ada });
		assert.equal(out.status, 204);
		assert.deepEqual(parseSetCookie(out.setCookie).map(({ name, value, maxAge }) => [name, value, maxAge]), [["__Host-session", "", 0]]);
		assert.equal(await live("ada"), before - 1);
		assert.equal(await notes(ada), null);
		assert.deepEqual(await notes(bob), []);
		for (const cookie of [ada, bob])
			assert.ok(said.every((line) => !line.includes(cookie.split("=")[1])));
	}));

const QUERY = "{ allNotes(orderBy: ID_ASC) { nodes { owner body } } }";
const ADD = "mutation ($body: String!, $owner: String) { createNote(input: { note: { body: $body, owner: $owner } }) { note { owner body } } }";

test("postgraphile/server.mjs: a cookie or a header gives queries and mutations their identity", { timeout: 60000 },
	() => running("postgraphile/server.mjs", async (origin) => {
		await db.rows("TRUNCATE api.note");
		await refusesStrangers(origin);
		await logsInOverAnyCookie(origin);
		const [ada, bob] = [await logIn(origin, "ada"), await logIn(origin, "bob")];
		const graphql = (query, cookie, variables, headers) =>
			ask(origin, "/graphql", { cookie, headers, body: { query, variables } });
		const notes = async (...args) => (await graphql(QUERY, ...args)).body.data.allNotes.nodes;

		const added = await graphql(ADD, ada, { body: "first" });
		assert.deepEqual(added.body.data.createNote.note, { owner: "ada", body: "first" });
		const own = [added.body.data.createNote.note];
		const token = ada.split("=")[1];
		await Promise.all(Array.from({ length: 40 }, async () => {
			assert.deepEqual(await notes(ada), own);
			assert.deepEqual(await notes(bob), []);
			assert.deepEqual(await notes(), []);
			assert.deepEqual(await notes(`${ada}x`), []);
			assert.deepEqual(await notes(undefined, undefined, { "X-Session-Token": token }), own);
			// With the name of another user, or without a user.
			for (const [cookie, owner] of [[bob, "ada"], [undefined, "ada"], [undefined, null]]) {
				const { body } = await graphql(ADD, cookie, { body: "second", owner });
				assert.equal(body.data.createNote, null);
				assert.equal(body.errors.length, 1);
			}
		}));
		// All parts of one request run in one transaction with one identity.
		const { body } = await graphql(`mutation { one: createNote(input: { note: { body: "2" } }) { note { owner } }
			bad: createNote(input: { note: { body: "3", owner: "bob" } }) { note { owner } }
			two: createNote(input: { note: { body: "4" } }) { note { owner } } }`, ada);
		assert.deepEqual([body.data.one.note.owner, body.data.bad, body.data.two.note.owner], ["ada", null, "ada"]);
		await db.value("session_revoke($1)", token);
		assert.deepEqual(await notes(ada), []);
	}));

test("postgraphile/server.mjs: an invalid token is rejected with session.on_invalid = reject", { timeout: 60000 }, async () => {
	await db.rows(`ALTER DATABASE ${db.database} SET session.on_invalid = 'reject'`);
	try {
		await running("postgraphile/server.mjs", async (origin) => {
			const cookie = await logIn(origin, "bob");
			for (const [sent, good] of [[cookie, true], [undefined, true], [`${cookie}x`, false], ["__Host-session=x", false]]) {
				const { status, body } = await ask(origin, "/graphql", { cookie: sent, body: { query: QUERY } });
				assert.equal(status, good ? 200 : 401);
				assert.equal(body.data !== undefined, good);
			}
		});
	} finally {
		await db.rows(`ALTER DATABASE ${db.database} RESET session.on_invalid`);
	}
});

test("postgraphile/server.mjs: the header Authorization carries the token with session.token_header = authorization", { timeout: 60000 }, async () => {
	await db.rows(`ALTER DATABASE ${db.database} SET session.token_header = 'authorization'`);
	try {
		await running("postgraphile/server.mjs", async (origin) => {
			await db.rows("TRUNCATE api.note");
			const cookie = await logIn(origin, "bob");
			const token = cookie.split("=")[1];
			await ask(origin, "/graphql", { cookie, body: { query: ADD, variables: { body: "own" } } });
			for (const [authorization, seen] of [[`Bearer ${token}`, 1], [`bearer  ${token}`, 1], [token, 0], [`Basic ${token}`, 0], [`Bearer ${token}x`, 0]]) {
				const { status, body } = await ask(origin, "/graphql", { headers: { authorization }, body: { query: QUERY } });
				assert.equal(status, 200);
				assert.equal(body.data.allNotes.nodes.length, seen, authorization);
			}
		});
	} finally {
		await db.rows(`ALTER DATABASE ${db.database} RESET session.token_header`);
	}
});
