// Measures the forms of a request beside each other, and prints tables. Called
// by bench/request/run, which has started the servers. Writes the series, as
// bench/common.sh describes them, to the file OUTPUT.
import { execFile, spawn } from "node:child_process";
import { createSecretKey } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import signature from "cookie-signature";
import { SignJWT } from "jose";
import pg from "pg";
import { createClient } from "redis";

const { WORK, OUTPUT, PG_PORT, REDIS_PORT, SECRET } = process.env;
const rounds = Number(process.env.ROUNDS);
const seconds = Number(process.env.SECONDS);
const CLIENTS = [1, 4, 16];
const DELAY = 1000;
// The forms with a target, with what they are compared with, and how many turns
// they have in a round. There are targets for 1 and for 16 clients; with 16, a
// turn depends most on what else the machine does.
const WITH_TARGET = ["query", "statement", "pipeline", "function", "postgrest_jwt", "postgrest_cookie"];
const TURNS = { local: { 1: 2, 4: 1, 16: 4 }, delay: { 1: 2, 4: 1, 16: 2 } };
// Requests of each form before the first round, until V8 has compiled its code
// and PostgreSQL has made the plans.
const WARM_UP = Math.min(2000, Number(process.env.USERS));

// Which credential a form takes, what a request of it is compared with, and
// what it runs besides the servers.
const forms = {
	query: { credential: "user" },
	connect_pg_simple: { credential: "touched" },
	connect_pg_simple_no_touch: { credential: "untouched" },
	connect_redis: { credential: "redis" },
	jwt: { credential: "jwt" },
	validate_then_query: { credential: "cookie" },
	transaction: { credential: "cookie" },
	transaction_pipelined: { credential: "cookie" },
	statement: { credential: "cookie" },
	statement_unnamed: { credential: "cookie" },
	pipeline: { credential: "cookie" },
	function: { credential: "cookie" },
	postgrest_jwt: { credential: "jwt_role", postgrest: {} },
	postgrest_cookie: { credential: "cookie", postgrest: { PGRST_DB_PRE_REQUEST: "auth.session_pre_request" } },
};
const baseline = (form) => forms[form].postgrest ? "postgrest_jwt" : "query";
const wanted = process.env.FORMS.split(" ").filter((form) => form !== "");
for (const form in forms)
	if (wanted.length > 0 && !wanted.includes(form) && form !== baseline(form) ||
		forms[form].postgrest && !process.env.POSTGREST)
		delete forms[form];
const names = Object.keys(forms);
const ours = (form) => forms[form].credential === "cookie";

// In this program, redis, pg and so on are the clients that prepare and count.
const db = new pg.Client({ host: "127.0.0.1", port: Number(PG_PORT), user: "postgres", database: "bench" });
await db.connect();
const value = async (sql) => Object.values((await db.query(sql)).rows[0])[0];

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
function spread(numbers) {
	const x = [...numbers].sort((a, b) => a - b);
	return { median: (x[(x.length - 1) >> 1] + x[x.length >> 1]) / 2, least: x[0], most: x.at(-1) };
}

//
// Credentials and answers
//

// Writes a file that bench/request/load reads.
const write = (name, entries) => writeFileSync(join(WORK, name), entries.map((entry) => `${entry}\0`).join(""));

async function prepare() {
	const column = async (sql) => (await db.query({ text: sql, rowMode: "array" })).rows.map(([entry]) => entry);
	const users = Array.from({ length: Number(process.env.USERS) }, (_, i) => `user-${i}`);
	const signed = (sid) => `cookie: theme=dark; connect.sid=s%3A${encodeURIComponent(signature.sign(sid, SECRET))}`;
	const touched = await column("SELECT sid FROM web_touched ORDER BY substr(sess ->> 'user', 6)::int");

	write("user", users.map((user) => `x-user: ${user}`));
	write("touched", touched.map(signed));
	write("untouched", touched.map(signed));
	write("redis", touched.map(signed));
	write("cookie", (await column("SELECT token FROM token ORDER BY u"))
		.map((token) => `cookie: theme=dark; __Host-session=${token}`));
	const key = createSecretKey(SECRET, "utf8");
	const sign = async (claims) => `authorization: Bearer ${await new SignJWT(claims)
		.setProtectedHeader({ alg: "HS256" }).setExpirationTime("1 day").sign(key)}`;
	write("jwt", await Promise.all(users.map((sub) => sign({ sub }))));
	write("jwt_role", await Promise.all(users.map((sub) => sign({ sub, role: "jwt_user" }))));
	for (const kind of ["node", "postgrest"])
		write(`answers.${kind}`, await column(`SELECT ${kind} FROM answer ORDER BY u`));

	const client = createClient({ url: `redis://127.0.0.1:${REDIS_PORT}` });
	await client.connect();
	const sessions = await column("SELECT sess::text FROM web_touched ORDER BY substr(sess ->> 'user', 6)::int");
	await Promise.all(touched.map((sid, i) => client.set(`sess:${sid}`, sessions[i],
		{ expiration: { type: "EX", value: 86400 } })));
	await client.close();
}

//
// Processes
//

const children = new Set();
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.once(signal, () => process.exit(1));

// Starts a program and waits until it has printed count lines that match, on
// standard output or, for PostgREST, on standard error. Returns what matched.
async function start(program, args, env, pattern, count = 1) {
	const stream = program === process.execPath || program.endsWith("/delay") ? 1 : 2;
	const child = spawn(program, args, {
		env: { ...process.env, ...env },
		stdio: ["ignore", stream === 1 ? "pipe" : "ignore", stream === 2 ? "pipe" : "inherit"],
	});
	children.add(child);
	child.once("exit", () => children.delete(child));
	const found = [];
	const said = [];
	for await (const line of createInterface({ input: child.stdio[stream] })) {
		said.push(line);
		const match = pattern.exec(line);
		if (match && found.push(match[0]) === count)
			break;
	}
	if (found.length < count)
		throw new Error(`${program} did not start:\n${said.join("\n")}`);
	child.stdio[stream].resume();
	return { child, found };
}

async function stop({ child }) {
	child.kill("SIGKILL");
	await once(child, "exit");
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

async function startForm(form, ports) {
	const { postgrest } = forms[form];
	if (!postgrest) {
		const app = await start(process.execPath, ["serve.mjs", form],
			{ NODE_ENV: "production", PG_PORT: ports.pg, REDIS_PORT: ports.redis }, /^\d+$/);
		return { ...app, port: app.found[0] };
	}
	const port = String(await freePort());
	const app = await start(process.env.POSTGREST, [], {
		PGRST_DB_URI: `postgresql://authenticator@127.0.0.1:${ports.pg}/bench`,
		PGRST_DB_SCHEMAS: "public", PGRST_DB_ANON_ROLE: "web_anon",
		PGRST_DB_POOL: "4", PGRST_DB_POOL_MAX_IDLETIME: "3600",
		PGRST_DB_CHANNEL_ENABLED: "false", PGRST_SERVER_HOST: "127.0.0.1", PGRST_SERVER_PORT: port,
		PGRST_JWT_SECRET: SECRET, ...postgrest,
	}, /Listening on port|Schema cache loaded/, 2);
	return { ...app, port };
}

//
// CPU time
//

const read = (name) => {
	try {
		return readFileSync(name, "utf8");
	} catch {
		return "";
	}
};

// The CPU time of a process, in microseconds, which the kernel counts in steps of
// 10 ms.
const processTime = (pid) => sum(stat(pid).slice(11, 13)) * 10000;

// The CPU time of the threads that a process has, in microseconds. The kernel
// knows it in nanoseconds; without that, it is counted in steps of 10 ms. Not
// for a process that ends threads while it is measured.
function threads(pid) {
	let ran = 0;
	try {
		for (const thread of readdirSync(`/proc/${pid}/task`))
			ran += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]) / 1000;
	} catch {
		return 0;
	}
	return ran || processTime(pid);
}

// The fields of /proc/PID/stat behind the name, as numbers: the parent is 1,
// the ended children's CPU time is 13 and 14.
const stat = (pid) => read(`/proc/${pid}/stat`).replace(/.*\) /s, "").split(" ").map(Number);

// All processes of the server, with those that have ended.
const postmaster = Number(readFileSync(join(WORK, "data/postmaster.pid"), "utf8").split("\n")[0]);
function serverTime() {
	const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && stat(name)[1] === postmaster);
	return sum([postmaster, ...processes].map(threads)) + sum(stat(postmaster).slice(13, 15)) * 10000;
}

const redisPid = Number(process.env.REDIS_PID);
const wal = async () => Number(await value("SELECT pg_current_wal_insert_lsn() - '0/0'"));

//
// Measuring
//

const execute = promisify(execFile);
const series = new Map();
const requests = {};

function add(key, unit, number) {
	if (!series.has(key))
		series.set(key, { unit, numbers: [] });
	series.get(key).numbers.push(number);
}
const numbers = (key) => series.get(key).numbers;

// Sends requests for a time, at least a minimum of them. Returns the latencies
// in microseconds, and the seconds that it took.
async function load(form, app, clients, duration, minimum, seed) {
	const { stdout } = await execute(join(WORK, "load"), [app.port,
		forms[form].postgrest ? "/note?select=id,title,body&order=id.desc&limit=20" : "/notes",
		join(WORK, forms[form].credential),
		join(WORK, forms[form].postgrest ? "answers.postgrest" : "answers.node"),
		String(clients), String(duration), String(minimum), String(seed)], { maxBuffer: Infinity });
	const [took, ...latencies] = stdout.trimEnd().split("\n").map(Number);
	requests[form] = (requests[form] ?? 0) + latencies.length;
	return { latencies, took };
}

// Measures one form for one turn, and adds it to what its earlier turns of the
// round have taken.
async function measureTurn(taken, form, app, clients, seed) {
	const times = () => ({
		...(forms[form].postgrest ? { postgrest: processTime(app.child.pid) } : { node: threads(app.child.pid) }),
		postgres: serverTime(), ...(form === "connect_redis" && { redis: threads(redisPid) }),
	});
	const walBefore = await wal();
	const before = times();
	const { latencies, took } = await load(form, app, clients, seconds, 30, seed);
	const after = times();
	const walAfter = await wal();
	taken.wal += walAfter - walBefore;
	taken.latencies = taken.latencies.concat(latencies);
	taken.seconds += took;
	for (const name in after)
		taken.times[name] = (taken.times[name] ?? 0) + after[name] - before[name];
}

// Adds what a form has taken in all its turns of a round.
function addRound(key, { latencies, seconds, times, wal }) {
	const count = latencies.length;
	latencies.sort((a, b) => a - b);
	add(key, "us", latencies[count >> 1]);
	add(`${key}.p99`, "us", latencies[Math.floor(count * 0.99)]);
	add(`${key}.rate`, "requests/s", count / seconds);
	add(`${key}.cpu`, "us", sum(Object.values(times)) / count);
	for (const name in times)
		add(`${key}.${name}`, "us", times[name] / count);
	add(`${key}.wal`, "bytes", wal / count);
}

// Measures all forms for one round. Those with a target have several turns, so
// that what else the machine does is the same for all of them.
async function measureRound(link, clients, apps, round) {
	const taken = Object.fromEntries(names.map((form) =>
		[form, { latencies: [], seconds: 0, times: {}, wal: 0 }]));
	for (let turn = 0; turn < TURNS[link][clients]; turn++)
		for (let i = 0; i < names.length; i++) {
			const form = names[(i + round * 5 + turn) % names.length];
			if (turn === 0 || WITH_TARGET.includes(form))
				await measureTurn(taken[form], form, apps[form], clients, round * 4 + turn + 1);
		}
	for (const form of names)
		addRound(`${link}.clients_${clients}.${form}`, taken[form]);
}

// Does what the worker would do, and divides what it costs by the requests of
// the forms that use sessions. Returns the number of these requests.
async function upkeep(key, before) {
	const count = sum(names.filter(ours).map((form) => requests[form])) - before;
	const start = { time: serverTime(), wal: await wal() };
	await value("SELECT count(*) FROM session_cleanup()");
	const end = { time: serverTime(), wal: await wal() };
	if (count === 0)
		return before;
	add(`${key}.upkeep.postgres`, "us", (end.time - start.time) / count);
	add(`${key}.upkeep.wal`, "bytes", (end.wal - start.wal) / count);
	return before + count;
}

// Measures all forms, for each number of clients. The first round warms up and
// is not counted. Each round begins with another form.
async function measureLink(link, ports) {
	const apps = Object.fromEntries(await Promise.all(
		names.map(async (form) => [form, await startForm(form, ports)])));
	for (const form of names)
		await load(form, apps[form], 16, 0, WARM_UP, 0);
	let counted = await upkeep(`${link}.warm`, 0);
	for (let round = 0; round < rounds; round++) {
		for (const clients of CLIENTS)
			await measureRound(link, clients, apps, round);
		if (link === "delay")
			await measureDelay(ports);
		counted = await upkeep(link, counted);
		process.stderr.write(`${link}: round ${round + 1} of ${rounds}\n`);
	}
	await Promise.all(Object.values(apps).map(stop));
}

// Adds the round trip of a statement that does nothing, directly and through
// the proxy.
async function measureDelay(ports) {
	for (const [key, port] of [["direct", PG_PORT], ["delayed", ports.pg]]) {
		const client = new pg.Client({ host: "127.0.0.1", port: Number(port), user: "postgres", database: "bench" });
		await client.connect();
		const times = [];
		for (let i = 0; i < 50; i++) {
			const start = process.hrtime.bigint();
			await client.query({ name: "nothing", text: "SELECT" });
			times.push(Number(process.hrtime.bigint() - start) / 1000);
		}
		await client.end();
		add(`delay.round_trip.${key}`, "us", spread(times).median);
	}
}

// Adds the rows that were updated for each request. The servers have been
// stopped, so their connections have counted what they did.
async function countUpdates() {
	await new Promise((resolve) => setTimeout(resolve, 1000));
	const { rows } = await db.query(`SELECT relid::regclass::text AS name, n_tup_upd::int AS updates
		FROM pg_stat_user_tables WHERE relname IN ('web_touched', 'web_untouched', 'sessions')`);
	const updates = Object.fromEntries(rows.map((row) => [row.name, row.updates]));
	const before = Number(process.env.USERS);	// by setup.sql
	const total = sum(names.filter(ours).map((form) => requests[form]));
	const addOf = (name, rows, count) => count > 0 && add(`updates.${name}`, "rows/request", rows / count);
	addOf("connect_pg_simple", updates.web_touched, requests.connect_pg_simple);
	addOf("connect_pg_simple_no_touch", updates.web_untouched, requests.connect_pg_simple_no_touch);
	addOf("session", updates["session.sessions"] - before, total);
}

//
// Tables
//

const figure = (number, digits) => number.toFixed(digits);

function printTable(link, clients) {
	console.log(`\n${link === "local" ? "loopback" : "1 ms of delay each way to the stores"}, ${clients} ` +
		`client${clients > 1 ? "s" : ""}, ${rounds} rounds; ` +
		`${TURNS[link][clients]} turns of ${seconds} s in a round for forms with a target, 1 for the others`);
	console.log(`  ${"".padEnd(27)}${"p50 us".padStart(8)}${"ratio (range)".padStart(22)}${"p99 us".padStart(9)}` +
		`${"req/s".padStart(8)}  CPU us a request${"WAL bytes".padStart(38)}`);
	for (const form of names) {
		const key = `${link}.clients_${clients}.${form}`;
		const median = (suffix) => spread(numbers(key + suffix)).median;
		const base = numbers(`${link}.clients_${clients}.${baseline(form)}`);
		const ratio = spread(numbers(key).map((number, i) => number / base[i]));
		const cpu = ["node", "postgrest", "postgres", "redis"]
			.filter((name) => series.has(`${key}.${name}`))
			.map((name) => `${name} ${figure(median(`.${name}`), 0)}`).join(" + ");
		console.log(`  ${form.padEnd(27)}${figure(median(""), 0).padStart(8)}` +
			`${`${figure(ratio.median, 2)} (${figure(ratio.least, 2)}..${figure(ratio.most, 2)})`.padStart(22)}` +
			`${figure(median(".p99"), 0).padStart(9)}${figure(median(".rate"), 0).padStart(8)}  ${cpu.padEnd(46)}` +
			`${figure(median(".wal"), 0).padStart(8)}`);
	}
}

function printRest() {
	const median = (key, digits) => figure(spread(numbers(key)).median, digits);
	console.log("\nrows updated for a request");
	for (const name of ["connect_pg_simple", "connect_pg_simple_no_touch"])
		if (series.has(`updates.${name}`))
			console.log(`  ${name.padEnd(27)}${median(`updates.${name}`, 2).padStart(8)}`);
	if (series.has("updates.session"))
		console.log(`  ${"forms with a session".padEnd(27)}${median("updates.session", 3).padStart(8)}  by the worker, ` +
			`with ${median("local.upkeep.postgres", 1)} us of CPU and ${median("local.upkeep.wal", 0)} bytes of WAL a request`);
	console.log(`\nround trip of an empty statement: ${median("delay.round_trip.direct", 0)} us, ` +
		`1 ms away ${median("delay.round_trip.delayed", 0)} us`);
}

await prepare();
await measureLink("local", { pg: PG_PORT, redis: REDIS_PORT });
const proxy = await start(join(WORK, "delay"), [String(DELAY), PG_PORT, REDIS_PORT], {}, /^\d+$/, 2);
await measureLink("delay", { pg: proxy.found[0], redis: proxy.found[1] });
await stop(proxy);
await countUpdates();
await db.end();
for (const link of ["local", "delay"])
	for (const clients of CLIENTS)
		printTable(link, clients);
printRest();
for (const [key, { unit, numbers }] of series)
	if (!key.includes(".warm."))
		appendFileSync(OUTPUT, `${key} ${unit} ${numbers.map((number) => Number(number.toPrecision(6))).join(" ")}\n`);
