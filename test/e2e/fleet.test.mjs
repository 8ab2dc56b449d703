// The page for administrators of examples/postgrest, in a real browser and over
// HTTP, with the sessions of fill.sql.
import assert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import { cookies, focusIsOn, pagesOf, picture, says, section } from "./page.mjs";
import { application, PASSWORD, SESSION, skip } from "./support.mjs";

const XSS = "<img src=x onerror=\"document.title='owned'\">";

const READS = ["fleet_sessions", "fleet_policies", "fleet_events", "fleet_keys", "fleet_stats"];
const CHANGES = {
	fleet_revoke: { ids: [] },
	fleet_revoke_all: { confirmation: "end all sessions" },
	fleet_policy_set: { lifetime: "1 hour" },
	fleet_policy_drop: {},
};

const app = application();
const { loggedIn } = pagesOf(app);
const test = (name, body) => nodeTest(name, { skip, timeout: 120000 }, body);

let administrators = 0;

// Returns a client that an administrator has logged in.
async function administrator() {
	const client = app.client();
	client.name = `root${++administrators}`;
	await app.addAdministrator(client.name);
	assert.equal((await client.post("rpc/login", { name: client.name, password: PASSWORD })).status, 200);
	return client;
}

// Opens the page "Fleet" as an administrator.
async function openFleet(t, options) {
	const name = `root${++administrators}`;
	await app.addAdministrator(name);
	const page = await loggedIn(t, name, { expected: /status of 400/, ...options });
	await page.getByRole("link", { name: "Fleet" }).click();
	await page.locator("#found").filter({ hasText: "of" }).waitFor();
	await page.locator("#events li").first().waitFor();
	await page.locator("#stats svg").first().waitFor();
	return page;
}

const found = (page, text) => page.locator("#found").filter({ hasText: text }).waitFor();

// Searches with these fields, all others empty.
async function search(page, fields, expected) {
	const form = page.locator("#search");
	for (const label of ["User", "Tenant", "Address", "User agent"])
		await form.getByLabel(label, { exact: true }).fill(fields[label] ?? "");
	await form.getByLabel("Status").selectOption(fields.Status ?? "");
	await form.getByLabel("Created").selectOption(fields.Created ?? "");
	await form.getByRole("button", { name: "Search" }).click();
	await found(page, expected);
}

const matching = async (condition) => (await app.rows(`
	SELECT count(*)::int FROM session.directory d LEFT JOIN app.users u ON u.id = d.user_id WHERE ${condition}`))[0].count;

async function givePassword(page, password = PASSWORD) {
	const dialog = page.getByRole("dialog");
	await dialog.getByLabel("Password").fill(password);
	await dialog.getByRole("button", { name: "Go on" }).click();
	return dialog;
}

test("only an administrator can call the functions of the fleet", async () => {
	await app.run("fill.sql");
	const [user, root] = [await app.user(), await administrator()];
	assert.equal((await user.post("rpc/step_up", { password: PASSWORD })).status, 200);
	const script = app.script(await root.copy().apiToken("script", "todo:read", "todo:write"));
	const before = await matching("d.status = 'active'");
	for (const client of [user, app.client(), script]) {
		for (const name of READS)
			for (const method of ["GET", "POST"])
				assert.equal((await client.ask(method, `rpc/${name}`, method === "POST" ? {} : undefined)).status, 401, name);
		for (const [name, body] of Object.entries(CHANGES))
			assert.equal((await client.post(`rpc/${name}`, body)).status, 401, name);
	}

	// What the functions are made of is not exposed.
	for (const name of ["fleet", "key_ring", "stats", "require_password"])
		for (const path of [name, `rpc/${name}`])
			assert.equal((await root.get(path)).status, 404, path);
	assert.equal(await matching("d.status = 'active'"), before);
	assert.deepEqual(await app.rows("SELECT * FROM session.privileges"), []);
});

test("an administrator reads at once, and changes something only after giving the password again", async () => {
	const root = await administrator();
	for (const name of READS)
		assert.equal((await root.get(`rpc/${name}`)).status, 200, name);
	const before = await matching("d.status = 'active'");
	const refusals = async (expected) => {
		for (const [name, body] of Object.entries(CHANGES)) {
			const { status, body: { hint } } = await root.post(`rpc/${name}`, body);
			assert.deepEqual([status, hint], [403, expected], name);
		}
	};
	await refusals("step_up");
	assert.equal((await root.post("rpc/step_up", { password: PASSWORD })).status, 200);

	// Not for a page of another origin, nor by GET.
	for (const [name, body] of Object.entries(CHANGES)) {
		for (const site of ["cross-site", "same-site"])
			assert.equal((await root.post(`rpc/${name}`, body, { "sec-fetch-site": site })).status, 403, name);
		assert.equal((await root.get(`rpc/${name}?${new URLSearchParams({ ...body, ...(body.ids && { ids: "{}" }) })}`)).status, 405, name);
	}
	const words = ["", "end", "End all sessions", "end acme", "all sessions"];
	for (const confirmation of words)
		assert.equal((await root.post("rpc/fleet_revoke_all", { confirmation })).status, 400, confirmation);
	assert.equal((await root.post("rpc/fleet_revoke_all", { confirmation: "end all sessions", tenant: "acme" })).status, 400);

	// Nor an hour later, and never its own session by its id.
	const [{ id }] = (await root.get("sessions?current=is.true")).body;
	assert.equal((await root.post("rpc/fleet_revoke", { ids: [id, null], reason: "x" })).body, 0);
	await app.rows("UPDATE session.sessions SET authenticated_at = authenticated_at - interval '6 min' WHERE id = $1", id);
	await refusals("step_up");
	assert.equal(await matching("d.status = 'active'"), before);

	// No secret, no data of a session, and no hash is in any answer.
	const columns = async (name, of = (body) => body[0]) => Object.keys(of((await root.get(`rpc/${name}`)).body));
	assert.deepEqual(await columns("fleet_keys"), ["kid", "purpose", "algorithm", "imported", "created_at", "activated_at", "retired_at", "signs"]);
	assert.deepEqual(await columns("fleet_sessions", (body) => body.sessions[0]), ["id", "status", "user_id", "user_name", "tenant_id", "role", "auth_level", "amr",
		"ip", "user_agent", "created_at", "authenticated_at", "last_seen_at", "expires_at", "bound", "current"]);
	assert.equal((await root.get("rpc/fleet_sessions?address=nowhere")).status, 400);
});

test("an administrator searches the sessions of all users, and reads text as text", async (t) => {
	const mallory = await app.user({ name: "mallory", agent: XSS });
	const page = await openFleet(t);
	assert.equal(await page.title(), "Fleet – Pantry");
	await focusIsOn(page, "sessions-title");
	await picture(page, "fleet");
	const searches = [
		[{ User: "AMARA" }, "u.name = 'amara'"],
		[{ Tenant: "acme", Status: "revoked" }, "d.tenant_id = 'acme' AND d.status = 'revoked'"],
		[{ Address: "192.0.2.0/24" }, "d.ip <<= '192.0.2.0/24'"],
		[{ "User agent": "pantryapp" }, "d.user_agent LIKE 'PantryApp%'"],
		[{ Created: "newer=7 days", Status: "active" }, "d.created_at >= now() - interval '7 days' AND d.status = 'active'"],
		[{ Created: "older=7 days" }, "d.created_at < now() - interval '7 days'"],
	];
	for (const [fields, condition] of searches) {
		const count = await matching(condition);
		assert.ok(count > 1, condition);
		await search(page, fields, `of ${count} sessions`);
		assert.equal(await page.locator("li.session").count(), Math.min(count, 25), condition);
	}
	await page.locator("#search").getByLabel("Address").fill("nowhere");
	await page.getByRole("button", { name: "Search" }).click();
	await page.locator("#search").getByRole("alert").filter({ hasText: "invalid input syntax for type inet" }).waitFor();
	await search(page, { User: "no such user" }, "No session matches.");

	// The pages stay what they are while sessions are created.
	const shown = () => page.locator("li.session input").evaluateAll((all) => all.map(({ value }) => value));
	const all = (await app.rows("SELECT id FROM session.directory ORDER BY id DESC")).map(({ id }) => id);
	await search(page, {}, `1–25 of ${all.length} sessions`);
	assert.deepEqual(await shown(), all.slice(0, 25));
	await app.user();
	await page.getByRole("button", { name: "Older" }).click();
	await found(page, "26–50 of");
	await focusIsOn(page, "sessions-title");
	assert.deepEqual(await shown(), all.slice(25, 50));
	await page.getByRole("button", { name: "Newer" }).click();
	await found(page, "1–25 of");
	assert.deepEqual((await shown()).slice(1), all.slice(0, 24));

	// A user agent is text, in the list, its details and the timeline.
	await search(page, { User: "mallory" }, "1–1 of 1 sessions");
	await page.getByRole("button", { name: /^Details of mallory/ }).click();
	await page.locator("dl").getByText(XSS).waitFor();
	assert.equal(await page.locator("li.session").getByText(XSS).count(), 2);
	await page.locator("#events").getByText(XSS.slice(0, 40)).first().waitFor();
	assert.equal(await page.locator("main img").count(), 0);
	assert.equal(await page.title(), "Fleet – Pantry");
	await picture(page, "fleet-details");
	await mallory.post("rpc/logout", {});
});

test("sessions are revoked by their ids: these and no others", async () => {
	const root = await administrator();
	assert.equal((await root.post("rpc/step_up", { password: PASSWORD })).status, 200);
	const [first, other] = [await app.user(), await app.user()];
	const [second, third] = [app.client(), app.client()];
	for (const client of [second, third])
		assert.equal((await client.post("rpc/login", { name: first.name, password: PASSWORD })).status, 200);
	const idOf = async (client) => (await client.get("sessions?current=is.true")).body[0].id;
	const before = await matching("d.status = 'active'");
	const ids = [await idOf(first), await idOf(third)];
	assert.equal((await root.post("rpc/fleet_revoke", { ids, reason: "theft" })).body, 2);
	for (const [client, status] of [[first, 401], [second, 200], [third, 401], [other, 200], [root, 200]])
		assert.equal((await client.get("sessions")).status, status);
	assert.equal(await matching("d.status = 'active'"), before - 2);
	assert.equal((await root.post("rpc/fleet_revoke", { ids })).body, 0);
});

test("sessions that are selected are revoked, and the browser of their user is signed out", async (t) => {
	await app.user({ name: "victim" });
	const browser = await loggedIn(t, "victim");
	const [bystander, page] = [await app.user(), await openFleet(t)];
	await search(page, { User: "victim", Status: "active" }, "1–2 of 2 sessions");
	await page.getByRole("button", { name: "Revoke selected" }).click();
	await section(page, "All sessions").getByRole("alert").filter({ hasText: "Select the sessions first." }).waitFor();

	// With the keyboard alone.
	await page.getByLabel("Select all on this page").focus();
	await page.keyboard.press("Space");
	await page.getByLabel("Reason, for the event log").first().focus();
	await page.keyboard.type("stolen laptop");
	await page.keyboard.press("Enter");
	const dialog = await givePassword(page, "wrong horse");
	await dialog.getByRole("alert").filter({ hasText: "The password is wrong." }).waitFor();
	await picture(page, "fleet-password", false);
	await dialog.getByRole("button", { name: "Cancel" }).click();
	await section(page, "All sessions").getByRole("alert").filter({ hasText: "Nothing was changed." }).waitFor();
	assert.equal(await matching("u.name = 'victim' AND d.status = 'active'"), 2);
	await page.getByRole("button", { name: "Revoke 2 selected" }).click();
	await givePassword(page);
	await says(page, "2 sessions are revoked.");
	await focusIsOn(page, "sessions-title");
	await found(page, "No session matches.");
	await page.locator("#events").getByText("A session of victim ended (stolen laptop)").first().waitFor();

	await browser.getByRole("button", { name: "More Tea" }).click();
	await says(browser, "You are signed out. Please sign in again.");
	assert.equal((await cookies(browser))[SESSION], undefined);
	assert.notEqual((await bystander.get("rpc/me")).body, null);

	// The own session cannot be selected.
	await search(page, { User: await page.locator("#who").textContent().then((text) => text.replace("Signed in as ", "")) }, "1–1 of 1 sessions");
	await page.getByText("Yours", { exact: true }).waitFor();
	assert.equal(await page.locator("li.session input").isDisabled(), true);
});

test("policies are listed, set and dropped; keys, events and figures are shown", async (t) => {
	const page = await openFleet(t);
	const policies = section(page, "Policies");
	await policies.getByText("Lifetime 60 days; at most 20 sessions a user").waitFor();
	await policies.getByText("Set a policy").click();
	await policies.getByLabel("Tenant (empty: any)").fill("globex");
	await policies.getByLabel("Lifetime").fill("soon");
	await picture(page, "fleet-policy");
	await policies.getByRole("button", { name: "Set policy" }).click();
	await policies.getByRole("alert").filter({ hasText: "invalid input syntax for type interval" }).waitFor();
	await policies.getByLabel("Lifetime").fill("8 hours");
	await policies.getByLabel("Bind to the address").selectOption("subnet");
	await policies.getByRole("button", { name: "Set policy" }).click();
	await givePassword(page);
	await policies.getByRole("status").filter({ hasText: "The policy for tenant globex is set." }).waitFor();
	await policies.getByText("Lifetime 8 hours; address: subnet").waitFor();
	assert.deepEqual(await app.rows("SELECT lifetime::text, bind_ip, max_sessions FROM session.policies WHERE tenant_id = 'globex'"),
		[{ lifetime: "08:00:00", bind_ip: "subnet", max_sessions: null }]);
	await policies.getByRole("button", { name: "Drop the policy for tenant globex" }).click();
	await policies.getByRole("status").filter({ hasText: "is dropped." }).waitFor();
	assert.deepEqual(await app.rows("SELECT FROM session.policies WHERE tenant_id = 'globex'"), []);

	const keys = await section(page, "Keys").getByRole("listitem").allInnerTexts();
	assert.equal(keys.length, (await app.rows("SELECT FROM session.key_ring")).length);
	for (const expected of [/^session, HS256[^]*Created \d+ days ago[^]*Signs/, /Verifies/, /retired 9 days ago[^]*Retired/])
		assert.ok(keys.some((text) => expected.test(text)), `${expected} ${keys}`);

	// The bars say what session.stats says, and are in proportion.
	const [{ live }] = await app.rows("SELECT live FROM session.stats WHERE database = current_database()");
	const bar = section(page, "Statistics").getByRole("listitem").filter({ hasText: "Live" });
	assert.equal(await bar.locator("b").textContent(), live);
	assert.equal(await bar.locator(".value").getAttribute("width"), "100");
	assert.match(await page.locator("svg.days").getAttribute("aria-label"), /^\d+ \w+: \d+(?:, \d+ \w+: \d+){13}$/);

	const timeline = section(page, "Timeline");
	assert.equal(await timeline.getByRole("listitem").count(), 25);
	await timeline.getByRole("button", { name: "Earlier events" }).click();
	await timeline.getByRole("listitem").nth(49).waitFor();

	// The newest event is first, on both pages, under the heading of its day.
	const times = await timeline.locator("time").evaluateAll((all) => all.map((time) => Date.parse(time.dateTime)));
	assert.deepEqual(times, [...times].sort((a, b) => b - a));
	assert.deepEqual(times, (await app.rows("SELECT at FROM session.events ORDER BY at DESC, id DESC LIMIT 50")).map(({ at }) => at.getTime()));
	const headings = await timeline.getByRole("heading", { level: 3 }).allTextContents();
	assert.ok(headings.length > 0 && new Set(headings).size === headings.length, headings.join());
	await timeline.getByLabel("What happened").selectOption("Signs of attacks");
	await timeline.getByRole("button", { name: "Show" }).click();
	await timeline.getByRole("listitem").nth(3).waitFor({ state: "detached" });
	assert.equal(await timeline.getByRole("listitem").count(), 3);
	await timeline.getByText("Bad tokens, 60 times").waitFor();
	await timeline.getByLabel("What happened").selectOption("Administration");
	await timeline.getByRole("button", { name: "Show" }).click();
	await timeline.getByText("Policy dropped, tenant globex").waitFor();
});

// Returns the texts of the page whose contrast is less than WCAG 2.2 AA asks.
const faint = (page) => page.evaluate(() => {
	const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
	const light = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
			.map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (element) => {
		for (let each = element; each; each = each.parentElement)
			if (!/, 0\)$|transparent/.test(getComputedStyle(each).backgroundColor))
				return getComputedStyle(each).backgroundColor;
		return "white";
	};
	return [...document.querySelectorAll("body *")]
		.filter((element) => element.checkVisibility() && !element.disabled && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
		.filter((element) => {
			const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort();
			return (b + 0.05) / (a + 0.05) < 4.5;
		}).map((element) => element.outerHTML);
});

test("the page fits a width of 390 pixels, has contrast in light and dark, and names its controls", async (t) => {
	const page = await openFleet(t, { viewport: { width: 390, height: 844 } });
	await page.getByRole("button", { name: /^Details of / }).first().click();
	await page.getByText("Set a policy").click();
	for (const colorScheme of ["light", "dark"]) {
		await page.emulateMedia({ colorScheme });
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 390), colorScheme);
		assert.deepEqual(await faint(page), [], colorScheme);
	}
	assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(16, 21, 19)");
	assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll("button, input, select")]
		.filter((element) => !(element.getAttribute("aria-label") || [...element.labels].length || element.textContent.trim()))
		.map((element) => element.outerHTML)), []);
	assert.deepEqual(await page.locator("#fleet h2").allTextContents(),
		["All sessions", "Statistics", "Policies", "Keys", "End all sessions", "Timeline"]);
	await page.getByRole("link", { name: "Pantry" }).click();
	await section(page, "To do").waitFor();
	assert.equal(await page.locator("#fleet").isVisible(), false);
});

test("an ordinary user has no way to the page", async (t) => {
	await app.user({ name: "ordinary" });
	const page = await loggedIn(t, "ordinary");
	assert.equal(await page.getByRole("link", { name: "Fleet" }).isVisible(), false);
	await page.evaluate(() => { location.hash = "#fleet"; });
	await page.reload();
	await section(page, "To do").waitFor();
	assert.equal(await page.locator("#fleet").isVisible(), false);
});

test("the kill switch says what it does, asks for its words, and ends all sessions", async (t) => {
	const user = await app.user();
	const page = await openFleet(t);
	const kill = section(page, "End all sessions");
	const active = await matching("d.status = 'active'");
	await kill.getByText(`every user on every device, you included: ${active} sessions are active now.`).waitFor();
	const press = () => kill.getByRole("button", { name: "End these sessions" }).click();

	// One tenant.
	const acme = await matching("d.tenant_id = 'acme' AND d.status = 'active'");
	await kill.getByLabel("Only of the tenant").fill("acme");
	await kill.getByLabel("Reason").fill("contract ended");
	await kill.getByText(`every user of the tenant acme, on every device: ${acme} sessions are active now.`).waitFor();
	await kill.getByLabel("Type “end acme” to confirm").fill("end all sessions");
	await press();
	await kill.getByRole("alert").filter({ hasText: "Type “end acme” to end these sessions. Nothing has ended." }).waitFor();
	await picture(page, "fleet-kill");
	await kill.getByLabel("Type “end acme” to confirm").fill("end acme");
	await press();
	await givePassword(page);
	await kill.getByRole("status").filter({ hasText: "All sessions of the tenant acme have ended." }).waitFor();
	assert.equal(await matching("d.tenant_id = 'acme' AND d.status = 'active'"), 0);
	assert.equal(await matching("d.status = 'active'"), active - acme);

	// All.
	await kill.getByLabel("Type “end all sessions” to confirm").fill("End all sessions");
	await press();
	await kill.getByRole("alert").filter({ hasText: "Nothing has ended." }).waitFor();
	assert.notEqual((await user.get("rpc/me")).body, null);
	await kill.getByLabel("Type “end all sessions” to confirm").fill("end all sessions");
	await press();
	await says(page, "All sessions have ended, yours too. Please sign in again.");
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
	assert.equal(await page.locator("#sessions li").count(), 0);
	assert.deepEqual(await cookies(page), {});
	assert.equal(await matching("d.status = 'active'"), 0);
	assert.equal((await user.get("rpc/me")).body, null);
	assert.equal((await user.post("rpc/login", { name: user.name, password: PASSWORD })).status, 200);
});
