// The middleware with Express 4 and 5: what it reads and writes, and when.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { inspect } from "node:util";
import express5 from "express";
import express4 from "express4";
import { Session, SessionRequired, sessions } from "pg-session-client";
import { Browser, ownDatabase, until, watched } from "./support.mjs";

const db = ownDatabase(`
	CREATE TABLE note (owner text NOT NULL DEFAULT session_user_id(), body text NOT NULL);
	ALTER TABLE note ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON note USING (owner = session_user_id());
	GRANT SELECT, INSERT ON note TO APP;
	INSERT INTO note VALUES ('ada', 'buy tea'), ('ben', 'read')`);

// Makes an application of Express. routes are handlers by path. Returns a
// browser, and what the tests look at.
async function start(routes, { express = express5, pool = watched(db.pool), ...options } = {}) {
	const app = express();
	const state = { pool, errors: [], reported: [], requests: [] };
	app.set("env", "test");
	app.use(sessions({ pool, onError: (error) => state.reported.push(error), ...options }));
	app.use((req, res, next) => {
		state.requests.push(req);
		next();
	});
	for (const [path, handler] of Object.entries(routes))
		app.all(path, async (req, res, next) => {
			try {
				await handler(req, res);
			} catch (error) {
				next(error);
			}
		});
	app.use((error, req, res, next) => {
		state.errors.push(error);
		next(error);
	});
	state.base = await db.listen(createServer(app));
	state.browser = new Browser(state.base);
	state.another = () => {
		const browser = new Browser(state.base);
		browser.cookies = new Map(state.browser.cookies);
		return browser;
	};
	return state;
}

const count = () => db.value("(SELECT count(*)::int FROM session.sessions)");
const token = (browser) => browser.cookies.get("__Host-session");

// Handlers that most tests use.
const ROUTES = {
	"/static": (req, res) => res.send("static"),
	"/who": async (req, res) => {
		const { userId, data } = await req.session.load();
		res.json({ userId, data });
	},
	"/set": async (req, res) => {
		const { data } = await req.session.load();
		data[req.query.key] = JSON.parse(req.query.value);
		res.json(data);
	},
	"/login": async (req, res) => {
		await req.session.login(req.query.user, { remember: req.query.remember });
		res.redirect(303, "/who");
	},
	"/logout": async (req, res) => {
		res.json(await req.session.logout());
	},
};
const set = (browser, key, value) => browser.get(`/set?key=${key}&value=${encodeURIComponent(JSON.stringify(value))}`);

for (const [name, express] of [["Express 4", express4], ["Express 5", express5]])
	test(`${name}: a visitor, a login and a logout`, async () => {
		const { browser, pool } = await start(ROUTES, { express });
		assert.deepEqual((await browser.get("/static")).lines, []);
		assert.equal(pool.queries.length, 0, "no query until the session is used");

		await browser.get("/who");
		assert.equal(token(browser), undefined, "no session without data");
		await set(browser, "cart", ["tea"]);
		const visitor = token(browser);
		assert.match(visitor, /^st_/);

		const login = await browser.post("/login?user=ada");
		assert.equal(login.status, 303);
		assert.match(login.lines[0], /; Secure; HttpOnly; SameSite=Lax$/);
		assert.notEqual(token(browser), visitor);
		assert.deepEqual(await browser.json("/who"), { userId: "ada", data: { cart: ["tea"] } });
		assert.equal(await db.value("session_status($1)", visitor), "unknown");

		const member = token(browser);
		assert.deepEqual(await browser.json("/logout"), true);
		assert.equal(token(browser), undefined);
		assert.equal(await db.value("session_status($1)", member), "revoked");
		assert.deepEqual(await browser.json("/logout"), false);
	});

test("a page reads the session in one query, and writes only what has changed", async () => {
	const { browser, pool } = await start(ROUTES);
	await set(browser, "a", 1);
	pool.queries.length = 0;
	await browser.get("/who");
	assert.equal(pool.queries.length, 1);
	await set(browser, "a", 1);
	assert.equal(pool.queries.length, 2, "the same value is no change");
	await set(browser, "a", 2);
	assert.deepEqual(pool.queries.at(-1).values.slice(-1), ['{"a":2}']);
});

test("the data keeps null, nested values and odd keys, and loses undefined", async () => {
	const { browser } = await start({ ...ROUTES,
		"/odd": async (req, res) => {
			const { data } = await req.session.load();
			data.keep = { a: null, b: [null, { c: null }], d: new Date(0) };
			data.gone = undefined;
			data.constructor = { prototype: 1 };
			data[`"';--`] = "'";
			res.end();
		},
		"/less": async (req, res) => {
			const { data } = await req.session.load();
			delete data.keep.a;
			data.keep.b = { c: 1 };
			delete data.constructor;
			res.end();
		},
		"/replace": async (req, res) => {
			(await req.session.load()).data = { only: 1 };
			res.end();
		},
		"/wrong": async (req, res) => {
			(await req.session.load()).data = [];
			res.end();
		} });
	await browser.get("/odd");
	const odd = { keep: { a: null, b: [null, { c: null }], d: "1970-01-01T00:00:00.000Z" },
		constructor: { prototype: 1 }, [`"';--`]: "'" };
	assert.deepEqual((await browser.json("/who")).data, odd);
	await browser.get("/less");
	assert.deepEqual((await browser.json("/who")).data,
		{ keep: { b: { c: 1 }, d: "1970-01-01T00:00:00.000Z" }, [`"';--`]: "'" });
	await browser.get("/replace");
	assert.deepEqual((await browser.json("/who")).data, { only: 1 });
	assert.equal((await browser.get("/wrong")).status, 500);
});

test("the key __proto__ pollutes nothing", async () => {
	const state = await start({ ...ROUTES,
		"/inherit": async (req, res) => {
			const { data } = await req.session.load();
			res.json([data.admin ?? null, {}.admin ?? null]);
		} });
	await set(state.browser, "__proto__", { admin: true });
	assert.deepEqual(await state.browser.json("/inherit"), [null, null]);
	assert.equal((await state.browser.get("/who")).body, '{"userId":null,"data":{"__proto__":{"admin":true}}}');
});

test("requests at the same time keep each other's changes", async () => {
	const items = ["a", "b", "c", "d", "e", "f"];
	let here = 0, go;
	const all = new Promise((resolve) => { go = resolve; });
	const { browser } = await start({ ...ROUTES,
		"/slow": async (req, res) => {
			const { data } = await req.session.load();
			data.cart[req.query.item] = 1;
			data[`k${req.query.item}`] = 1;
			if (++here === items.length)
				go();
			await all;
			res.end();
		} });
	await set(browser, "cart", { old: 1 });
	await Promise.all(items.map((item) => browser.get(`/slow?item=${item}`)));
	const { data } = await browser.json("/who");
	assert.deepEqual(Object.keys(data.cart).sort(), [...items, "old"]);
	assert.equal(Object.keys(data).length, 7);
});

test("the next request finds what a response has written", async () => {
	const { browser } = await start({ ...ROUTES,
		"/count": async (req, res) => {
			const { data } = await req.session.load();
			data.count = (data.count ?? 0) + 1;
			res.json(data.count);
		} });
	for (let i = 1; i <= 5; i++)
		assert.equal(await browser.json("/count"), i);
});

test("HEAD, 304, redirects and streams write the data and send the cookie", async () => {
	const visit = async (req) => {
		const { data } = await req.session.load();
		data.visits = (data.visits ?? 0) + 1;
	};
	const { browser } = await start({ ...ROUTES,
		"/page": async (req, res) => {
			await visit(req);
			res.send("a page");
		},
		"/stream": async (req, res) => {
			await visit(req);
			Readable.from(Array.from({ length: 200 }, () => "x".repeat(1000))).pipe(res);
		},
		"/pieces": async (req, res) => {
			await visit(req);
			res.write("one ");
			(await req.session.load()).data.late = true;
			res.write("two ");
			res.end("three");
		},
		"/flush": async (req, res) => {
			await visit(req);
			res.writeHead(201, { "Set-Cookie": "theme=dark", "X-A": "b" }).flushHeaders();
			res.end("flushed");
		},
		"/array": async (req, res) => {
			await visit(req);
			res.setHeader("Set-Cookie", ["a=1"]);
			res.cookie("b", "2").writeHead(200);
			res.end();
		} });
	const fresh = async (method, path, headers) => {
		browser.cookies.clear();
		const answer = await browser.send(method, path, { headers });
		assert.match(token(browser) ?? "", /^st_/, path);
		assert.equal((await browser.json("/who")).data.visits, 1, path);
		return answer;
	};
	const { headers } = await fresh("GET", "/page");
	assert.equal((await fresh("HEAD", "/page")).body, "");
	assert.equal((await fresh("GET", "/page", { "if-none-match": headers.etag })).status, 304);
	assert.equal((await fresh("GET", "/stream")).body.length, 200000);
	assert.equal((await fresh("GET", "/pieces")).body, "one two three");
	assert.equal((await browser.json("/who")).data.late, true);
	const flushed = await fresh("GET", "/flush");
	assert.deepEqual([flushed.status, flushed.body, flushed.headers["x-a"]], [201, "flushed", "b"]);
	assert.equal(flushed.lines[0], "theme=dark");
	assert.deepEqual((await fresh("GET", "/array")).lines.slice(0, 2), ["a=1", "b=2; Path=/"]);
});

test("an error in a handler: data is written, and the cookie of a login is sent", async () => {
	const { browser } = await start({ ...ROUTES,
		"/fail": async (req) => {
			(await req.session.load()).data.a = 1;
			throw new Error("no");
		},
		"/login-and-fail": async (req) => {
			await req.session.login("ada");
			throw new Error("no");
		} });
	assert.equal((await browser.get("/fail")).status, 500);
	assert.equal((await browser.json("/who")).data.a, 1);
	assert.equal((await browser.get("/login-and-fail")).status, 500);
	assert.equal((await browser.json("/who")).userId, "ada");
});

test("an error while the first piece of a stream waits ends the connection", async () => {
	const { browser, another } = await start({ ...ROUTES,
		"/broken": async (req, res) => {
			(await req.session.load()).data.a = 1;
			res.write("a piece");
			throw new Error("no");
		} });
	await assert.rejects(browser.get("/broken"));
	await set(browser, "b", 1);
	await assert.rejects(another().get("/broken"));
});

test("what cannot be written is an error, and the answer is 500", async () => {
	const state = await start({ ...ROUTES,
		"/big": async (req, res) => {
			(await req.session.load()).data.big = "x".repeat(100000);
			res.send("never sent");
		},
		"/cycle": async (req, res) => {
			const { data } = await req.session.load();
			data.self = data;
			res.send("never sent");
		},
		"/stream": async (req, res) => {
			(await req.session.load()).data.big = "x".repeat(100000);
			res.write("a");
			res.end("b");
		},
		"/piped": async (req, res) => {
			(await req.session.load()).data.big = "x".repeat(100000);
			Readable.from(["a", "b"]).pipe(res);
		},
		"/sent": async (req, res) => {
			const { data } = await req.session.load();
			res.write("a");
			data.big = "x".repeat(100000);
			res.end("b");
		} });
	await set(state.browser, "a", 1);
	assert.equal((await state.browser.get("/big")).status, 500);
	assert.equal(state.errors.at(-1).code, "54000");
	assert.equal((await state.browser.get("/cycle")).status, 500);
	assert.ok(state.errors.at(-1) instanceof TypeError);
	assert.equal((await state.browser.get("/stream")).status, 500);
	assert.equal(state.reported.length, 0);
	const piped = await state.browser.get("/piped");
	assert.deepEqual([piped.status, piped.body, state.reported.at(-1).code], [500, "", "54000"]);
	await assert.rejects(state.browser.get("/sent"), "no answer that looks complete");
	assert.equal(state.reported.length, 2);
	assert.deepEqual((await state.browser.json("/who")).data, { a: 1 });
});

test("a request that is aborted leaves its data, and the server goes on", async () => {
	let done, begun;
	const finished = new Promise((resolve) => { done = resolve; });
	const running = new Promise((resolve) => { begun = resolve; });
	const { browser, base } = await start({ ...ROUTES,
		"/slow": async (req, res) => {
			(await req.session.load()).data.slow = true;
			begun();
			await once(res, "close");
			res.end("late");
			done();
		} });
	await set(browser, "a", 1);
	const sent = request(`${base}/slow`, { headers: { cookie: browser.header } }).on("error", () => { }).end();
	await running;
	sent.destroy();
	await finished;
	await until(async () => (await browser.json("/who")).data.slow);
});

test("a login after the headers were sent changes nothing", async () => {
	const { browser } = await start({ ...ROUTES,
		"/late": async (req, res) => {
			await req.session.load();
			res.write("a");
			const codes = [];
			for (const call of [() => req.session.login("ada"), () => req.session.regenerate()])
				await call().catch((error) => codes.push(error.code));
			res.end(codes.join());
		},
		"/late-data": async (req, res) => {
			const { data } = await req.session.load();
			res.write("a");
			data.b = 1;
			res.end("b");
		} });
	const before = await count();
	assert.equal((await browser.get("/late")).body, "aSESSION_HEADERS_SENT,SESSION_HEADERS_SENT");
	await assert.rejects(browser.get("/late-data"));
	assert.equal(await count(), before);
});

test("calls that a handler does not wait for: one session, and its cookie is sent", async () => {
	const { browser } = await start({ ...ROUTES,
		"/twice": async (req, res) => {
			const { data } = await req.session.load();
			data.a = 1;
			req.session.save();
			req.session.save();
			res.end();
		},
		"/login-now": (req, res) => {
			req.session.load();
			req.session.login("ada");
			res.end();
		},
		"/after": async (req, res) => {
			const { data } = await req.session.load();
			res.end();
			data.after = 1;
		} });
	const before = await count();
	await browser.get("/twice");
	assert.equal(await count(), before + 1);
	await browser.get("/login-now");
	assert.equal((await browser.json("/who")).userId, "ada");
	await browser.get("/after");
	await until(async () => (await browser.json("/who")).data.after);
});

test("a request without a cookie reads nothing, and as() takes no connection", async () => {
	const { browser, pool } = await start({ ...ROUTES, "/as": (req) => req.session.as(() => 1) });
	await browser.get("/who");
	assert.equal(pool.queries.length, 0);
	pool.connect = () => assert.fail("a connection");
	assert.equal((await browser.get("/as")).status, 401);
});

test("an invalid cookie is removed, and no session is made of it", async () => {
	const state = await start(ROUTES);
	const { browser } = state;
	for (const value of ["junk", "st_" + "A".repeat(64), "%00", "x".repeat(5000), "rt_a"]) {
		browser.cookies.set("__Host-session", value);
		const before = await count();
		assert.deepEqual(await browser.json("/who"), { userId: null, data: {} });
		assert.equal(await count(), before);
	}
	await browser.post("/login?user=ada");
	const ended = token(browser);
	await db.rows("SELECT session_revoke($1)", ended);
	assert.match((await browser.get("/who")).lines[0], /^__Host-session=; Path=\/; Max-Age=0/);
	assert.equal(token(browser), undefined);

	browser.cookies.set("__Host-session", "planted-by-an-attacker-0123456789");
	await set(browser, "a", 1);
	assert.match(token(browser), /^st_/, "a new session has a token of the database");
	assert.equal(await db.value("session_status('planted-by-an-attacker-0123456789')"), "unknown");
});

test("session fixation: a token that was planted is worth nothing after the login", async () => {
	const state = await start(ROUTES);
	const attacker = new Browser(state.base);
	await set(attacker, "a", 1);
	const victim = state.browser;
	victim.cookies = new Map(attacker.cookies);
	await victim.post("/login?user=ada");
	assert.equal((await attacker.json("/who")).userId, null);
	assert.equal((await victim.json("/who")).userId, "ada");
});

test("a cookie that another request has replaced is not removed", async () => {
	const state = await start(ROUTES);
	await set(state.browser, "a", 1);
	const tab = state.another();
	await state.browser.post("/login?user=ada");
	const late = await tab.get("/who");
	assert.deepEqual(late.lines, []);
	assert.equal((await state.browser.json("/who")).userId, "ada");
});

test("two tabs log in at the same time: both get a session", async () => {
	const state = await start(ROUTES);
	await set(state.browser, "cart", ["tea"]);
	const tabs = [state.another(), state.another()];
	await Promise.all(tabs.map((tab) => tab.post("/login?user=ada")));
	const answers = await Promise.all(tabs.map((tab) => tab.json("/who")));
	assert.deepEqual(answers.map(({ userId }) => userId), ["ada", "ada"]);
	assert.notEqual(token(tabs[0]), token(tabs[1]));
	assert.equal(answers.filter(({ data }) => data.cart).length, 1);
});

test("a write does not bring a session back that another request has ended", async () => {
	let ended, begun;
	const running = new Promise((resolve) => { begun = resolve; });
	const { browser, another } = await start({ ...ROUTES,
		"/slow": async (req, res) => {
			const { data } = await req.session.load();
			data.a = 2;
			begun();
			await ended;
			res.json(await req.session.save());
		} });
	await set(browser, "a", 1);
	const given = token(browser);
	const tab = another();
	let end;
	ended = new Promise((resolve) => { end = resolve; });
	const slow = tab.get("/slow");
	await running;
	await browser.get("/logout");
	end();
	const answer = await slow;
	assert.deepEqual([answer.status, answer.body, answer.lines], [200, "false", []]);
	assert.equal(await db.value("session_status($1)", given), "revoked");
});

test("data after a logout is that of a new visitor", async () => {
	const { browser } = await start({ ...ROUTES,
		"/bye": async (req, res) => {
			const { data } = await req.session.load();
			data.secret = 1;
			await req.session.logout();
			req.session.data.flash = "bye";
			res.end();
		} });
	await browser.post("/login?user=ada");
	const given = token(browser);
	await browser.get("/bye");
	assert.match(token(browser), /^st_/);
	assert.notEqual(token(browser), given);
	assert.deepEqual(await browser.json("/who"), { userId: null, data: { flash: "bye" } });
});

test("the changes of one user do not go to the next one", async () => {
	const { browser } = await start({ ...ROUTES,
		"/switch": async (req, res) => {
			(await req.session.load()).data.adas = 1;
			await req.session.login("ben", { data: { bens: 1 } });
			res.json(req.session.data);
		} });
	await browser.post("/login?user=ada");
	assert.deepEqual(await browser.json("/switch"), { bens: 1 });
	browser.cookies.clear();
	assert.deepEqual(await browser.json("/switch"), { adas: 1, bens: 1 }, "a visitor's changes are the user's");
});

test("remember, and the attributes of the cookie", async () => {
	const { browser } = await start(ROUTES, { cookie: { name: "sid", secure: false, path: "/", sameSite: "strict" } });
	const [line] = (await browser.post("/login?user=ada&remember=30 days".replaceAll(" ", "%20"))).lines;
	assert.match(line, /^sid=st_[\w-]{64}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/);
	const [{ days }] = await db.rows(`SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int AS days
		FROM session_validate($1)`, browser.cookies.get("sid"));
	assert.equal(days, 30);
	const [removal] = (await browser.get("/logout")).lines;
	assert.match(removal, /^sid=; Path=\/; Max-Age=0; Expires=[^;]+; HttpOnly; SameSite=Strict$/);
});

test("an attribute that would inject a header is refused", async () => {
	for (const cookie of [{ path: "/; Domain=evil.example" }, { name: "a\r\nSet-Cookie: b" }, { domain: "a\nb" },
		{ name: "a;b" }]) {
		const state = await start(ROUTES, { cookie });
		const { status, lines } = await state.browser.post("/login?user=ada");
		assert.deepEqual([status, lines, state.errors[0].code], [500, [], "22023"]);
	}
});

test("duplicated and huge cookies", async () => {
	const { base, browser } = await start(ROUTES);
	await browser.post("/login?user=ada");
	const mine = browser.header;
	const other = new Browser(base);
	const ask = async (cookie) => (await other.get("/who", { headers: { cookie } }));
	for (const cookie of [`${mine}; ${mine}`, `__Host-session2=x; ${mine}; a=${"b".repeat(9000)}`])
		assert.equal(JSON.parse((await ask(cookie)).body).userId, "ada");
	for (const cookie of [`__Host-session=; ${mine}`, `__Host-session=junk; ${mine}`, `a="${mine}`, "é=ü"])
		assert.equal((await ask(cookie)).status, 200);
	assert.equal((await ask(`a=${"b".repeat(20000)}`)).status, 431);
});

test("the address is that of the connection, or what trusted proxies say", async () => {
	const seen = async (options, headers) => {
		const { browser } = await start(ROUTES, options);
		await browser.post("/login?user=ada", { headers: { "user-agent": "test", ...headers } });
		return db.value("(SELECT jsonb_build_array(host(ip), user_agent) FROM session.sessions ORDER BY id DESC LIMIT 1)");
	};
	const forwarded = { "x-forwarded-for": "203.0.113.9, 198.51.100.7" };
	assert.deepEqual(await seen({}, forwarded), ["127.0.0.1", "test"]);
	assert.deepEqual(await seen({ proxies: 1 }, forwarded), ["198.51.100.7", "test"]);
	assert.deepEqual(await seen({ proxies: 2 }, forwarded), ["203.0.113.9", "test"]);
	assert.deepEqual(await seen({ proxies: 3 }, forwarded), [null, "test"]);
	assert.deepEqual(await seen({ proxies: 1 }, { "x-forwarded-for": "'; DROP" }), [null, "test"]);
	assert.deepEqual(await seen({ proxies: 1, proxyHeader: "Forwarded" }, { forwarded: "for=192.0.2.1" }),
		["192.0.2.1", "test"]);
	for (const proxies of [-1, "1", true, 1.5])
		assert.throws(() => sessions({ pool: db.pool, proxies }), TypeError);
});

test("as: row-level security, and nothing is left on the connection", async () => {
	let kept;
	const state = await start({ ...ROUTES,
		"/notes": async (req, res) => {
			res.json(await req.session.as(async (client) => {
				kept = client;
				return (await client.query("SELECT body FROM note ORDER BY body")).rows.map((row) => row.body);
			}));
		},
		"/add": async (req, res) => {
			await req.session.as((client) => client.query("INSERT INTO note (body) VALUES ($1)", [req.query.body]));
			if (req.query.fail)
				await req.session.as(async (client) => {
					await client.query("INSERT INTO note (body) VALUES ('lost')");
					throw new Error("no");
				});
			res.end();
		},
		"/swallow": (req, res) => req.session.as(async (client) => {
			await client.query("INSERT INTO note (body) VALUES ('lost')");
			await client.query("SELECT 1/0").catch(() => { });
		}).then(() => res.end()),
		"/read": (req, res) => req.session.as((client) => client.query("INSERT INTO note (body) VALUES ('x')"),
			{ readOnly: true }).then(() => res.end()) });
	const { browser: ada } = state;
	const ben = new Browser(state.base);
	const anonymous = await ada.get("/notes");
	assert.equal(anonymous.status, 401);
	assert.ok(state.errors[0] instanceof SessionRequired);
	await ada.post("/login?user=ada");
	await ben.post("/login?user=ben");
	for (let i = 0; i < 3; i++) {
		assert.deepEqual(await ada.json("/notes"), ["buy tea"]);
		assert.deepEqual(await ben.json("/notes"), ["read"]);
	}
	assert.throws(() => kept.query("SELECT 1"), /has ended/);
	await ada.get("/add?body=call%20ben");
	assert.equal((await ada.get("/add?body=more&fail=1")).status, 500);
	assert.deepEqual(await ada.json("/notes"), ["buy tea", "call ben", "more"]);
	assert.equal((await ada.get("/swallow")).status, 500);
	assert.match(state.errors.at(-1).message, /rolled back/);
	assert.equal((await ada.get("/read")).status, 500);
	assert.equal(state.errors.at(-1).code, "25006");
	assert.deepEqual(await ada.json("/notes"), ["buy tea", "call ben", "more"]);
	const { rows: [{ user }] } = await db.pool.query("SELECT session_user_id() AS user");
	assert.equal(user, null);
	assert.equal(db.pool.idleCount, db.pool.totalCount, "every connection is back in the pool");
});

test("as: many users on few connections see their own rows", async () => {
	const state = await start({ ...ROUTES, "/me": async (req, res) => {
		res.json(await req.session.as(async (client) => {
			const { rows: [{ me }] } = await client.query("SELECT session_user_id() AS me, pg_sleep(0.002)");
			return me;
		}));
	} });
	const browsers = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
		const browser = new Browser(state.base);
		await browser.post(`/login?user=u${i}`);
		return browser;
	}));
	await Promise.all(browsers.map(async (browser, i) => assert.equal(await browser.json("/me"), `u${i}`)));
});

test("as: a connection that breaks is not used again, and the server goes on", async () => {
	const state = await start({ ...ROUTES, "/break": (req, res) => req.session.as(async (client) => {
		const { rows: [{ pid }] } = await client.query("SELECT pg_backend_pid() AS pid");
		assert.deepEqual(await db.rows("SELECT pg_terminate_backend($1, 60000) AS ended", pid), [{ ended: true }]);
		await client.query("SELECT 1");
	}).then(() => res.end()) });
	await state.browser.post("/login?user=ada");
	assert.equal((await state.browser.get("/break")).status, 500);
	assert.equal((await state.browser.json("/who")).userId, "ada");
});

test("as: work that ends the transaction itself is bound to no later one", async () => {
	const state = await start({ ...ROUTES, "/commit": (req, res) => req.session.as(async (client) => {
		await client.query("COMMIT");
		await client.query("BEGIN");
		const { rows: [{ me }] } = await client.query("SELECT session_user_id() AS me");
		res.json(me);
	}) });
	await state.browser.post("/login?user=ada");
	assert.equal(await state.browser.json("/commit"), null);
});

test("devices: list them, end one, end the others", async () => {
	const state = await start({ ...ROUTES,
		"/devices": async (req, res) => res.json(await req.session.devices()),
		"/revoke": async (req, res) => res.json(await req.session.revoke(req.query.id)),
		"/others": async (req, res) => res.json(await req.session.revokeOthers()) });
	const [laptop, phone, tablet] = Array.from({ length: 3 }, () => new Browser(state.base));
	for (const browser of [laptop, phone, tablet])
		await browser.post("/login?user=kim");
	const ben = new Browser(state.base);
	await ben.post("/login?user=ben");
	const devices = await laptop.json("/devices");
	assert.deepEqual(devices.map(({ userId, current }) => [userId, current]),
		[["kim", false], ["kim", false], ["kim", true]]);
	assert.equal(JSON.stringify(devices).includes("st_"), false);
	for (const id of ["", "junk", "1", "00000000-0000-0000-0000-000000000000", devices[0].id + "'"])
		assert.equal(await laptop.json(`/revoke?id=${id}`), false);
	assert.equal(await ben.json(`/revoke?id=${devices[0].id}`), false);
	assert.equal((await tablet.json("/who")).userId, "kim");
	assert.equal(await laptop.json(`/revoke?id=${devices[0].id}`), true);
	assert.equal((await tablet.json("/who")).userId, null);
	assert.equal(await laptop.json("/others"), 1);
	assert.equal((await phone.json("/who")).userId, null);
	assert.equal(await laptop.json(`/revoke?id=${devices[2].id}`), true);
	assert.equal(token(laptop), undefined, "to end the own session is a logout");
	assert.equal((await laptop.get("/devices")).status, 401);
});

test("regenerate: a new token, another level, the data stays", async () => {
	const { browser } = await start({ ...ROUTES, "/up": async (req, res) => {
		const { data, userId } = await req.session.load();
		if (userId)
			data.step = 2;
		const done = await req.session.regenerate({ authLevel: 2, amr: ["pwd", "otp"], role: "staff" });
		const { authLevel, amr, role } = req.session;
		res.json({ done, authLevel, amr, role, data });
	} });
	assert.deepEqual(await browser.json("/up"), { done: false, authLevel: null, amr: null, role: null, data: {} });
	await browser.post("/login?user=ada");
	const before = token(browser);
	assert.deepEqual(await browser.json("/up"),
		{ done: true, authLevel: 2, amr: ["pwd", "otp"], role: "staff", data: { step: 2 } });
	assert.notEqual(token(browser), before);
	assert.deepEqual(await browser.json("/who"), { userId: "ada", data: { step: 2 } });
});

test("several calls in one request use the token that the last one gave", async () => {
	const { browser } = await start({ ...ROUTES, "/all": async (req, res) => {
		await req.session.login(7n, { data: { a: 1 } });
		await req.session.regenerate({ authLevel: 2 });
		req.session.data.b = 2;
		const devices = await req.session.devices();
		res.json([req.session.userId, devices.length]);
	} });
	const answer = await browser.get("/all");
	assert.deepEqual([JSON.parse(answer.body), answer.lines.length], [["7", 1], 1]);
	assert.deepEqual(await browser.json("/who"), { userId: "7", data: { a: 1, b: 2 } });
});

test("a login needs a user", async () => {
	const { browser, errors } = await start({ ...ROUTES, "/bad": async (req, res) => {
		await req.session.login({ id: 1 });
		res.end();
	} });
	for (const path of ["/bad", "/login"])
		assert.equal((await browser.get(path)).status, 500);
	assert.ok(errors.every((error) => error instanceof TypeError));
	assert.equal((await browser.get("/login?user=")).status, 500);
	assert.equal(errors.at(-1).code, "22023");
});

test("the token is a parameter, and is in no text that is logged", async () => {
	const state = await start(ROUTES, { prepare: true });
	await db.owner.query(`ALTER ROLE ${db.name} SET log_parameter_max_length_on_error = -1`);
	await set(state.browser, "a", 1);
	await state.browser.post("/login?user=ada");
	const given = token(state.browser);
	await state.browser.get("/who");
	assert.equal(state.pool.queries.some(({ text }) => (text.text ?? text).includes("st_")), false);
	const secret = given.slice(3);
	const last = state.requests.at(-1).session;
	for (const shown of [inspect(last, { depth: 9, showHidden: true }), JSON.stringify(last)])
		assert.equal(shown.includes(secret), false);
	await state.browser.get("/login?user=" + "u".repeat(2000));
	assert.equal(inspect(state.errors, { depth: 9, showHidden: true }).includes(secret), false);
	assert.equal(state.errors.length, 1);
	await db.owner.query(`ALTER ROLE ${db.name} RESET log_parameter_max_length_on_error`);
});

test("a database that fails: the answer is 500, and later requests work", async () => {
	const state = await start(ROUTES);
	await set(state.browser, "a", 1);
	state.pool.failing = Object.assign(new Error("down"), { code: "08006" });
	assert.equal((await state.browser.get("/who")).status, 500);
	assert.equal((await state.browser.get("/static")).status, 200, "a page without a session needs no database");
	state.pool.failing = null;
	assert.equal((await state.browser.json("/who")).data.a, 1);
});

test("reading works in READ ONLY transactions, and with prepared statements", async () => {
	await db.owner.query(`ALTER ROLE ${db.name} SET default_transaction_read_only = on`);
	const { default: pg } = await import("pg");
	const pool = new pg.Pool({ database: db.name, user: db.name, max: 2 });
	try {
		const token = (await db.rows("SELECT token FROM session_create('ada', '{\"a\": 1}')"))[0].token;
		const { browser, errors } = await start(ROUTES, { pool, prepare: true, schema: "auth" });
		browser.cookies.set("__Host-session", token);
		for (let i = 0; i < 3; i++)
			assert.deepEqual(await browser.json("/who"), { userId: "ada", data: { a: 1 } });
		browser.cookies.set("__Host-session", "junk");
		assert.match((await browser.get("/who")).lines[0], /Max-Age=0/);
		assert.equal((await set(browser, "b", 1)).status, 500);
		assert.equal(errors.at(-1).code, "25006");
	} finally {
		await pool.end();
		await db.owner.query(`ALTER ROLE ${db.name} RESET default_transaction_read_only`);
	}
});

test("data before load, a missing pool, and as() without connect say what to do", async () => {
	const { browser, errors } = await start({ "/early": (req, res) => res.json(req.session.data),
		"/as": (req, res) => req.session.as(() => 1).then(() => res.end()) },
	{ pool: { query: (...values) => db.pool.query(...values) } });
	await browser.get("/early");
	assert.match(errors[0].message, /await req\.session\.load\(\)/);
	await browser.get("/as");
	assert.match(errors[1].message, /needs a pool/);
	assert.throws(() => sessions(), /"pool" must be/);
	assert.ok(Session);
});
