// Signed and encrypted JWTs, tested against jose.
import assert from "node:assert/strict";
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { test } from "node:test";
import {
	CompactSign, EncryptJWT, SignJWT, UnsecuredJWT, base64url, calculateJwkThumbprint,
	decodeProtectedHeader, jwtDecrypt, jwtVerify,
} from "jose";
import { PAYLOAD, assertNothingElse, ownDatabase, secondsNow } from "./support.mjs";

const db = ownDatabase("jose");
const HS256 = { algorithms: ["HS256"] };
const DIR = {
	keyManagementAlgorithms: ["dir"],
	contentEncryptionAlgorithms: ["A256CBC-HS512", "A256GCM"],
};

// Makes a new purpose with an imported key.
let purposes = 0;
async function newKey(length = 32) {
	const purpose = `jose-${++purposes}`;
	const secret = new Uint8Array(randomBytes(length));
	const kid = await db.importKey(secret, purpose, `key-of-${purpose}`);
	return { purpose, secret, kid };
}

const sign = (payload, header, secret) => new SignJWT(payload).setProtectedHeader(header).sign(secret);

const contentKey = ({ secret, purpose }, length) => new Uint8Array(hkdfSync(
	"sha256", secret, purpose, `Auth.js Generated Encryption Key (${purpose})`, length));

const encrypt = (payload, header, key) => new EncryptJWT(payload)
	.setProtectedHeader({ alg: "dir", ...header }).encrypt(key);

// Returns a JWT with any header and payload, and a valid signature.
function forge(header, payload, secret, hash = "sha256") {
	const text = (part) => typeof part === "string" ? part : JSON.stringify(part);
	const input = [header, payload].map((part) => base64url.encode(text(part))).join(".");
	return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`;
}

test("jose verifies a JWT of session, with keys of any length", async () => {
	for (const length of [32, 33, 64, 65, 128, 1024]) {
		const { purpose, secret, kid } = await newKey(length);
		const jwt = await db.encode(PAYLOAD, "jwt", purpose);
		const { payload, protectedHeader } = await jwtVerify(jwt, secret, {
			...HS256, typ: "JWT", maxTokenAge: "1m", requiredClaims: ["iat", "exp", "jti"],
		});
		const { iat, exp, jti, ...rest } = payload;
		assert.deepEqual(protectedHeader, { alg: "HS256", typ: "JWT", kid });
		assert.deepEqual(rest, PAYLOAD);
		assert.equal(exp - iat, 3600);
		assert.match(jti, /^[0-9a-f-]{36}$/);
		assert.deepEqual(await db.decode(jwt, purpose), payload);
	}
});

test("session decodes a JWT of jose, with and without kid and typ", async () => {
	for (const length of [32, 33, 64, 65, 128, 1024]) {
		const { purpose, secret, kid } = await newKey(length);
		for (const more of [{}, { typ: "JWT" }, { kid }, { typ: "JWT", kid }, { cty: "x", "x-y": [1] }]) {
			const times = { iat: secondsNow(), exp: secondsNow() + 60, nbf: secondsNow() };
			const jwt = await sign({ ...PAYLOAD, ...times }, { alg: "HS256", ...more }, secret);
			assert.deepEqual(await db.decode(jwt, purpose), { ...PAYLOAD, ...times });
		}
		const endless = await sign({ sub: "42" }, { alg: "HS256" }, secret);
		assert.deepEqual(await db.decode(endless, purpose), { sub: "42" });
	}
});

test("the kid of a JWT selects the key, and without a kid every key is tried", async () => {
	const { purpose, secret: old, kid: oldKid } = await newKey();
	const secret = new Uint8Array(randomBytes(32));
	const kid = await db.importKey(secret, purpose, "newer");
	for (const [header, key, good] of [
		[{}, old, true], [{}, secret, true],
		[{ kid: oldKid }, old, true], [{ kid }, secret, true],
		[{ kid }, old, false], [{ kid: oldKid }, secret, false],
		[{ kid: "nobody" }, secret, false], [{ kid: "" }, secret, false],
	]) {
		const jwt = await sign({ sub: "42" }, { alg: "HS256", ...header }, key);
		assert.equal(await db.decode(jwt, purpose) !== null, good, JSON.stringify(header));
	}
	assert.equal(decodeProtectedHeader(await db.encode({}, "jwt", purpose)).kid, kid);

	const before = await sign({ sub: "42" }, { alg: "HS256" }, old);
	assert.equal(await db.retireKey(oldKid), true);
	assert.equal(await db.decode(before, purpose), null);
});

// Returns whether session and jose accept each token, both in the same second.
async function compared(make, check, purpose, offsets) {
	for (let attempt = 0; attempt < 20; attempt++) {
		const now = () => db.value("floor(extract(epoch FROM clock_timestamp()))::int");
		const start = await now();
		const tokens = await Promise.all(offsets.map((offset) => make(start + offset)));
		const accepted = await db.accepted(tokens, purpose);
		if (await now() !== start)
			continue;
		const currentDate = new Date(start * 1000);
		return Promise.all(tokens.map(async (token) => ({
			here: accepted.includes(token),
			there: await check(token, { clockTolerance: 15, currentDate }).then(() => true, () => false),
		})));
	}
	assert.fail("no attempt ended in the second in which it began");
}

for (const claim of ["exp", "nbf"])
	for (const [what, enc] of [["a signed JWT"], ["an encrypted JWT", "A256CBC-HS512"], ["an encrypted JWT", "A256GCM"]])
		test(`${claim} of ${what} ${enc ? `with ${enc} ` : ""}has 15 seconds of leeway, exactly, with and without a fraction`, async () => {
			const offsets = Array.from({ length: 121 }, (_, i) => i / 2 - 30);
			const key = await newKey();
			const content = contentKey(key, enc === "A256GCM" ? 32 : 64);
			const make = (time) => enc ? encrypt({ [claim]: time }, { enc }, content) :
				sign({ [claim]: time }, { alg: "HS256" }, key.secret);
			const check = (token, options) => enc ? jwtDecrypt(token, content, { ...DIR, ...options }) :
				jwtVerify(token, key.secret, { ...HS256, ...options });
			const verdicts = await compared(make, check, key.purpose, offsets);
			for (const [i, { here, there }] of verdicts.entries())
				assert.equal(here, there, `${claim} is now ${offsets[i]}`);
			assert.equal(verdicts.filter(({ here }) => here).length, claim === "exp" ? 90 : 91);
		});

test("a typ is a media type: its case and the prefix application/ do not matter", async () => {
	const { purpose, secret } = await newKey();
	for (const [typ, good] of [
		["JWT", true], ["jwt", true], ["Jwt", true], ["application/jwt", true], ["APPLICATION/JWT", true],
		["at+jwt", false], ["application/at+jwt", false], ["text/jwt", false], ["JW", false], ["JWTs", false],
	]) {
		const jwt = await sign({ sub: "42" }, { alg: "HS256", typ }, secret);
		assert.equal(await jwtVerify(jwt, secret, { ...HS256, typ: "JWT" }).then(() => true, () => false), good, `jose: ${typ}`);
		assert.equal(await db.decode(jwt, purpose) !== null, good, typ);
	}
});

test("session refuses invalid times, and an iat in the future", async () => {
	const { purpose, secret } = await newKey();
	const now = secondsNow();
	for (const claim of ["exp", "nbf", "iat"])
		for (const value of [String(now + 60), String(now + 60.5), null, true, [now], -1, -0.5, 2 ** 53, 1e300]) {
			const jwt = forge({ alg: "HS256" }, { sub: "42", [claim]: value }, secret);
			assert.equal(await db.decode(jwt, purpose), null, `${claim}: ${value}`);
		}
	for (const later of [600, 600.5])
		assert.equal(await db.decode(await sign({ iat: now + later }, { alg: "HS256" }, secret), purpose), null);
});

test("session accepts no other algorithm, whatever the header says", async () => {
	const { purpose, secret } = await newKey(64);
	const payload = { sub: "42" };
	const unsecured = new UnsecuredJWT(payload).encode();
	const [header, body, mac] = (await sign(payload, { alg: "HS256" }, secret)).split(".");
	const none = base64url.encode('{"alg":"none"}');
	const refused = [
		unsecured,
		`${none}.${body}.${mac}`,
		`${header}.${body}.`,
		await sign(payload, { alg: "HS384" }, secret),
		await sign(payload, { alg: "HS512" }, secret),
		forge({ alg: "HS256" }, payload, secret, "sha512"),
		...["none", "None", "HS512", "HS384", "RS256", "ES256", "hs256", "HS256 ", "dir", "", null, 256, ["HS256"]]
			.map((alg) => forge({ alg }, payload, secret)),
		forge({}, payload, secret),
		forge({ typ: "JWT" }, payload, secret),
	];
	assert.deepEqual(await db.accepted(refused, purpose), []);
	assert.deepEqual(await db.decode(`${header}.${body}.${mac}`, purpose), payload);
});

test("session refuses crit even if jose understands it", async () => {
	const key = await newKey();
	const { purpose, secret } = key;
	const crit = { crit: ["urn:x"] };
	const signed = await new SignJWT({ sub: "42" })
		.setProtectedHeader({ alg: "HS256", ...crit, "urn:x": true })
		.sign(secret, { crit: { "urn:x": true } });
	assert.ok(await jwtVerify(signed, secret, { ...HS256, crit: { "urn:x": true } }));
	const content = contentKey(key, 64);
	const sealed = await new EncryptJWT({ sub: "42" })
		.setProtectedHeader({ alg: "dir", enc: "A256CBC-HS512", ...crit, "urn:x": true })
		.encrypt(content, { crit: { "urn:x": true } });
	assert.ok(await jwtDecrypt(sealed, content, { ...DIR, crit: { "urn:x": true } }));
	const forged = [{ crit: [] }, { crit: null }, { b64: true }, { b64: false, crit: ["b64"] }, { zip: "DEF" }]
		.map((more) => forge({ alg: "HS256", ...more }, { sub: "42" }, secret));
	assert.deepEqual(await db.accepted([signed, sealed, ...forged], purpose), []);
});

test("session refuses a signed text that is not a JWT", async () => {
	const { purpose, secret, kid } = await newKey();
	const header = { alg: "HS256", typ: "JWT", kid };
	const payloads = [
		"", "[]", "null", "1", "\"text\"", "{", "{}{}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
		"{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":01}", "{'a':1}", "\ufeff{}",
	];
	const refused = [
		...payloads.map((payload) => forge(header, payload, secret)),
		...["at+jwt", "JWS", "", null, 1].map((typ) => forge({ ...header, typ }, {}, secret)),
		...[null, 1, [kid], { kid }].map((other) => forge({ ...header, kid: other }, {}, secret)),
		forge(`{"alg":"HS256","alg":"HS256"}`, {}, secret),
		forge("[]", {}, secret),
		await new CompactSign(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))
			.setProtectedHeader(header).sign(secret),
	];
	assert.deepEqual(await db.accepted(refused, purpose), []);
	assert.deepEqual(await db.decode(forge(header, {}, secret), purpose), {});
	await assertNothingElse(db, forge(header, { sub: "42" }, secret), purpose);
	await assertNothingElse(db, await db.encode({ sub: "42" }, "jwt", purpose), purpose);
});

test("jose decrypts a JWE of session", async () => {
	for (const length of [32, 33, 64, 128]) {
		const key = await newKey(length);
		const content = contentKey(key, 64);
		const jwe = await db.encode(PAYLOAD, "jwe", key.purpose);
		const { payload, protectedHeader } = await jwtDecrypt(jwe, content, DIR);
		const { iat, exp, jti, ...rest } = payload;
		assert.deepEqual(rest, PAYLOAD);
		assert.equal(exp - iat, 3600);
		assert.match(jti, /^[0-9a-f-]{36}$/);
		assert.deepEqual(protectedHeader, {
			alg: "dir",
			enc: "A256CBC-HS512",
			kid: await calculateJwkThumbprint({ kty: "oct", k: base64url.encode(content) }, "sha512"),
		});
	}
});

test("session decrypts a JWE of jose with a payload of any length", async () => {
	const key = await newKey();
	for (const [enc, length] of [["A256CBC-HS512", 64], ["A256GCM", 32]]) {
		const content = contentKey(key, length);
		const kid = await calculateJwkThumbprint({ kty: "oct", k: base64url.encode(content) }, `sha${length * 8}`);
		for (const more of [{}, { kid }, { typ: "JWT" }, { kid, cty: "x" }])
			assert.deepEqual(await db.decode(await encrypt(PAYLOAD, { enc, ...more }, content), key.purpose), PAYLOAD);
		for (let n = 0; n < 64; n++) {
			const payload = { a: "x".repeat(n) };
			assert.deepEqual(await db.decode(await encrypt(payload, { enc }, content), key.purpose), payload);
		}
		await assertNothingElse(db, await encrypt({ sub: "42" }, { enc, kid }, content), key.purpose);
		assert.equal(await db.decode(await encrypt({}, { enc, kid: "other" }, content), key.purpose), null);
	}
});

test("session accepts no other encryption", async () => {
	const key = await newKey();
	const payload = { sub: "42" };
	const wrapped = (alg, enc, secret) => new EncryptJWT(payload)
		.setProtectedHeader({ alg, enc }).encrypt(secret);
	const refused = [
		await encrypt(payload, { enc: "A128GCM" }, contentKey(key, 16)),
		await encrypt(payload, { enc: "A192GCM" }, contentKey(key, 24)),
		await encrypt(payload, { enc: "A128CBC-HS256" }, contentKey(key, 32)),
		await encrypt(payload, { enc: "A192CBC-HS384" }, contentKey(key, 48)),
		await wrapped("A256KW", "A256CBC-HS512", contentKey(key, 32)),
		await wrapped("A256GCMKW", "A256GCM", contentKey(key, 32)),
		await wrapped("A256KW", "A256CBC-HS512", key.secret),
		await encrypt(payload, { enc: "A256GCM" }, key.secret),
		await encrypt(payload, { enc: "A256CBC-HS512" }, contentKey({ ...key, purpose: "other" }, 64)),
	];
	assert.deepEqual(await db.accepted(refused, key.purpose), []);
});

test("session refuses the JWT of one purpose for another, with the same secret", async () => {
	const { purpose, secret, kid } = await newKey();
	const other = `${purpose}-other`;
	await db.importKey(new Uint8Array(randomBytes(32)), other);
	const jwt = await db.encode({ sub: "42" }, "jwt", purpose);
	assert.equal((await db.decode(jwt, purpose)).sub, "42");
	assert.equal(await db.decode(jwt, other), null);

	// A foreign signature does not cover the purpose. The kid tells the
	// purpose, if it is there.
	await db.importKey(secret, other, `${kid}-other`);
	assert.equal(await db.decode(jwt, other), null);
	const jwe = await db.encode({ sub: "42" }, "jwe", purpose);
	assert.equal((await db.decode(jwe, purpose)).sub, "42");
	assert.equal(await db.decode(jwe, other), null);
});

const newSession = (options = {}) => db.value(
	"(session_create(user_id => $1, tenant_id => $2, role => $3, auth_level => $4, lifetime => $5)).token",
	options.user ?? null, options.tenant ?? null, options.role ?? null,
	options.user ? 2 : 0, options.lifetime ?? "1 day");

const mint = (token, options = {}) => db.value(
	"session_jwt($1, ttl => $2, claims => $3, audience => $4)",
	token, options.ttl ?? "5 min", JSON.stringify(options.claims ?? {}), options.audience ?? null);

test("jose reads the identity and the audience from the JWT of a session", async () => {
	const secret = new Uint8Array(randomBytes(48));
	const kid = await db.importKey(secret, "jwt", "api-key");
	const token = await newSession({ user: "ada", tenant: "acme", role: "member" });
	const jwt = await mint(token, { audience: "https://api.example.com", claims: { scope: "read", n: [1, "é"] } });
	const options = { ...HS256, typ: "JWT", subject: "ada", maxTokenAge: "1m" };
	const { payload, protectedHeader } = await jwtVerify(jwt, secret, { ...options, audience: "https://api.example.com" });
	const { iat, exp, jti, sid, ...rest } = payload;
	assert.deepEqual(protectedHeader, { alg: "HS256", typ: "JWT", kid });
	assert.deepEqual(rest, {
		sub: "ada", tid: "acme", role: "member", lvl: 2, aud: "https://api.example.com",
		scope: "read", n: [1, "é"],
	});
	assert.equal(exp - iat, 300);
	assert.match(jti, /^[0-9a-f-]{36}$/);
	assert.equal(sid, await db.value("(session_validate($1)).id", token));
	await assert.rejects(jwtVerify(jwt, secret, { ...options, audience: "https://other.example.com" }),
		{ code: "ERR_JWT_CLAIM_VALIDATION_FAILED", claim: "aud" });
	assert.deepEqual(await db.decode(jwt, "jwt"), payload);

	const { payload: bare } = await jwtVerify(await mint(await newSession()), secret, HS256);
	assert.deepEqual(Object.keys(bare).sort(), ["exp", "iat", "jti", "lvl", "sid"]);
	const { payload: other } = await jwtVerify(await mint(token), secret, HS256);
	assert.equal(other.aud, undefined);
	assert.equal(other.sid, sid);
	assert.notEqual(other.jti, jti);
});

test("additional claims do not change the identity in the JWT of a session", async () => {
	const secret = new Uint8Array(randomBytes(32));
	await db.importKey(secret, "jwt");
	const token = await newSession({ user: "ada", role: "member" });
	const nbf = secondsNow() - 5;
	const claims = { aud: ["billing", "reports"], iss: "https://id.example.com", nbf, uid: "x", scope: "read" };
	const { payload } = await jwtVerify(await mint(token, { claims }), secret,
		{ ...HS256, issuer: "https://id.example.com", audience: "reports" });
	const { iat, exp, jti, sid, ...rest } = payload;
	assert.deepEqual(rest, { sub: "ada", role: "member", lvl: 2, ...claims });
	assert.equal(exp - iat, 300);
	assert.match(jti, /^[0-9a-f-]{36}$/);
	assert.match(sid, /^[0-9a-f-]{36}$/);
	const far = secondsNow() + 1e6;
	for (const own of [{ sub: "eve" }, { role: "admin" }, { sid: "x" }, { tid: "x" }, { lvl: 9 }, { jti: "x" }, { iat: 1 }, { exp: far }])
		await assert.rejects(mint(token, { claims: own }), { code: "22023", message: `claims must not have the claim "${Object.keys(own)[0]}"` });
	await assert.rejects(mint(token, { claims: { aud: "x" }, audience: "y" }), { code: "22023" });
});

test("the JWT of a session expires with the session, and a dead session gets no JWT", async () => {
	const secret = new Uint8Array(randomBytes(32));
	await db.importKey(secret, "jwt");
	const token = await newSession({ user: "ada", lifetime: "2 min" });
	const end = await db.value("extract(epoch FROM (session_validate($1)).expires_at)::float8", token);
	const { payload } = await jwtVerify(await mint(token, { ttl: "1 day" }), secret, HS256);
	assert.equal(payload.exp, Math.floor(end));
	assert.equal(await db.value("session_revoke($1)", token), true);
	assert.equal(await mint(token), null);
	assert.equal(await mint("st_nonsense"), null);
});
