// The files of examples/moving, against stores that the original software has
// filled: express-session with connect-pg-simple, Auth.js with sessions in the
// database, Better Auth.
import assert from "node:assert/strict";
import { createHmac, randomBytes, webcrypto } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Auth, skipCSRFCheck } from "@auth/core";
import PostgresAdapter from "@auth/pg-adapter";
import express from "express";
import session from "express-session";
import pg from "pg";
import { ownDatabase } from "./support.mjs";

// Auth.js and Better Auth expect this global, which Node 18 does not set.
globalThis.crypto ??= webcrypto;

const { betterAuth } = await import("better-auth");
const { getMigrations } = await import("better-auth/db");
const PgStore = createRequire(import.meta.url)("connect-pg-simple")(session);

const SECRET = "keyboard cat";
const WEEK = 7 * 86400;

const open = [];
const db = ownDatabase("moving", () => Promise.all(open.map((close) => close())),
	"CREATE SCHEMA auth; CREATE EXTENSION session SCHEMA auth; SET session.foreign_tokens = on");

// Makes the schema of a system and returns a pool that uses it. The files are
// run with the same path, and so are the system's own statements.
async function newSchema(name) {
	await db.rows(`CREATE SCHEMA ${name}; SET search_path = ${name}, auth`);
	const pool = new pg.Pool({
		database: db.database,
		options: `-c search_path=${name},auth -c session.foreign_tokens=on`,
	});
	open.push(() => pool.end());
	return pool;
}

// Returns the statement of a file that begins with these words.
async function statement(file, begin) {
	const text = await readFile(new URL(`../../examples/moving/${file}`, import.meta.url), "utf8");
	const found = text.split(/;\n(?:\n|$)/).map((part) => part.replace(/^(--.*\n|\n)*/, ""))
		.filter((part) => part.startsWith(begin));
	assert.equal(found.length, 1, `${file}: ${begin}`);
	return found[0];
}
const run = async (file, begin) => db.rows(await statement(file, begin));
async function copy(file) {
	await run(file, "CREATE TABLE IF NOT EXISTS moved");
	await run(file, "INSERT INTO moved");
}
const counted = async (file) => (await run(file, "SELECT count(*) FILTER"))[0];

// Returns what express-session appends to its secret to import it.
const padded = (secret) => Buffer.concat([Buffer.from(secret), Buffer.alloc(Math.max(0, 32 - secret.length))]);

// Returns the cookies of a response, as a browser sends them. Debian's Node 18
// has no getSetCookie, so this splits the joined headers, but not their dates.
const cookies = (response) => (response.headers.get("set-cookie") ?? "")
	.split(/, (?=[^ ;,]+=)/).map((line) => line.split(";")[0])
	.filter((cookie) => !cookie.endsWith("=")).join("; ");

const validated = async (token) => (await db.rows(
	`SELECT user_id, data, extract(epoch FROM expires_at - now())::int AS seconds,
		authenticated_at > now() - interval '1 min' AS recent FROM session_validate($1)`, token))[0];

// Asserts that a session ends in about so many seconds.
function assertSeconds({ seconds }, expected) {
	assert.ok(Math.abs(seconds - expected) < 60, `${seconds}, not ${expected}`);
}

// Asserts that a session of the old system becomes an ordinary one, and is
// counted as such.
async function assertMoves(file, call, token, user) {
	const before = await counted(file);
	const moved = (await db.rows(`SELECT token FROM ${call}`, token))[0];
	assert.match(moved.token, /^st_/);
	assert.equal((await validated(moved.token)).user_id, user);
	assert.equal(await validated(token), undefined);
	const now = await counted(file);
	assert.equal(Number(now.not_moved), before.not_moved - 1);
	assert.equal(Number(now.moved_or_ended), Number(before.moved_or_ended) + 1);
	return moved;
}

// An application with express-session, as it was before the move. Returns a
// function that sends a request to it.
async function expressApplication(pool) {
	await pool.query(await readFile(new URL("node_modules/connect-pg-simple/table.sql", import.meta.url), "utf8"));
	const application = express();
	const store = new PgStore({ pool, pruneSessionInterval: false });
	application.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false, cookie: { maxAge: WEEK * 1000 } }));
	application.get("/login/:user", (req, res) => req.session.regenerate(() => {
		req.session.passport = { user: req.params.user };
		req.session.cart = ["tea"];
		res.end();
	}));
	application.get("/cart/:item", (req, res) => {
		req.session.cart = [...req.session.cart ?? [], req.params.item];
		res.end();
	});
	application.get("/become/:user", (req, res) => {
		req.session.passport.user = req.params.user;
		res.end();
	});
	application.get("/logout", (req, res) => req.session.destroy(() => res.end()));
	application.get("/who", (req, res) => res.json([req.session.passport?.user ?? null, req.session.cart ?? []]));
	const server = application.listen(0, "127.0.0.1");
	await once(server, "listening");
	open.push(() => { server.close(); server.closeAllConnections(); });
	return (path, cookie = "") => fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: { cookie } });
}

const answer = async (response) => (await response).json();
const tokenOf = (cookie) => db.value("request_token($1)", cookie);

// The first of the tests: its migrations look for tables in all schemas.
test("the sessions of Better Auth move, and its signed cookies go on working", async () => {
	const pool = await newSchema("better");
	const secret = randomBytes(32).toString("base64");
	const options = {
		database: pool,
		secret,
		baseURL: "http://shop.example",
		emailAndPassword: { enabled: true, password: { hash: async (password) => password, verify: async () => true } },
		advanced: { ipAddress: { ipAddressHeaders: ["x-forwarded-for"] } },
	};
	await (await getMigrations(options)).runMigrations();
	const auth = betterAuth(options);
	const ask = (path, cookie = "", body) => auth.handler(new Request(`http://shop.example/api/auth${path}`, {
		method: body ? "POST" : "GET",
		headers: { cookie, "content-type": "application/json", "user-agent": "Firefox", "x-forwarded-for": "192.0.2.7" },
		body: body && JSON.stringify(body),
	}));
	const login = async (name) => cookies(await ask("/sign-up/email", "", { name, email: `${name}@shop.example`, password: "long enough" }));
	const [ada, ben, gone] = [await login("ada"), await login("ben"), await login("gone")];
	const id = async (name) => (await pool.query(`SELECT id FROM "user" WHERE name = $1`, [name])).rows[0].id;
	await pool.query(`UPDATE session SET "expiresAt" = now() - interval '1 s' WHERE "userId" = $1`, [await id("gone")]);
	await pool.query(`UPDATE session SET "createdAt" = now() - interval '1 hour' WHERE "userId" = $1`, [await id("ben")]);

	await copy("better-auth.sql");
	await copy("better-auth.sql");
	await db.importKey(secret, "better-auth.session_token");
	await run("better-auth.sql", "CREATE FUNCTION request_token");
	const found = await validated(await tokenOf(ada));
	assert.equal(found.user_id, await id("ada"));
	assert.equal(found.recent, true);
	assertSeconds(found, WEEK);
	assert.deepEqual(await db.rows("SELECT ip, user_agent FROM session_list($1)", await id("ada")), [{ ip: "192.0.2.7", user_agent: "Firefox" }]);
	assert.equal((await validated(await tokenOf(ben))).recent, false);
	assert.equal(await validated(await tokenOf(gone)), undefined);
	assert.equal(await tokenOf(ada.replace(/(=[^.]{4})./, (all, begin) => begin + (all.endsWith("A") ? "B" : "A"))), null);

	await db.rows("SELECT session_revoke($1)", await tokenOf(ben));
	await run("better-auth.sql", "UPDATE");
	await run("better-auth.sql", "DELETE");
	assert.equal((await answer(ask("/get-session", ada))).user.name, "ada");
	assert.equal(await answer(ask("/get-session", ben)), null);
	await assertMoves("better-auth.sql", "session_regenerate($1)", await tokenOf(ada), await id("ada"));
});

test("the sessions of connect-pg-simple move, and its signed cookies go on working", async () => {
	const pool = await newSchema("express");
	const ask = await expressApplication(pool);
	const ada = cookies(await ask("/login/ada"));
	const ben = cookies(await ask("/login/ben"));
	const gone = cookies(await ask("/login/gone"));
	const kim = cookies(await ask("/login/kim"));
	const visitor = cookies(await ask("/cart/salt"));
	assert.match(ada, /^connect\.sid=s%3A/);
	await pool.query("UPDATE session SET expire = now() - interval '1 s' WHERE sess #>> '{passport,user}' = 'gone'");
	await pool.query("UPDATE session SET expire = expire - interval '2 days' WHERE sess #>> '{passport,user}' = 'ben'");

	await copy("connect-pg-simple.sql");
	await db.importKey(padded(SECRET), "connect.sid");
	await run("express.sql", "CREATE FUNCTION request_token");
	assert.deepEqual(await counted("connect-pg-simple.sql"), { not_moved: "4", moved_or_ended: "0" });

	const found = await validated(await tokenOf(`a=b; ${ada}`));
	assert.equal(found.user_id, "ada");
	assert.equal(found.recent, false);
	assert.deepEqual(found.data.cart, ["tea"]);
	assertSeconds(found, WEEK);
	assertSeconds(await validated(await tokenOf(ben)), WEEK - 2 * 86400);
	assert.equal((await validated(await tokenOf(visitor))).user_id, null);
	assert.equal(await validated(await tokenOf(gone)), undefined);
	assert.equal(await tokenOf(`${ada}; __Host-session=new`), "new");
	assert.equal(await tokenOf("a=b"), null);

	// Only what the old application has signed is accepted.
	const [id] = ada.match(/(?<=s%3A)[^.]+/);
	const signed = (secret) => `connect.sid=s%3A${id}.` + encodeURIComponent(
		createHmac("sha256", secret).update(id).digest("base64").replace("=", ""));
	assert.equal(await tokenOf(signed(SECRET)), id);
	assert.equal(await tokenOf(signed("another")), null);
	assert.equal(await tokenOf(`connect.sid=${id}`), null);
	assert.equal(await tokenOf(ada.replace(id, cookies(await ask("/login/eve")).match(/(?<=s%3A)[^.]+/))), null);

	// At a login or session_regenerate a session becomes an ordinary one.
	const moved = await assertMoves("connect-pg-simple.sql", "session_regenerate($1)", await tokenOf(ada), "ada");
	assert.equal(await tokenOf(`${ada}; __Host-session=${moved.token}`), moved.token);
	await assertMoves("connect-pg-simple.sql", "session_login($1, 'vera')", await tokenOf(visitor), "vera");

	// Copied again, only the session is new that was not there before: eve's.
	await db.rows("SELECT session_revoke($1)", await tokenOf(kim));
	await copy("connect-pg-simple.sql");
	assert.deepEqual(await counted("connect-pg-simple.sql"), { not_moved: "2", moved_or_ended: "3" });
	assert.equal(await validated(await tokenOf(ada)), undefined);
	assert.equal(await validated(await tokenOf(kim)), undefined);
	assert.equal((await validated(await tokenOf(ben))).user_id, "ben");
	assert.equal((await validated(moved.token)).user_id, "ada");

	// The way back: what still has its old id has its new data, the rest is out.
	await db.rows("SELECT session_data_set($1, 'cart', '[\"rice\"]')", await tokenOf(ben));
	await run("connect-pg-simple.sql", "UPDATE");
	await run("connect-pg-simple.sql", "DELETE");
	assert.deepEqual(await answer(ask("/who", ben)), ["ben", ["rice"]]);
	assert.deepEqual(await answer(ask("/who", ada)), [null, []]);
	assert.deepEqual(await answer(ask("/who", kim)), [null, []]);
});

test("with the bridge, what express-session writes reaches the session at once", async () => {
	const pool = await newSchema("bridge");
	const ask = await expressApplication(pool);
	const old = cookies(await ask("/login/old"));
	const idle = cookies(await ask("/login/idle"));
	await pool.query("UPDATE session SET expire = expire - interval '6 days'");
	await run("express.sql", "CREATE FUNCTION request_token");
	for (const begin of ["CREATE TABLE IF NOT EXISTS moved", "CREATE FUNCTION bridge_user", "CREATE FUNCTION bridge()",
		"CREATE TRIGGER bridge", "CREATE FUNCTION bridge_token"])
		await run("bridge.sql", begin);
	const used = (cookie) => db.value("bridge_token($1)", cookie);
	const who = async (cookie) => {
		const found = await validated(await used(cookie));
		return found ? [found.user_id, found.data.cart] : null;
	};
	// Asserts that the row and the session end at one time.
	const assertOneDeadline = async (cookie, expected) => {
		const sid = await tokenOf(cookie);
		const [row] = await db.rows("SELECT extract(epoch FROM expire::timestamptz - now())::int AS seconds FROM session WHERE sid = $1", sid);
		assertSeconds(row, expected);
		assertSeconds(await validated(sid), expected);
	};

	// A login, and each request, of the old application.
	const ada = cookies(await ask("/login/ada"));
	assert.equal((await validated(await tokenOf(ada))).user_id, "ada");
	assert.equal((await validated(await tokenOf(ada))).recent, true);
	await ask("/cart/rice", ada);
	assert.deepEqual(await who(ada), ["ada", ["tea", "rice"]]);
	await assertOneDeadline(ada, WEEK);

	// A session from before is made by its next request to either of them.
	assert.equal(await validated(await tokenOf(old)), undefined);
	assert.deepEqual(await who(old), ["old", ["tea"]]);
	assert.equal((await validated(await tokenOf(old))).recent, false);
	await assertOneDeadline(old, WEEK);
	await ask("/cart/milk", old);
	assert.deepEqual(await who(old), ["old", ["tea", "milk"]]);
	const forged = `connect.sid=s%3A${await tokenOf(idle)}.${"A".repeat(43)}`;
	assert.equal(await who(forged), null);
	assert.equal(await validated(await tokenOf(idle)), undefined);

	// What the new application stores stays until the old one stores again.
	await db.rows("SELECT session_data_set($1, 'cart', '[\"salt\"]')", await tokenOf(old));
	await ask("/who", old);
	assert.deepEqual(await who(old), ["old", ["salt"]]);

	// Logged out by one of them is logged out of both.
	await ask("/logout", ada);
	assert.equal(await who(ada), null);
	await db.rows("DELETE FROM session WHERE sid = $1", await tokenOf(old));
	assert.equal(await who(old), null);
	assert.deepEqual(await answer(ask("/who", old)), [null, []]);

	// What has ended here ends there.
	const [eve, kim] = [cookies(await ask("/login/eve")), cookies(await ask("/login/kim"))];
	await db.rows("SELECT session_revoke_user('eve')");
	assert.equal((await ask("/cart/more", eve)).status, 200);
	assert.equal(await who(eve), null);
	await run("bridge.sql", "DELETE");
	assert.deepEqual(await answer(ask("/who", eve)), [null, []]);
	assert.deepEqual(await answer(ask("/who", kim)), ["kim", ["tea"]]);

	// An id belongs to one login.
	await ask("/become/zoe", kim);
	assert.deepEqual(await answer(ask("/who", kim)), ["zoe", ["tea"]]);
	assert.equal(await who(kim), null);

	// The end: the rest is copied with the deadlines that it has.
	await db.rows("DROP TRIGGER bridge ON session");
	await run("connect-pg-simple.sql", "INSERT INTO moved");
	assertSeconds(await validated(await tokenOf(idle)), WEEK - 6 * 86400);
	assert.deepEqual(await counted("connect-pg-simple.sql"), { not_moved: "1", moved_or_ended: "4" });
});

test("the sessions that Auth.js has in the database move", async () => {
	const pool = await newSchema("authjs");
	// The tables of the documentation of the adapter.
	await pool.query(`CREATE TABLE verification_token (identifier text, expires timestamptz NOT NULL, token text, PRIMARY KEY (identifier, token));
		CREATE TABLE accounts (id serial PRIMARY KEY, "userId" integer, type text, provider text, "providerAccountId" text);
		CREATE TABLE sessions (id serial PRIMARY KEY, "userId" integer NOT NULL, expires timestamptz NOT NULL, "sessionToken" varchar(255) NOT NULL);
		CREATE TABLE users (id serial PRIMARY KEY, name text, email text, "emailVerified" timestamptz, image text)`);
	let link;
	const config = {
		adapter: PostgresAdapter(pool),
		providers: [{
			id: "email", type: "email", name: "Email", maxAge: 60,
			sendVerificationRequest: ({ url }) => { link = url; },
		}],
		secret: randomBytes(32).toString("base64"),
		session: { strategy: "database", maxAge: WEEK },
		trustHost: true,
		basePath: "/auth",
		skipCSRFCheck,
	};
	const ask = (path, cookie = "", form) => Auth(new Request(new URL(path, "http://shop.example"), {
		method: form ? "POST" : "GET",
		headers: { cookie },
		body: form && new URLSearchParams(form),
	}), config);
	const login = async (email) => {
		await ask("/auth/signin/email", "", { email });
		return cookies(await ask(link)).match(/authjs\.session-token=([^;]+)/);
	};
	const [ada, adasToken] = await login("ada@shop.example");
	const [, bensToken] = await login("ben@shop.example");
	const [, gone] = await login("gone@shop.example");
	assert.equal((await answer(ask("/auth/session", ada))).user.email, "ada@shop.example");
	await pool.query("UPDATE sessions SET expires = now() - interval '1 s' WHERE \"sessionToken\" = $1", [gone]);

	await copy("authjs.sql");
	await copy("authjs.sql");
	const found = await validated(adasToken);
	assert.equal(found.user_id, "1");
	assert.equal(found.recent, false);
	assertSeconds(found, WEEK);
	assert.equal(await validated(gone), undefined);
	await db.rows("SELECT session_revoke($1)", bensToken);
	await run("authjs.sql", "UPDATE");
	await run("authjs.sql", "DELETE");
	assert.equal((await answer(ask("/auth/session", ada))).user.email, "ada@shop.example");
	assert.equal(await answer(ask("/auth/session", `authjs.session-token=${bensToken}`)), null);
	await assertMoves("authjs.sql", "session_regenerate($1)", adasToken, "1");
});

test("docs/guides/moving.md shows the statements as the files have them", async () => {
	const guide = await readFile(new URL("../../docs/guides/moving.md", import.meta.url), "utf8");
	for (const [file, begin] of [
		["connect-pg-simple.sql", "CREATE TABLE IF NOT EXISTS moved"],
		["connect-pg-simple.sql", "INSERT INTO moved"],
		["connect-pg-simple.sql", "SELECT count(*) FILTER"],
		["express.sql", "CREATE FUNCTION request_token"],
		["laravel.sql", "INSERT INTO moved"],
		["rails.sql", "CREATE FUNCTION request_token"],
	])
		assert.ok(guide.includes(await statement(file, begin)), `${file}: ${begin}`);
});
