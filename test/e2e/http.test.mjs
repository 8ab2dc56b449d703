// examples/postgrest over HTTP, without a browser: every endpoint, the clients
// that may use it, and what an attacker can learn from the answers.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { test as nodeTest } from "node:test";
import { application, assertSame, PASSWORD, raw, REFRESH, SESSION, skip } from "./support.mjs";

const app = application();
const test = (name, body) => nodeTest(name, { skip }, body);

const FOR_USERS = [
	["GET", "sessions"], ["DELETE", "sessions"], ["GET", "todos"], ["POST", "todos", { task: "x" }],
	["POST", "rpc/logout", {}], ["POST", "rpc/step_up", { password: PASSWORD }],
	["POST", "rpc/delete_account", {}], ["GET", "rpc/admin_report"],
	["GET", "tokens"], ["DELETE", "tokens"], ["POST", "rpc/create_token", { name: "x", scopes: ["todo:read"], days: 1 }],
];

const me = async (client) => (await client.get("rpc/me")).body;
const logIn = (client, name, more = {}) => client.post("rpc/login", { name, password: PASSWORD, ...more });
const currentId = async (client) => (await client.get("sessions?current=is.true")).body[0].id;
const sessions = async (client) => (await client.get("sessions?select=id,current&order=id")).body;

// Returns another client that is logged in to the same account.
async function otherDevice(user, options) {
	const other = app.client(options);
	assert.equal((await logIn(other, user.name)).status, 200);
	return other;
}

test("a visitor has no identity, and sees no user's data", async () => {
	const visitor = app.client();
	assert.equal(await me(visitor), null);
	assert.deepEqual((await visitor.get("rpc/basket")).body, []);
	for (const [method, path, body] of FOR_USERS)
		assert.equal((await visitor.ask(method, path, body)).status, 401, path);
	assert.equal(visitor.jar.size, 0);
	// The same holds with an anonymous session.
	await visitor.post("rpc/basket_set", { item: "Tea", quantity: 1 });
	assert.equal(visitor.jar.size, 2);
	assert.equal(await me(visitor), null);
	for (const [method, path, body] of FOR_USERS)
		assert.equal((await visitor.ask(method, path, body)).status, 401, path);
});

test("POST /rpc/login sets two cookies that no script can read, and the body has no token", async () => {
	const user = await app.user();
	const client = app.client();
	const { status, text, body, given } = await logIn(client, user.name);
	assert.equal(status, 200);
	assert.deepEqual(Object.keys(body), ["expires_in"]);
	assert.ok(body.expires_in > 800 && body.expires_in <= 900);
	assert.doesNotMatch(text, /[sr]t_/);
	assert.deepEqual(given.map(({ header, value, ...rest }) => rest), [
		{ name: SESSION, path: "/", sameSite: "Strict", maxAge: undefined, httpOnly: true, secure: true },
		{ name: REFRESH, path: "/api/rpc/refresh", sameSite: "Strict", maxAge: undefined, httpOnly: true, secure: true },
	]);
	assert.match(given[0].value, /^st_[\w-]{64}$/);
	assert.match(given[1].value, /^rt_[\w-]{64}$/);
	const { id, ...own } = await me(client);
	assert.deepEqual(own, { name: user.name, admin: false, auth_level: 1 });
	assert.deepEqual(await app.rows("SELECT id FROM app.users WHERE name = $1", user.name), [{ id }]);
	assert.equal((await logIn(app.client(), user.name.toUpperCase())).status, 200);
});

test("a wrong password and an unknown name get the same answer in the same time", async () => {
	const user = await app.user();
	const attempt = async (name) => {
		const client = app.client();
		const start = performance.now();
		const answer = await client.post("rpc/login", { name, password: "wrong horse" });
		return { answer, took: performance.now() - start };
	};
	const known = [], unknown = [];
	for (let i = 0; i < 7; i++) {
		known.push(await attempt(user.name));
		unknown.push(await attempt("nobody"));
	}
	assert.equal(known[0].answer.status, 401);
	assertSame(known[0].answer, unknown[0].answer);
	assert.equal(known[0].answer.given.length, 0);
	const median = (all) => all.map(({ took }) => took).sort((a, b) => a - b)[3];
	const ratio = median(unknown) / median(known);
	assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`);
	for (const body of [{ name: user.name, password: null }, { name: null, password: null }])
		assert.equal((await app.client().post("rpc/login", body)).status, 401);
});

test("POST /rpc/sign_up refuses names that are taken or malformed, and passwords that are too short or too long", async () => {
	const user = await app.user();
	const client = app.client();
	const signUp = async (name, password) => (await client.post("rpc/sign_up", { name, password })).status;
	assert.equal(await signUp(user.name, PASSWORD), 409);
	assert.equal(await signUp(user.name.toUpperCase(), PASSWORD), 409);
	assert.equal(await signUp("<b>", PASSWORD), 400);
	assert.equal(await signUp("short", "123456789"), 400);
	assert.equal(await signUp("long", "x".repeat(73)), 400);
	assert.equal(await signUp("none", null), 400);
	assert.equal(client.jar.size, 0);
	assert.equal(await signUp("fits", "x".repeat(72)), 200);
});

test("POST /rpc/logout ends the session and removes the cookies", async () => {
	const user = await app.user();
	const before = user.copy();
	const { status, given } = await user.post("rpc/logout", {});
	assert.equal(status, 204);
	assert.deepEqual(given.map(({ name, path, maxAge }) => [name, path, maxAge]), [
		[SESSION, "/", 0], [`${SESSION}-cache`, "/", 0], [`${SESSION}-bound`, "/", 0], [REFRESH, "/api/rpc/refresh", 0]]);
	assert.equal(user.jar.size, 0);
	assert.equal(await me(before), null);
	assert.equal((await before.post("rpc/refresh", {})).status, 401);
});

test("POST /rpc/refresh sets new tokens, and the old ones are invalid", async () => {
	const user = await app.user();
	const before = user.copy();
	const id = await currentId(user);
	const { status, body, text } = await user.post("rpc/refresh", {});
	assert.equal(status, 200);
	assert.ok(body.expires_in > 800);
	assert.doesNotMatch(text, /[sr]t_/);
	for (const name of [SESSION, REFRESH])
		assert.notEqual(user.cookie(name), before.cookie(name));
	assert.equal(await currentId(user), id);
	assert.equal(await me(before), null);

	// Another tab that refreshes at the same time gets the same tokens.
	const tab = before.copy();
	assert.equal((await tab.post("rpc/refresh", {})).status, 200);
	assert.deepEqual([...tab.jar.values()].map(({ value }) => value), [...user.jar.values()].map(({ value }) => value));

	// Later, reuse is treated as theft: the session ends for both.
	await app.age(id, "1 minute");
	const stolen = await before.post("rpc/refresh", {});
	assert.equal(stolen.status, 401);
	assert.equal(before.jar.size, 0);
	assert.equal(await me(user), null);
	assert.equal((await user.post("rpc/refresh", {})).status, 401);
	const [{ revoked_reason: reason }] = await app.rows("SELECT revoked_reason FROM session.sessions WHERE id = $1", id);
	assert.equal(reason, "refresh_reuse");
});

test("a request with an expired session token is anonymous until the token is refreshed", async () => {
	const user = await app.user();
	const id = await currentId(user);
	await app.age(id, "20 minutes");
	assert.equal(await me(user), null);
	assert.equal((await user.get("sessions")).status, 401);
	assert.equal((await user.post("rpc/refresh", {})).status, 200);
	assert.equal(await currentId(user), id);
});

test("POST /rpc/refresh without a valid refresh token is refused and removes the cookies", async () => {
	const user = await app.user();
	for (const value of ["", "x", user.cookie(SESSION), user.cookie(REFRESH).replace(/.{4}$/, "AAAA"), "rt_" + "A".repeat(64)]) {
		const client = app.client();
		client.jar.set(REFRESH, { name: REFRESH, value, path: "/api/rpc/refresh" });
		const { status, given } = await client.post("rpc/refresh", {});
		assert.equal(status, 401);
		assert.ok(given.every(({ maxAge }) => maxAge === 0));
	}
	assert.equal((await app.client().post("rpc/refresh", {})).status, 401);
	assert.notEqual(await me(user), null);
});

test("GET /sessions lists the user's sessions, with the current one marked", async () => {
	const [user, stranger] = [await app.user({ agent: "one" }), await app.user()];
	const other = await otherDevice(user, { agent: "two" });
	const mine = (await user.get("sessions?order=created_at")).body;
	assert.deepEqual(mine.map(({ ip, user_agent, auth_level, current }) => ({ ip, user_agent, auth_level, current })), [
		{ ip: "127.0.0.1", user_agent: "one", auth_level: 1, current: true },
		{ ip: "127.0.0.1", user_agent: "two", auth_level: 1, current: false }]);
	assert.deepEqual(Object.keys(mine[0]),
		["id", "ip", "user_agent", "created_at", "signed_in_at", "last_seen_at", "expires_at", "auth_level", "bound", "current"]);
	assert.equal(mine[1].id, await currentId(other));
	assert.equal((await sessions(stranger)).length, 1);
});

test("GET /sessions?id=eq.<id> returns a session of the user", async () => {
	const user = await app.user();
	const id = await currentId(await otherDevice(user));
	const { status, body } = await user.get(`sessions?id=eq.${id}`);
	assert.equal(status, 200);
	assert.deepEqual(body.map((session) => [session.id, session.current]), [[id, false]]);
});

test("DELETE /sessions?id=eq.<id> ends one session at once", async () => {
	const user = await app.user();
	const [other, third] = [await otherDevice(user), await otherDevice(user)];
	const { status, body } = await user.delete(`sessions?id=eq.${await currentId(other)}`, { prefer: "return=representation" });
	assert.equal(status, 200);
	assert.equal(body.length, 1);
	assert.equal(await me(other), null);
	assert.equal((await other.post("rpc/refresh", {})).status, 401);
	assert.notEqual(await me(third), null);
	assert.equal((await sessions(user)).length, 2);
});

test("DELETE /sessions ends all sessions of the user but the current one", async () => {
	const [user, stranger] = [await app.user(), await app.user()];
	const others = [await otherDevice(user), await otherDevice(user)];
	assert.equal((await user.delete("sessions")).status, 204);
	for (const other of others)
		assert.equal(await me(other), null);
	assert.notEqual(await me(user), null);
	assert.notEqual(await me(stranger), null);
	assert.equal((await sessions(user)).length, 1);
	await user.delete(`sessions?id=eq.${await currentId(user)}`);
	assert.notEqual(await me(user), null);
});

test("a session of another user is answered like one that does not exist", async () => {
	const [user, stranger] = [await app.user(), await app.user()];
	const visitor = app.client();
	await visitor.post("rpc/basket_set", { item: "Tea", quantity: 1 });
	const [{ id: anonymous }] = await app.rows("SELECT id FROM session.sessions WHERE user_id IS NULL ORDER BY created_at DESC LIMIT 1");
	const gone = await otherDevice(user);
	const ended = await currentId(gone);
	await gone.post("rpc/logout", {});

	const ids = [await currentId(stranger), anonymous, ended];
	const object = { accept: "application/vnd.pgrst.object+json" };
	for (const headers of [{}, { prefer: "return=representation" }, { prefer: "count=exact" }, object]) {
		for (const method of ["GET", "DELETE"]) {
			const none = await user.ask(method, `sessions?id=eq.${randomUUID()}`, undefined, headers);
			for (const id of ids)
				assertSame(await user.ask(method, `sessions?id=eq.${id}`, undefined, headers), none);
		}
	}
	assert.notEqual(await me(stranger), null);
	assert.equal((await visitor.get("rpc/basket")).body.length, 1);
});

test("GET changes nothing", async () => {
	const user = await app.user();
	await otherDevice(user);
	for (const path of ["rpc/logout", `rpc/step_up?password=${PASSWORD}`, "rpc/refresh", "rpc/basket_set?item=Tea&quantity=1",
		`rpc/login?name=${user.name}&password=${PASSWORD}`]) {
		const { status, given } = await user.get(path.replaceAll(" ", "%20"));
		assert.equal(status, 405, path);
		assert.equal(given.length, 0);
	}
	assert.equal((await sessions(user)).length, 2);
});

test("every user sees only their own to-do list", async () => {
	const [user, stranger] = [await app.user(), await app.user()];
	assert.equal((await user.post("todos", { task: "<img src=x onerror=alert(1)>" })).status, 201);
	const [todo] = (await user.get("todos")).body;
	assert.equal(todo.task, "<img src=x onerror=alert(1)>");
	const all = { prefer: "return=representation" };
	assert.deepEqual((await stranger.get("todos")).body, []);
	assert.deepEqual((await stranger.patch(`todos?id=eq.${todo.id}`, { done: true }, all)).body, []);
	assert.deepEqual((await stranger.delete(`todos?id=eq.${todo.id}`, all)).body, []);
	assert.equal((await stranger.post("todos", { task: "x", owner: todo.owner })).status, 401);
	assert.equal((await stranger.patch("todos", { owner: todo.owner })).status, 401);
	assert.equal((await user.patch(`todos?id=eq.${todo.id}`, { done: true }, all)).body[0].done, true);
	assert.equal((await user.post("todos", { task: "" })).status, 400);
	assert.equal((await user.delete(`todos?id=eq.${todo.id}`, all)).body.length, 1);
});

test("only administrators may use the administrators' path", async () => {
	await app.addAdministrator("boss");
	const [user, boss] = [await app.user(), app.client()];
	await logIn(boss, "boss");
	assert.equal((await user.get("rpc/admin_report")).status, 401);
	const { status, body } = await boss.get("rpc/admin_report");
	assert.equal(status, 200);
	assert.ok(body.some(({ name, admin }) => name === "boss" && admin));
	assert.ok(body.some(({ name, admin }) => name === user.name && !admin));
	assert.deepEqual(Object.keys(body[0]), ["name", "admin", "joined"]);
});

test("with the cookie cache the row is read on a sensitive path, in every spelling", async (t) => {
	await app.rows("SELECT extensions.session_key_rotate()");
	await app.set("session.strategy", "cookie_cache");
	t.after(() => app.reset("session.strategy"));
	await app.addAdministrator("chief");
	const chief = app.client();
	await logIn(chief, "chief");
	const { given } = await chief.get("rpc/me");
	assert.deepEqual(given.map(({ name, sameSite, httpOnly }) => [name, sameSite, httpOnly]), [[`${SESSION}-cache`, "Strict", true]]);
	assert.equal((await chief.get("rpc/me")).given.length, 0);
	assert.equal((await chief.get("rpc/admin_report")).status, 200);

	// Revoke with the triggers disabled, so that only the row knows.
	await app.rows(`DO $$
		DECLARE
			name text;
		BEGIN
			ALTER TABLE session.sessions DISABLE TRIGGER USER;
			UPDATE session.sessions SET revoked_at = now(), revoked_reason = 'test' WHERE id = '${await currentId(chief)}';
			FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'session.sessions'::regclass AND NOT tgisinternal LOOP
				EXECUTE format('ALTER TABLE session.sessions ENABLE ALWAYS TRIGGER %I', name);
			END LOOP;
		END
		$$`);
	assert.equal((await me(chief)).name, "chief");
	for (const path of ["rpc/admin_report", "rpc/admin%5Freport", "rpc/%61dmin_report", "rpc/admin_report?limit=1", "%72pc/admin_report"]) {
		const { status } = await chief.copy().get(path);
		assert.ok(status === 401 || status === 404, `${path}: ${status}`);
	}
	for (const path of ["/api//rpc/admin_report", "/api/rpc//admin_report", "/api/rpc/admin_report/", "/api/./rpc/admin_report", "/api/x/../rpc/admin_report"]) {
		const { status } = await raw(app.url, { path, headers: { cookie: [...chief.jar.values()].map(({ name, value }) => `${name}=${value}`).join("; ") } });
		assert.notEqual(status, 200, path);
	}
});

test("POST /rpc/delete_account requires that the password was given again recently", async () => {
	const user = await app.user();
	const other = await otherDevice(user);
	await user.post("todos", { task: "x" });
	const id = await currentId(user);
	assert.equal((await user.post("rpc/delete_account", {})).status, 401);
	assert.equal((await user.post("rpc/step_up", { password: "wrong horse" })).status, 403);
	assert.equal((await user.post("rpc/delete_account", {})).status, 401);

	const before = user.copy();
	const { status, body } = await user.post("rpc/step_up", { password: PASSWORD });
	assert.equal(status, 200);
	assert.deepEqual(Object.keys(body), ["expires_in"]);
	assert.notEqual(user.cookie(SESSION), before.cookie(SESSION));
	assert.notEqual(user.cookie(REFRESH), before.cookie(REFRESH));
	assert.equal(await me(before), null);
	assert.equal((await me(user)).auth_level, 2);
	assert.equal(await currentId(user), id);

	await app.age(id, "6 minutes");
	assert.equal((await user.post("rpc/delete_account", {})).status, 401);
	await user.post("rpc/step_up", { password: PASSWORD });
	const last = user.copy();
	assert.equal((await user.post("rpc/delete_account", {})).status, 204);
	assert.equal(user.jar.size, 0);
	for (const client of [last, other]) {
		assert.equal(await me(client), null);
		assert.equal((await client.post("rpc/refresh", {})).status, 401);
	}
	assert.equal((await logIn(app.client(), user.name)).status, 401);
	assert.deepEqual(await app.rows("SELECT FROM api.todos WHERE task = 'x' AND owner NOT IN (SELECT id FROM app.users)"), []);
});

test("a visitor's basket survives the login, and the token changes", async () => {
	const user = await app.user();
	const visitor = app.client();
	await visitor.post("rpc/basket_set", { item: "Tea", quantity: 2 });
	await visitor.post("rpc/basket_set", { item: "Honey", quantity: 1 });
	await visitor.post("rpc/basket_set", { item: "Honey", quantity: 0 });
	const before = visitor.copy();
	await logIn(visitor, user.name);
	assert.notEqual(visitor.cookie(SESSION), before.cookie(SESSION));
	assert.deepEqual((await visitor.get("rpc/basket")).body, [{ item: "Tea", quantity: 2 }]);

	// The visitor's old token, which an attacker may have known, is invalid.
	assert.deepEqual((await before.get("rpc/basket")).body, []);
	assert.equal(await me(before), null);
	assert.equal((await before.post("rpc/refresh", {})).status, 401);

	// Another login of this user goes on with the session.
	const id = await currentId(visitor);
	await logIn(visitor, user.name);
	assert.equal(await currentId(visitor), id);
	assert.deepEqual((await visitor.get("rpc/basket")).body, [{ item: "Tea", quantity: 2 }]);

	// A login of another user ends it and starts another session.
	assert.equal((await logIn(visitor, (await app.user()).name)).status, 200);
	assert.notEqual(await currentId(visitor), id);
	assert.deepEqual((await visitor.get("rpc/basket")).body, []);
	assert.equal((await sessions(user)).some((session) => session.id === id), false);

	for (const body of [{ item: "<b>", quantity: 1 }, { item: "Tea", quantity: 100 }, { item: "Tea", quantity: -1 }, { item: null, quantity: 1 }, { item: "Tea", quantity: null }])
		assert.equal((await visitor.post("rpc/basket_set", body)).status, 400, JSON.stringify(body));
});

test("\"remember me\" makes the cookies and the session last longer", async () => {
	const thirty = 30 * 86400;
	const remembered = await app.user({ remember: true });
	const forgotten = await app.user();
	const ages = (answer) => answer.given.map(({ maxAge }) => maxAge);
	for (const [user, expected] of [[remembered, thirty], [forgotten, undefined]]) {
		const visitor = app.client();
		await visitor.post("rpc/basket_set", { item: "Tea", quantity: 1 });
		for (const client of [app.client(), visitor]) {
			assert.deepEqual(ages(await logIn(client, user.name, { remember: expected !== undefined })), [expected, expected]);
			assert.deepEqual(ages(await client.post("rpc/refresh", {})), [expected, expected]);
			assert.deepEqual(ages(await client.post("rpc/step_up", { password: PASSWORD })), [expected, expected]);
		}
		await app.age(await currentId(user), "13 hours");
	}
	assert.equal((await remembered.post("rpc/refresh", {})).status, 200);
	assert.equal((await forgotten.post("rpc/refresh", {})).status, 401);
	assert.equal(forgotten.jar.size, 0);
});

test("a request with an altered cookie is anonymous, whatever the cookie holds", async () => {
	const user = await app.user();
	const good = user.cookie(SESSION);
	const flip = (at) => good.slice(0, at) + (good[at] === "A" ? "B" : "A") + good.slice(at + 1);
	const values = [flip(3), flip(10), flip(30), flip(60), good.slice(0, -1), good + "A", good.toUpperCase(), `"${good}"`,
		"st_" + "A".repeat(64), user.cookie(REFRESH), "", "x", "%00", "null", "{}", "x".repeat(8000), "ü", "a=b=c", "\t"];
	for (const value of values) {
		const client = app.client();
		client.jar.set(SESSION, { name: SESSION, value, path: "/" });
		const answer = await client.get("rpc/me");
		assert.deepEqual([answer.status, answer.body], [200, null], value);
		assert.equal((await client.get("sessions")).status, 401);
	}
	assert.notEqual(await me(user), null);
});

test("the only credentials are a browser's token in the cookie and an API token in its header", async () => {
	const user = await app.user();
	const api = await user.apiToken("script", "todo:read");
	const browser = user.cookie(SESSION);
	const cases = [
		["a browser's token in the cookie", {}, { [SESSION]: browser }, 200],
		["an API token in its header", { "x-api-token": api }, {}, 200],
		["a browser's token in the header of API tokens", { "x-api-token": browser }, {}, 401],
		["a browser's token in both", { "x-api-token": browser }, { [SESSION]: browser }, 401],
		["an API token in the cookie", {}, { [SESSION]: api }, 401],
		["nothing in the header of API tokens", { "x-api-token": "" }, { [SESSION]: browser }, 401],
		["a refresh token in the header of API tokens", { "x-api-token": user.cookie(REFRESH) }, {}, 401],
		...[browser, api].flatMap((token) => [{ "x-session-token": token }, { authorization: `Bearer ${token}` }, { authorization: `DPoP ${token}` }, { "x-api-key": token }])
			.map((headers) => [JSON.stringify(headers), headers, {}, null]),
	];
	for (const [what, headers, cookies, expected] of cases) {
		const client = app.client();
		for (const [name, value] of Object.entries(cookies))
			client.jar.set(name, { name, value, path: "/" });
		const { status, body } = await client.get("rpc/me", headers);
		assert.equal(status, expected ?? 200, what);
		assert.equal(status === 200 ? body?.name : undefined, expected === 200 ? user.name : undefined, what);

		// This holds even if a proxy forwards more headers.
		await app.rows("BEGIN");
		const asked = app.rows(`SELECT set_config('request.method', 'GET', true), set_config('request.headers', $1, true),
			set_config('request.cookies', $2, true), app.pre_request()`, JSON.stringify(headers), JSON.stringify(cookies));
		if (expected === 401)
			await assert.rejects(asked, { code: "PT401" }, what);
		else {
			await asked;
			const [{ id }] = await app.rows("SELECT extensions.session_id() AS id");
			assert.equal(id !== null, expected === 200, what);
		}
		await app.rows("ROLLBACK");
	}
});

// Asserts that an answer says that the token may not do that.
function refused({ status, body }) {
	assert.equal(status, 403, JSON.stringify(body));
	assert.match(body.message, /^This token does not have the scope todo:write\.$/);
}

test("an API token reads and writes to-dos as its scopes say, and those of its user only", async () => {
	const [user, stranger] = [await app.user(), await app.user()];
	await user.post("todos", { task: "mine" });
	await stranger.post("todos", { task: "theirs" });
	const all = { prefer: "return=representation" };
	const tasks = async (client) => (await client.get("todos?order=id")).body.map(({ task, done }) => [task, done]);
	const [{ id }] = (await user.get("todos")).body;
	const [{ id: foreign }] = (await stranger.get("todos")).body;

	const reader = app.script(await user.apiToken("reader", "todo:read"));
	assert.deepEqual(await tasks(reader), [["mine", false]]);
	for (const headers of [{}, all]) {
		refused(await reader.post("todos", { task: "x" }, headers));
		refused(await reader.patch(`todos?id=eq.${id}`, { done: true }, headers));
		refused(await reader.delete(`todos?id=eq.${id}`, headers));
		refused(await reader.delete("todos", headers));
	}
	refused(await reader.post("todos", [{ task: "x" }, { task: "y" }]));
	assert.deepEqual(await tasks(user), [["mine", false]]);

	const writer = app.script(await user.apiToken("writer", "todo:write"));
	assert.equal((await writer.post("todos", { task: "added" })).status, 201);
	assert.deepEqual(await tasks(writer), []);
	assert.equal((await writer.patch(`todos?id=eq.${id}`, { done: true })).status, 204);
	assert.deepEqual(await tasks(user), [["mine", false], ["added", false]]);

	const both = app.script(await user.apiToken("both", "todo:read", "todo:write"));
	assert.equal((await both.patch(`todos?id=eq.${id}`, { done: true }, all)).body.length, 1);
	assert.equal((await both.delete("todos?task=eq.added", all)).body.length, 1);
	assert.deepEqual(await tasks(both), [["mine", true]]);
	for (const method of ["PATCH", "DELETE"])
		assert.deepEqual((await both.ask(method, `todos?id=eq.${foreign}`, method === "PATCH" ? { done: true } : undefined, all)).body, []);
	assert.deepEqual(await tasks(stranger), [["theirs", false]]);

	// The trigger only says why. The policies keep rows safe without it.
	await app.rows("ALTER TABLE api.todos DISABLE TRIGGER scope");
	assert.equal((await reader.post("todos", { task: "x" })).status, 401);
	assert.deepEqual((await reader.patch(`todos?id=eq.${id}`, { done: false }, all)).body, []);
	assert.deepEqual((await reader.delete("todos", all)).body, []);
	await app.rows("ALTER TABLE api.todos ENABLE TRIGGER scope");
	assert.deepEqual(await tasks(user), [["mine", true]]);
});

test("an API token can use nothing but the to-do list: no account, no session, no other token", async () => {
	await app.addAdministrator("deputy");
	const user = app.client();
	await logIn(user, "deputy");
	const script = app.script(await user.apiToken("all", "todo:read", "todo:write"));
	assert.deepEqual([(await script.get("rpc/me")).body.name, (await script.get("rpc/me")).body.auth_level], ["deputy", 1]);
	const count = async () => (await app.rows("SELECT count(*)::int FROM session.sessions"))[0].count;
	const before = await count();
	const everything = [...FOR_USERS.filter(([, path]) => path !== "todos"),
		["POST", "rpc/sign_up", { name: "another", password: PASSWORD }], ["POST", "rpc/login", { name: "deputy", password: PASSWORD }],
		["POST", "rpc/refresh", {}], ["GET", "rpc/basket"], ["POST", "rpc/basket_set", { item: "Tea", quantity: 1 }],
		["POST", "rpc/introspect", {}], ["POST", "rpc/revoke", {}], ["POST", "rpc/dbsc_register", {}]];
	// A cookie beside the token is not looked at.
	const beside = user.copy();
	beside.headers = script.headers;
	for (const client of [script, beside]) {
		for (const [method, path, body] of everything) {
			const { status, given } = await client.ask(method, path, body);
			assert.deepEqual([status, given], [401, []], path);
		}
	}
	assert.equal(await count(), before);
	assert.equal((await user.get("rpc/me")).body.auth_level, 2);
	assert.equal((await user.get("tokens")).body.length, 1);
});

test("with a cookie and an API token the token counts, and a bad token is refused", async () => {
	const [user, other] = [await app.user(), await app.user()];
	const token = await user.apiToken("reader", "todo:read");
	const both = other.copy();
	both.headers = { "x-api-token": token };
	assert.equal((await me(both)).name, user.name);
	refused(await both.post("todos", { task: "x" }));
	// Pages of other origins cannot send the header, so where the request
	// comes from does not matter.
	refused(await both.post("todos", { task: "x" }, { "sec-fetch-site": "cross-site" }));
	const { given } = await both.get("todos");
	assert.deepEqual(given, []);
	for (const value of [token.slice(0, -1) + (token.endsWith("A") ? "B" : "A"), `${token}, ${token}`, token.slice(0, -1), "x", "ü", "null"]) {
		both.headers = { "x-api-token": value };
		for (const [method, path, body] of [["GET", "rpc/me"], ["GET", "todos"], ["POST", "rpc/login", { name: user.name, password: PASSWORD }], ["POST", "rpc/logout", {}]]) {
			const { status, given: cookies } = await both.ask(method, path, body);
			assert.deepEqual([status, cookies], [401, []], value);
		}
	}
	assert.equal((await me(other)).name, other.name);
});

test("POST /rpc/create_token needs the password, a name of its own, scopes and a time", async () => {
	const user = await app.user();
	const create = (fields) => user.post("rpc/create_token", { name: "one", scopes: ["todo:read"], days: 7, ...fields });
	assert.equal((await create({})).status, 401);
	await user.post("rpc/step_up", { password: PASSWORD });
	for (const wrong of [{ scopes: [] }, { scopes: null }, { scopes: ["todo:*"] }, { scopes: ["*"] }, { scopes: ["todo:read", "account"] }, { scopes: [null] },
		{ days: 0 }, { days: 366 }, { days: null }, { name: "" }, { name: null }, { name: "a\nb" }, { name: "x".repeat(61) }])
		assert.equal((await create(wrong)).status, 400, JSON.stringify(wrong));
	assert.deepEqual((await user.get("tokens")).body, []);

	const { status, body, headers } = await create({});
	assert.equal(status, 200);
	assert.match(body.token, /^st_[\w-]{64}$/);
	assert.deepEqual(Object.keys(body), ["token", "expires_at"]);
	assert.equal(headers["cache-control"], "no-store");
	assert.ok(Math.abs(new Date(body.expires_at) - Date.now() - 7 * 86400000) < 60000);
	const again = await create({});
	assert.deepEqual([again.status, again.body.message], [409, "You have a token of this name."]);

	for (let i = 0; i < 19; i++)
		assert.equal((await create({ name: `token ${i}` })).status, 200);
	const full = await create({ name: "too many" });
	assert.deepEqual([full.status, full.body.message], [409, "You have 20 tokens. Revoke one first."]);
	await user.delete("tokens?name=eq.one");
	assert.equal((await create({})).status, 200);
	await app.age(await currentId(user), "6 minutes");
	assert.equal((await create({ name: "late" })).status, 401);
	const [{ count }] = await app.rows("SELECT count(*)::int FROM app.tokens JOIN app.users u ON u.id = owner WHERE u.name = $1", user.name);
	assert.equal(count, 20);
});

test("GET /tokens lists the user's tokens, and DELETE /tokens?id=eq.<id> ends one at once", async () => {
	const [user, stranger] = [await app.user(), await app.user()];
	const [first, second] = [app.script(await user.apiToken("first", "todo:read")), app.script(await user.apiToken("second", "todo:write", "todo:read"))];
	const listed = async () => (await user.get("tokens?order=created_at")).body;
	assert.deepEqual((await listed()).map(({ name, scopes, last_used_at: used }) => [name, [...scopes].sort(), used]),
		[["first", ["todo:read"], null], ["second", ["todo:read", "todo:write"], null]]);
	assert.deepEqual(Object.keys((await listed())[0]), ["id", "name", "scopes", "created_at", "last_used_at", "expires_at"]);
	await first.get("todos");
	assert.ok(Math.abs(new Date((await listed())[0].last_used_at) - Date.now()) < 60000);

	// They are no devices, and another user's are answered like none.
	assert.equal((await sessions(user)).length, 1);
	const [{ id }] = await listed();
	const all = { prefer: "return=representation" };
	for (const method of ["GET", "DELETE"])
		assertSame(await stranger.ask(method, `tokens?id=eq.${id}`, undefined, all), await stranger.ask(method, `tokens?id=eq.${randomUUID()}`, undefined, all));

	assert.deepEqual((await user.delete(`tokens?id=eq.${id}`, all)).body.map(({ name }) => name), ["first"]);
	assert.equal((await first.get("todos")).status, 401);
	assert.equal((await second.get("todos")).status, 200);
	assert.deepEqual((await listed()).map(({ name }) => name), ["second"]);
	assert.equal((await user.delete("tokens")).status, 204);
	assert.equal((await second.get("todos")).status, 401);
	assert.notEqual(await me(user), null);
	const left = await app.rows(`SELECT FROM session.sessions s JOIN app.users u ON u.id = s.user_id
		WHERE u.name = $1 AND s.role = 'web_token' AND s.revoked_at IS NULL`, user.name);
	assert.deepEqual(left, []);
});

test("an API token outlives the session that made it, and ends with the account", async () => {
	const user = await app.user();
	const script = app.script(await user.apiToken("nightly", "todo:read"));
	const works = async () => (await script.get("todos")).status === 200;
	await user.post("rpc/logout", {});
	assert.ok(await works());
	const again = app.client();
	await logIn(again, user.name);
	await (await otherDevice(user)).delete("sessions");
	assert.equal(await me(again), null);
	assert.ok(await works());
	await logIn(again, user.name);
	assert.deepEqual((await again.get("tokens")).body.map(({ name }) => name), ["nightly"]);
	await again.post("rpc/step_up", { password: PASSWORD });
	assert.equal((await again.post("rpc/delete_account", {})).status, 204);
	assert.equal(await works(), false);
});

test("an API token ends at its time", async () => {
	const user = await app.user();
	const script = app.script(await user.apiToken("short", "todo:read"));
	await app.rows(`UPDATE session.sessions SET ${["created_at", "authenticated_at", "last_seen_at", "expires_at"].map((time) => `${time} = ${time} - interval '30 days'`)}
		WHERE role = 'web_token' AND user_id = $1`, (await me(user)).id);
	assert.equal((await script.get("todos")).status, 401);
	assert.deepEqual((await user.get("tokens")).body, []);
	await user.apiToken("short", "todo:read");
});

test("requests that other sites cause are refused", async () => {
	const user = await app.user();
	const foreign = [{ "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }, { origin: "http://evil.example" },
		{ origin: "null" }, { origin: app.url.replace(/:\d+\/$/, ":1") }];
	for (const headers of foreign) {
		const client = app.client();
		for (const [method, path, body] of [["POST", "rpc/login", { name: user.name, password: PASSWORD }], ["DELETE", "sessions"]]) {
			const { status, given } = await client.ask(method, path, body, headers);
			assert.equal(status, 403, JSON.stringify(headers));
			assert.equal(given.length, 0);
		}
		const form = await client.post("rpc/login", `name=${user.name}&password=${encodeURIComponent(PASSWORD)}`,
			{ ...headers, "content-type": "application/x-www-form-urlencoded" });
		assert.equal(form.status, 403);
		assert.equal((await user.post("todos", { task: "owned" }, headers)).status, 403);
		assert.equal((await user.get("todos", headers)).status, 200);
	}
	for (const headers of [{ "sec-fetch-site": "same-origin" }, { "sec-fetch-site": "none" }, { origin: app.url.replace(/\/$/, "") }, {}]) {
		const same = await app.client().post("rpc/login", { name: user.name, password: PASSWORD }, headers);
		assert.equal(same.status, 200, JSON.stringify(headers));
	}
	assert.deepEqual((await user.get("todos")).body, []);

	const origin = { origin: "http://evil.example" };
	const read = await user.get("rpc/me", origin);
	assert.equal(Object.keys(read.headers).some((name) => name.startsWith("access-control")), false);
	const preflight = await user.ask("OPTIONS", "todos", undefined, { ...origin, "access-control-request-method": "POST" });
	assert.equal(preflight.status, 405);
	assert.equal(preflight.headers["access-control-allow-origin"], undefined);
});

test("a request that names its account is refused for any other account and for a visitor", async () => {
	const [user, other] = [await app.user(), await app.user()];
	const [{ id }, { id: another }] = [await me(user), await me(other)];
	const visitor = app.client();
	const task = { task: "water the tomatoes" };
	const item = { item: "Tea", quantity: 1 };
	for (const [client, account, good] of [[user, id, true], [user, another, false], [user, "visitor", false], [user, "", false],
		[visitor, "visitor", true], [visitor, id, false], [visitor, "", false]]) {
		const headers = { "x-account": account };
		for (const [method, path, body] of [["GET", "rpc/basket"], ["POST", "rpc/basket_set", item], ...(client === user ? [["POST", "todos", task]] : [])]) {
			const { status, given } = await client.ask(method, path, body, headers);
			assert.equal(status, good ? body === task ? 201 : 200 : 412, `${path} ${account}`);
			assert.ok(good || given.length === 0);
		}
	}
	assert.equal((await user.get("todos")).body.length, 1);
	assert.deepEqual((await user.get("rpc/basket")).body, [item]);

	// After a session has ended or expired, the request is a visitor's. After
	// a refresh it is the user's again.
	await app.age(await currentId(user), "20 min");
	assert.equal((await user.post("rpc/basket_set", item, { "x-account": id })).status, 412);
	assert.equal((await user.post("rpc/refresh", {})).status, 200);
	assert.equal((await user.post("rpc/basket_set", item, { "x-account": id })).status, 200);
	await user.copy().post("rpc/logout", {});
	const { status, given } = await user.post("rpc/basket_set", item, { "x-account": id });
	assert.deepEqual([status, given], [412, []]);
});

test("the printed URL and localhost lead to the application, at every loopback address", async () => {
	const { port } = new URL(app.url);
	for (const url of [app.url, `http://localhost:${port}/`])
		assert.match(await (await fetch(url)).text(), /^<!doctype html>/);

	const addresses = Object.values(networkInterfaces()).flat().map(({ address }) => address);
	const loopback = ["127.0.0.1", "::1"].filter((address) => addresses.includes(address));
	assert.equal(loopback[0], "127.0.0.1");
	for (const host of loopback) {
		const ask = (name) => raw(app.url, { hostname: host, headers: { host: name } });
		for (const name of ["127.0.0.1", "[::1]", "localhost"]) {
			assert.equal((await ask(`${name}:${port}`)).status, 200, `${name} at ${host}`);
			assert.equal((await ask(`${name}:1`)).status, 421, `${name} at ${host}`);
		}
	}
});

test("the proxy uses the address of the connection, and forwards only known headers", async () => {
	const user = app.client();
	await user.post("rpc/sign_up", { name: "far", password: PASSWORD },
		{ "x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", forwarded: "for=203.0.113.9", "accept-profile": "app" });
	assert.equal((await user.get("sessions")).body[0].ip, "127.0.0.1");

	const ask = (options, body) => raw(app.url, { path: "/api/rpc/me", ...options }, body);
	assert.equal((await ask({ headers: { host: "evil.example" } })).status, 421);
	assert.equal((await ask({ method: "TRACE" })).status, 405);
	assert.equal((await ask({ path: "/package.json" })).status, 404);
	assert.equal((await ask({ path: "/../app.sql" })).status, 404);
	assert.equal((await ask({ method: "POST", path: "/" })).status, 404);
	const large = "x".repeat(65 * 1024);
	assert.equal((await ask({ method: "POST", headers: { "content-length": large.length } }, large)).status, 413);
	assert.equal((await ask({ method: "POST", headers: { "transfer-encoding": "chunked" } }, large)).status, 413);
	assert.equal((await ask({})).status, 200);
});

test("the page has a policy that allows only its own script and style", async () => {
	const { status, headers, text } = await raw(app.url, { path: "/" });
	assert.equal(status, 200);
	assert.equal(text, await readFile(new URL("../../examples/postgrest/index.html", import.meta.url), "utf8"));
	assert.match(headers["content-security-policy"],
		/^default-src 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='; connect-src 'self'; /);
	assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
	assert.equal(headers["x-content-type-options"], "nosniff");
	assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacent|document\.write|https?:\/\/(?!www\.w3\.org)/);
});

test("web roles can use only the API", async () => {
	const may = await app.rows(`
		SELECT p.oid::regprocedure::text AS function, array_agg(r.rolname::text ORDER BY r.rolname) AS roles
		FROM pg_proc p CROSS JOIN pg_roles r
		WHERE p.pronamespace IN ('app'::regnamespace, 'api'::regnamespace)
		  AND r.rolname IN ('web_anon', 'web_user', 'web_token', 'authenticator')
		  AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
		GROUP BY 1 ORDER BY 1`);
	const user = ["web_user"], anon = ["web_anon"], both = ["web_anon", "web_user"];
	assert.deepEqual(Object.fromEntries(may.map((row) => [row.function, row.roles])), {
		"api.basket()": both, "api.basket_set(text,integer)": both, "api.create_token(text,text[],integer)": user, "api.dbsc_refresh()": both,
		"api.dbsc_register()": both, "api.delete_account()": user,
		"api.login(text,text,boolean)": both, "api.logout()": user, "api.me()": ["web_anon", "web_token", "web_user"], "api.refresh()": both,
		"api.sign_up(text,text,boolean)": both, "api.step_up(text)": user,
		"app.header(text)": anon, "app.pre_request()": anon,
	});
	const tables = await app.rows(`
		SELECT c.oid::regclass::text AS table FROM pg_class c
		WHERE c.relnamespace IN ('app'::regnamespace, 'api'::regnamespace) AND c.relkind IN ('r', 'v')
		  AND (has_table_privilege('web_token', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege('web_token', c.oid, 'SELECT, INSERT, UPDATE'))`);
	assert.deepEqual(tables, [{ table: "api.todos" }]);
	for (const role of ["web_anon", "web_user", "web_admin", "web_token", "authenticator"]) {
		for (const sql of ["SELECT password FROM app.users", "SELECT * FROM app.users", "DELETE FROM app.users",
			"SELECT extensions.session_create('ada')", "SELECT * FROM session.sessions"]) {
			await app.rows(`SET ROLE ${role}`);
			await assert.rejects(app.rows(sql), { code: "42501" }, `${role}: ${sql}`);
			await app.rows("RESET ROLE");
		}
	}
	const loose = await app.rows(`
		SELECT p.oid::regprocedure FROM pg_proc p
		WHERE p.pronamespace IN ('app'::regnamespace, 'api'::regnamespace)
		  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%')`);
	assert.deepEqual(loose, []);
	assert.equal((await app.client().get("users")).status, 404);
});

// Returns a client that is another service.
async function service() {
	const client = app.client({ agent: "billing/1.0" });
	const [{ token }] = await app.rows(
		"SELECT token FROM extensions.session_create('service:billing', role => 'resource_server')");
	client.jar.set(SESSION, { name: SESSION, value: token, path: "/" });
	return client;
}

const form = (client, path, fields) => client.post(path, new URLSearchParams(fields).toString(),
	{ "content-type": "application/x-www-form-urlencoded" });

test("POST /rpc/introspect tells a service what it may know about a user's token", async () => {
	const billing = await service();
	const user = await app.user();
	const admin = app.client();
	await app.addAdministrator("inspector");
	await logIn(admin, "inspector");
	for (const [client, name, scope] of [[user, user.name, "todos"], [admin, "inspector", "todos admin"]]) {
		const { status, body } = await form(billing, "rpc/introspect", { token: client.cookie(SESSION), token_type_hint: "refresh_token" });
		assert.equal(status, 200);
		const { auth_time: since, iat, exp, ...rest } = body;
		assert.deepEqual(rest, { active: true, token_type: "Bearer", sub: (await me(client)).id, username: name, scope });
		assert.ok(since >= iat && Math.abs(iat - Date.now() / 1000) < 60);
		assert.ok(exp - iat >= 899 && exp - iat <= 901);
	}
	const visitor = app.client();
	await visitor.post("rpc/basket_set", { item: "Tea", quantity: 1 });
	const before = user.copy();
	await user.post("rpc/refresh", {});
	const api = await user.apiToken("script", "todo:read");
	for (const token of [before.cookie(SESSION), user.cookie(REFRESH), visitor.cookie(SESSION), billing.cookie(SESSION), api, "", "junk", "x".repeat(10000)]) {
		const { status, text } = await form(billing, "rpc/introspect", { token });
		assert.deepEqual([status, text], [200, '{"active":false}']);
	}
	assert.deepEqual((await form(billing, "rpc/introspect", {})).body, { active: false });
});

test("POST /rpc/revoke ends the session of either token, and every answer is the same", async () => {
	const billing = await service();
	for (const name of [SESSION, REFRESH]) {
		const user = await app.user();
		for (const token of [user.cookie(name).replace(/.{4}$/, "AAAA"), "junk", "", user.cookie(name), user.cookie(name)]) {
			const { status, text } = await form(billing, "rpc/revoke", { token, token_type_hint: "access_token" });
			assert.deepEqual([status, text], [200, "{}"]);
		}
		assert.equal(await me(user), null);
		assert.equal((await user.post("rpc/refresh", {})).status, 401);
	}
});

test("only other services may ask about tokens and revoke them, and they may do nothing else", async () => {
	const billing = await service();
	const user = await app.user();
	const token = user.cookie(SESSION);
	for (const path of ["rpc/introspect", "rpc/revoke"]) {
		for (const client of [app.client(), user.copy()])
			assert.equal((await form(client, path, { token })).status, 401);
	}
	for (const [method, path, body] of FOR_USERS)
		assert.equal((await billing.ask(method, path, body)).status, 401, path);
	assert.notEqual(await me(user), null);
	await app.rows("SELECT extensions.session_revoke($1)", billing.cookie(SESSION));
	assert.equal((await form(billing, "rpc/introspect", { token })).status, 401);
});
