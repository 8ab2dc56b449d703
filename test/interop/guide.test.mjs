// The set-up of docs/guides/postgrest.md, as a reader would paste it, with a
// real PostgREST.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { skip, startPostgrest } from "./gateway.mjs";
import { ownDatabase } from "./support.mjs";

const PAGE = new URL("../../docs/guides/postgrest.md", import.meta.url);
const ROLES = ["authenticator", "web_user", "web_anon", "shop"];

const db = ownDatabase("guide", finish, "");
const made = [];
let blocks;
let postgrest;

// The roles of the page belong to the server, and "shop" is also its database:
// these tests have others.
const own = (name) => `${db.database}_${name}`;
const renamed = (text) => text
	.replace(/\bDATABASE shop\b/g, `DATABASE ${db.database}`)
	.replace(new RegExp(`\\b(${ROLES.join("|")})\\b`, "g"), (name) => own(name));

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
	const section = (await readFile(PAGE, "utf8")).match(/^## A complete set-up\n(.*?)^## /ms)[1];
	blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language, text]) => ({ language, text }));
	await db.rows(`CREATE ROLE ${own("shop")}`);
	await db.rows(`GRANT CREATE ON DATABASE ${db.database} TO ${own("shop")}`);
	for (const text of all("sql"))
		await db.rows(renamed(text));

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

test("the log-in of the guide needs a name and its password", { skip }, async () => {
	for (const bad of [{ password: "wrong" }, { password: null }, { password: "" }, { name: "bob" }, { name: null }, { name: null, password: null }]) {
		const answer = await logIn(bad);
		assert.equal(answer.status, 401, JSON.stringify(bad));
		assert.deepEqual(answer.setCookie, []);
	}
	assert.equal((await postgrest.ask("/todos")).status, 401);
});

test("the log-in of the guide ends the session that the browser had", { skip }, async () => {
	const first = cookieOf(await logIn());
	const second = cookieOf(await postgrest.ask("/rpc/login", {
		cookie: first, post: JSON.parse(all("sh")[0].match(/-d '(.*)'/)[1]) }));
	assert.equal((await postgrest.ask("/todos", { cookie: first })).status, 401);
	assert.equal((await postgrest.ask("/todos", { cookie: second })).status, 200);
});

test("the log-in and log-out of the guide have about 25 lines", { skip }, () => {
	const lines = all("sql")[2].match(/^CREATE FUNCTION api\.login.*^END \$\$;/ms)[0].split("\n").filter((line) => line !== "");
	assert.ok(lines.length <= 25, String(lines.length));
});
