// Sessions of examples/postgrest that a real browser binds to a key of its own
// (Device Bound Session Credentials), and what a thief can do with their
// cookies. A proxy between browser and application writes down the requests.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as ask } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import { application, PASSWORD, SESSION, skip } from "./support.mjs";

const BOUND = `${SESSION}-bound`;
const REGISTER = "/api/rpc/dbsc_register";
const RENEW = "/api/rpc/dbsc_refresh";

// How long a bound cookie lasts, in seconds; and for the cookies that expire
// during the tests, the shortest time that the setting allows. Chromium renews
// a cookie that is over in less than two minutes with each request, and stops
// when that was too often.
const TTL = 600;
const SHORT_TTL = 60;

// How long the server accepts the cookie after that.
const GRACE = 15;

// Chromium as of 156: without the feature's origin trial, and with keys that it
// keeps in files, because the machine may have no TPM.
const FEATURES = "DeviceBoundSessions:RequireOriginTrialTokens/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";

const app = application({
	secure: true,
	settings: { "session.bound_cookie_ttl": `${TTL}s`, "session.log_events": "all" },
});
const test = (name, body) => nodeTest(name, { skip, timeout: 120000 }, body);
let proxy;

// Sends a request to the application as it came.
async function forward(request, body) {
	const url = new URL(request.url, app.secureUrl);
	const onward = ask(url, {
		agent: false,
		ca: app.certificate.cert,
		method: request.method,
		headers: { ...request.headers, host: url.host },
	});
	onward.end(body);
	const [answer] = await once(onward, "response");
	const chunks = [];
	for await (const chunk of answer)
		chunks.push(chunk);
	return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) };
}

// Starts the proxy. requests has all that it saw, as { method, path, headers,
// status, answered, text, at }. change, if set, may change the headers of a
// request, and hold may keep it waiting.
async function startProxy() {
	const requests = [];
	const server = createServer(app.certificate, async (request, response) => {
		const chunks = [];
		for await (const chunk of request)
			chunks.push(chunk);
		const seen = { method: request.method, path: request.url, headers: { ...request.headers } };
		requests.push(seen);
		proxy.change?.(request);
		await proxy.hold?.(seen);
		try {
			const { status, headers, body } = await forward(request, Buffer.concat(chunks));
			Object.assign(seen, { status, answered: headers, text: body.toString(), at: Date.now() });
			response.writeHead(status, headers).end(body);
		} catch (error) {
			Object.assign(seen, { status: 0, answered: {}, text: "", at: Date.now() });
			response.destroy(error);
		}
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return { server, requests, url: `https://localhost:${server.address().port}/` };
}

before(async () => {
	if (!skip)
		proxy = await startProxy();
});
after(() => proxy?.server.close());

// Opens the page in a browser of its own, which can bind sessions unless bound
// is false.
async function open(t, { bound = true } = {}) {
	const folder = mkdtempSync(join(tmpdir(), "session-browser."));
	const context = await chromium.launchPersistentContext(folder, {
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		args: [
			"--disable-dev-shm-usage",
			`--ignore-certificate-errors-spki-list=${app.certificate.spki}`,
			...(bound ? [`--enable-features=${FEATURES}`] : ["--disable-features=DeviceBoundSessions"]),
		],
	});
	t.after(async () => {
		await context.close();
		rmSync(folder, { recursive: true, force: true });
	});
	context.setDefaultTimeout(15000);
	const page = await context.newPage();
	await page.goto(proxy.url);
	await page.locator("#main").waitFor();
	return page;
}

// Returns what the proxy has seen of a path since a place in its list.
const seen = (path, since = 0) => proxy.requests.slice(since).filter((request) => request.path === path);

// Waits until a condition is true, and returns its value.
async function until(what, condition) {
	for (let i = 0; i < 300; i++) {
		const value = await condition();
		if (value)
			return value;
		await new Promise((resolve) => { setTimeout(resolve, 50); });
	}
	return assert.fail(`never: ${what}`);
}

async function cookie(page, name) {
	return (await page.context().cookies(`${proxy.url}api/rpc/refresh`)).find((each) => each.name === name);
}

const signedInAs = (page, name) => page.locator("#who").filter({ hasText: `Signed in as ${name}` }).waitFor();
const isVisitor = (page) => page.getByRole("heading", { name: "Sign in" }).waitFor();

async function logIn(page, name) {
	const form = page.locator("#login");
	await form.getByLabel("Name").fill(name);
	await form.getByLabel("Password").fill(PASSWORD);
	await form.getByRole("button", { name: "Sign in" }).click();
	await signedInAs(page, name);
}

// Waits until the page and the browser have all answers and ask nothing more.
const quiet = () => until("there are no more requests", () =>
	proxy.requests.every(({ at }) => at !== undefined && Date.now() - at > 300));

// Ends the time in which the token of a session is accepted without the bound
// cookie, because requests may have been sent before there was one.
const endGrace = (id) => app.rows("UPDATE session.sessions SET bound_at = bound_at - interval '1 hour' WHERE id = $1", id);

// Returns a browser with a bound session, and what is known about it.
async function boundBrowser(t, name) {
	await app.user({ name });
	const page = await open(t);
	const since = proxy.requests.length;
	await logIn(page, name);
	await until("the browser has a bound cookie", () => cookie(page, BOUND));
	await quiet();
	const [{ id }] = await app.rows(`
		SELECT s.id FROM session.sessions s JOIN app.users u ON u.id = s.user_id
		WHERE u.name = $1 AND bound_by = 'dbsc'`, name);
	await endGrace(id);
	return { page, id, since };
}

// Removes the bound cookie, as its expiry does.
const forget = (page) => page.context().clearCookies({ name: BOUND });

// Returns a client that sends these cookies of a browser and no others.
async function thief(page, ...names) {
	const client = app.client();
	for (const name of names) {
		const { value } = await cookie(page, name);
		client.jar.set(name, { name, value, path: "/" });
	}
	return client;
}

const me = async (client) => (await client.get("rpc/me")).body;
const quoted = (text) => text.replace(/^"|"$/g, "");
const renew = (client, id, proof) => client.post("rpc/dbsc_refresh", undefined, {
	"sec-secure-session-id": `"${id}"`,
	...(proof !== undefined && { "secure-session-response": proof }),
});

// Returns the kinds of the events of a session. Upkeep writes evidence first.
async function events(id) {
	await app.rows("SELECT extensions.session_cleanup()");
	return (await app.rows("SELECT kind FROM session.events WHERE session_id = $1 ORDER BY at, id", id)).map(({ kind }) => kind);
}

// Returns how many requests had the token of a session, but no proof of its key.
const unbound = async () => (await app.rows("SELECT checks_unbound::int AS count FROM session.stats WHERE database = current_database()"))[0].count;

// What the first test leaves for the last.
let stolen;

test("cookies are stolen whose bound cookie expires soon", async (t) => {
	await app.set("session.bound_cookie_ttl", `${SHORT_TTL}s`);
	const { page, id } = await boundBrowser(t, "victor");
	const { expires } = await cookie(page, BOUND);
	assert.ok(Math.abs(expires - Date.now() / 1000 - SHORT_TTL) < 10);
	const client = await thief(page, SESSION, BOUND);
	assert.equal((await me(client)).name, "victor");
	stolen = { client, id, until: (expires + GRACE + 2) * 1000 };
	await app.set("session.bound_cookie_ttl", `${TTL}s`);
});

test("at login, the browser binds the session to a key of its own", async (t) => {
	const { page, id, since } = await boundBrowser(t, "ada");
	const [login] = seen("/api/rpc/login", since);
	assert.match(login.answered["secure-session-registration"], /^\((?:ES256|RS256| )+\); ?path="\/api\/rpc\/dbsc_register"; ?challenge="[\w-]+"; ?authorization="[\w-]+"$/);

	const [register, ...others] = seen(REGISTER, since);
	assert.deepEqual([register.method, register.status, others.length], ["POST", 200, 0]);
	assert.match(register.headers["secure-session-response"], /^"?[\w-]+\.[\w-]+\.[\w-]+"?$/);
	const { session_identifier: identifier, refresh_url: url, scope, credentials } = JSON.parse(register.text);
	assert.deepEqual([identifier, url, scope.include_site], [id, "/api/rpc/dbsc_refresh", false]);
	assert.deepEqual(credentials, [{ type: "cookie", name: BOUND, attributes: "Path=/; Secure; HttpOnly; SameSite=Strict" }]);
	assert.doesNotMatch(register.text, /s[tb]_/);

	const { value, expires, ...rest } = await cookie(page, BOUND);
	assert.deepEqual(rest, { name: BOUND, domain: "localhost", path: "/", httpOnly: true, secure: true, sameSite: "Strict" });
	assert.match(value, /^sb_[\w-]{112}$/);
	assert.ok(Math.abs(expires - Date.now() / 1000 - TTL) < 10);
	assert.equal(await page.evaluate(() => document.cookie), "");

	// The list of devices says so, and the event.
	assert.deepEqual(await page.evaluate(async () => (await fetch("/api/sessions?select=current,bound&order=current.desc")).json()),
		[{ current: true, bound: true }, { current: false, bound: false }]);
	await page.reload();
	await page.getByText("Bound to a key of this device").waitFor();
	assert.ok((await events(id)).includes("bound"));

	// Until it is over, the cookie is of use with the token, and only with it.
	assert.equal((await me(await thief(page, SESSION, BOUND))).name, "ada");
	assert.equal(await me(await thief(page, SESSION)), null);
	assert.equal(await me(await thief(page, BOUND)), null);
});

test("requests that the browser sent before it had the bound cookie are answered", async (t) => {
	await app.user({ name: "nora" });
	const page = await open(t);
	await quiet();
	const before = await unbound();
	const since = proxy.requests.length;
	const held = [];
	// What the page asks after the login arrives once the session is bound.
	proxy.hold = async (request) => {
		if (request.path === REGISTER || request.path === "/api/rpc/login" || request.headers.cookie?.includes(BOUND))
			return;
		held.push(request);
		await until("the session is bound", () => seen(REGISTER, since).some(({ status }) => status === 200));
	};
	t.after(() => { proxy.hold = undefined; });
	await logIn(page, "nora");
	await until("the browser has a bound cookie", () => cookie(page, BOUND));
	await quiet();
	assert.ok(held.length > 0);
	assert.ok(held.every(({ path, status }) => path === RENEW || status < 300), held.map(({ path, status }) => `${path} ${status}`).join());
	assert.equal(await unbound(), before);
	// A thief who has only the token is too late a moment later.
	const client = await thief(page, SESSION);
	assert.equal((await me(client)).name, "nora");
	for (const { id } of await app.rows("SELECT s.id FROM session.sessions s JOIN app.users u ON u.id = s.user_id WHERE u.name = 'nora' AND bound_by = 'dbsc'"))
		await endGrace(id);
	assert.equal(await me(client), null);
	await page.reload();
	await signedInAs(page, "nora");
});

test("after the bound cookie has expired, the browser renews it before its next request", async (t) => {
	const { page, id } = await boundBrowser(t, "bob");
	const before = await unbound();
	// First with the challenge of the registration, later with those of renewals.
	for (let i = 0; i < 3; i++) {
		await forget(page);
		const since = proxy.requests.length;
		await page.reload();
		await signedInAs(page, "bob");
		const renewed = seen(RENEW, since);
		const last = renewed.at(-1);
		assert.equal(last.status, 200);
		assert.equal(quoted(last.headers["sec-secure-session-id"]), id);
		assert.equal(last.headers.cookie.includes(BOUND), false);
		assert.ok(renewed.slice(0, -1).every(({ status }) => status === 403));
		// The page itself was asked for after that, with the new cookie.
		const document = proxy.requests.slice(since).find(({ path }) => path === "/");
		assert.ok(proxy.requests.indexOf(document) > proxy.requests.indexOf(last));
		assert.ok(document.headers.cookie.includes(`${BOUND}=${(await cookie(page, BOUND)).value}`));
		assert.equal(seen("/api/rpc/me", since)[0].text.includes("bob"), true);
	}
	// No request was taken for a thief's.
	assert.equal(await unbound(), before);
});

test("the session token is replaced, and the session stays bound", async (t) => {
	const { page, id, since } = await boundBrowser(t, "carol");
	const before = (await cookie(page, SESSION)).value;
	await page.evaluate(() => fetch("/api/rpc/refresh", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" }));
	assert.notEqual((await cookie(page, SESSION)).value, before);
	await forget(page);
	await page.reload();
	await signedInAs(page, "carol");
	assert.equal(seen(REGISTER, since).length, 1);
	assert.equal(seen(RENEW, since).at(-1).status, 200);
	// A stolen refresh token is of no use without the bound cookie.
	const client = await thief(page, SESSION, "__Secure-refresh");
	const { status, given } = await client.post("rpc/refresh", {});
	assert.equal(status, 401);
	assert.ok(given.every(({ value }) => value === ""), JSON.stringify(given));
	await page.reload();
	await signedInAs(page, "carol");
	assert.deepEqual(await app.rows("SELECT revoked_at, bound_by FROM session.sessions WHERE id = $1", id), [{ revoked_at: null, bound_by: "dbsc" }]);
});

test("entering the password again makes new tokens, and the browser binds the session again", async (t) => {
	const { page, id, since } = await boundBrowser(t, "dave");
	const before = (await app.rows("SELECT bound_thumbprint AS key FROM session.sessions WHERE id = $1", id))[0].key;
	await page.evaluate((password) => fetch("/api/rpc/step_up", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ password }) }), PASSWORD);
	await until("the session is bound to another key", async () => {
		const [{ key }] = await app.rows("SELECT bound_thumbprint AS key FROM session.sessions WHERE id = $1", id);
		return key !== null && !key.equals(before);
	});
	assert.equal(seen(REGISTER, since).length, 2);
	await quiet();
	await endGrace(id);
	await forget(page);
	await page.reload();
	await signedInAs(page, "dave");
});

test("a browser that got all cookies cannot renew them, and is a visitor", async (t) => {
	const { page, id } = await boundBrowser(t, "eve");
	const copied = await page.context().cookies(`${proxy.url}api/rpc/refresh`);
	const other = await open(t);
	await other.context().addCookies(copied);
	await other.reload();
	await signedInAs(other, "eve");
	const since = proxy.requests.length;
	await forget(other);
	await other.reload();
	await isVisitor(other);
	assert.equal(seen(RENEW, since).length, 0);
	assert.equal(await cookie(other, BOUND), undefined);
	// The owner continues, and the event log has the attempt.
	await forget(page);
	await page.reload();
	await signedInAs(page, "eve");
	assert.ok((await events(id)).includes("unbound"));
});

test("a proof that was changed, sent before, or made for another session renews nothing", async (t) => {
	const [mallory, frank] = [await boundBrowser(t, "mallory"), await boundBrowser(t, "frank")];
	const since = proxy.requests.length;
	for (const { page } of [mallory, frank]) {
		await forget(page);
		await page.reload();
	}
	const proofs = seen(RENEW, since).filter(({ status }) => status === 200);
	const proofOf = ({ id }) => proofs.find(({ headers }) => quoted(headers["sec-secure-session-id"]) === id).headers["secure-session-response"];
	const client = await thief(frank.page, SESSION);
	const [sent, foreign] = [proofOf(frank), proofOf(mallory)];
	const [header, payload, signature] = quoted(sent).split(".");
	const change = (part) => (part[4] === "A" ? part.slice(0, 4) + "B" : part.slice(0, 4) + "A") + part.slice(5);

	// A fresh challenge does not help without the key.
	const asked = await renew(client, frank.id);
	assert.equal(asked.status, 403);
	const [, challenge] = asked.headers["secure-session-challenge"].match(/^"([\w-]+)";\s*id="[\w-]+"$/);
	const claims = Buffer.from(JSON.stringify({ jti: challenge })).toString("base64url");
	for (const [what, proof] of Object.entries({
		"sent before": sent,
		"of another session": foreign,
		"with another header": `${change(header)}.${payload}.${signature}`,
		"with other claims": `${header}.${change(payload)}.${signature}`,
		"with another signature": `${header}.${payload}.${change(signature)}`,
		"with a fresh challenge": `${header}.${claims}.${signature}`,
		"without a signature": `${Buffer.from('{"alg":"none","typ":"dbsc+jwt"}').toString("base64url")}.${claims}.`,
		"that is none": "x", "that is long": "x".repeat(8000), "that is empty": "",
	})) {
		for (const form of [`"${quoted(proof)}"`, quoted(proof)]) {
			const { status, given, headers } = await renew(client, frank.id, form);
			assert.deepEqual([status, given], [403, []], what);
			assert.match(headers["secure-session-challenge"], /^"[\w-]+"/, what);
		}
	}
	for (const id of [mallory.id, "00000000-0000-0000-0000-000000000000", "x", "", "x".repeat(5000)])
		assert.deepEqual((await renew(client, id, sent)).given, [], id);
	assert.equal(await me(client), null);

	// The same in the browser's own request: it asks again, and goes on.
	let changed = 0;
	proxy.change = ({ url, headers }) => {
		if (url === RENEW && headers["secure-session-response"] && changed++ === 0)
			headers["secure-session-response"] = headers["secure-session-response"].replace(/.{5}("?)$/, "AAAAA$1");
	};
	t.after(() => { proxy.change = undefined; });
	await forget(frank.page);
	const before = proxy.requests.length;
	await frank.page.reload();
	await signedInAs(frank.page, "frank");
	assert.deepEqual(seen(RENEW, before).map(({ status }) => status).filter((status) => status === 200), [200]);
	assert.ok(changed >= 2);
});

test("a session can be bound only once, and only by the browser that logged in", async (t) => {
	const { page, since } = await boundBrowser(t, "grace");
	const proof = seen(REGISTER, since)[0].headers["secure-session-response"];
	const register = (client, value) => client.post("rpc/dbsc_register", undefined, value === undefined ? {} : { "secure-session-response": value });
	const other = await app.user({ name: "heidi" });
	for (const client of [await thief(page, SESSION, BOUND), await thief(page, SESSION), app.client(), other]) {
		for (const value of [proof, quoted(proof), "x", "", undefined]) {
			const { status, given } = await register(client, value);
			assert.deepEqual([status, given], [400, []]);
		}
	}
	// A session without a key goes on after that.
	assert.equal((await me(other)).name, "heidi");
	await page.reload();
	await signedInAs(page, "grace");
});

test("a bound session survives a restart of the server", async (t) => {
	const { page, id } = await boundBrowser(t, "ivan");
	await forget(page);
	await app.restart();
	const since = proxy.requests.length;
	await page.reload();
	await signedInAs(page, "ivan");
	assert.equal(quoted(seen(RENEW, since).at(-1).headers["sec-secure-session-id"]), id);
	assert.equal(await me(await thief(page, SESSION)), null);
	assert.equal((await me(await thief(page, SESSION, BOUND))).name, "ivan");
});

test("a session that is revoked while the browser renews is over", async (t) => {
	const { page, id } = await boundBrowser(t, "judy");
	const other = await app.connection();
	t.after(() => other.end());
	await forget(page);
	const since = proxy.requests.length;
	await other.query("BEGIN");
	await other.query("SELECT extensions.session_revoke_id($1, 'stolen')", [id]);
	const reloaded = page.reload();
	await until("the renewal waits for the row", async () => (await app.rows(`
		SELECT FROM pg_stat_activity WHERE usename = 'authenticator' AND wait_event_type = 'Lock'`)).length === 1);
	assert.equal(seen(RENEW, since).at(-1).status, undefined);
	await other.query("COMMIT");
	await reloaded;
	await isVisitor(page);
	for (const { text, answered } of seen(RENEW, since))
		assert.deepEqual([JSON.parse(text), answered["set-cookie"]], [{ session_identifier: id, continue: false }, undefined]);
	assert.equal(await cookie(page, BOUND), undefined);

	// The next login of the same browser is bound again.
	await logIn(page, "judy");
	await until("the browser has a bound cookie", () => cookie(page, BOUND));
});

test("logging out ends a bound session and removes its cookies", async (t) => {
	const { page } = await boundBrowser(t, "kim");
	const client = await thief(page, SESSION, BOUND);
	await page.getByRole("button", { name: "Sign out", exact: true }).click();
	await isVisitor(page);
	assert.deepEqual(await page.context().cookies(), []);
	assert.equal(await me(client), null);
});

test("a browser without the feature has a session as before", async (t) => {
	await app.user({ name: "leo" });
	const page = await open(t, { bound: false });
	const since = proxy.requests.length;
	await logIn(page, "leo");
	await page.reload();
	await signedInAs(page, "leo");
	assert.ok(seen("/api/rpc/login", since)[0].answered["secure-session-registration"]);
	assert.deepEqual([seen(REGISTER, since), seen(RENEW, since), await cookie(page, BOUND)], [[], [], undefined]);
	assert.equal((await me(await thief(page, SESSION))).name, "leo");
});

test("the browser binds its session and renews the cookie where requests need a CSRF token", async (t) => {
	await app.set("session.csrf", "token");
	t.after(() => app.set("session.csrf", "same_origin"));
	const { page, id, since } = await boundBrowser(t, "mia");
	// A script needs the token, even one of this page.
	assert.equal(await page.evaluate(async () => (await fetch("/api/rpc/logout", { method: "POST" })).status), 403);
	for (let i = 0; i < 2; i++) {
		await forget(page);
		await page.reload();
		await signedInAs(page, "mia");
	}
	assert.deepEqual(seen(REGISTER, since).map(({ status, headers }) => [status, headers["x-csrf-token"]]), [[200, undefined]]);
	assert.equal(seen(RENEW, since).at(-1).status, 200);
	assert.deepEqual(await app.rows("SELECT revoked_at, bound_by FROM session.sessions WHERE id = $1", id), [{ revoked_at: null, bound_by: "dbsc" }]);
});

test("when the bound cookie is over, the stolen cookies are of no use", async () => {
	const { client, id, until: end } = stolen;
	client.url = app.url;
	await new Promise((resolve) => { setTimeout(resolve, end - Date.now()); });
	assert.equal(await me(client), null);
	assert.equal((await client.get("sessions")).status, 401);
	assert.deepEqual((await renew(client, id)).given, []);
	assert.deepEqual(await app.rows("SELECT revoked_at, bound_by FROM session.sessions WHERE id = $1", id), [{ revoked_at: null, bound_by: "dbsc" }]);
});
