// Fastify and plain http: what differs from Express.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { fastifySessions, sessions } from "pg-session-client";
import { Browser, FASTIFY, ownDatabase, until, watched } from "./support.mjs";

const db = ownDatabase();
const token = (browser) => browser.cookies.get("__Host-session");

async function fastify(Fastify, routes, options) {
	const pool = watched(db.pool);
	const app = Fastify();
	app.register(fastifySessions, { pool, onError: (error) => reported.push(error), ...options });
	const reported = [];
	for (const [path, handler] of Object.entries(routes))
		app.route({ method: ["GET", "POST"], url: path, handler });
	await app.ready();
	return { browser: new Browser(await db.listen(app.server)), pool, reported };
}

const ROUTES = {
	"/static": async () => "static",
	"/who": async (request) => {
		const { userId, data } = await request.session.load();
		return { userId, data };
	},
	"/set": async (request) => {
		(await request.session.load()).data.a = request.query.a;
		return {};
	},
	"/login": async (request, reply) => {
		await request.session.login("ada");
		return reply.header("set-cookie", "theme=dark").code(303).redirect("/who");
	},
	"/logout": (request) => request.session.logout(),
};

for (const [name, Fastify] of Object.entries(FASTIFY)) {
	test(`${name}: a visitor, a login and a logout`, async () => {
		const { browser, pool } = await fastify(Fastify, ROUTES);
		assert.equal((await browser.get("/static")).body, "static");
		assert.equal(pool.queries.length, 0);
		await browser.get("/set?a=1");
		const visitor = token(browser);
		assert.match(visitor, /^st_/);
		const { status, lines } = await browser.post("/login");
		assert.deepEqual([status, lines.length, lines[0]], [303, 2, "theme=dark"]);
		assert.notEqual(token(browser), visitor);
		assert.deepEqual(await browser.json("/who"), { userId: "ada", data: { a: "1" } });
		await browser.get("/logout");
		assert.equal(token(browser), undefined);
		browser.cookies.set("__Host-session", "junk");
		assert.match((await browser.get("/who")).lines[0], /Max-Age=0/);
	});

	test(`${name}: errors, streams, and routes in a scope`, async () => {
		const { browser, pool, reported } = await fastify(Fastify, { ...ROUTES,
			"/fail": async (request) => {
				(await request.session.load()).data.a = "failed";
				throw new Error("no");
			},
			"/mine": (request) => request.session.as((client) => client.query("SELECT 1")),
			"/big": async (request) => {
				(await request.session.load()).data.big = "x".repeat(100000);
				return "never sent";
			},
			"/stream": async (request, reply) => {
				const { data } = await request.session.load();
				data.early = 1;
				return reply.send(Readable.from((async function* pieces() {
					yield "a";
					data.late = 1;
					yield "b";
				})()));
			} });
		assert.equal((await browser.get("/mine")).status, 401);
		assert.equal((await browser.get("/stream")).body, "ab");
		await until(async () => (await browser.json("/who")).data.late);
		assert.deepEqual((await browser.json("/who")).data, { early: 1, late: 1 });
		assert.equal((await browser.get("/fail")).status, 500);
		assert.equal((await browser.json("/who")).data.a, "failed");
		assert.equal((await browser.get("/big")).status, 500);
		pool.failing = new Error("down");
		assert.equal((await browser.get("/who")).status, 500);
		pool.failing = null;
		assert.equal((await browser.json("/who")).data.big, undefined);
		assert.deepEqual(reported, []);
	});
}

test("plain http: errors of the end are reported, and answered with 500", async () => {
	const reported = [];
	const session = sessions({ pool: db.pool, onError: (error) => reported.push(error) });
	const browser = new Browser(await db.listen(createServer(async (req, res) => {
		session(req, res);
		session(req, res);
		const { data } = await req.session.load();
		data.n = req.url === "/big" ? "x".repeat(100000) : (data.n ?? 0) + 1;
		res.writeHead(200, ["X-A", "b"]);
		res.end(String(data.n));
	})));
	assert.equal((await browser.get("/")).body, "1");
	const { body, headers } = await browser.get("/");
	assert.deepEqual([body, headers["x-a"]], ["2", "b"]);
	assert.deepEqual((({ status, body: text }) => [status, text])(await browser.get("/big")), [500, ""]);
	assert.equal(reported[0].code, "54000");
	assert.equal((await browser.get("/")).body, "3");
	const plain = new Browser(await db.listen(createServer(async (req, res) => {
		session(req, res);
		(await req.session.load()).data.n = "x".repeat(100000);
		res.setHeader("Content-Length", 3);
		res.end("abc");
	})));
	const answer = await plain.get("/");
	assert.deepEqual([answer.status, answer.body], [500, ""]);
});
