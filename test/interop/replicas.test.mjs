// The program of docs/guides/pools.md with a primary and a standby: pages are
// read from the standby, the primary hears of uses once per
// session.update_age, and a client reads what it has written.
//
// The standby is made of the server that the other tests use.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { ownDatabase } from "./support.mjs";

const PAGE = new URL("../../docs/guides/pools.md", import.meta.url);
const run = promisify(execFile);
const db = ownDatabase("replicas", finish, `CREATE EXTENSION session;
	CREATE TABLE note (owner text, body text);
	INSERT INTO note VALUES ('ada', 'buy tea');
	CREATE TABLE touched (id uuid);
	CREATE FUNCTION note_touch() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN INSERT INTO public.touched VALUES (new.id); RETURN NULL; END';
	CREATE TRIGGER note_touch AFTER UPDATE OF last_seen_at ON session.sessions FOR EACH ROW
		WHEN (new.last_seen_at > old.last_seen_at) EXECUTE FUNCTION note_touch()`);
let folder, bin, started, program, standby;

// A port that nothing listens on.  The server listens on it in its own folder.
const freePort = () => new Promise((resolve) => {
	const server = createServer().listen(0, "127.0.0.1", () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

async function startStandby() {
	const port = await freePort();
	const data = join(folder, "data");
	bin = await db.value("(SELECT setting FROM pg_config WHERE name = 'BINDIR')");
	await run(join(bin, "pg_basebackup"), ["-D", data, "-R", "-c", "fast", "-X", "stream", "--no-sync"]);
	await appendFile(join(data, "postgresql.conf"),
		`port = ${port}\nunix_socket_directories = '${folder}'\nlisten_addresses = ''\nfsync = off\n`);
	await run(join(bin, "pg_ctl"), ["-D", data, "-l", join(folder, "log"), "-w", "start"]);
	started = data;
	return { host: folder, port, database: db.database };
}

async function finish() {
	await program?.close();
	await standby?.end();
	if (started)
		await run(join(bin, "pg_ctl"), ["-D", started, "-m", "immediate", "stop"]);
	if (folder)
		await rm(folder, { recursive: true });
}

// The program of the page, as a module.
async function load(standbyAt) {
	const [, text] = (await readFile(PAGE, "utf8"))
		.match(/^## A primary and a standby\n.*?^```js\n(.*?)^```/ms);
	const file = join(folder, "program", "pools.mjs");
	await mkdir(join(folder, "program"));
	await symlink(new URL("node_modules", import.meta.url).pathname, join(folder, "program", "node_modules"));
	await writeFile(file, text);
	const user = encodeURIComponent(process.env.PGUSER);
	const address = ({ host, port, database }) => `postgresql://${user}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
	process.env.PRIMARY = address({ host: process.env.PGHOST, port: process.env.PGPORT, database: db.database });
	process.env.STANDBY = address(standbyAt);
	return import(pathToFileURL(file));
}

before(async () => {
	folder = await mkdtemp(join(tmpdir(), "session-replicas-"));
	const at = await startStandby();
	standby = new pg.Client(at);
	await standby.connect();
	program = await load(at);
}, { timeout: 120000 });

// Waits for a query on the standby.
async function until(sql, ...values) {
	const deadline = Date.now() + 60000;
	for (;;) {
		const { rows: [row] } = await standby.query(`SELECT ${sql} AS done`, values);
		if (row.done)
			return;
		assert.ok(Date.now() < deadline, sql);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}
const caughtUp = async () => until("pg_last_wal_replay_lsn() >= $1::pg_lsn", await db.value("pg_current_wal_lsn()"));

const logIn = (user) => program.write(
	"SELECT id, token, '__Host-session=' || token AS cookie FROM session_create($1, idle_timeout => '1 hour')", [user]);

// How often the primary has heard of a use.
const touches = async (id) => Number(await db.value("(SELECT count(*) FROM touched WHERE id = $1)", id));

// Moves what the row says about the last use into the past.
async function age(id, span) {
	await db.rows("UPDATE session.sessions SET last_seen_at = last_seen_at - $2::interval WHERE id = $1", id, span);
	await caughtUp();
}

// Waits until the primary has heard of a use, and the standby of that.
async function heard(id) {
	await until("(SELECT last_seen_at > now() - interval '1 minute' FROM session.sessions WHERE id = $1)", id);
}

test("pages are read from the standby", async () => {
	const { rows: [{ cookie }], lsn } = await logIn("ada");
	await until("pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn);
	const rows = await program.read(`theme=dark; ${cookie}`);
	assert.deepEqual(rows.map(({ user_id, body, due }) => [user_id, body, due]), [["ada", "buy tea", false]]);
	assert.deepEqual(await program.read(cookie.replace(/.{4}$/, "AAAA")), []);
	assert.deepEqual(await program.read(undefined), []);
});

test("the primary hears of uses once per session.update_age", async () => {
	const { rows: [{ id, cookie }], lsn } = await logIn("ada");
	await program.read(cookie, lsn);
	await age(id, "9 min");
	assert.equal((await program.read(cookie))[0].due, false);
	await age(id, "2 min");

	// Many requests at once: all see that a touch is due, and one is sent.
	const answers = await Promise.all(Array.from({ length: 20 }, () => program.read(cookie)));
	assert.ok(answers.some(([row]) => row.due));
	await heard(id);
	for (let i = 0; i < 20; i++)
		assert.equal((await program.read(cookie))[0].due, false);
	assert.equal(await touches(id), 1);
});

test("a touch that is under way is not sent again, however far the standby lags", async () => {
	const { rows: [{ id, cookie }], lsn } = await logIn("ada");
	await until("pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn);
	await age(id, "11 min");
	await standby.query("SELECT pg_wal_replay_pause()");
	await until("pg_get_wal_replay_pause_state() = 'paused'");
	try {
		assert.equal((await program.read(cookie))[0].due, true);
		const deadline = Date.now() + 60000;
		while (await touches(id) === 0)
			assert.ok(Date.now() < deadline, "the primary hears of the use");
		for (let i = 0; i < 20; i++)
			assert.equal((await program.read(cookie))[0].due, true, "the standby is behind");
		assert.equal(await touches(id), 1);
	} finally {
		await standby.query("SELECT pg_wal_replay_resume()");
	}
	await heard(id);
	assert.equal((await program.read(cookie))[0].due, false);
});

test("a client reads what it has written while the standby lags", async () => {
	await standby.query("SELECT pg_wal_replay_pause()");
	await until("pg_get_wal_replay_pause_state() = 'paused'");
	let login;
	try {
		login = await logIn("ada");
		const { rows: [{ cookie }], lsn } = login;
		assert.deepEqual(await program.read(cookie), [], "the standby does not know the session yet");
		assert.equal((await program.read(cookie, lsn))[0].user_id, "ada");
	} finally {
		await standby.query("SELECT pg_wal_replay_resume()");
	}
	const { rows: [{ cookie, token }], lsn } = login;
	await until("pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn);
	assert.equal((await program.read(cookie))[0].user_id, "ada");
	assert.equal((await program.read(cookie, lsn))[0].user_id, "ada");
	await program.write("SELECT session_revoke($1)", [token]);
	await caughtUp();
	assert.deepEqual(await program.read(cookie), [], "a session that has ended is refused by the standby");
});
