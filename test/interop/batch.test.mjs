// Two statements before one Sync are one transaction: the second sees the
// identity that the first has bound, and nothing else does. See
// docs/guides/requests.md.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import pg from "pg";
import { batch } from "./batch.mjs";
import { ownDatabase } from "./support.mjs";

const APP = "session_batch_app";

const db = ownDatabase("batch", finish);
const cookies = {};
let client;

async function finish() {
	await client?.end();
	await db.rows(`DROP OWNED BY ${APP}`);
	await db.rows(`DROP ROLE ${APP}`);
}

before(async () => {
	await db.rows(`CREATE ROLE ${APP} LOGIN`);
	await db.rows(`
		CREATE TABLE note (owner text NOT NULL DEFAULT session_user_id(), body text NOT NULL);
		CREATE INDEX ON note (owner);
		ALTER TABLE note ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON note USING (owner = session_user_id());
		GRANT SELECT, INSERT ON note TO ${APP};
		INSERT INTO note VALUES ('ada', 'tea'), ('ben', 'bread')`);
	for (const user of ["ada", "ben", "eve"])
		cookies[user] = await db.value("'__Host-session=' || (session_create($1)).token", user);
	cookies.over = await db.value("'__Host-session=' || (session_create('ada')).token");
	await db.value("session_revoke(session_cookie_read($1))", cookies.over);
	client = new pg.Client({ database: db.database, user: APP });
	await client.connect();
});

const authenticate = (cookie, ip) => ({
	text: "SELECT session_authenticate(session_cookie_read($1), ip => $2) AS known", values: [cookie, ip] });
const NOTES = { text: "SELECT owner, body FROM note" };
const ADD = { text: "INSERT INTO note (body) VALUES ($1) RETURNING owner", values: ["new"] };
const REQUIRE = { text: "SELECT session_require()" };

const ADA = [{ owner: "ada", body: "tea" }];
const strangers = () => [undefined, null, "", "junk", cookies.over, `${cookies.ada}x`];
const notes = async () => (await client.query(NOTES)).rows;
const added = () => db.value("(SELECT count(*)::int FROM note WHERE body = 'new')");

test("two statements before one Sync: the policy sees the identity, and afterwards it is gone", async () => {
	for (let n = 0; n < 3; n++) {
		assert.deepEqual(await batch(client, authenticate(cookies.ada), NOTES), { rows: [[{ known: true }], ADA] });
		assert.deepEqual(await notes(), []);
		assert.deepEqual(await batch(client, authenticate(cookies.eve), NOTES), { rows: [[{ known: true }], []] });
	}
});

test("a Sync after each statement: the second has no identity", async () => {
	for (let n = 0; n < 3; n++) {
		const { rows } = await client.query(authenticate(cookies.ada));
		assert.deepEqual(rows, [{ known: true }]);
		assert.deepEqual(await notes(), []);
		await client.query(authenticate(cookies.ada));
		await assert.rejects(client.query(ADD), { code: "42501" });
	}
});

test("without a live session: false, no row, and no write", async () => {
	for (const cookie of strangers()) {
		assert.deepEqual(await batch(client, authenticate(cookie), NOTES), { rows: [[{ known: false }], []] });
		assert.deepEqual(await batch(client, authenticate(cookie), ADD), { rows: [[{ known: false }]], error: "42501" });
		assert.deepEqual(await batch(client, authenticate(cookie), REQUIRE, NOTES), { rows: [[{ known: false }]], error: "42501" });
	}
	assert.equal(await added(), 0);
});

test("an error of the first statement skips the second", async () => {
	assert.deepEqual(await batch(client, authenticate(cookies.ada, "junk"), ADD), { rows: [], error: "22P02" });
	assert.equal(await added(), 0);
	assert.deepEqual(await batch(client, authenticate(cookies.ada), NOTES), { rows: [[{ known: true }], ADA] });
});

test("the second statement is committed at the Sync, and rolled back by an error before it", async () => {
	assert.deepEqual(await batch(client, authenticate(cookies.ada), ADD, { text: "SELECT 1 / 0" }),
		{ rows: [[{ known: true }], [{ owner: "ada" }]], error: "22012" });
	assert.equal(await added(), 0);
	assert.deepEqual(await notes(), []);
	assert.deepEqual(await batch(client, authenticate(cookies.ada), ADD), { rows: [[{ known: true }], [{ owner: "ada" }]] });
	assert.equal(await added(), 1);
	await db.rows("DELETE FROM note WHERE body = 'new'");
});

test("an identity replaces the one of another cookie within the batch", async () => {
	assert.deepEqual(await batch(client, authenticate(cookies.ada), NOTES, authenticate(cookies.ben), NOTES, authenticate("junk"), NOTES),
		{ rows: [[{ known: true }], ADA, [{ known: true }], [{ owner: "ben", body: "bread" }], [{ known: false }], []] });
});

test("named statements serve all users, whatever the plan", async () => {
	for (const mode of ["auto", "force_generic_plan", "force_custom_plan"]) {
		await client.query(`SET plan_cache_mode = ${mode}`);
		await batch(client, { ...authenticate(null), name: `who_${mode}` }, { ...NOTES, name: `notes_${mode}` });
		for (let n = 0; n < 8; n++)
			for (const [cookie, rows] of [[cookies.ada, ADA], [cookies.over, []], [cookies.ben, [{ owner: "ben", body: "bread" }]], [undefined, []]])
				assert.deepEqual((await batch(client, { name: `who_${mode}`, values: [cookie, null] }, { name: `notes_${mode}` })).rows[1], rows);
	}
	await client.query("RESET plan_cache_mode");
});

test("in an explicit transaction, a batch has the identity that was bound before", async () => {
	await client.query("BEGIN");
	await batch(client, authenticate(cookies.ada));
	assert.deepEqual(await batch(client, NOTES), { rows: [ADA] });
	await client.query("COMMIT");
	assert.deepEqual(await batch(client, NOTES), { rows: [[]] });
});
