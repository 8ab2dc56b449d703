// Encrypted cookies, tested against the original software of their format:
// Auth.js 5.
import assert from "node:assert/strict";
import { hkdfSync, randomBytes, webcrypto } from "node:crypto";
import { test } from "node:test";
import { decode, encode, getToken } from "@auth/core/jwt";
import { EncryptJWT, base64url, calculateJwkThumbprint } from "jose";
import { PAYLOAD, assertNothingElse, ownDatabase, secondsNow } from "./support.mjs";

// Auth.js expects this global, which Node 18 does not set.
globalThis.crypto ??= webcrypto;

// Auth.js splits and joins its cookies with this class, which it does not
// export.
const { SessionStore } = await import(
	new URL("node_modules/@auth/core/lib/utils/cookie.js", import.meta.url));

const NAMES = ["authjs.session-token", "__Secure-authjs.session-token"];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const QUIET = { debug() { }, warn() { }, error() { } };

const db = ownDatabase("authjs");

// Makes a secret as "npx auth secret" does.
const newSecret = () => randomBytes(32).toString("base64");

// Imports these secrets as the keys of a name, the newest last, and retires
// them after the work.
async function withSecrets(name, secrets, work) {
	const kids = [];
	for (const secret of secrets)
		kids.push(await db.importKey(secret, name));
	try {
		await work(kids);
	} finally {
		for (const kid of kids)
			await db.retireKey(kid);
	}
}

// Derives a key of that length from a secret as Auth.js does.
const derive = (secret, salt, length) => new Uint8Array(hkdfSync(
	"sha256", secret, salt, `Auth.js Generated Encryption Key (${salt})`, length));

const thumbprint = (key) => calculateJwkThumbprint(
	{ kty: "oct", k: base64url.encode(key) }, `sha${key.length << 3}`);

// Returns the payload that an application with Auth.js reads from a request.
const seen = (cookie, name, secret) => getToken({
	req: { headers: { cookie } },
	secret,
	secureCookie: name.startsWith("__Secure-"),
	logger: QUIET,
});

// Returns the Cookie header that a browser sends after these Set-Cookie
// headers.
const sent = (lines) => lines.map((line) => line.split("; "))
	.filter((parts) => !parts.includes("Max-Age=0"))
	.map((parts) => parts[0]).join("; ");

for (const name of NAMES) {
	test(`session decodes a cookie of Auth.js called ${name}`, async () => {
		for (const secret of [newSecret(), "x".repeat(32), "ключ к сессиям — длинный", "s".repeat(1024)])
			await withSecrets(name, [secret], async () => {
				const token = await encode({ token: PAYLOAD, secret, salt: name, maxAge: 3600 });
				const payload = await db.decode(token, name);
				const { iat, exp, jti, ...rest } = payload;
				assert.deepEqual(rest, PAYLOAD);
				assert.ok(Math.abs(iat - secondsNow()) < 60);
				assert.ok(Math.abs(exp - iat - 3600) <= 1);
				assert.match(jti, UUID);
				assert.deepEqual(payload, await decode({ token, secret, salt: name }));
			});
	});

	test(`Auth.js decodes a cookie of session called ${name}`, async () => {
		for (const secret of [newSecret(), "x".repeat(32), "ключ к сессиям — длинный", "s".repeat(1024)])
			await withSecrets(name, [secret], async () => {
				const token = await db.encode(PAYLOAD, "jwe", name);
				const payload = await decode({ token, secret, salt: name });
				const { iat, exp, jti, ...rest } = payload;
				assert.deepEqual(rest, PAYLOAD);
				assert.equal(exp - iat, 3600);
				assert.match(jti, UUID);
				assert.deepEqual(payload, await db.decode(token, name));
				assert.deepEqual(payload, await seen(`${name}=${token}`, name, secret));
			});
	});

	test(`session and Auth.js write the same JWE header for ${name}`, async () => {
		const secret = newSecret();
		await withSecrets(name, [secret], async () => {
			const [header] = (await db.encode({}, "jwe", name)).split(".");
			const [theirs] = (await encode({ token: {}, secret, salt: name })).split(".");
			assert.equal(header, theirs);
		});
	});

	test(`Auth.js with several secrets decodes a cookie of session made with any of them: ${name}`, async () => {
		const [oldest, old, current, stranger] = Array.from({ length: 4 }, newSecret);
		const made = {};
		await withSecrets(name, [oldest, old, current], async (kids) => {
			made[current] = await db.encode({ by: "current" }, "jwe", name);
			await db.retireKey(kids[2]);
			made[old] = await db.encode({ by: "old" }, "jwe", name);
			await db.retireKey(kids[1]);
			made[oldest] = await db.encode({ by: "oldest" }, "jwe", name);
		});
		for (const [secret, token] of Object.entries(made)) {
			const all = [current, old, oldest];
			assert.ok((await decode({ token, secret: all, salt: name })).by);
			assert.ok((await decode({ token, secret, salt: name })).by);
			const others = [...all.filter((s) => s !== secret), stranger];
			await assert.rejects(decode({ token, secret: others, salt: name }),
				/no matching decryption secret/);
		}
	});

	test(`session decodes a cookie of Auth.js made with any of the imported secrets: ${name}`, async () => {
		const [old, current, stranger] = Array.from({ length: 3 }, newSecret);
		await withSecrets(name, [old, current], async ([kid]) => {
			const tokenOf = (secret) => encode({ token: { sub: "42" }, secret, salt: name });
			// Auth.js signs with the first secret, session with the newest.
			const token = await tokenOf([current, old]);
			const older = await tokenOf([old, current]);
			assert.equal((await db.decode(token, name)).sub, "42");
			assert.equal((await db.decode(older, name)).sub, "42");
			assert.equal(await db.decode(await tokenOf(stranger), name), null);
			const made = await db.encode({ sub: "42" }, "jwe", name);
			assert.equal((await decode({ token: made, secret: current, salt: name })).sub, "42");
			await assert.rejects(decode({ token: made, secret: old, salt: name }));

			await db.retireKey(kid);
			assert.equal(await db.decode(older, name), null);
			assert.equal((await db.decode(token, name)).sub, "42");
		});
	});

	test(`session decodes a cookie with A256GCM as Auth.js does: ${name}`, async () => {
		const [old, current] = [newSecret(), newSecret()];
		await withSecrets(name, [old, current], async () => {
			for (const secret of [old, current]) {
				const key = derive(secret, name, 32);
				for (const kid of [undefined, await thumbprint(key)]) {
					const token = await new EncryptJWT(PAYLOAD)
						.setProtectedHeader({ alg: "dir", enc: "A256GCM", ...(kid && { kid }) })
						.setIssuedAt().setExpirationTime("1h").encrypt(key);
					const payload = await db.decode(token, name);
					assert.deepEqual(payload, await decode({ token, secret, salt: name }));
					await assertNothingElse(db, token, name);
				}
			}
		});
	});

	test(`session tries every key on a cookie without a kid: ${name}`, async () => {
		const [old, current] = [newSecret(), newSecret()];
		await withSecrets(name, [old, current], async () => {
			for (const secret of [old, current]) {
				const token = await new EncryptJWT({ sub: "42" })
					.setProtectedHeader({ alg: "dir", enc: "A256CBC-HS512" })
					.setExpirationTime("1h").encrypt(derive(secret, name, 64));
				assert.equal((await decode({ token, secret, salt: name })).sub, "42");
				assert.equal((await db.decode(token, name)).sub, "42");
			}
		});
	});

	test(`session accepts no altered cookie: ${name}`, async () => {
		const secret = newSecret();
		await withSecrets(name, [secret], async () => {
			for (const token of [
				await encode({ token: { sub: "42" }, secret, salt: name }),
				await db.encode({ sub: "42" }, "jwe", name),
			]) {
				await assertNothingElse(db, token, name);
				// No tag covers the part for the encrypted key.
				assert.equal(await db.decode(token.replace("..", ".AAAA."), name), null);
			}
		});
	});

	test(`session refuses an expired cookie of Auth.js: ${name}`, async () => {
		const secret = newSecret();
		await withSecrets(name, [secret], async () => {
			const token = await encode({ token: {}, secret, salt: name, maxAge: -60 });
			await assert.rejects(decode({ token, secret, salt: name }), { code: "ERR_JWT_EXPIRED" });
			assert.equal(await db.decode(token, name), null);
		});
	});

	test(`session and Auth.js read the chunks of each other's large cookies: ${name}`, async () => {
		const secret = newSecret();
		const large = { sub: "42", text: randomBytes(6000).toString("base64") };
		const options = { httpOnly: true, sameSite: "lax", path: "/", secure: true };
		await withSecrets(name, [secret], async () => {
			const token = await encode({ token: large, secret, salt: name });
			const cookie = new SessionStore({ name, options }, {}, QUIET).chunk(token, {})
				.map((c) => `${c.name}=${c.value}`).join("; ");
			assert.match(cookie, /token\.2=/);
			const read = await db.value("session_cookie_read($1, $2)", cookie, name);
			assert.equal((await db.decode(read, name)).text, large.text);

			const lines = await db.rows("SELECT session_cookie_header($1, $2) AS line",
				await db.encode(large, "jwe", name), name);
			const payload = await seen(sent(lines.map((row) => row.line)), name, secret);
			assert.equal(payload.text, large.text);
		});
	});

	test(`session can revoke a cookie of Auth.js: ${name}`, async () => {
		const secret = newSecret();
		await withSecrets(name, [secret], async () => {
			const [token, other] = await Promise.all([1, 2].map(() =>
				encode({ token: { sub: "42" }, secret, salt: name })));
			assert.equal(await db.revoke(token, name), true);
			assert.equal(await db.decode(token, name), null);
			assert.equal((await db.decode(other, name)).sub, "42");
		});
	});
}

test("a cookie of one name is refused under the other, with the same secret", async () => {
	const secret = newSecret();
	await withSecrets(NAMES[0], [secret], () => withSecrets(NAMES[1], [secret], async () => {
		for (const [mine, other] of [NAMES, [...NAMES].reverse()])
			for (const token of [
				await encode({ token: { sub: "42" }, secret, salt: mine }),
				await db.encode({ sub: "42" }, "jwe", mine),
			]) {
				assert.equal((await db.decode(token, mine)).sub, "42");
				assert.equal(await db.decode(token, other), null);
				await assert.rejects(decode({ token, secret, salt: other }));
			}
	}));
});

test("a secret of fewer than 32 bytes is refused", async () => {
	await assert.rejects(db.importKey("x".repeat(31), NAMES[0]), { code: "22023" });
});
