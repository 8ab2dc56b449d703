// The programs of README.md, run as they stand there, each as a process of its
// own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Browser, ownDatabase } from "./support.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(ROOT, "README.md"), "utf8");
const db = ownDatabase(`
	CREATE TABLE note (owner text NOT NULL DEFAULT session_user_id(), body text NOT NULL);
	ALTER TABLE note ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON note USING (owner = session_user_id());
	GRANT SELECT ON note TO APP;
	INSERT INTO note VALUES ('7', 'buy tea'), ('8', 'read');
	CREATE FUNCTION check_password(name text, password text) RETURNS int LANGUAGE sql
		AS $$SELECT 7 WHERE name = 'ada' AND password = 'secret'$$`);
const started = [];
let folder;

after(async () => {
	for (const child of started)
		child.kill();
	if (folder)
		await rm(folder, { recursive: true });
});

// The blocks of one program, in one text.
const program = (name) => [...readme.matchAll(new RegExp(`<!-- test: ${name} -->\n\`\`\`js\n(.*?)\`\`\``, "gs"))]
	.map(([, text]) => text).join("\n");

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	return port;
}

const opens = (port) => new Promise((resolve) => {
	const socket = connect(port, "localhost");
	socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
	socket.on("connect", () => socket.destroy());
});

// Starts a program where a user's would be: the package is in node_modules.
async function start(name) {
	if (!folder) {
		folder = await mkdtemp(join(tmpdir(), "session-node-"));
		await mkdir(join(folder, "node_modules"));
		await symlink(ROOT, join(folder, "node_modules/pg-session-client"));
		for (const other of ["express", "express-session", "fastify", "pg"])
			await symlink(join(ROOT, "node_modules", other), join(folder, "node_modules", other));
	}
	const file = join(folder, `${name}.mjs`);
	await writeFile(file, program(name));
	const port = await freePort();
	const child = spawn(process.execPath, [file], { stdio: ["ignore", "inherit", "pipe"],
		env: { ...process.env, PORT: String(port), PGDATABASE: db.name, PGUSER: db.name, SECRET: "secret of the test" } });
	started.push(child);
	let errors = "";
	child.stderr.on("data", (text) => { errors += text; });
	while (!await opens(port)) {
		assert.equal(child.exitCode, null, errors);
		await wait(20);
	}
	return new Browser(`http://localhost:${port}`);
}

const form = (body) => ({ body, headers: { "content-type": "application/x-www-form-urlencoded" } });

test("the application of the README", async () => {
	const browser = await start("shop");
	assert.equal((await browser.get("/")).body, "Hello visitor, visit 1");
	assert.equal((await browser.get("/")).body, "Hello visitor, visit 2");
	await browser.post("/login", form("name=ada&password=wrong"));
	assert.equal((await browser.get("/notes")).status, 200);
	assert.deepEqual(await browser.json("/notes"), []);
	assert.match((await browser.post("/login", form("name=ada&password=secret"))).lines[0], /Max-Age=2592000/);
	assert.equal((await browser.get("/")).body, "Hello 7, visit 3");
	assert.deepEqual(await browser.json("/notes"), ["buy tea"]);
	const [device] = await browser.json("/devices");
	assert.equal(device.current, true);
	assert.equal((await browser.post("/devices/end-others")).body, "0");
	assert.equal((await browser.post("/devices/junk/end")).body, "false");
	await browser.post("/logout");
	assert.equal((await browser.get("/notes")).status, 401);
	assert.equal((await browser.get("/")).body, "Hello visitor, visit 1");
});

test("the application takes 24 lines at most", () => {
	const [first] = program("shop").split(/^app\.get\("\/notes"/m);
	assert.ok(first.split("\n").filter(Boolean).length <= 24);
});

for (const name of ["fastify", "http"])
	test(`the program of the README for ${name}`, async () => {
		const browser = await start(name);
		assert.deepEqual(await browser.json("/"), { userId: null, visits: 1 });
		assert.deepEqual(await browser.json("/"), { userId: null, visits: 2 });
	});

test("the program of the README for express-session", async () => {
	const browser = await start("store");
	assert.equal(await browser.json("/"), 1);
	assert.equal(await browser.json("/"), 2);
	assert.equal(await db.value("(SELECT count(*)::int FROM session.sessions WHERE idle_timeout = '30 days')"), 1);
});
