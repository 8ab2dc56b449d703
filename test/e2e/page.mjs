// Shared by the tests of examples/postgrest in a real browser: the page, opened
// for one test.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { PASSWORD, skip } from "./support.mjs";

// Starts a browser for the calling file, and returns functions that open the
// page of the application in it.
export function pagesOf(app) {
	let browser;

	before(async () => {
		if (!skip) {
			browser = await chromium.launch({
				executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
				args: ["--disable-dev-shm-usage"],
			});
		}
	});
	after(async () => browser?.close());

	// Opens the page in a browser of its own. Errors in the page fail the test.
	async function open(t, { expected, ...options } = {}) {
		const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
		context.setDefaultTimeout(10000);
		const page = await context.newPage();
		const trouble = [];
		page.on("pageerror", (error) => trouble.push(String(error)));
		page.on("console", (message) => {
			// The browser reports every response with an error status.
			if (message.type() === "error" && !/^Failed to load resource: .* status of 4(?:01|03|12)/.test(message.text()) &&
				!expected?.test(message.text()))
				trouble.push(message.text());
		});
		page.on("request", (request) => {
			if (!request.url().startsWith(app.url) && !request.url().startsWith("data:"))
				trouble.push(`asked ${request.url()}`);
		});
		t.after(async () => {
			await context.close();
			assert.deepEqual(trouble, []);
		});
		await page.goto(app.url);
		await page.locator("#main").waitFor();
		return page;
	}

	async function loggedIn(t, name, { remember, ...options } = {}) {
		const page = await open(t, options);
		await logIn(page, name, { remember });
		await says(page, "Welcome");
		return page;
	}

	return { open, loggedIn };
}

// Leaves pictures of the page in the directory PICTURES, if it is set: wide and
// narrow, light and dark.
export async function picture(page, name, fullPage = true) {
	if (!process.env.PICTURES)
		return;
	const take = (suffix) => page.screenshot({ path: join(process.env.PICTURES, `${name}${suffix}.png`), fullPage });
	const { width, height } = page.viewportSize();
	await take("");
	await page.emulateMedia({ colorScheme: "dark" });
	await take("-dark");
	await page.setViewportSize({ width: 390, height: 844 });
	await take("-dark-390");
	await page.emulateMedia({ colorScheme: "light" });
	await take("-390");
	await page.setViewportSize({ width, height });
}

export const says = (page, text) => page.getByRole("status").filter({ hasText: text }).waitFor();
export const signedInAs = (page, name) => page.locator("#who").filter({ hasText: `Signed in as ${name}` }).waitFor();
export const section = (page, name) => page.getByRole("region", { name });
// The page moves the focus when it shows all that it has asked for.
export const focusIsOn = (page, id) => page.locator(`#${id}:focus`).waitFor();

export async function logIn(page, name, { password = PASSWORD, remember = false } = {}) {
	const form = page.locator("#login");
	await form.getByLabel("Name").fill(name);
	await form.getByLabel("Password").fill(password);
	await form.getByLabel("Remember me").setChecked(remember);
	await form.getByRole("button", { name: "Sign in" }).click();
}

// Returns the cookies that the browser has stored, for every path.
export async function cookies(page) {
	const all = await page.context().cookies();
	return Object.fromEntries(all.map((cookie) => [cookie.name, cookie]));
}

// Asserts that no visible text or control is covered by another, at any scroll
// position.
export async function nothingCovered(page) {
	const covered = await page.evaluate(() => {
		const shown = [...document.querySelectorAll("h1, h2, p, li, label, button, output, .badge, small")]
			.filter((element) => element.checkVisibility() && element.textContent !== "" && !element.closest("dialog"));
		const found = [];
		for (const one of shown)
			for (const other of shown) {
				if (one === other || one.contains(other) || other.contains(one))
					continue;
				const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
				if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
					found.push(`${one.outerHTML} ${other.outerHTML}`);
			}
		return [...found, ...[...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() && !element.closest("dialog") &&
			["sticky", "fixed", "absolute"].includes(getComputedStyle(element).position)).map((element) => element.outerHTML)];
	});
	assert.deepEqual(covered, []);
}
