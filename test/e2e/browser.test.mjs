// examples/postgrest in a real browser. Leaves pictures of the page in the
// directory PICTURES, if it is set.
import assert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import { cookies, focusIsOn, logIn, nothingCovered, pagesOf, picture, says, section, signedInAs } from "./page.mjs";
import { application, PASSWORD, REFRESH, SESSION, skip } from "./support.mjs";

const XSS = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
const EXPIRED = () => localStorage.setItem("session-until", "1");

const app = application();
const { open, loggedIn } = pagesOf(app);
const test = (name, body) => nodeTest(name, { skip, timeout: 120000 }, body);
const devices = (page) => section(page, "Your devices").getByRole("listitem");

const meBy = (page) => page.evaluate(async () => (await fetch("/api/rpc/me")).json());

// Returns a client that has these two cookies and no others.
function holder({ [SESSION]: session, [REFRESH]: refresh }) {
	const client = app.client();
	for (const { name, value, path } of [session, refresh])
		client.jar.set(name, { name, value, path });
	return client;
}

async function addToDo(page, task) {
	await page.getByLabel("New task").fill(task);
	await page.getByRole("button", { name: "Add", exact: true }).click();
}

test("signing up and logging in sets cookies that no script can read", async (t) => {
	const page = await open(t);
	assert.deepEqual(await cookies(page), {});
	await picture(page, "visitor");
	await page.getByText("Create an account").click();
	const form = page.locator("#sign-up");
	await form.getByLabel("Name").fill("ada");
	await form.getByLabel("Password").fill(PASSWORD);
	await picture(page, "sign-up");
	await form.getByLabel("Password").press("Enter");
	await says(page, "Welcome, ada.");
	await focusIsOn(page, "todos-title");

	const { [SESSION]: session, [REFRESH]: refresh, ...others } = await cookies(page);
	assert.deepEqual(others, {});
	const common = { domain: "127.0.0.1", expires: -1, httpOnly: true, secure: true, sameSite: "Strict" };
	assert.deepEqual({ ...session, value: "" }, { name: SESSION, value: "", path: "/", ...common });
	assert.deepEqual({ ...refresh, value: "" }, { name: REFRESH, value: "", path: "/api/rpc/refresh", ...common });
	assert.match(session.value, /^st_[\w-]{64}$/);
	assert.match(refresh.value, /^rt_[\w-]{64}$/);
	assert.equal(await page.evaluate(() => document.cookie), "");
	const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.documentElement.outerHTML]));
	assert.equal(kept.includes(session.value.slice(3)) || kept.includes(refresh.value.slice(3)), false);

	await page.reload();
	await signedInAs(page, "ada");
	await addToDo(page, "Water the tomatoes");
	await page.getByText("Water the tomatoes").waitFor();
	await addToDo(page, "Bring back the big jam jars from the cellar, before the cherries are ripe");
	await page.getByText("Bring back").waitFor();
	await page.getByRole("checkbox", { name: "Water the tomatoes" }).check();
	await page.locator(".done").waitFor();
	await picture(page, "user");
});

test("the message for a wrong password does not tell whether the name exists", async (t) => {
	await app.user({ name: "bob" });
	const page = await open(t);
	await logIn(page, "bob", { password: "wrong horse" });
	const alert = page.locator("#login").getByRole("alert");
	await alert.filter({ hasText: "Name or password is wrong." }).waitFor();
	await picture(page, "wrong-password");
	await logIn(page, "nobody", { password: "wrong horse" });
	await page.locator("#login button:enabled").waitFor();
	assert.equal(await alert.textContent(), "Name or password is wrong.");
	assert.deepEqual(await cookies(page), {});
});

test("a second browser is in the list of devices, and can be signed out from the first", async (t) => {
	await app.user({ name: "carol" });
	const first = await loggedIn(t, "carol");
	const second = await loggedIn(t, "carol", { userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1" });
	const third = await loggedIn(t, "carol", { userAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36 Edg/146.0.0.0" });
	await first.reload();
	await devices(first).nth(3).waitFor();
	const listed = await devices(first).allInnerTexts();
	assert.equal(listed.length, 4);
	assert.match(listed[0], /^Chrome on Linux\s+Signed in \d+ \w+, \d\d:\d\d(?::\d\d)?\s+Active just now · 127\.0\.0\.1\s+This device$/u);
	for (const [page, name] of [[second, "Safari on iOS"], [third, "Edge on Windows"]]) {
		assert.ok(listed.slice(1).some((text) => text.startsWith(name) && text.includes("· 127.0.0.1")), name);
		assert.match((await devices(page).allInnerTexts())[0], new RegExp(`^${name}[^]*This device$`));
	}
	await picture(first, "devices");

	await first.getByRole("button", { name: /^Sign out Safari on iOS, signed in / }).click();
	await says(first, "That device is signed out.");
	assert.equal(await devices(first).count(), 3);
	await addToDo(second, "too late");
	await says(second, "You are signed out. Please sign in again.");
	await focusIsOn(second, "login-title");
	assert.equal(await second.getByRole("button", { name: "Sign out", exact: true }).isVisible(), false);
	assert.deepEqual(await cookies(second), {});
	await picture(second, "logged-out");

	// Sign out all others at once: the third one and the one that signed up.
	await first.getByRole("button", { name: "Sign out all other devices" }).click();
	await says(first, "2 devices are signed out.");
	assert.equal(await devices(first).count(), 1);
	await addToDo(third, "too late");
	await says(third, "You are signed out.");
	await addToDo(first, "still here");
	await first.getByText("still here").waitFor();
});

test("an API token is shown once, does what it may, outlives a logout, and can be revoked", async (t) => {
	await app.user({ name: "olivia" });
	const page = await loggedIn(t, "olivia", { expected: /status of 400/ });
	await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
	await addToDo(page, "buy tea");
	const part = section(page, "API tokens");
	await part.getByText("You have no tokens.").waitFor();
	await part.getByText("Create a token").click();
	await picture(page, "create-token");
	const form = page.locator("#create-token");
	const create = async (name, { scopes = ["Read tasks"], password = PASSWORD } = {}) => {
		await form.getByLabel("Name").fill(name);
		for (const scope of ["Read tasks", "Add tasks, and change those it can read"])
			await form.getByLabel(scope).setChecked(scopes.includes(scope));
		await form.getByLabel("Your password").fill(password);
		await form.getByRole("button", { name: "Create token" }).click();
	};
	const alert = form.getByRole("alert");
	await create("Backup", { password: "wrong horse" });
	await alert.filter({ hasText: "The password is wrong." }).waitFor();
	await create("Backup", { scopes: [] });
	await alert.filter({ hasText: "Choose what the token may do" }).waitFor();
	await create("Backup");
	await part.getByRole("heading", { name: "Copy the token “Backup”" }).waitFor();
	await focusIsOn(page, "new-token-title");
	const token = await page.locator("#token").textContent();
	assert.match(token, /^st_[\w-]{64}$/);
	assert.equal(await page.locator("#command").textContent(), `curl -H 'X-API-Token: ${token}' ${app.url}api/todos`);
	for (const [button, expected] of [["Copy token", token], ["Copy command", await page.locator("#command").textContent()]]) {
		await part.getByRole("button", { name: button }).click();
		await says(page, "Copied.");
		assert.equal(await page.evaluate(() => navigator.clipboard.readText()), expected);
		await page.evaluate(() => { document.querySelector("#tokens-title ~ .says").textContent = ""; });
	}
	await picture(page, "new-token");
	await page.setViewportSize({ width: 320, height: 640 });
	assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320));
	await nothingCovered(page);
	await page.setViewportSize({ width: 1280, height: 800 });

	// The page keeps no token, and shows none again.
	await part.getByRole("button", { name: "Done" }).click();
	await focusIsOn(page, "tokens-title");
	const everything = () => page.evaluate(() => document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage));
	assert.doesNotMatch(await everything(), /st_[\w-]{64}/);
	await page.reload();
	await part.getByRole("button", { name: "Revoke Backup" }).waitFor();
	assert.doesNotMatch(await everything(), /st_[\w-]{64}/);
	assert.match((await part.getByRole("listitem").allInnerTexts())[0], /^Backup\s+May read tasks\s+Never used · expires \d+ \w+ \d{4}\s+Revoke$/u);

	// A token that only adds tasks gets another command.
	await part.getByText("Create a token").click();
	await create("Mail", { scopes: ["Add tasks, and change those it can read"] });
	await part.getByRole("heading", { name: "Copy the token “Mail”" }).waitFor();
	const adder = await page.locator("#token").textContent();
	assert.equal(await page.locator("#command").textContent(), `curl -H 'X-API-Token: ${adder}' -d task='Buy tea' ${app.url}api/todos`);
	assert.equal((await app.script(adder).post("todos", "task=by+mail", { "content-type": "application/x-www-form-urlencoded" })).status, 201);

	// A script reads with the first one, and cannot write.
	const script = app.script(token);
	assert.deepEqual((await script.get("todos?order=id")).body.map(({ task }) => task), ["buy tea", "by mail"]);
	assert.equal((await script.post("todos", { task: "x" })).status, 403);
	assert.equal((await script.get("sessions")).status, 401);
	await page.getByRole("button", { name: "Sign out all other devices" }).click();
	await says(page, "One device is signed out. Your API tokens still work.");
	await page.getByRole("button", { name: "Sign out", exact: true }).click();
	await says(page, "You are signed out.");
	assert.equal(await part.isVisible(), false);
	assert.equal(await page.locator("#token").textContent(), "");
	assert.equal((await script.get("todos")).status, 200);
	await logIn(page, "olivia");
	await says(page, "Welcome");
	assert.equal(await devices(page).count(), 1);
	assert.match((await part.getByRole("listitem").allInnerTexts())[1], /^Backup\s+May read tasks\s+Used just now · /u);
	await picture(page, "tokens");
	await part.getByRole("button", { name: "Revoke Backup" }).click();
	await says(page, "That token is revoked.");
	await focusIsOn(page, "tokens-title");
	assert.equal((await script.get("todos")).status, 401);
	assert.equal(await part.getByRole("button", { name: "Revoke all tokens" }).isVisible(), false);
	for (const name of ["Second", "Third"]) {
		await part.getByText("Create a token").click();
		await create(name);
		await part.getByRole("heading", { name: `Copy the token “${name}”` }).waitFor();
	}
	await part.getByRole("button", { name: "Revoke all tokens" }).click();
	await says(page, "3 tokens are revoked.");
	await part.getByText("You have no tokens.").waitFor();
	assert.equal(await page.locator("#token").textContent(), "");
	assert.equal((await app.script(adder).post("todos", { task: "x" })).status, 401);
});

// Private data that the page must not show after the user has changed.
const PRIVATE = "Private: the key is under the mat";
const anonymous = async () => (await app.rows("SELECT count(*)::int FROM session.sessions WHERE user_id IS NULL"))[0].count;

async function showsVisitor(page) {
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
	assert.equal(await page.locator("#who").isVisible(), false);
	for (const name of ["To do", "Your devices", "API tokens", "Your account"])
		assert.equal(await section(page, name).isVisible(), false, name);
	assert.equal((await page.content()).includes(PRIVATE), false);
}

// The actions of a signed-in user on the page.
const ACTIONS = {
	"the basket": (page) => page.getByRole("button", { name: "More Tea" }).click(),
	"a new task": (page) => addToDo(page, "too late"),
	"a task that is done": (page) => page.getByRole("checkbox", { name: PRIVATE }).click(),
	"a task that is removed": (page) => page.getByRole("button", { name: `Remove ${PRIVATE}` }).click(),
	"one device": (page) => page.getByRole("button", { name: /^Sign out Firefox on Linux, / }).click(),
	"all other devices": (page) => page.getByRole("button", { name: "Sign out all other devices" }).click(),
	"signing out": (page) => page.getByRole("button", { name: "Sign out", exact: true }).click(),
	"the account": async (page) => {
		await page.getByRole("button", { name: "Delete account" }).click();
		await page.getByRole("dialog").getByLabel("Password").fill(PASSWORD);
		await page.getByRole("dialog").getByLabel("Password").press("Enter");
	},
	"coming back": (page) => page.evaluate(() => { document.dispatchEvent(new Event("visibilitychange")); }),
	"a new tab": async (page) => {
		const tab = await page.context().newPage();
		await tab.goto(app.url);
		await showsVisitor(tab);
		await page.evaluate(() => { document.dispatchEvent(new Event("visibilitychange")); });
	},
};

test("a device that was signed out elsewhere shows a visitor after any action", async (t) => {
	const phone = await app.user({ name: "grace" });
	await phone.post("todos", { task: PRIVATE });
	let kept = 0;
	for (const [what, act] of Object.entries(ACTIONS)) {
		const page = await loggedIn(t, "grace");
		await page.getByText(PRIVATE).waitFor();
		await phone.delete("sessions");
		const before = await anonymous();
		await act(page);
		await says(page, "You are signed out. Please sign in again.");
		await showsVisitor(page);
		await focusIsOn(page, "login-title");
		assert.equal(await page.getByRole("dialog").isVisible(), false, what);
		assert.equal(await anonymous(), before, what);
		assert.deepEqual(await cookies(page), {}, what);
		assert.equal(await page.locator("[data-item=Tea] output").textContent(), "0", what);
		// Later actions belong to the visitor.
		if (kept++ === 0) {
			await page.getByRole("button", { name: "More Tea" }).click();
			await page.locator("[data-item=Tea] output", { hasText: "1" }).waitFor();
			assert.equal(await anonymous(), before + 1);
		}
	}
	assert.deepEqual((await phone.get("todos")).body.map(({ task, done }) => [task, done]), [[PRIVATE, false]]);
	assert.deepEqual((await phone.get("rpc/basket")).body, []);
	assert.equal((await phone.get("rpc/me")).body.name, "grace");
});

test("a device refreshes an expired session token, and shows a visitor after the session has expired", async (t) => {
	await app.user({ name: "nina" });
	const page = await loggedIn(t, "nina");
	await addToDo(page, PRIVATE);
	await page.getByText(PRIVATE).waitFor();
	const [{ id }] = (await holder(await cookies(page)).get("sessions?current=is.true")).body;
	const before = await anonymous();
	await app.age(id, "20 min");
	await page.getByRole("button", { name: "More Tea" }).click();
	await page.locator("[data-item=Tea] output", { hasText: "1" }).waitFor();
	await signedInAs(page, "nina");
	await page.getByText(PRIVATE).waitFor();
	assert.deepEqual((await holder(await cookies(page)).get("rpc/basket")).body, [{ item: "Tea", quantity: 1 }]);

	await app.age(id, "13 hours");
	await page.getByRole("button", { name: "More Tea" }).click();
	await says(page, "You are signed out. Please sign in again.");
	await showsVisitor(page);
	assert.equal(await anonymous(), before);
	assert.deepEqual(await cookies(page), {});
});

test("a page follows when another user has signed in to the browser", async (t) => {
	const [oscar, peggy] = [await app.user({ name: "oscar" }), await app.user({ name: "peggy" })];
	await oscar.post("todos", { task: PRIVATE });
	// The user changes in another tab, which tells the first.
	const page = await loggedIn(t, "oscar");
	const tab = await page.context().newPage();
	await tab.goto(app.url);
	await tab.getByText(PRIVATE).waitFor();
	await page.getByRole("button", { name: "Sign out", exact: true }).click();
	await showsVisitor(tab);
	await logIn(page, "peggy");
	await signedInAs(tab, "peggy");
	await says(tab, "You are now signed in as peggy.");

	// The user changes without a message to the page; only the server knows.
	const other = await loggedIn(t, "oscar");
	await other.getByText(PRIVATE).waitFor();
	await other.context().addCookies([SESSION, REFRESH].map((name) => ({ ...peggy.jar.get(name), name, domain: new URL(app.url).hostname, secure: true, httpOnly: true, maxAge: undefined, header: undefined, sameSite: "Strict" })));
	await other.getByRole("button", { name: "More Honey" }).click();
	await says(other, "You are now signed in as peggy.");
	assert.equal((await other.content()).includes(PRIVATE), false);
	await other.locator("[data-item=Honey] output", { hasText: "0" }).waitFor();
	for (const client of [oscar, peggy])
		assert.deepEqual((await client.get("rpc/basket")).body, []);
});

test("two devices of one kind are distinguished by the time of their sign-in", async (t) => {
	const user = await app.user({ name: "trent" });
	const [first, second] = [await loggedIn(t, "trent"), await loggedIn(t, "trent")];
	const ids = [];
	for (const page of [first, second])
		ids.push((await holder(await cookies(page)).get("sessions?current=is.true")).body[0].id);
	const signOuts = async (page) => (await page.getByRole("button", { name: /^Sign out Chrome on Linux, / })
		.evaluateAll((all) => all.map((button) => button.ariaLabel)));

	// Sign-ins on different days are distinguished by the date, those a few
	// seconds apart by the seconds.
	const day = new Date(Date.now() - 86400000);
	await app.rows("UPDATE session.sessions SET authenticated_at = $2 WHERE id = $1", ids[0], day);
	const third = await loggedIn(t, "trent");
	const minute = Math.floor(Date.now() / 60000) * 60000;
	await app.rows("UPDATE session.sessions SET authenticated_at = $2 WHERE id = $1", ids[1], new Date(minute - 50000));
	const [{ id }] = (await holder(await cookies(third)).get("sessions?current=is.true")).body;
	await app.rows("UPDATE session.sessions SET authenticated_at = $2 WHERE id = $1", id, new Date(minute - 40000));
	await user.post("rpc/logout", {});
	await third.reload();
	await devices(third).nth(2).waitFor();
	const label = (when, options) => when.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
		...(when.getFullYear() !== new Date().getFullYear() && { year: "numeric" }), ...options });
	const exact = label(new Date(minute - 50000), { second: "2-digit" });
	const old = label(day);
	assert.deepEqual((await signOuts(third)).sort(), [exact, old].map((when) => `Sign out Chrome on Linux, signed in ${when}`).sort());
	const shown = await devices(third).allInnerTexts();
	assert.ok(shown[0].includes(`Signed in ${label(new Date(minute - 40000), { second: "2-digit" })}`) && shown[0].includes("This device"));
	assert.ok(shown.slice(1).some((text) => text.includes(`Signed in ${old}`)) && shown.slice(1).some((text) => text.includes(`Signed in ${exact}`)));
	await picture(third, "alike");

	// The button signs out the device that it names.
	await third.getByRole("button", { name: `Sign out Chrome on Linux, signed in ${old}` }).click();
	await says(third, "That device is signed out.");
	assert.deepEqual((await app.rows("SELECT id FROM session.sessions WHERE id = ANY ($1) AND revoked_at IS NULL", ids)).map((row) => row.id), [ids[1]]);
	await picture(third, "said");
	await nothingCovered(third);
});

test("a message covers nothing, and stands next to its action", async (t) => {
	await app.user({ name: "victor" });
	const page = await loggedIn(t, "victor", { viewport: { width: 390, height: 500 } });
	await nothingCovered(page);
	await page.reload();
	await page.getByRole("button", { name: "Sign out all other devices" }).click();
	await says(page, "One device is signed out.");
	await section(page, "Your devices").getByRole("status").filter({ hasText: "One device" }).waitFor();
	await nothingCovered(page);
	const box = await section(page, "Your devices").getByRole("status").boundingBox();
	assert.ok(box.y >= 0 && box.y + box.height <= 500, JSON.stringify(box));
});

test("the sign-in form comes first, and each part has at most one prominent button", async (t) => {
	await app.user({ name: "walter" });
	for (const [width, height] of [[1280, 800], [390, 844]]) {
		const page = await open(t, { viewport: { width, height } });
		const top = async (name) => (await section(page, name).boundingBox());
		const [form, basket] = [await top("Sign in"), await top("Basket")];
		assert.ok(width === 390 ? form.y + form.height <= basket.y : form.y === basket.y && form.x < basket.x);
		const loud = () => page.evaluate(() => [...document.querySelectorAll("section, header")].map((part) =>
			[...part.querySelectorAll("button")].filter((button) => button.checkVisibility() &&
				![part, document.body].map((element) => getComputedStyle(element).backgroundColor).concat("rgba(0, 0, 0, 0)")
					.includes(getComputedStyle(button).backgroundColor)).length));
		await page.getByText("Create an account").click();
		assert.ok((await loud()).every((count) => count <= 1));
		await logIn(page, "walter");
		await says(page, "Welcome");
		const [header, ...parts] = await loud();
		assert.ok(header === 0 && parts.every((count) => count <= 1), parts.join());
	}
});

test("a refresh replaces the tokens, and the old ones are invalid", async (t) => {
	await app.user({ name: "dave" });
	const page = await loggedIn(t, "dave");
	const before = await cookies(page);
	await page.evaluate(EXPIRED);
	await addToDo(page, "one");
	await page.getByText("one", { exact: true }).waitFor();
	const now = await cookies(page);
	for (const name of [SESSION, REFRESH])
		assert.notEqual(now[name].value, before[name].value);
	assert.equal((await holder(before).get("rpc/me")).body, null);
	assert.equal((await holder(now).get("rpc/me")).body.name, "dave");

	// An expired session token is replaced by the next request.
	const [{ id }] = (await holder(now).get("sessions?current=is.true")).body;
	await app.age(id, "20 min");
	assert.equal(await meBy(page), null);
	await addToDo(page, "two");
	await page.getByText("two", { exact: true }).waitFor();
	assert.notEqual((await cookies(page))[SESSION].value, now[SESSION].value);

	// Reuse of the first refresh token by a thief ends the session for both.
	await app.age(id, "1 min");
	assert.equal((await holder(before).post("rpc/refresh", {})).status, 401);
	await addToDo(page, "three");
	await says(page, "You are signed out.");
	assert.deepEqual(await cookies(page), {});
});

test("two tabs refresh one after the other, and are logged out together", async (t) => {
	await app.user({ name: "erin" });
	const page = await loggedIn(t, "erin");
	const tab = await page.context().newPage();
	await tab.goto(app.url);
	await signedInAs(tab, "erin");
	let refreshes = 0;
	page.context().on("request", (request) => refreshes += request.url().endsWith("/rpc/refresh"));
	await page.evaluate(EXPIRED);
	await Promise.all([page, tab].map((each, i) => addToDo(each, `task ${i}`)));
	await Promise.all([page, tab].map((each, i) => each.getByText(`task ${i}`).waitFor()));
	assert.ok(refreshes === 1 || refreshes === 2);
	await page.getByRole("button", { name: "Sign out", exact: true }).click();
	await says(page, "You are signed out.");
	await tab.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("logging out clears the cookies and ends the session", async (t) => {
	await app.user({ name: "frank" });
	const page = await loggedIn(t, "frank");
	const before = await cookies(page);
	await page.getByRole("button", { name: "Sign out", exact: true }).click();
	await says(page, "You are signed out.");
	assert.deepEqual(await cookies(page), {});
	assert.equal((await holder(before).get("rpc/me")).body, null);
	assert.equal((await holder(before).post("rpc/refresh", {})).status, 401);
	await page.reload();
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("a request with an altered cookie is anonymous", async (t) => {
	await app.user({ name: "greta" });
	const page = await loggedIn(t, "greta");
	const { [SESSION]: session, [REFRESH]: refresh } = await cookies(page);
	for (const at of [4, 30, 60]) {
		const value = session.value.slice(0, at) + (session.value[at] === "A" ? "B" : "A") + session.value.slice(at + 1);
		await page.context().addCookies([{ ...session, value }]);
		await page.reload();
		await page.getByRole("heading", { name: "Sign in" }).waitFor();
		assert.equal(await section(page, "Your devices").isVisible(), false);
	}
	await page.context().addCookies([session, refresh]);
	await page.reload();
	await signedInAs(page, "greta");
});

test("a visitor's basket survives the login, and the token changes", async (t) => {
	await app.user({ name: "heidi" });
	const page = await open(t);
	await page.getByRole("button", { name: "More Tea" }).click();
	await page.locator("[data-item=Tea] output", { hasText: "1" }).waitFor();
	await page.keyboard.press("Enter");
	await page.locator("[data-item=Tea] output", { hasText: "2" }).waitFor();
	await picture(page, "basket");
	const visitor = await cookies(page);
	await logIn(page, "heidi");
	await says(page, "Welcome, heidi.");
	assert.equal(await page.locator("[data-item=Tea] output").textContent(), "2");
	const user = await cookies(page);
	assert.notEqual(user[SESSION].value, visitor[SESSION].value);
	assert.deepEqual((await holder(visitor).get("rpc/basket")).body, []);
	await page.reload();
	await page.locator("[data-item=Tea] output", { hasText: "2" }).waitFor();
});

test("the cookies last 30 days with \"remember me\", and otherwise until the browser closes", async (t) => {
	await app.user({ name: "ivan" });
	const remembered = await loggedIn(t, "ivan", { remember: true });
	const inThirtyDays = Date.now() / 1000 + 30 * 86400;
	for (const { name, expires } of Object.values(await cookies(remembered)))
		assert.ok(Math.abs(expires - inThirtyDays) < 120, name);
	const forgotten = await loggedIn(t, "ivan");
	for (const { expires } of Object.values(await cookies(forgotten)))
		assert.equal(expires, -1);

	// More than 12 hours later.
	for (const page of [remembered, forgotten]) {
		const [{ id }] = (await holder(await cookies(page)).get("sessions?current=is.true")).body;
		await app.age(id, "13 hours");
		await page.evaluate(EXPIRED);
		await page.reload();
	}
	await signedInAs(remembered, "ivan");
	await forgotten.getByRole("heading", { name: "Sign in" }).waitFor();
	assert.deepEqual(await cookies(forgotten), {});
	assert.ok((await cookies(remembered))[SESSION].expires > 0);
});

test("deleting the account asks for the password, and ends every session", async (t) => {
	const elsewhere = await app.user({ name: "judy" });
	const page = await loggedIn(t, "judy");
	const before = await cookies(page);
	await page.getByRole("button", { name: "Delete account" }).click();
	const dialog = page.getByRole("dialog");
	await dialog.getByLabel("Password").fill("wrong horse");
	await dialog.getByRole("button", { name: "Delete account" }).click();
	await dialog.getByRole("alert").filter({ hasText: "The password is wrong." }).waitFor();
	await picture(page, "step-up", false);
	await dialog.getByRole("button", { name: "Cancel" }).click();
	assert.equal((await meBy(page)).auth_level, 1);

	await page.getByRole("button", { name: "Delete account" }).click();
	assert.equal(await dialog.getByLabel("Password").inputValue(), "");
	await dialog.getByLabel("Password").fill(PASSWORD);
	await dialog.getByLabel("Password").press("Enter");
	await says(page, "Your account is deleted.");
	assert.deepEqual(await cookies(page), {});
	assert.equal((await holder(before).get("rpc/me")).body, null);
	assert.equal((await elsewhere.get("rpc/me")).body, null);
	await logIn(page, "judy");
	await page.locator("#login").getByRole("alert").filter({ hasText: "wrong" }).waitFor();
});

test("text from users is shown as text, never as HTML", async (t) => {
	const intruder = await app.user({ name: "mallory", agent: XSS });
	await intruder.post("todos", { task: XSS });
	const blocked = /Content Security Policy/;
	const page = await loggedIn(t, "mallory", { userAgent: `${XSS} Firefox/1`, expected: blocked });
	await section(page, "To do").getByText(XSS).waitFor();
	assert.equal(await devices(page).filter({ hasText: XSS.slice(0, 40) }).count(), 1);
	assert.equal(await page.locator("main img, main script").count(), 0);
	assert.equal(await page.title(), "Pantry");
	await picture(page, "text");

	// The policy blocks an inline script even if one got into the page.
	await Promise.all([
		page.waitForEvent("console", (message) => blocked.test(message.text())),
		page.evaluate((html) => { document.querySelector("#todos").innerHTML = html; }, XSS),
	]);
	assert.equal(await page.title(), "Pantry");
});

test("an administrator sees the accounts", async (t) => {
	await app.addAdministrator("root");
	const page = await loggedIn(t, "root");
	await section(page, "Accounts").getByText("root").waitFor();
	await section(page, "Accounts").getByText("Administrator").first().waitFor();
	await picture(page, "admin");
});

test("the page can be used with the keyboard, and at a width of 320 pixels", async (t) => {
	await app.user({ name: "wendy" });
	const page = await open(t, { viewport: { width: 320, height: 640 } });
	const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= 320);
	assert.ok(await fits());
	const tabTo = async (name) => {
		for (let i = 0; i < 30; i++) {
			await page.keyboard.press("Tab");
			if (await page.evaluate((name) => document.activeElement.name === name, name))
				return;
		}
		assert.fail(`no ${name}`);
	};
	await tabTo("name");
	await page.keyboard.type("wendy");
	await tabTo("password");
	await page.keyboard.type(PASSWORD);
	await page.keyboard.press("Enter");
	await says(page, "Welcome");
	assert.ok(await fits());
	assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll("button, input, select")]
		.filter((element) => !(element.getAttribute("aria-label") || element.labels?.length || element.textContent.trim()))
		.map((element) => element.outerHTML)), []);
});
