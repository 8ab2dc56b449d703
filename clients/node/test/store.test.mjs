// The store: the contract of express-session, what applications of
// connect-pg-simple rely on, and what an attacker tries.
//
// The contract, "Session Store Implementation" in express-session's README:
//   required      get, set, destroy
//   recommended   touch
//   optional      all, length, clear
//   events        connect and disconnect are not used: a store is always there
// The scenarios of connect-pg-simple's tests, in "the scenarios of
// connect-pg-simple" with each kind of its options:
//   a session is generated, and its id is that of the cookie
//   a request with the cookie goes on with it, one without gets another
//   a session that is not used is gone after its maxAge, and one that is used
//   lives on, without a row that is pruned by the store
//   pgPromise must have a function any
// What its tests say about its table and its timer has no counterpart: upkeep
// is the extension's.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { promisify } from "node:util";
import connectPgSimple from "connect-pg-simple";
import express from "express";
import session from "express-session";
import pg from "pg";
import connect from "pg-session-client/store";
import { Browser, ownDatabase, until, watched } from "./support.mjs";

const db = ownDatabase(`
	CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL);
	GRANT ALL ON session TO APP`);
const SessionStore = connect(session);
const SECRET = "secret of the tests";
const newSid = () => randomBytes(24).toString("base64url");
const plain = (value) => JSON.parse(JSON.stringify(value));

// Functions of a store that return promises.
function promised(store) {
	const call = (name) => promisify(store[name].bind(store));
	return { store, get: call("get"), set: call("set"), touch: call("touch"), destroy: call("destroy"),
		all: call("all"), length: call("length"), clear: call("clear") };
}
const make = (options) => promised(new SessionStore({ pool: db.pool, ...options }));
const saved = (values = {}, cookie = { originalMaxAge: null, expires: null }) => ({ cookie, ...values });
const status = (sid) => db.value("session_status($1)", sid);

// The id of the session that was made last.
const NEWEST = "(SELECT id FROM session.sessions ORDER BY created_at DESC LIMIT 1)";

// Moves the session that was made last into the past.
const older = (by) => db.rows(`UPDATE session.sessions SET last_seen_at = last_seen_at - $1::interval,
	created_at = created_at - $1::interval, expires_at = expires_at - $1::interval WHERE id = ${NEWEST}`, by);

// Makes an application with express-session. Returns browsers and its store.
async function start(handler, { store = new SessionStore({ pool: db.pool }), ...options } = {}) {
	const app = express();
	app.set("env", "test");
	app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false, ...options }));
	app.use(handler);
	const base = await db.listen(createServer(app));
	return { base, store, browser: new Browser(base) };
}
const sidOf = (browser) => decodeURIComponent(browser.cookies.get("connect.sid")).slice(2).split(".")[0];

// Counts visits, logs in, logs out.
function shop(req, res, next) {
	const { pathname, searchParams } = new URL(req.url, "http://shop");
	const { session } = req;
	const routes = {
		"/": () => res.json({ ...session, cookie: undefined }),
		"/count": () => {
			session.count = (session.count ?? 0) + 1;
			res.json(session.count);
		},
		"/set": () => {
			session[searchParams.get("key")] = JSON.parse(searchParams.get("value"));
			res.json(1);
		},
		"/login": () => session.regenerate((error) => {
			if (error)
				return next(error);
			req.session.userId = searchParams.get("user");
			if (searchParams.has("remember"))
				req.session.cookie.maxAge = 30 * 86400e3;
			req.session.save((failure) => (failure ? next(failure) : res.json(1)));
		}),
		"/logout": () => session.destroy((error) => (error ? next(error) : res.json(1))),
		"/unset": () => {
			req.session = null;
			res.json(1);
		},
	};
	routes[pathname]();
}

test("what was set is what get finds", async () => {
	const { get, set } = make();
	const sid = newSid();
	assert.equal(await get(sid), undefined);
	const value = saved({ a: null, b: [null, { c: null }], d: { e: null }, "": 1, "'": "\"" },
		{ originalMaxAge: 60000, expires: new Date(Date.now() + 60000), httpOnly: true, path: "/" });
	await set(sid, value);
	const found = await get(sid);
	assert.ok(found.cookie.expires >= value.cookie.expires && found.cookie.expires <= Date.now() + 60000);
	assert.deepEqual(plain({ ...found, cookie: { ...found.cookie, expires: 0 } }),
		plain({ ...value, cookie: { ...value.cookie, expires: 0 } }));
	await set(sid, saved({ only: 1 }));
	assert.deepEqual(plain(await get(sid)), saved({ only: 1 }), "set replaces the session");
});

test("destroy: the session ends, and stays ended", async () => {
	const { get, set, touch, destroy } = make();
	const sid = newSid();
	await destroy(sid);
	await set(sid, saved({ a: 1 }));
	await destroy(sid);
	await destroy(sid);
	assert.equal(await get(sid), undefined);
	await set(sid, saved({ a: 2 }));
	await touch(sid, saved({ a: 2 }));
	assert.equal(await get(sid), undefined);
	assert.equal(await status(sid), "revoked");
});

test("a session that an administrator revokes does not come back", async () => {
	const { base, browser } = await start(shop);
	await browser.get("/login?user=ada");
	const sid = sidOf(browser);
	assert.equal(await db.value("session_revoke_user('ada')::int"), 1);
	assert.deepEqual(await browser.json("/"), {});
	await browser.json("/count");
	assert.notEqual(sidOf(browser), sid, "the next session has an id of its own");
	const planted = new Browser(base);
	planted.cookies = new Map(browser.cookies);
	assert.equal(await status(sid), "revoked");
});

test("a session expires, and its lifetime is maxAge, expires or ttl", async () => {
	const { get, set } = make({ ttl: 100 });
	const seconds = async (cookie) => {
		const sid = newSid();
		await set(sid, saved({}, cookie));
		return db.value("(SELECT round(extract(epoch FROM expires_at - now()))::int FROM session_validate($1))", sid);
	};
	assert.equal(await seconds({ originalMaxAge: null, expires: null }), 100);
	assert.equal(await seconds({ maxAge: 200000 }), 200);
	assert.equal(await seconds({ originalMaxAge: 300000, expires: new Date(Date.now() + 300000).toISOString() }), 300);
	assert.equal(await seconds({ expires: new Date(Date.now() + 400000) }), 400);
	assert.equal(await seconds({ expires: "junk" }), 100);
	assert.equal(await seconds({ expires: new Date(0) }), null, "a deadline in the past");
	assert.equal(await seconds({ maxAge: 0 }), null);
	for (const [by, alive] of [["95 s", true], ["101 s", false]]) {
		const sid = newSid();
		await set(sid, saved());
		await older(by);
		assert.equal(Boolean(await get(sid)), alive);
	}
	assert.throws(() => make({ ttl: 0 }), TypeError);
	assert.throws(() => make({ ttl: "1 day" }), TypeError);
});

test("the lifetime of a new session is maxAge, however long the first request takes", async () => {
	const pool = watched(db.pool);
	const { store, get, set, touch } = make({ pool });
	const sid = newSid();
	// A request that began 50 s ago, as express-session gives it to the store.
	const slow = store.createSession({ headers: {} }, { cookie: { originalMaxAge: 599973, expires: new Date(Date.now() + 550000) } });
	await set(sid, slow);
	const next = store.createSession({ headers: {} }, await get(sid));
	assert.equal(next.cookie.originalMaxAge, 599973);
	pool.queries.length = 0;
	next.touch();
	await touch(sid, next);
	assert.equal(pool.queries.length, 0, "what only reads writes nothing");
	assert.equal(await db.value("(SELECT idle_timeout::text FROM session.sessions ORDER BY created_at DESC LIMIT 1)"), "00:10:00");
});

test("touch and get restart the lifetime; with disableTouch they do not", async () => {
	for (const disableTouch of [false, true]) {
		const { get, set, touch } = make({ ttl: 100, disableTouch });
		for (const use of [(sid) => touch(sid, saved()), get]) {
			const sid = newSid();
			await set(sid, saved());
			await older("90 s");
			await use(sid);
			const left = await db.value("(SELECT extract(epoch FROM expires_at - now())::float8 FROM session_validate($1))", sid);
			assert.ok(disableTouch ? left < 11 : left > 95, `${disableTouch} ${left}`);
		}
	}
});

test("a maxAge that changes later: shorter ones count, longer ones as far as the row lives", async () => {
	const { browser } = await start((req, res) => {
		if (req.url !== "/")
			req.session.cookie.maxAge = Number(req.url.slice(1));
		req.session.n = (req.session.n ?? 0) + 1;
		res.json(req.session.n);
	}, { cookie: { maxAge: 100000 } });
	await browser.json("/");
	await browser.json("/50");
	const sid = sidOf(browser);
	const { get } = make();
	await until(async () => await get(sid) === undefined);
	assert.equal(await status(sid), "revoked");
	assert.equal(await browser.json("/"), 1);
	const before = Date.now();
	assert.equal(await browser.json("/60000"), 2);
	assert.equal(await browser.json("/"), 3);
	const { cookie } = await get(sidOf(browser));
	assert.equal(Math.ceil(cookie.originalMaxAge / 1000), 60);
	assert.ok(new Date(cookie.expires) >= before + 60000 && new Date(cookie.expires) <= Date.now() + 60000);
	assert.equal(await browser.json("/100000"), 4);
	assert.equal((await db.value("session_data_get($1, 'cookie')", sidOf(browser))).expires, undefined);
});

test("the user is passport's or userId, or what an option says", async () => {
	const user = async (values, options) => {
		const sid = newSid();
		await make(options).set(sid, saved(values));
		return db.value("(SELECT user_id FROM session_validate($1))", sid);
	};
	assert.equal(await user({}), null);
	assert.equal(await user({ userId: "ada" }), "ada");
	assert.equal(await user({ userId: 7 }), "7");
	assert.equal(await user({ passport: { user: "ben" }, userId: "ada" }), "ben");
	assert.equal(await user({ passport: {} }), null);
	assert.equal(await user({ passport: { user: { id: 1 } } }), null);
	assert.equal(await user({ account: { id: 9 } }, { user: (data) => data.account?.id }), "9");
	assert.equal(await user({}, { user: () => undefined }), null);
});

test("the session is one of the user: listed with address and agent, and limited", async () => {
	const { browser, base } = await start(shop);
	await browser.get("/login?user=kim", { headers: { "user-agent": "Firefox", "x-forwarded-for": "203.0.113.9" } });
	const [device] = await db.rows("SELECT host(ip) AS ip, user_agent FROM session_list('kim')");
	assert.deepEqual(device, { ip: "127.0.0.1", user_agent: "Firefox" });
	const proxied = await start(shop, { store: new SessionStore({ pool: db.pool, proxies: 1 }) });
	await proxied.browser.get("/login?user=kim", { headers: { "x-forwarded-for": "192.0.2.1, 203.0.113.9" } });
	assert.equal((await db.rows("SELECT host(ip) AS ip FROM session_list('kim')"))[0].ip, "203.0.113.9");
	await db.owner.query(`ALTER ROLE ${db.name} SET session.max_sessions = 2`);
	const pool = new pg.Pool({ database: db.name, user: db.name, max: 2 });
	const limited = await start(shop, { store: new SessionStore({ pool }) });
	await limited.browser.get("/login?user=kim");
	assert.equal((await db.rows("SELECT id FROM session_list('kim')")).length, 2);
	assert.deepEqual(await new Browser(base).json("/"), {});
	await pool.end();
	await db.owner.query(`ALTER ROLE ${db.name} RESET session.max_sessions`);
});

test("a request that reads does two things: get, and nothing more", async () => {
	const pool = watched(db.pool);
	const { browser } = await start(shop, { store: new SessionStore({ pool }) });
	await browser.get("/count");
	pool.queries.length = 0;
	await browser.get("/");
	assert.equal(pool.queries.length, 1);
	await browser.get("/count");
	assert.equal(pool.queries.length, 3);
	assert.deepEqual(pool.queries.at(-1).values.slice(-1), ['{"count":2}']);
});

test("requests at the same time keep each other's keys", async () => {
	const { browser } = await start(shop);
	await browser.get("/count");
	await Promise.all(["a", "b", "c", "d", "e"].map((key) => browser.get(`/set?key=${key}&value=1`)));
	assert.deepEqual(await browser.json("/"), { a: 1, b: 1, c: 1, count: 1, d: 1, e: 1 });
});

test("two requests that save a new session at the same time", async () => {
	const { get, set } = make();
	const sid = newSid();
	await Promise.all([set(sid, saved({ a: 1 })), set(sid, saved({ a: 1 }))]);
	assert.equal((await get(sid)).a, 1);
});

test("a logout while another request writes: the session stays ended", async () => {
	let go, begun;
	const gate = new Promise((resolve) => { go = resolve; });
	const running = new Promise((resolve) => { begun = resolve; });
	const { base, browser } = await start(async (req, res, next) => {
		if (req.url !== "/slow")
			return shop(req, res, next);
		begun();
		await gate;
		req.session.count = 99;
		res.json(1);
	});
	await browser.get("/login?user=ada");
	const sid = sidOf(browser);
	const tab = new Browser(base);
	tab.cookies = new Map(browser.cookies);
	const slow = tab.get("/slow");
	await running;
	await browser.get("/logout");
	go();
	assert.equal((await slow).status, 200);
	assert.equal(await status(sid), "revoked");
	assert.deepEqual(await tab.json("/"), {});
});

test("regenerate at the login: an id that was planted is worth nothing", async () => {
	const { base, browser: victim } = await start(shop);
	const attacker = new Browser(base);
	await attacker.get("/count");
	victim.cookies = new Map(attacker.cookies);
	await victim.get("/login?user=ada");
	assert.notEqual(sidOf(victim), sidOf(attacker));
	assert.deepEqual(await attacker.json("/"), {});
	assert.deepEqual(await victim.json("/"), { userId: "ada" });
});

test("an id that no session has is never saved", async () => {
	const { browser } = await start(shop);
	await browser.get("/count");
	const sid = sidOf(browser);
	await db.rows(`DELETE FROM session.sessions WHERE id = ${NEWEST}`);
	await browser.get("/count");
	assert.notEqual(sidOf(browser), sid);
	assert.equal(await status(sid), "unknown");
	browser.cookies.set("connect.sid", encodeURIComponent("s:planted-by-an-attacker-0123.AAAA"));
	await browser.get("/count");
	assert.equal(await status("planted-by-an-attacker-0123"), "unknown");
});

test("unset: destroy, rolling, resave and saveUninitialized", async () => {
	const { browser } = await start(shop, { unset: "destroy" });
	await browser.get("/count");
	const sid = sidOf(browser);
	await browser.get("/unset");
	assert.equal(await status(sid), "revoked");
	const keeping = await start(shop);
	await keeping.browser.get("/count");
	await keeping.browser.get("/unset");
	assert.equal(await keeping.browser.json("/count"), 2);
	const rolling = await start(shop, { rolling: true, resave: true, saveUninitialized: true, cookie: { maxAge: 60000 } });
	assert.equal((await rolling.browser.get("/")).lines.length, 1);
	assert.match((await rolling.browser.get("/")).lines[0], /Expires=/);
	const quiet = await start(shop);
	assert.deepEqual((await quiet.browser.get("/")).lines, []);
});

test("remember me: the maxAge of the login is the lifetime of the session", async () => {
	const { browser } = await start(shop);
	assert.match((await browser.get("/login?user=ada&remember")).lines[0], /Expires=/);
	assert.equal(await db.value("(SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int FROM session_validate($1))",
		sidOf(browser)), 30);
});

test("a login without regenerate: a warning, once", async () => {
	const { browser } = await start(shop);
	await browser.get("/count");
	const warning = once(process, "warning");
	await browser.get('/set?key=userId&value="ada"');
	assert.match((await warning)[0].message, /without req\.session\.regenerate\(\)/);
	assert.deepEqual(await browser.json("/"), { count: 1, userId: "ada" });
});

test("the key __proto__ pollutes nothing", async () => {
	const { get, set } = make();
	const sid = newSid();
	await set(sid, JSON.parse('{"cookie": {"expires": null}, "__proto__": {"admin": true}, "a": {"__proto__": {"b": 1}}}'));
	const found = await get(sid);
	assert.equal({}.admin, undefined);
	const request = {};
	const made = new SessionStore({ pool: db.pool }).createSession(request, found);
	assert.equal(made.admin, undefined);
});

test("all, length and clear are for administrators", async () => {
	const app = make();
	for (const call of [app.all, app.length, app.clear])
		await assert.rejects(call(), { code: "42501" });
	const { all, length, clear, set, get } = make({ pool: db.owner });
	await clear();
	assert.equal(await length(), 0);
	const sids = [newSid(), newSid()];
	for (const sid of sids)
		await set(sid, saved({ a: 1 }));
	const other = await db.value("(session_create('api')).token");
	assert.equal(await length(), 2);
	const sessions = await all();
	assert.deepEqual(sessions.map(({ a }) => a), [1, 1]);
	assert.equal(sids.some((sid) => JSON.stringify(sessions).includes(sid)), false);
	await clear();
	assert.equal(await length(), 0);
	assert.equal(await get(sids[0]), undefined);
	assert.equal(await status(other), "active", "a session that is not of express-session goes on");
});

test("errors reach the callback, and calls without one do not throw", async () => {
	const pool = watched(db.pool);
	const { store, get, set, touch, destroy } = make({ pool });
	pool.failing = new Error("down");
	const sid = newSid();
	for (const call of [get(sid), set(sid, saved()), touch(sid, saved()), destroy(sid)])
		await assert.rejects(call, /down/);
	store.set(sid, saved());
	store.touch(sid, saved());
	store.destroy(sid);
	await new Promise(setImmediate);
	pool.failing = null;
	await assert.rejects(set("short", saved()), { code: "22023" });
	await assert.rejects(set(newSid(), saved({ big: "x".repeat(100000) })), { code: "54000" });
	assert.equal(await get("short"), undefined);
	assert.equal(await get("st_" + "A".repeat(64)), undefined);
	await assert.rejects(set("st_" + "A".repeat(64), saved()), { code: "22023" });
	assert.equal(pool.queries.some(({ text }) => text.includes(sid)), false, "an id is a parameter");
});

test("the options of connect-pg-simple: its own pool, and pg-promise", async () => {
	const own = new SessionStore({ conObject: { database: db.name, user: db.name }, tableName: "session",
		createTableIfMissing: true, pruneSessionInterval: false });
	const { get, set } = promised(own);
	const sid = newSid();
	await set(sid, saved({ a: 1 }));
	assert.equal((await get(sid)).a, 1);
	await own.close();
	const pgPromise = { any: async (text, values) => (await db.pool.query(text, values)).rows };
	assert.equal((await make({ pool: undefined, pgPromise }).get(sid)).a, 1);
	assert.equal((await make({ schema: "auth", prepare: true }).get(sid)).a, 1);
});

const KINDS = {
	pool: () => ({ pool: db.pool }),
	pgPromise: () => ({ pgPromise: { any: async (text, values) => (await db.pool.query(text, values)).rows } }),
	conObject: () => ({ conObject: { database: db.name, user: db.name } }),
	conString: () => ({ conString: `postgresql:///${db.name}?host=${encodeURIComponent(process.env.PGHOST)}&port=${
		process.env.PGPORT}&user=${db.name}` }),
};

for (const [kind, options] of Object.entries(KINDS))
	test(`the scenarios of connect-pg-simple, with ${kind}`, async () => {
		const store = new SessionStore(options());
		const { base, browser } = await start((req, res) => res.json(req.session.cookie.originalMaxAge),
			{ store, saveUninitialized: true, cookie: { maxAge: 30 * 86400e3 } });
		const rows = () => db.value("(SELECT count(*)::int FROM session.sessions)");
		const before = await rows();
		await browser.json("/");
		assert.equal(await rows(), before + 1);
		const sid = sidOf(browser);
		assert.equal(await status(sid), "active");
		await browser.json("/");
		assert.equal(await rows(), before + 1, "with the cookie");
		assert.equal(sidOf(browser), sid);
		const other = new Browser(base);
		await other.json("/");
		assert.equal(await rows(), before + 2, "without a cookie");
		assert.notEqual(sidOf(other), sid);
		// The other one was made last, and is not used for 36 days; the first
		// one is used after 18.
		await older("36 days");
		await db.rows(`UPDATE session.sessions SET last_seen_at = last_seen_at - interval '18 days',
			expires_at = expires_at - interval '18 days' WHERE id = (SELECT id FROM session_validate($1))`, sid);
		await browser.json("/");
		assert.equal(sidOf(browser), sid);
		assert.ok(await db.value("(SELECT expires_at > now() + interval '29 days' FROM session_validate($1))", sid));
		const gone = sidOf(other);
		await other.json("/");
		assert.notEqual(sidOf(other), gone, "too old");
		assert.equal(await status(gone), "idle");
		await store.close();
	});

// The same application with both stores.
for (const [name, makeStore] of [
	["connect-pg-simple", () => new (connectPgSimple(session))({ pool: db.pool, pruneSessionInterval: false })],
	["this store", () => new SessionStore({ pool: db.pool })]])
	test(`an application behaves the same: ${name}`, async () => {
		const { browser, base } = await start(shop, { store: makeStore(), cookie: { maxAge: 60000 } });
		assert.equal(await browser.json("/count"), 1);
		assert.equal(await browser.json("/count"), 2);
		assert.equal(await new Browser(base).json("/count"), 1);
		const visitor = browser.header;
		await browser.get("/login?user=ada");
		assert.deepEqual(await browser.json("/"), { userId: "ada" });
		await browser.get('/set?key=cart&value={"tea":null}');
		assert.deepEqual(await browser.json("/"), { cart: { tea: null }, userId: "ada" });
		const old = new Browser(base);
		assert.equal((await old.get("/", { headers: { cookie: visitor } })).body, "{}");
		const member = browser.header;
		await browser.get("/logout");
		assert.equal((await old.get("/", { headers: { cookie: member } })).body, "{}");
	});

test("moving from connect-pg-simple keeps users logged in", async () => {
	const before = await start(shop, { store: new (connectPgSimple(session))({ pool: db.pool, pruneSessionInterval: false }),
		cookie: { maxAge: 86400e3 } });
	await before.browser.get("/login?user=lea");
	await before.browser.get("/count");
	const { readFile } = await import("node:fs/promises");
	const [, move] = (await readFile(new URL("../README.md", import.meta.url), "utf8"))
		.match(/```sql\n(INSERT[^`]*|BEGIN;[^`]*session_create[^`]*)```/);
	await db.owner.query(move);
	const after = await start(shop, { cookie: { maxAge: 86400e3 } });
	const moved = new Browser(after.base);
	moved.cookies = new Map(before.browser.cookies);
	assert.deepEqual(await moved.json("/"), { userId: "lea", count: 1 });
	assert.equal(await moved.json("/count"), 2);
	assert.equal((await db.rows("SELECT id FROM session_list('lea')")).length, 1);
	assert.equal((await db.rows("SELECT FROM session")).length, 0);
});
