// The set-up of docs/guides/postgrest.md, as a reader would paste it, with a
// real PostgREST, and that of docs/guides/introspection.md on top of it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { skip, startPostgrest } from "./gateway.mjs";
import { ownDatabase } from "./support.mjs";

const PAGE = new URL("../../docs/guides/postgrest.md", import.meta.url);
const INTROSPECTION = new URL("../../docs/guides/introspection.md", import.meta.url);
const ROLES = ["authenticator", "web_user", "web_anon", "shop", "resource_server"];

const db = ownDatabase("guide", finish, "");
const made = [];
let blocks;
let postgrest;
let service;

// The roles of the page belong to the server, and "shop" is also its database:
// these tests have others.
const own = (name) => `${db.database}_${name}`;
const renamed = (text) => text
	.replace(/\bDATABASE shop\b/g, `DATABASE ${db.database}`)
	.replace(new RegExp(`\\b(${ROLES.join("|")})\\b`, "g"), (name) => own(name));

// Returns the blocks of a section of a page.
async function blocksOf(page, title) {
	const section = (await readFile(page, "utf8")).match(new RegExp(`^## ${title}\n(.*?)^## `, "ms"))[1];
	return [...section.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language, text]) => ({ language, text }));
}

async function finish() {
	await postgrest?.stop();
	await db.rows("RESET ROLE");
	for (const { rolname } of await db.rows("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", own(""))) {
		await db.rows(`DROP OWNED BY ${rolname} CASCADE`);
		await db.rows(`DROP ROLE ${rolname}`);
	}
}

before(async () => {
	if (skip)
		return;
	blocks = await blocksOf(PAGE, "A complete set-up");
	await db.rows(`CREATE ROLE ${own("shop")}`);
	await db.rows(`GRANT CREATE ON DATABASE ${db.database} TO ${own("shop")}`);
	for (const text of all("sql"))
		await db.rows(renamed(text));
	const [functions, account] = (await blocksOf(INTROSPECTION, "Set up")).map((block) => block.text);
	await db.rows(renamed(functions));
	service = (await db.rows(renamed(account)))[0].token;

	const settings = Object.fromEntries([...renamed(all("ini")[0]).matchAll(/^(\S+)\s*= "(.*)"$/gm)]
		.map(([, name, value]) => [name.replaceAll("-", "_"), value]));
	assert.deepEqual(Object.keys(settings), ["db_uri", "db_schemas", "db_anon_role", "db_pre_request"]);
	delete settings.db_uri;
	postgrest = await startPostgrest(db.database, own("authenticator"), settings);
}, { timeout: 60000 });

const all = (language) => blocks.filter((block) => block.language === language).map((block) => block.text);

// Asserts that an answer is the nth that the page shows.
function isShown(answer, n) {
	const [, status, line] = all("http")[n].match(/^HTTP\/1\.1 (\d+).*\nSet-Cookie: (.*)\n$/);
	assert.equal(answer.status, Number(status), JSON.stringify(answer.body));
	assert.deepEqual(answer.setCookie.map((value) => value.replace(/st_[\w-]{64}/, "st_...")), [line]);
}

const logIn = (more = {}) => {
	const post = JSON.parse(all("sh")[0].match(/-d '(.*)'/)[1]);
	return postgrest.ask("/rpc/login", { post: { ...post, ...more } });
};
const cookieOf = (answer) => answer.setCookie[0].split(";")[0];

test("the functions of the guide log in and out, and their answers are as shown", { skip }, async () => {
	const given = await logIn();
	isShown(given, 0);
	const cookie = cookieOf(given);
	const added = await postgrest.ask("/todos", { cookie, post: JSON.parse(all("sh")[1].match(/-d '(.*)'/)[1]) });
	assert.equal(added.status, 201, JSON.stringify(added.body));
	const found = await postgrest.ask("/todos", { cookie });
	assert.equal(found.status, 200);
	assert.deepEqual(found.body, JSON.parse(all("json")[0]));
	assert.equal((await postgrest.ask("/rpc/logout", { cookie })).status, 405);
	isShown(await postgrest.ask("/rpc/logout", { cookie, post: {} }), 1);
	assert.equal((await postgrest.ask("/todos", { cookie })).status, 401);
});

test("the login of the guide needs a name and its password", { skip }, async () => {
	for (const bad of [{ password: "wrong" }, { password: null }, { password: "" }, { name: "bob" }, { name: null }, { name: null, password: null }]) {
		const answer = await logIn(bad);
		assert.equal(answer.status, 401, JSON.stringify(bad));
		assert.deepEqual(answer.setCookie, []);
	}
	assert.equal((await postgrest.ask("/todos")).status, 401);
});

test("the login of the guide ends the session that the browser had", { skip }, async () => {
	const first = cookieOf(await logIn());
	const second = cookieOf(await postgrest.ask("/rpc/login", {
		cookie: first, post: JSON.parse(all("sh")[0].match(/-d '(.*)'/)[1]) }));
	assert.equal((await postgrest.ask("/todos", { cookie: first })).status, 401);
	assert.equal((await postgrest.ask("/todos", { cookie: second })).status, 200);
});

test("the login and logout of the guide have about 25 lines", { skip }, () => {
	const lines = all("sql")[2].match(/^CREATE FUNCTION api\.login.*^END \$\$;/ms)[0].split("\n").filter((line) => line !== "");
	assert.ok(lines.length <= 25, String(lines.length));
});

// Sends a form, as clients of RFC 7662 and RFC 7009 do.
async function send(path, form, { token = service, method = "POST", headers = {} } = {}) {
	const url = new URL(path, `http://127.0.0.1:${postgrest.port}`);
	const body = new URLSearchParams(form);
	if (method === "GET")
		url.search = body;
	const response = await fetch(url, {
		method, signal: AbortSignal.timeout(20000),
		headers: { ...headers, ...(token && { cookie: `__Host-session=${token}` }) },
		...(method === "GET" ? {} : { body }),
	});
	return { status: response.status, body: await response.json() };
}

const INACTIVE = { status: 200, body: { active: false } };
const create = async (sql) => (await db.rows(`SELECT * FROM auth.session_create(${sql})`))[0];
const ended = async ({ id }) => (await db.rows("SELECT revoked_reason FROM session.sessions WHERE id = $1", id))[0].revoked_reason;

test("introspection of a live session returns what the guide shows", { skip }, async () => {
	const shown = (await blocksOf(INTROSPECTION, "Ask about a token")).filter((block) => block.language === "json").map((block) => JSON.parse(block.text));
	const token = cookieOf(await logIn()).split("=")[1];
	for (const form of [{ token }, { token, token_type_hint: "access_token" }, { token, token_type_hint: "refresh_token" }, { token, token_type_hint: "junk", ip: "192.0.2.1", user_agent: "x" }]) {
		const { status, body } = await send("/rpc/introspect", form);
		assert.equal(status, 200);
		assert.deepEqual(Object.keys(body), Object.keys(shown[0]));
		assert.deepEqual({ ...body, iat: 0, exp: 0 }, { ...shown[0], iat: 0, exp: 0 });
		assert.ok(Math.abs(body.iat - Date.now() / 1000) < 60, body.iat);
		assert.equal(body.exp - body.iat, 24 * 60 * 60);
	}
	assert.deepEqual(INACTIVE.body, shown[1]);
});

test("introspection answers everything else with active: false", { skip }, async () => {
	const live = await create("'1', refreshable => true");
	const idle = await create("'1', idle_timeout => '1 minute'");
	await db.rows("UPDATE session.sessions SET last_seen_at = last_seen_at - interval '1 hour', created_at = created_at - interval '1 hour' WHERE id = $1", idle.id);
	const expired = await create("'1'");
	await db.rows("UPDATE session.sessions SET expires_at = now() - interval '1 hour', created_at = created_at - interval '2 hours' WHERE id = $1", expired.id);
	const revoked = await create("'1'");
	await db.rows("SELECT auth.session_revoke($1)", revoked.token);
	const replaced = await create("'1'");
	await db.rows("SELECT auth.session_regenerate($1, auth_level => 2)", replaced.token);
	const visitor = await create("");
	const bad = [live.refresh_token, idle.token, expired.token, revoked.token, replaced.token, visitor.token, service, live.id,
		`${live.token}x`, live.token.slice(0, -1), live.token.replace(/.{4}$/, "AAAA"), "", " ", "junk", "ё", "'", "st_".padEnd(67, "A"), "x".repeat(1000000)];
	for (const token of bad)
		assert.deepEqual(await send("/rpc/introspect", { token }), INACTIVE, token.slice(0, 80));
	assert.deepEqual(await send("/rpc/introspect", {}), INACTIVE);
	assert.deepEqual(await send("/rpc/introspect", { token_type_hint: "access_token" }), INACTIVE);
	assert.equal((await send("/rpc/introspect", { token: live.token })).body.active, true);
});

test("introspection of a bound session needs the client's address and user agent, in any form", { skip }, async () => {
	for (const [name, value] of [["bind_ip", "exact"], ["bind_user_agent", "on"]])
		await db.rows(`SET session.${name} = '${value}'`);
	try {
		const { token } = await create("'1', ip => '192.0.2.7', user_agent => 'Firefox'");
		const active = async (ip, agent) => (await db.value("api.introspect($1, ip => $2, user_agent => $3)", token, ip, agent)).active;
		for (const ip of ["192.0.2.7", "203.0.113.1, 192.0.2.7:80", "for=192.0.2.7", "::ffff:192.0.2.7"])
			assert.equal(await active(ip, "Firefox"), true, ip);
		for (const [ip, agent] of [[null, "Firefox"], ["", "Firefox"], ["junk", "Firefox"], ["192.0.2.8", "Firefox"], ["192.0.2.7", null], ["192.0.2.7", "curl"]])
			assert.equal(await active(ip, agent), false, ip);
	} finally {
		await db.rows("RESET session.bind_ip");
		await db.rows("RESET session.bind_user_agent");
	}
});

test("revocation ends the session of a session token and of a refresh token, and always answers 200", { skip }, async () => {
	const ENDED = { status: 200, body: {} };
	for (const hint of [undefined, "access_token", "refresh_token", "junk"])
		for (const kind of ["token", "refresh_token"]) {
			const given = await create("'1', refreshable => true");
			const form = { token: given[kind], ...(hint && { token_type_hint: hint }) };
			assert.deepEqual(await send("/rpc/revoke", form), ENDED);
			assert.equal(await ended(given), "logout");
			assert.deepEqual(await send("/rpc/introspect", { token: given.token }), INACTIVE);
			assert.deepEqual(await send("/rpc/revoke", form), ENDED);
		}
	const live = await create("'1'");
	for (const token of ["", "junk", `${live.token}x`, live.id, "x".repeat(1000000)])
		assert.deepEqual(await send("/rpc/revoke", { token }), ENDED);
	assert.deepEqual(await send("/rpc/revoke", {}), ENDED);
	assert.equal(await ended(live), null);
	// GET runs in a READ ONLY transaction.
	assert.equal((await send("/rpc/revoke", { token: live.token }, { method: "GET" })).status, 405);
	assert.equal(await ended(live), null);
});

test("only a resource server may ask about tokens and revoke them", { skip }, async () => {
	const { token } = await create("'1'");
	const visitor = await create("");
	const gone = await create(`'service:old', role => '${own("resource_server")}'`);
	await db.rows("SELECT auth.session_revoke($1)", gone.token);
	for (const caller of [null, token, visitor.token, gone.token, "junk"])
		for (const path of ["/rpc/introspect", "/rpc/revoke"])
			assert.equal((await send(path, { token }, { token: caller })).status, 401);
	assert.equal((await send("/rpc/introspect", { token })).body.active, true);
	// A service has no other right.
	assert.equal((await postgrest.ask("/todos", { cookie: `__Host-session=${service}` })).status, 401);
});
