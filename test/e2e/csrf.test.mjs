// Requests to examples/postgrest that pages of other origins cause, with a real
// browser (CSRF). One attacker is another port of the same host, which is the
// same site, so its requests carry the cookies. The other is another site.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import { application, PASSWORD, SESSION, skip } from "./support.mjs";

const app = application();
const test = (name, body) => nodeTest(name, { skip, timeout: 60000 }, body);
let browser, attacker, old;

// Listens on a free port of 127.0.0.1, which is also the name localhost.
async function listen(handle) {
	const server = createServer(handle);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return { server, port: server.address().port };
}

// A proxy as a browser sees it that does not send Sec-Fetch-Site. seen has the
// method and the origin of each request, and the server emits "answered" with the
// status for a request without an origin of its own, of which the browser may not
// tell: it comes from a process that has just been started for a frame.
async function forward(request, response) {
	const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith("sec-")));
	old.seen.push({ method: request.method, origin: headers.origin });
	const url = new URL(request.url, app.url);
	const onward = ask(url, { agent: false, method: request.method, headers: { ...headers, host: url.host } });
	request.pipe(onward);
	const [answer] = await once(onward, "response");
	response.writeHead(answer.statusCode, answer.headers);
	answer.pipe(response);
	if (headers.origin === "null")
		old.server.emit("answered", answer.statusCode);
}

before(async () => {
	if (skip)
		return;
	browser = await chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
		args: ["--disable-dev-shm-usage"],
	});
	attacker = await listen((request, response) => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>other</title>"));
	old = await listen(forward);
	old.seen = [];
	old.url = `http://127.0.0.1:${old.port}/`;
});
after(async () => {
	await browser?.close();
	attacker?.server.close();
	old?.server.close();
});

// Returns a browser whose user is logged in at a URL of the application.
async function loggedIn(t, name, url = app.url) {
	await app.user({ name });
	const context = await browser.newContext();
	t.after(() => context.close());
	context.setDefaultTimeout(15000);
	const page = await context.newPage();
	await page.goto(url);
	const form = page.locator("#login");
	await form.getByLabel("Name").fill(name);
	await form.getByLabel("Password").fill(PASSWORD);
	await form.getByRole("button", { name: "Sign in" }).click();
	await page.locator("#who").filter({ hasText: `Signed in as ${name}` }).waitFor();
	return { context, page };
}

// Opens the page of an attacker: of the same site, or of another one.
async function lured(context, host = "127.0.0.1") {
	const page = await context.newPage();
	await page.goto(`http://${host}:${attacker.port}/`);
	return page;
}

// Has a page send a form to the application, as a whole page. Returns the
// status of the answer and whether the request had the session cookie.
async function sendForm(page, path, fields, url = app.url) {
	const answered = page.waitForResponse((response) => response.url() === new URL(path, url).href && response.request().method() === "POST");
	await page.evaluate(([action, fields]) => {
		const form = document.body.appendChild(document.createElement("form"));
		Object.assign(form, { method: "POST", action });
		for (const [name, value] of Object.entries(fields))
			form.appendChild(Object.assign(document.createElement("input"), { name, value }));
		form.submit();
	}, [new URL(path, url).href, fields]);
	const response = await answered;
	const headers = await response.request().allHeaders();
	return { status: response.status(), hadCookie: (headers.cookie ?? "").includes(SESSION), site: headers["sec-fetch-site"] };
}

// Has a page send a request with the browser's cookies from a script. Returns
// the status, or null if the page may not know it.
const fetchFrom = (page, path, options, url = app.url) => page.evaluate(async ([target, options]) => {
	try {
		return (await fetch(target, { credentials: "include", ...options })).status || null;
	} catch {
		return null;
	}
}, [new URL(path, url).href, options]);

const tasks = async (name) => (await app.rows(`
	SELECT task FROM api.todos JOIN app.users u ON u.id = owner WHERE u.name = $1 ORDER BY todos.id`, name)).map(({ task }) => task);
const FORM = { "content-type": "application/x-www-form-urlencoded" };

test("without the check, a page on another port writes with the user's cookies", async (t) => {
	await app.set("session.csrf", "off");
	t.after(() => app.set("session.csrf", "same_origin"));
	const { context } = await loggedIn(t, "ada");
	const page = await lured(context);
	assert.deepEqual(await sendForm(page, "api/todos", { task: "by a form" }), { status: 201, hadCookie: true, site: "same-site" });
	await fetchFrom(await lured(context), "api/todos", { method: "POST", mode: "no-cors", headers: FORM, body: "task=by a script" });
	assert.deepEqual(await tasks("ada"), ["by a form", "by a script"]);
});

test("with it, pages of other origins cannot write, and the user's own page can", async (t) => {
	const { context, page: own } = await loggedIn(t, "bob");
	assert.deepEqual(await sendForm(await lured(context), "api/todos", { task: "owned" }), { status: 403, hadCookie: true, site: "same-site" });
	assert.deepEqual(await sendForm(await lured(context, "localhost"), "api/todos", { task: "owned" }), { status: 403, hadCookie: false, site: "cross-site" });
	for (const path of ["api/todos", "api/rpc/logout", "api/rpc/refresh", "api/sessions"]) {
		for (const host of ["127.0.0.1", "localhost"]) {
			const page = await lured(context, host);
			await fetchFrom(page, path, { method: "POST", mode: "no-cors", headers: FORM, body: "task=owned" });
			for (const method of ["POST", "PATCH", "PUT", "DELETE"])
				assert.equal(await fetchFrom(page, path, { method, headers: { "content-type": "application/json", "x-csrf-token": "x" }, body: "{}" }), null);
		}
	}
	assert.deepEqual(await tasks("bob"), []);
	await own.reload();
	await own.locator("#who").filter({ hasText: "Signed in as bob" }).waitFor();
	await own.getByLabel("New task").fill("mine");
	await own.getByRole("button", { name: "Add", exact: true }).click();
	await own.getByText("mine").waitFor();
	assert.deepEqual(await tasks("bob"), ["mine"]);

	// A link of another site still leads to the page.
	const visitor = await lured(context, "localhost");
	await visitor.goto(app.url);
	await visitor.locator("#main").waitFor();
});

test("a form on another site does not log its visitor in", async (t) => {
	const mallory = await app.user({ name: "mallory" });
	const context = await browser.newContext();
	t.after(() => context.close());
	for (const host of ["127.0.0.1", "localhost"]) {
		const page = await lured(context, host);
		const { status } = await sendForm(page, "api/rpc/login", { name: mallory.name, password: PASSWORD });
		assert.equal(status, 403);
		assert.deepEqual(await context.cookies(app.url), []);
	}
});

test("a cookie that every site may send is of no use to them", async (t) => {
	await app.set("session.cookie_same_site", "none");
	t.after(() => app.set("session.cookie_same_site", "strict"));
	const { context } = await loggedIn(t, "carol");
	assert.deepEqual(await sendForm(await lured(context, "localhost"), "api/todos", { task: "owned" }), { status: 403, hadCookie: true, site: "cross-site" });
	assert.deepEqual(await tasks("carol"), []);
});

test("where the browser does not send Sec-Fetch-Site, the origin decides", async (t) => {
	await app.set("session.public_url", `${old.url}api`);
	t.after(() => app.reset("session.public_url"));
	const { context, page: own } = await loggedIn(t, "dave", old.url);
	old.seen.length = 0;
	for (const host of ["127.0.0.1", "localhost"]) {
		const { status } = await sendForm(await lured(context, host), "api/todos", { task: "owned" }, old.url);
		assert.equal(status, 403);
	}
	// A page without an origin of its own.
	const page = await lured(context);
	const answered = once(old.server, "answered");
	await page.evaluate((action) => {
		const frame = document.createElement("iframe");
		frame.sandbox = "allow-forms allow-scripts";
		frame.srcdoc = `<form method=POST action="${action}"><input name=task value=owned></form><script>document.forms[0].submit()</script>`;
		document.body.append(frame);
	}, `${old.url}api/todos`);
	assert.deepEqual(await answered, [403]);
	assert.deepEqual(old.seen.filter(({ method }) => method === "POST").map(({ origin }) => origin),
		[`http://127.0.0.1:${attacker.port}`, `http://localhost:${attacker.port}`, "null"]);
	assert.deepEqual(await tasks("dave"), []);
	assert.equal(await fetchFrom(own, "api/todos", { method: "POST", headers: { "content-type": "application/json" }, body: '{"task": "mine"}' }, old.url), 201);
	assert.deepEqual(await tasks("dave"), ["mine"]);
});

test("with tokens, a page writes with the token that it got, until the session has another", async (t) => {
	await app.set("session.csrf", "token");
	t.after(() => app.set("session.csrf", "same_origin"));
	await app.rows(`CREATE FUNCTION api.csrf() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = extensions, pg_temp AS 'SELECT session_csrf_token()'`);
	await app.rows("GRANT EXECUTE ON FUNCTION api.csrf() TO web_user");
	await app.rows("NOTIFY pgrst, 'reload schema'");
	const { context, page: own } = await loggedIn(t, "erin");
	let token;
	while (typeof token !== "string")
		token = await own.evaluate(async () => (await fetch("/api/rpc/csrf")).json());
	assert.match(token, /^sc_[\w-]{86}$/);
	const write = (task, value) => fetchFrom(own, "api/todos", {
		method: "POST",
		headers: { "content-type": "application/json", ...(value && { "X-CSRF-Token": value }) },
		body: JSON.stringify({ task }),
	});
	assert.equal(await write("without"), 403);
	assert.equal(await write("wrong", token.slice(0, -1) + (token.endsWith("A") ? "Q" : "A")), 403);
	assert.equal(await write("mine", token), 201);
	assert.equal(await write("again", token), 201);

	// A page of another origin can neither read the token nor use one.
	const page = await lured(context);
	assert.equal(await fetchFrom(page, "api/rpc/csrf", {}), null);
	assert.equal(await fetchFrom(page, "api/todos", { method: "POST", headers: { "content-type": "application/json", "X-CSRF-Token": token }, body: '{"task": "owned"}' }), null);
	assert.deepEqual(await sendForm(page, "api/todos", { task: "owned" }), { status: 403, hadCookie: true, site: "same-site" });

	// Another session token is another CSRF token.
	assert.equal(await fetchFrom(own, "api/rpc/refresh", { method: "POST", headers: { "content-type": "application/json", "X-CSRF-Token": token }, body: "{}" }), 200);
	assert.equal(await write("late", token), 403);
	const next = await own.evaluate(async () => (await fetch("/api/rpc/csrf")).json());
	assert.equal(await write("late", next), 201);
	assert.deepEqual(await tasks("erin"), ["mine", "again", "late"]);
});

test("a page of another origin cannot send an API token, even one that it knows", async (t) => {
	const { context } = await loggedIn(t, "frank");
	const user = app.client();
	await user.post("rpc/login", { name: "frank", password: PASSWORD });
	const token = await user.apiToken("leaked", "todo:read", "todo:write");
	const write = { method: "POST", headers: { "content-type": "application/json", "X-API-Token": token }, body: '{"task": "owned"}' };
	for (const host of ["127.0.0.1", "localhost"]) {
		for (const credentials of ["include", "omit"]) {
			const page = await lured(context, host);
			assert.equal(await fetchFrom(page, "api/todos", { ...write, credentials }), null);
			assert.equal(await fetchFrom(page, "api/todos", { headers: { "X-API-Token": token }, credentials }), null);
			assert.equal(await fetchFrom(page, "api/todos", { ...write, mode: "no-cors", credentials }), null);
		}
	}
	assert.deepEqual(await tasks("frank"), []);
	assert.equal((await app.script(token).post("todos", { task: "mine" })).status, 201);
	assert.deepEqual(await tasks("frank"), ["mine"]);
});
