// Mistakes of the programmer, data that the database does not take, and the
// refusals of session_require: what the error says, and what is answered.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import express from "express";
import session from "express-session";
import { fastifySessions, SessionForbidden, SessionRequired, Sessions, sessions } from "pg-session-client";
import connect from "pg-session-client/store";
import { Browser, FASTIFY, ownDatabase, until } from "./support.mjs";

const db = ownDatabase();
const SessionStore = connect(session);
const open = (options) => new Sessions({ pool: db.pool, ...options }).open({ headers: {} });

test("an option that does not exist, or has another type, is an error that names it", () => {
	const { pool } = db;
	for (const [options, error] of [
		[{ pool, cookies: {} }, /sessions\(\) has no option "cookies": it has pool, schema/],
		[{ pool, cookie: { samesite: "lax" } }, /cookie has no option "samesite"/],
		[{ pool, cookie: { secure: "no" } }, /"secure" of cookie must be true or false, not a string/],
		[{ pool, cookie: { maxAge: 60 } }, /"maxAge" of cookie must be an interval .*, not a number/],
		[{ pool, cookie: { sameSite: "nine" } }, /"sameSite" of cookie must be "lax", "strict" or "none"/],
		[{ pool, cookie: "session" }, /"cookie" of sessions\(\) must be an object/],
		[{ pool, proxies: "1" }, /"proxies" .* must be an integer, and not negative, not a string/],
		[{ pool, proxies: -1 }, /"proxies"/],
		[{ pool, proxyHeader: 7 }, /"proxyHeader" .* must be a string, not a number/],
		[{ pool, prepare: "yes" }, /"prepare"/],
		[{ pool, schema: ["auth"] }, /"schema" .* must be a string, not an array/],
		[{ pool, onError: 1 }, /"onError" .* must be a function/],
		[{ pool: {} }, /"pool" must be a pool of pg, or another object with a function query/],
		[{}, /"pool" must be/],
		[null, /the options of sessions\(\) must be an object, not null/],
		[pool, /pass \{ pool \}/],
	]) {
		assert.throws(() => sessions(options), (thrown) => thrown instanceof TypeError && error.test(thrown.message));
		assert.throws(() => new Sessions(options), error);
	}
	sessions({ pool, cookie: { sameSite: "Lax", maxAge: undefined, domain: null }, onError: undefined });
});

test("the same for the store, which knows the options of connect-pg-simple", () => {
	for (const [options, error] of [
		[{ tablename: "session" }, /the store has no option "tablename"/],
		[{ disableTouch: 1 }, /"disableTouch" of the store must be true or false, not a number/],
		[{ ttl: "1 day" }, /"ttl" of the store must be a number of seconds above 0, not a string/],
		[{ ttl: 0 }, /"ttl"/],
		[{ ttl: NaN }, /"ttl" .* not NaN/],
		[{ user: "userId" }, /"user" of the store must be a function/],
		[{ pool: undefined, pgPromise: {} }, /"pgPromise" must be/],
	])
		assert.throws(() => new SessionStore({ pool: db.pool, ...options }),
			(thrown) => thrown instanceof TypeError && error.test(thrown.message));
	assert.ok(new SessionStore({ pool: db.pool, schemaName: "old", tableName: "session", createTableIfMissing: true,
		pruneSessionInterval: 60, pruneSessionRandomizedInterval: false, errorLog: console.error }));
});

test("an argument of a wrong type is an error that names it, and runs no statement", async () => {
	const statements = [];
	const own = new Sessions({ pool: { query: (text) => statements.push(text), connect: () => statements.push("connect") } })
		.open({ headers: { cookie: "__Host-session=st_" } });
	for (const [call, error] of [
		[() => own.login(), /the user of login\(\) must be .*, not undefined/],
		[() => own.login(NaN), /not NaN/],
		[() => own.login(2 ** 53), /keeps exactly/],
		[() => own.login({ id: 7 }), /not an object/],
		[() => own.login("7", "30 days"), /the options of login\(\) must be an object, not a string/],
		[() => own.login("7", { rememberMe: true }), /login\(\) has no option "rememberMe": it has remember,/],
		[() => own.login("7", { remember: 30 }), /"remember" of login\(\) must be an interval of PostgreSQL/],
		[() => own.login("7", { authLevel: "2" }), /"authLevel" of login\(\) must be an integer/],
		[() => own.login("7", { amr: "pwd" }), /"amr" of login\(\) must be an array of strings, not a string/],
		[() => own.login("7", { data: "x" }), /"data"/],
		[() => own.login("7", { tenantId: {} }), /"tenantId"/],
		[() => own.login("7", { sliding: 1 }), /"sliding"/],
		[() => own.regenerate(() => { }), /the options of regenerate\(\) must be an object, not a function/],
		[() => own.regenerate({ level: 2 }), /regenerate\(\) has no option "level"/],
		[() => own.as(), /the first argument of as\(\) must be a function/],
		[() => own.as(() => 1, { readonly: true }), /as\(\) has no option "readonly": it has readOnly/],
		[() => own.revoke(), /the id of revoke\(\) must be a string, not undefined/],
		[() => own.save(() => { }), /save\(\) takes no arguments, and returns a promise/],
		[() => own.logout({ everywhere: true }), /logout\(\) takes no arguments/],
		[() => own.devices("7"), /devices\(\) takes no arguments/],
		[() => own.revokeOthers("7"), /revokeOthers\(\) takes no arguments/],
		[async () => own.load("data"), /load\(\) takes no arguments/],
	])
		await assert.rejects(call(), (thrown) => thrown instanceof TypeError && error.test(thrown.message));
	assert.deepEqual(statements, []);
	await assert.rejects(open().login("7", { remember: "thirty" }),
		{ code: "22007", message: /^the option "remember": invalid input syntax/ });
});

test("a key that is set on the session itself, as with express-session, is an error", async () => {
	const own = await open().load();
	// Functions that new Function makes are not in strict mode.
	const loose = new Function("session", "session.cart = ['tea']");
	assert.throws(() => loose(own), { name: "TypeError", message: /no member "cart": set data\.cart/ });
	assert.throws(() => new Function("session", "session.userId = 7")(own), { name: "TypeError", message: /login\(\)/ });
	const mark = Symbol("of a tracer");
	own[mark] = 1;
	assert.equal(own[mark], 1);
	assert.deepEqual([own.data, own.userId, own.toString()], [Object.assign(Object.create(null), {}), null, "[object Object]"]);
});

// Values that cannot be stored, and what the error says.
const BAD = [
	["NUL", "a\0b", { code: "22P05", key: "bad", message: /in the key "bad" of the data/ }],
	["NUL in an array", [{ a: "\0" }], { code: "22P05", key: "bad" }],
	["NUL in a key", { "\0": 1 }, { code: "22P05", key: "bad" }],
	["half of a surrogate pair", "\ud800", { code: "22P02", key: "bad" }],
	["too large", "x".repeat(100000), { code: "54000", key: "bad", message: /the key "bad" is the largest/ }],
	["a BigInt", 1n, { name: "TypeError", message: /the key "bad" of the data has no JSON value: .*BigInt/ }],
];

for (const [what, bad, error] of BAD)
	test(`data that cannot be stored names its key: ${what}`, async () => {
		// Text that only looks like NUL is fine.
		const good = { like: "\\u0000", pair: "\ud83d\ude00", list: ["x".repeat(500)] };
		const visitor = await open().load();
		Object.assign(visitor.data, { ...good, bad });
		await assert.rejects(visitor.save(), error);
		await assert.rejects(open().login("ada", { data: { ...good, bad } }), error);
		const member = await open().login("ada", { data: good });
		member.data.bad = bad;
		await assert.rejects(member.save(), (thrown) => {
			assert.ok(thrown.stack.includes('"bad"'), "frameworks print the stack");
			assert.throws(() => { throw thrown; }, error);
			return true;
		});
		member.discard();
		assert.equal(await member.save(), true);
		if (typeof bad === "bigint")
			return;
		const store = new SessionStore({ pool: db.pool });
		const failed = await new Promise((resolve) =>
			store.set("s".repeat(32), { cookie: {}, ...good, bad }, resolve));
		assert.throws(() => { throw failed; }, error);
	});

// What session_require refuses: its arguments, the session, and the answer.
const REFUSED = [
	["", "none", 401, undefined],
	["", "visitor", 401, undefined],
	["", "revoked", 401, undefined],
	["auth_level => 2", "visitor", 401, undefined],
	["auth_level => 2", "user", 403, "level"],
	["max_age => '1 min'", "old", 403, "age"],
	["amr => '{otp}'", "user", 403, "method"],
];

async function answers(framework) {
	const seen = [];
	const work = (request) => request.session.as((client) => client.query(
		`SELECT session_require(${new URL(request.url, "http://shop").searchParams.get("args")})`));
	if (framework === "Express") {
		const app = express();
		app.set("env", "test");
		app.use(sessions({ pool: db.pool }));
		app.get("/", (req) => work(req));
		app.use((error, req, res, next) => {
			seen.push(error);
			next(error);
		});
		return { seen, base: await db.listen(createServer(app)) };
	}
	const app = FASTIFY[framework]();
	app.register(fastifySessions, { pool: db.pool });
	app.get("/", (request) => work(request));
	app.addHook("onError", async (request, reply, error) => { seen.push(error); });
	await app.ready();
	return { seen, base: await db.listen(app.server) };
}

async function tokenOf(kind) {
	const made = {
		none: "NULL",
		visitor: "session_create(data => '{\"a\": 1}')",
		revoked: "session_create('ada')",
		user: "session_create('ada', amr => '{pwd}')",
		old: "session_create('ada')",
	}[kind];
	const token = kind === "none" ? "junk" : await db.value(`(SELECT token FROM ${made})`);
	if (kind === "revoked")
		await db.value("session_revoke($1)", token);
	if (kind === "old")
		await db.rows(`UPDATE session.sessions SET authenticated_at = authenticated_at - interval '1 hour'
			WHERE id = (SELECT id FROM session_validate($1))`, token);
	return token;
}

for (const framework of ["Express", ...Object.keys(FASTIFY)])
	test(`${framework}: what session_require refuses is answered with 401 or 403`, async () => {
		const { seen, base } = await answers(framework);
		for (const [args, kind, status, reason] of REFUSED) {
			const browser = new Browser(base);
			browser.cookies.set("__Host-session", await tokenOf(kind));
			assert.equal((await browser.get(`/?args=${encodeURIComponent(args)}`)).status, status, `${args} for ${kind}`);
			const error = seen.at(-1);
			assert.ok(error instanceof (status === 401 ? SessionRequired : SessionForbidden));
			assert.deepEqual([error.status, error.statusCode, error.expose, error.reason], [status, status, true, reason]);
			assert.equal(error.cause?.code, ["none", "revoked"].includes(kind) ? undefined : "42501");
		}
		// Another error with this code is a defect of the application.
		const browser = new Browser(base);
		browser.cookies.set("__Host-session", await tokenOf("user"));
		assert.equal((await browser.get(`/?args=${encodeURIComponent("(SELECT 1 FROM pg_authid)")}`)).status, 500);
		assert.equal(seen.at(-1).code, "42501");
	});

test("after the response has ended, a change of the data is an error, and is not lost in silence", async () => {
	const request = {};
	const closed = [];
	const middleware = sessions({ pool: db.pool });
	const server = createServer(async (req, res) => {
		middleware(req, res);
		Object.assign(request, { session: await req.session.load(), data: req.session.data });
		request.data.n = (request.data.n ?? 0) + 1;
		closed.push(once(res, "close").then(() => { req.session.data.atClose = request.data.n; }));
		res.end();
	});
	const browser = new Browser(await db.listen(server));
	await browser.get("/");
	await Promise.all(closed);
	// The data is frozen when what was set at the close is written.
	await until(() => Object.isFrozen(request.data));
	const late = { message: /the data cannot be changed: the response has ended/ };
	assert.throws(() => { request.session.data.late = 1; }, late);
	assert.throws(() => { delete request.session.data.n; }, late);
	assert.throws(() => { request.session.data = {}; }, late);
	assert.throws(() => { request.data.late = 1; }, TypeError);
	assert.equal(request.session.data.n, 1);
	await assert.rejects(request.session.login("ada"), { code: "SESSION_HEADERS_SENT" });
	await assert.rejects(request.session.regenerate(), { code: "SESSION_HEADERS_SENT" });
	assert.equal((await request.session.devices()).length, 1, "what reads goes on");
	assert.deepEqual(await db.value("(SELECT data FROM session.sessions WHERE id = $1)", request.session.id),
		{ n: 1, atClose: 1 });
	assert.equal(await request.session.logout(), true);
	assert.deepEqual({ ...request.session.data }, {});
});
