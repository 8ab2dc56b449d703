// Cookie headers, tested against packages that write and read them.
//
// Connects with PGHOST, PGPORT, PGUSER and PGDATABASE to a database in which
// it may create the extension.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as cookie from "cookie";
import pg from "pg";
import setCookieParser from "set-cookie-parser";
import { CookieJar } from "tough-cookie";

// Auth.js splits and joins its cookies with this class, which it does not
// export.
const { SessionStore } = await import(
	new URL("node_modules/@auth/core/lib/utils/cookie.js", import.meta.url));

const SITE = "https://www.example.com/app/";
const OCTETS = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
	.filter((c) => !'",;\\'.includes(c)).join("");

const db = new pg.Client();
before(async () => {
	await db.connect();
	await db.query("CREATE EXTENSION IF NOT EXISTS session");
});
after(() => db.end());

// Returns the rows of a call with named arguments.
async function call(name, args) {
	const names = Object.keys(args);
	const { rows } = await db.query(
		`SELECT ${name}(${names.map((n, i) => `${n} => $${i + 1}`)}) AS value`,
		Object.values(args));
	return rows.map((row) => row.value);
}

const header = (value, options = {}) => call("session_cookie_header", { value, ...options });
const clear = (name, cookie_header) => call("session_cookie_clear", { name, cookie_header });
const read = async (cookie_header, name) =>
	(await call("session_cookie_read", { cookie_header, name }))[0];

// A client that enforces the prefixes of cookie names and has a clock of its
// own.
const newJar = () => new CookieJar(undefined, { prefixSecurity: "strict" });
function send(jar, headers, url = SITE) {
	for (const line of headers)
		jar.setCookieSync(line, url);
	return jar.getCookieStringSync(url);
}

// Returns a value of the given number of octets, the same in every run.
function valueOf(length) {
	let state = length + 1;
	let value = "";
	while (value.length < length) {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		value += OCTETS[(state >>> 8) % OCTETS.length];
	}
	return value;
}

// Returns every combination of the values of some options.
const combinations = (options) => Object.entries(options).reduce(
	(rows, [name, values]) => rows.flatMap((row) => values.map((v) => ({ ...row, [name]: v }))),
	[{}]);

const TABLE = combinations({
	name: ["sid", "__Secure-sid", "__host-sid", "__Host-sid", "__Http-sid", "__Host-Http-sid"],
	max_age: [null, "0", "1 hour", "400 days"],
	path: ["/", "/app"],
	domain: ["", "example.com"],
	secure: [true, false],
	http_only: [true, false],
	same_site: ["lax", "strict", "none"],
	partitioned: [true, false],
});
const SECONDS = { "0": 0, "1 hour": 3600, "400 days": 34560000 };

// Returns whether a browser accepts the cookie, implemented again from RFC
// 6265bis sections 4.1 and 5.6.
function isTaken(o) {
	const host = /^__host-/i.test(o.name);
	const http = /^__(host-)?http-/i.test(o.name);
	return (o.secure || !(/^__(host|secure|http)-/i.test(o.name) || o.partitioned || o.same_site === "none")) &&
		!(host && (o.path !== "/" || o.domain !== "")) &&
		!(http && !o.http_only);
}

// Returns the attributes of a header, to compare without their order.
const attributes = (line) => line.split("; ").sort().filter((part) => !part.startsWith("Expires="));

// Returns the header that the package "cookie" makes of the same options.
function serialized(value, o) {
	return cookie.serialize(o.name, value, {
		encode: (v) => v,
		maxAge: o.max_age === null ? undefined : SECONDS[o.max_age],
		path: o.path,
		domain: o.domain || undefined,
		secure: o.secure,
		httpOnly: o.http_only,
		sameSite: o.same_site,
		partitioned: o.partitioned,
	});
}

function assertParsed(line, value, o) {
	const [parsed] = setCookieParser.parse([line], { decodeValues: false });
	const expires = parsed.expires;
	delete parsed.expires;
	assert.deepEqual({ ...parsed }, {
		name: o.name,
		value,
		path: o.path,
		sameSite: o.same_site[0].toUpperCase() + o.same_site.slice(1),
		...(o.domain && { domain: o.domain }),
		...(o.max_age !== null && { maxAge: SECONDS[o.max_age] }),
		...(o.secure && { secure: true }),
		...(o.http_only && { httpOnly: true }),
		...(o.partitioned && { partitioned: true }),
	});
	assert.equal(expires?.getTime(), o.max_age === "0" ? 0 : undefined);
}

async function assertKept(line, value, o) {
	const jar = newJar();
	const sent = send(jar, [line]);
	const [kept] = jar.getCookiesSync(SITE);
	if (o.max_age === "0") {
		assert.equal(sent, "");
		return;
	}
	assert.equal(sent, `${o.name}=${value}`);
	assert.equal(await read(sent, o.name), value);
	assert.equal(kept.secure, o.secure);
	assert.equal(kept.httpOnly, o.http_only);
	assert.equal(kept.sameSite, o.same_site);
	assert.equal(kept.path, o.path);
	assert.equal(kept.domain, o.domain || "www.example.com");
	assert.equal(kept.hostOnly, o.domain === "");
	assert.equal(kept.maxAge, o.max_age === null ? null : SECONDS[o.max_age]);
}

test("every reader gets every option, and session sends no header that browsers refuse", async () => {
	let taken = 0;
	for (const o of TABLE) {
		const what = JSON.stringify(o);
		if (!isTaken(o)) {
			await assert.rejects(header("v", o), { code: "22023" }, what);
			continue;
		}
		const value = valueOf(1 + taken++ % 60);
		const lines = await header(value, o);
		assert.equal(lines.length, 1, what);
		assert.deepEqual(attributes(lines[0]), attributes(serialized(value, o)), what);
		assertParsed(lines[0], value, o);
		await assertKept(lines[0], value, o);
	}
	assert.ok(taken > 300, `${taken} of ${TABLE.length}`);
});

test("a client refuses the cookies that session does not send because of a prefix", () => {
	for (const o of TABLE) {
		const prefixed = /^__(Host|Secure)-/.test(o.name);
		const alike = { ...o, same_site: "lax", partitioned: false, http_only: true };
		if (!prefixed || isTaken(alike))
			continue;
		const jar = newJar();
		assert.throws(() => send(jar, [serialized("v", { ...alike, max_age: null })]), JSON.stringify(o));
	}
});

// The longest value that fits into one header, and into each of several.
async function sizes(name) {
	const [whole] = await header("", { name });
	return { whole: 4096 - whole.length, each: 4096 - whole.length - ".99".length };
}

test("every reader returns values of 1 to 20,000 bytes unchanged", async () => {
	const name = "__Host-session";
	const { whole, each } = await sizes(name);
	const lengths = new Set([1, 2, 3, 20000]);
	for (let n = 5; n < 20000; n += 61)
		lengths.add(n);
	for (const edge of [whole, ...Array.from({ length: 6 }, (_, i) => i * each), 4096, 8192, 12288])
		for (let n = edge - 12; n <= edge + 12; n++)
			if (n >= 1 && n <= 20000)
				lengths.add(n);
	for (const length of lengths) {
		const value = valueOf(length);
		const lines = await header(value, { name });
		assert.ok(lines.every((line) => Buffer.byteLength(line) <= 4096));
		assert.equal(lines.length, length <= whole ? 1 : 1 + Math.ceil(length / each), `${length}`);

		const jar = newJar();
		const sent = send(jar, lines);
		assert.equal(await read(sent, name), value);

		const kept = setCookieParser.parse(lines, { decodeValues: false })
			.filter((c) => c.maxAge !== 0);
		assert.equal(kept.map((c) => c.value).join(""), value);

		const seen = cookie.parse(sent, { decode: (v) => v });
		assert.deepEqual(Object.keys(seen),
			length <= whole ? [name] : kept.map((_, i) => `${name}.${i}`));
		assert.equal(Object.values(seen).join(""), value);
	}
	assert.ok(lengths.size > 300);
});

test("chunks are read in any order, among other cookies", async () => {
	const value = valueOf(13000);
	const lines = (await header(value, { name: "sid" })).slice(1);
	const pairs = lines.map((line) => line.split(";")[0]);
	for (const order of [[...pairs].reverse(), [pairs[2], pairs[0], pairs[3], pairs[1]]])
		assert.equal(await read(["sid-x=1", ...order, "sid.x=2"].join("; "), "sid"), value);
	for (const lost of pairs)
		if (lost !== pairs.at(-1))
			assert.equal(await read(pairs.filter((p) => p !== lost).join("; "), "sid"), null);
});

test("session_cookie_read returns values of other writers unchanged", async () => {
	for (const value of ["", "a=b==", "a b;c,d\"e\\ü", valueOf(3000)]) {
		const sent = cookie.stringifyCookie({ before: "1", sid: value, "sid-x": "2" });
		const raw = cookie.parse(sent, { decode: (v) => v }).sid;
		assert.equal(await read(sent, "sid"), raw);
		assert.equal(decodeURIComponent(await read(sent, "sid")), value);
	}
	for (const value of ["abc", "a%20b", "\"quoted\"", "x=y"])
		assert.equal(await read(send(newJar(), [`sid=${value}; Path=/`]), "sid"), value);
});

test("session_cookie_clear removes the cookie and all its chunks, and no other cookie", async () => {
	for (const name of ["__Host-session", "sid"])
		for (const length of [1, 5000, 20000]) {
			const jar = newJar();
			send(jar, ["other=1; Path=/", `${name}-x=2; Path=/; Secure`]);
			const sent = send(jar, await header(valueOf(length), { name }));
			const lines = await clear(name, sent);
			assert.ok(setCookieParser.parse(lines).every((c) => c.value === "" && c.maxAge === 0));
			assert.equal(send(jar, lines), `other=1; ${name}-x=2`);
		}
});

test("clearing and setting a cookie replaces a value of any length", async () => {
	const jar = newJar();
	let sent = "";
	for (const length of [10, 9000, 20000, 5000, 10, 4100, 4000, 8200]) {
		const value = valueOf(length);
		send(jar, await clear("sid", sent));
		sent = send(jar, await header(value, { name: "sid" }));
		assert.equal(await read(sent, "sid"), value);
		assert.equal(cookie.parse(sent).sid === undefined, length > 4096);
	}
});

test("a value that grows into chunks is not hidden by the old cookie", async () => {
	const jar = newJar();
	send(jar, await header("old", { name: "sid" }));
	for (const length of [9000, 20000, 10]) {
		const value = valueOf(length);
		assert.equal(await read(send(jar, await header(value, { name: "sid" })), "sid"), value);
	}
});

test("nothing but chunk numbers gets from a request into the headers of session_cookie_clear", async () => {
	const request = "sid.1\r\nX: y=1; sid.2=3; Domain=evil.example; sid.03=1; sid.4 ;sid.5 = 6";
	const names = setCookieParser.parse(await clear("sid", request)).map((c) => c.name);
	assert.deepEqual(names, ["sid", "sid.2", "sid.5"]);
});

test("session and Auth.js read each other's chunks", async () => {
	const name = "__Secure-authjs.session-token";
	const options = { httpOnly: true, sameSite: "lax", path: "/", secure: true };
	for (const length of [100, 3936, 3937, 4100, 9000, 20000]) {
		const value = valueOf(length);
		const sent = send(newJar(), await header(value, { name }));
		const seen = cookie.parse(sent, { decode: (v) => v });
		assert.equal(new SessionStore({ name, options }, seen, console).value, value);

		const quiet = { debug() { } };
		const lines = new SessionStore({ name, options }, {}, quiet).chunk(value, {})
			.map((c) => cookie.serialize(c.name, c.value, { ...c.options, encode: (v) => v }));
		assert.equal(await read(send(newJar(), lines), name), value);
	}
});
