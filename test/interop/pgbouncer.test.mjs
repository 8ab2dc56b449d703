// Many clients of pgbouncer in transaction mode share a few server
// connections. A client never sees the identity that another client has bound.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, test } from "node:test";
import pg from "pg";
import { batch } from "./batch.mjs";
import { ownRoles } from "./gateway.mjs";
import { ownDatabase } from "./support.mjs";

const APP = "session_bouncer_app";
const MEMBER = "session_bouncer_member";
const CLIENTS = 12;
const SERVERS = 3;
const NOBODY = 65534;
const ENV = { PATH: `${process.env.PATH}:/usr/sbin` };
// Named statements work since 1.21, if there is room for some.
const [, major, minor] = execFileSync("pgbouncer", ["--version"], { env: ENV, encoding: "utf8" }).match(/(\d+)\.(\d+)/);
const NAMED = major > 1 || minor >= 21;

const db = ownDatabase("pgbouncer", finish);
const roles = ownRoles(db, APP, [MEMBER]);
const users = [];
const clients = [];
let bouncer;

async function finish() {
	for (const client of clients)
		await client.end();
	await bouncer?.stop();
	await roles.drop();
}

// Runs on a socket in a directory of its own, as the user nobody if this
// process is root.
async function startBouncer() {
	const { host, port } = new pg.Client();
	const directory = await mkdtemp(join(tmpdir(), "session-bouncer-"));
	const file = join(directory, "pgbouncer.ini");
	await writeFile(file, `
[databases]
${db.database} = host=${host} port=${port} user=${APP} connect_query='PREPARE who AS SELECT session_user_id() AS "user"'
[pgbouncer]
unix_socket_dir = ${directory}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = ${SERVERS}
max_client_conn = 100
query_wait_timeout = 30
${NAMED ? "max_prepared_statements = 20" : ""}
logfile =
`);
	const user = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
	if (user.uid !== undefined)
		await chown(directory, user.uid, user.gid);
	const child = spawn("pgbouncer", [file], {
		stdio: ["ignore", "ignore", "pipe"],
		env: ENV,
		...user,
	});
	process.once("exit", () => child.kill("SIGKILL"));
	await once(child, "spawn");
	const said = [];
	for await (const line of createInterface({ input: child.stderr })) {
		said.push(line);
		if (line.includes("process up"))
			break;
	}
	assert.ok(said.some((line) => line.includes("process up")), said.join("\n"));
	child.stderr.resume();
	return {
		connection: { host: directory, port: 6432, user: APP, database: db.database },
		async stop() {
			child.kill("SIGKILL");
			await once(child, "exit");
			await rm(directory, { recursive: true });
		},
	};
}

async function connect() {
	const client = new pg.Client(bouncer.connection);
	client.on("error", () => { });
	await client.connect();
	return client;
}

before(async () => {
	await roles.make();
	await db.rows(`GRANT USAGE ON SCHEMA public TO ${MEMBER}`);
	await db.rows(`
		CREATE TABLE notes (owner text NOT NULL, body text);
		ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON notes USING (owner = session_user_id());
		GRANT SELECT, INSERT ON notes TO ${APP}, ${MEMBER};
		CREATE FUNCTION who() RETURNS text LANGUAGE plpgsql STABLE AS $$
		DECLARE
			found text := session_user_id();
		BEGIN
			RETURN found;
		END $$`);
	for (let i = 0; i < CLIENTS; i++) {
		const user = `user${i}`;
		const { token } = (await db.rows("SELECT token FROM session_create(user_id => $1, role => $2)", user, MEMBER))[0];
		await db.rows("INSERT INTO notes VALUES ($1, $2)", user, `of ${user}`);
		users.push({ user, token });
	}
	bouncer = await startBouncer();
	for (let i = 0; i < CLIENTS; i++)
		clients.push(await connect());
}, { timeout: 60000 });

// A small random number generator with a seed, so that a failure can be
// repeated.
function random(seed) {
	let state = seed * 2654435761 >>> 0;
	return (below) => {
		state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
		return (state >>> 8) % below;
	};
}

const value = async (client, sql, ...values) => Object.values((await client.query(sql, values)).rows[0])[0];

// Returns the user that each way of asking sees. This connection may have
// plans that were made for another user.
async function seen(client) {
	const { rows } = await client.query("SELECT * FROM notes");
	assert.ok(rows.every((row) => row.body === `of ${row.owner}`));
	return [
		await value(client, "SELECT session_user_id()"),
		await value(client, "SELECT $1 || session_user_id()", ""),
		await value(client, "SELECT session_claim('sub')"),
		await value(client, "SELECT who()"),
		await value(client, "EXECUTE who"),
		rows.length === 0 ? null : rows.length === 1 ? rows[0].owner : rows,
	];
}

const only = (who) => Array(6).fill(who);

async function assertAnonymous(client) {
	assert.deepEqual(await seen(client), only(null));
	assert.equal(await value(client, "SELECT current_user"), APP);
}

// What a client may do in a transaction after it is authenticated as that
// user.
const ENDINGS = [
	(client) => client.query("COMMIT"),
	(client) => client.query("ROLLBACK"),
	async (client) => {
		await assert.rejects(client.query("SELECT 1 / 0"), { code: "22012" });
		await assert.rejects(client.query("SELECT session_user_id()"), { code: "25P02" });
		await client.query("COMMIT");
	},
	async (client) => {
		await client.query("SET LOCAL statement_timeout = '1ms'");
		await assert.rejects(client.query("SELECT pg_sleep(60)"), { code: "57014" });
		await client.query("ROLLBACK");
	},
	async (client, own, other) => {
		await client.query("SAVEPOINT s");
		assert.equal(await value(client, "SELECT session_authenticate($1)", other.token), true);
		assert.equal(await value(client, "EXECUTE who"), other.user);
		await client.query("ROLLBACK TO s");
		assert.deepEqual(await seen(client), only(own.user));
		await client.query("COMMIT");
	},
	async (client, own, other) => {
		await client.query("SAVEPOINT s");
		assert.equal(await value(client, "SELECT session_authenticate($1)", other.token), true);
		await assert.rejects(client.query("SELECT 1 / 0"), { code: "22012" });
		await client.query("ROLLBACK TO s");
		assert.equal(await value(client, "EXECUTE who"), own.user);
		await client.query("RELEASE s");
		await client.query("COMMIT");
	},
	async (client) => {
		assert.equal(await value(client, "SELECT session_authenticate('st_no')"), false);
		assert.deepEqual(await seen(client), only(null));
		await client.query("COMMIT AND CHAIN");
		assert.deepEqual(await seen(client), only(null));
		await client.query("COMMIT");
	},
	async (client) => {
		await client.query("COMMIT AND CHAIN");
		assert.deepEqual(await seen(client), only(null));
		await client.query("ROLLBACK AND CHAIN");
		assert.deepEqual(await seen(client), only(null));
		await client.query("ROLLBACK");
	},
];

async function transaction(client, own, other, pick) {
	await client.query("BEGIN");
	if (pick(4) === 0)
		await assertAnonymous(client);
	// Authenticate directly, or as a gateway does, with another role.
	if (pick(2) === 0)
		assert.equal(await value(client, "SELECT session_authenticate($1)", own.token), true);
	else {
		await client.query("SELECT set_config('request.cookies', $1, true)", [JSON.stringify({ "__Host-session": own.token })]);
		await client.query("SELECT session_pre_request()");
		assert.equal(await value(client, "SELECT current_user"), MEMBER);
	}
	assert.deepEqual(await seen(client), only(own.user));
	const pid = await value(client, "SELECT pg_backend_pid()");
	await ENDINGS[pick(ENDINGS.length)](client, own, other);
	return pid;
}

// Outside a transaction the identity ends with the statement.
async function statement(client, own) {
	const { rows: [row] } = await client.query({ text: "SELECT session_authenticate($1), session_user_id() AS user", values: [own.token] });
	assert.equal(row.user, own.user);
	await assertAnonymous(client);
}

test("clients that share connections never see each other's identity", async () => {
	const served = new Map();
	let transactions = 0;
	const live = async (client, i) => {
		const pick = random(i + 1);
		for (let n = 0; n < 250; n++) {
			const own = users[pick(2) === 0 ? i : pick(CLIENTS)];
			const pid = await (pick(5) === 0 ? statement : transaction)(client, own, users[pick(CLIENTS)], pick);
			if (pid !== undefined)
				served.set(pid, (served.get(pid) ?? new Set()).add(own.user));
			transactions++;
		}
	};
	await Promise.all(clients.map(live));
	assert.equal(transactions, CLIENTS * 250);
	assert.ok(served.size <= SERVERS);
	for (const seenBy of served.values())
		assert.ok(seenBy.size > CLIENTS / 2);
});

test("a transaction of several statements in one message leaves no identity", async () => {
	await Promise.all(clients.map(async (client, i) => {
		const { user, token } = users[i];
		for (let n = 0; n < 50; n++) {
			const results = await client.query(`BEGIN; SELECT session_authenticate('${token}');
				PREPARE mine AS SELECT session_user_id() AS "user"; EXECUTE mine; DEALLOCATE mine; ${n % 2 ? "COMMIT" : "ROLLBACK"};
				EXECUTE who`);
			assert.equal(results[3].rows[0].user, user);
			assert.equal(results[6].rows[0].user, null);
			// Without BEGIN the whole message is one transaction.
			const [, who] = await client.query(`SELECT session_authenticate('${token}'); EXECUTE who`);
			assert.equal(who.rows[0].user, user);
			await assertAnonymous(client);
		}
	}));
});

test("a statement that its client cancels leaves no identity", async () => {
	for (let n = 0; n < 10; n++) {
		const client = clients[n];
		await client.query("BEGIN");
		await value(client, "SELECT session_authenticate($1)", users[n].token);
		const pid = await value(client, "SELECT pg_backend_pid()");
		const query = new pg.Query("SELECT pg_sleep(600)");
		const ended = once(client.query(query), "error");
		while (await db.value("(SELECT wait_event FROM pg_stat_activity WHERE pid = $1)", pid) !== "PgSleep");
		new pg.Client(bouncer.connection).cancel(client, query);
		assert.equal((await ended)[0].code, "57014");
		await client.query("ROLLBACK");
		await Promise.all(clients.map(assertAnonymous));
	}
});

test("a client that disconnects in a transaction leaves no identity", async () => {
	for (let n = 0; n < 20; n++) {
		const client = await connect();
		await client.query("BEGIN");
		await value(client, "SELECT session_authenticate($1)", users[n % CLIENTS].token);
		assert.deepEqual(await seen(client), only(users[n % CLIENTS].user));
		client.connection.stream.destroy();
		await Promise.all(clients.map(assertAnonymous));
	}
});

test("a revoked session is refused in the next transaction, on every connection", async () => {
	await db.value("session_revoke_user($1)", users[0].user);
	await Promise.all(clients.map(async (client) => {
		for (let n = 0; n < 10; n++) {
			await client.query("BEGIN");
			assert.equal(await value(client, "SELECT session_authenticate($1)", users[0].token), false);
			assert.deepEqual(await seen(client), only(null));
			await client.query("COMMIT");
		}
	}));
});

// What docs/guides/requests.md shows, with unnamed statements.
test("two statements before one Sync are one transaction, on any connection", async () => {
	const who = { text: 'SELECT session_user_id() AS "user"' };
	const authenticate = (token) => ({ text: "SELECT session_authenticate($1) AS known", values: [token] });
	await Promise.all(clients.map(async (client, i) => {
		if (i === 0)
			return;
		for (let n = 0; n < 100; n++) {
			const { user, token } = users[i];
			assert.deepEqual(await batch(client, authenticate(token), who), { rows: [[{ known: true }], [{ user }]] });
			assert.deepEqual(await batch(client, who), { rows: [[{ user: null }]] });
			assert.deepEqual(await batch(client, authenticate(users[0].token), who), { rows: [[{ known: false }], [{ user: null }]] });
			assert.deepEqual(await batch(client, authenticate(token), { text: "SELECT 1 / 0" }), { rows: [[{ known: true }]], error: "22012" });
		}
		await assertAnonymous(client);
	}));
});

// A named statement belongs to the server connection on which it was made, and
// the next transaction of its client can have another one.
test("a named statement needs max_prepared_statements, and then serves all users", async () => {
	const outcomes = await Promise.all(clients.map(async (client, i) => {
		const known = { name: "known", text: "SELECT session_authenticate($1) AS known", values: [users[i].token] };
		const who = { name: "user", text: 'SELECT session_user_id() AS "user"' };
		try {
			assert.deepEqual((await client.query(who)).rows, [{ user: null }]);
			for (let n = 0; n < 50; n++) {
				assert.equal((await client.query(known)).rows[0].known, i !== 0);
				assert.deepEqual(await batch(client, { ...known, text: undefined }, { name: "user" }),
					{ rows: [[{ known: i !== 0 }], [{ user: i === 0 ? null : users[i].user }]] });
			}
		} catch (error) {
			return error.code;
		}
	}));
	if (NAMED)
		assert.deepEqual(outcomes, outcomes.map(() => undefined));
	else
		assert.ok(outcomes.some((code) => code === "42P05" || code === "26000"), String(outcomes));
});
