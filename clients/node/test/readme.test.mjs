// The programs of README.md, run as they stand there, each as a process of its
// own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
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
	CREATE TABLE placed (owner text NOT NULL DEFAULT session_user_id(), items text[]);
	CREATE TABLE member (user_id text, team text);
	INSERT INTO member VALUES ('7', 'blue');
	GRANT SELECT ON member TO APP;
	GRANT INSERT ON placed TO APP;
	CREATE FUNCTION place_order(items text[]) RETURNS void LANGUAGE plpgsql AS $$BEGIN
		PERFORM session_require(auth_level => 2, max_age => '5 min');
		INSERT INTO placed (items) VALUES (place_order.items);
	END$$;
	CREATE FUNCTION check_code(id text, code text) RETURNS boolean LANGUAGE sql
		AS $$SELECT id = '7' AND code = '123456'$$;
	CREATE FUNCTION check_password(name text, password text) RETURNS int LANGUAGE sql
		AS $$SELECT 7 WHERE name = 'ada' AND password = 'secret'$$`);
const started = [];
const printed = new Map();	// by program: what it wrote to its stderr
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

// Is run before each program, which listens on a port that is free: sends the
// address to the test.
const HOOK = `const { Server } = require("node:net");
	const { listen } = Server.prototype;
	Server.prototype.listen = function (...args) {
		this.once("listening", () => {
			const { family, port } = this.address();
			process.send((family === "IPv6" ? "[::1]:" : "127.0.0.1:") + port);
		});
		return listen.apply(this, args);
	};`;

// Starts a program where a user's would be: the package is in node_modules.
async function start(name) {
	if (!folder) {
		folder = await mkdtemp(join(tmpdir(), "session-node-"));
		await mkdir(join(folder, "node_modules"));
		await writeFile(join(folder, "hook.cjs"), HOOK);
		await symlink(ROOT, join(folder, "node_modules/pg-session-client"));
		for (const other of ["express", "express-session", "fastify", "pg"])
			await symlink(join(ROOT, "node_modules", other), join(folder, "node_modules", other));
	}
	const file = join(folder, `${name}.mjs`);
	await writeFile(file, program(name));
	const child = spawn(process.execPath, ["-r", join(folder, "hook.cjs"), file], { stdio: ["ignore", "inherit", "pipe", "ipc"],
		env: { ...process.env, PORT: "0", PGDATABASE: db.name, PGUSER: db.name, SECRET: "secret of the test" } });
	started.push(child);
	printed.set(name, "");
	child.stderr.on("data", (text) => printed.set(name, printed.get(name) + text));
	const [address] = await Promise.race([once(child, "message"),
		once(child, "exit").then(() => assert.fail(printed.get(name)))]);
	return new Browser(`http://${address}`);
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

test("the shop of the README: a message, a step-up, tenants, and the end of all sessions", async () => {
	const browser = await start("shop");
	const login = (who) => who.post("/login", form("name=ada&password=secret"));
	assert.equal((await browser.post("/cart", form("item=tea"))).headers.location, "/cart");
	assert.deepEqual(await browser.json("/cart"), { messages: ["tea is in your cart"], cart: ["tea"] });
	assert.deepEqual(await browser.json("/cart"), { messages: [], cart: ["tea"] });
	const refused = await browser.post("/checkout");
	assert.deepEqual([refused.status, refused.body], [401, "a session is required"], "of a visitor");
	await login(browser);
	assert.equal((await browser.post("/checkout")).headers.location, "/step-up");
	assert.equal((await browser.post("/step-up", form("code=1"))).headers.location, "/step-up");
	assert.equal((await browser.post("/checkout")).headers.location, "/step-up");
	await browser.post("/step-up", form("code=123456"));
	assert.equal((await browser.post("/checkout")).headers.location, "/cart");
	assert.deepEqual(await browser.json("/cart"), { messages: ["Thank you"], cart: [] });
	assert.deepEqual(await db.rows("SELECT owner, items FROM placed"), [{ owner: "7", items: ["tea"] }]);

	const phone = new Browser(browser.base);
	await login(phone);
	await browser.post("/logout-everywhere");
	for (const gone of [browser, phone])
		assert.equal((await gone.get("/devices")).status, 401);

	await login(browser);
	const home = async () => (({ status, body }) => [status, body])(await browser.get("/teams/blue/home"));
	assert.deepEqual(await home(), [401, "enter this team first"]);
	await browser.post("/teams/red/enter");
	assert.equal((await browser.get("/teams/red/home")).status, 401);
	await browser.post("/teams/blue/enter");
	assert.deepEqual(await home(), [200, "The home of blue"]);
	assert.equal((await browser.get("/teams/red/home")).status, 401);
	assert.doesNotMatch(printed.get("shop"), /Error/, "an error that is expected is not printed");
});

test("the application takes 24 lines at most", () => {
	const [, first] = readme.match(/```js\n(import express .*?)```/s);
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
