// Signed and sealed cookies in the formats of two Go packages, implemented
// again with Node's own cryptography: bete7512/goauth (compact and jwt) and
// rockstar (sealed).
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, createHmac, randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { PAYLOAD, assertNothingElse, ownDatabase, secondsNow } from "./support.mjs";

const db = ownDatabase("goauth");

let purposes = 0;
async function newKey(secret = randomBytes(32)) {
	const purpose = `go-${++purposes}`;
	return { purpose, secret, kid: await db.importKey(secret, purpose) };
}

// Encodes a value as Go's encoding/json does; the members keep their order.
const goJson = (value) => JSON.stringify(value)
	.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

const hmac = (input, secret) => createHmac("sha256", secret).update(input).digest("base64url");

// The encoder and the decoder of compact cookies in goauth.
function compact(data, secret) {
	const part = Buffer.from(goJson(data)).toString("base64url");
	return `${part}.${hmac(part, secret)}`;
}
function readCompact(value, secret) {
	const dot = value.indexOf(".");
	const part = value.slice(0, dot);
	assert.equal(value.slice(dot + 1), hmac(part, secret));
	const { sid, uid, exp, iat } = JSON.parse(Buffer.from(part, "base64url"));
	assert.ok(secondsNow() <= exp);
	return { sid, uid, exp, iat };
}

// The encoder of JWTs in goauth: members in the order of their names.
function jwt({ sid, uid, exp, iat }, secret) {
	const input = [{ alg: "HS256", typ: "JWT" }, { exp, iat, sid, uid }]
		.map((part) => Buffer.from(goJson(part)).toString("base64url")).join(".");
	return `${input}.${hmac(input, secret)}`;
}

const newData = () => ({
	sid: randomUUID(), uid: "user <&> é 漢字", exp: secondsNow() + 600, iat: secondsNow(),
});

// base64.URLEncoding of Go is base64url with padding.
const padded = (bytes) => bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");

// The session manager of rockstar: seals an id, and opens a cookie.
function seal(id, secret, nonce = randomBytes(12)) {
	const cipher = createCipheriv("aes-256-gcm", secret, nonce);
	return padded(Buffer.concat([nonce, cipher.update(id), cipher.final(), cipher.getAuthTag()]));
}
function open(value, secret) {
	const bytes = Buffer.from(value, "base64url");
	assert.equal(value, padded(bytes));
	const decipher = createDecipheriv("aes-256-gcm", secret, bytes.subarray(0, 12));
	decipher.setAuthTag(bytes.subarray(-16));
	return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString();
}

const GOAUTH_KEY = "test-secret-key-for-session-cookies";
const GOAUTH_DATA = { sid: "sess-123-abc", uid: "user-456-def", exp: 4102444800, iat: 1700000000 };
const COMPACT = "eyJzaWQiOiJzZXNzLTEyMy1hYmMiLCJ1aWQiOiJ1c2VyLTQ1Ni1kZWYiLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0" +
	".Hj_9qvfGxS6ngeDExNTVksgf62Yc1vvPRi4MQCP1Nbc";
const JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" +
	".eyJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMCwic2lkIjoic2Vzcy0xMjMtYWJjIiwidWlkIjoidXNlci00NTYtZGVmIn0" +
	".g9q0C76LWl8mxBm3ledMXBopVnX4JxkNCGadkLWQsCw";
const ROCKSTAR_KEY = "0123456789abcdef0123456789abcdef";
const SEALED = "AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF";

test("the encoders above write and session reads the known cookies", async () => {
	const goauth = await newKey(GOAUTH_KEY);
	const rockstar = await newKey(ROCKSTAR_KEY);
	assert.equal(compact(GOAUTH_DATA, GOAUTH_KEY), COMPACT);
	assert.equal(jwt(GOAUTH_DATA, GOAUTH_KEY), JWT);
	assert.equal(seal("sess-123", ROCKSTAR_KEY, Buffer.from("000102030405060708090a0b", "hex")), SEALED);
	assert.deepEqual(await db.decode(COMPACT, goauth.purpose), GOAUTH_DATA);
	assert.deepEqual(await db.decode(JWT, goauth.purpose), GOAUTH_DATA);
	assert.equal(await db.decode(SEALED, rockstar.purpose), "sess-123");
});

test("session decodes cookies of goauth, with keys of any length", async () => {
	for (const length of [32, 33, 63, 64, 65, 200]) {
		const { purpose, secret } = await newKey(randomBytes(length));
		const data = newData();
		assert.deepEqual(await db.decode(compact(data, secret), purpose), data);
		assert.deepEqual(await db.decode(jwt(data, secret), purpose), data);
	}
});

test("goauth decodes cookies of session", async () => {
	for (const length of [32, 33, 64, 65, 200]) {
		const { purpose, secret } = await newKey(randomBytes(length));
		const { sid, uid } = newData();
		const value = await db.encode({ sid, uid }, "compact", purpose);
		const data = readCompact(value, secret);
		assert.deepEqual({ sid: data.sid, uid: data.uid }, { sid, uid });
		assert.equal(data.exp - data.iat, 3600);
		assert.ok(Math.abs(data.iat - secondsNow()) < 60);
	}
});

test("payloads of any content are decoded unchanged", async () => {
	const { purpose, secret } = await newKey();
	assert.deepEqual(await db.decode(compact(PAYLOAD, secret), purpose), PAYLOAD);
	for (const encoding of ["compact", "jwt", "jwe", "sealed"]) {
		const { iat, exp, jti, ...rest } = await db.decode(await db.encode(PAYLOAD, encoding, purpose), purpose);
		assert.deepEqual(rest, PAYLOAD);
	}
	const [part] = (await db.encode(PAYLOAD, "compact", purpose)).split(".");
	const { iat, exp, jti, ...rest } = JSON.parse(Buffer.from(part, "base64url"));
	assert.deepEqual(rest, PAYLOAD);
	assert.equal(exp - iat, 3600);
	assert.match(jti, /^[0-9a-f-]{36}$/);
});

test("session refuses a cookie of goauth after its expiry", async () => {
	const { purpose, secret } = await newKey();
	for (const [seconds, good] of [[-3600, false], [-15, false], [60, true]]) {
		const data = { ...newData(), exp: secondsNow() + seconds };
		assert.equal(await db.decode(compact(data, secret), purpose) !== null, good);
		assert.equal(await db.decode(jwt(data, secret), purpose) !== null, good);
	}
});

test("session accepts no altered cookie of goauth", async () => {
	const { purpose, secret } = await newKey();
	await assertNothingElse(db, compact(newData(), secret), purpose);
	await assertNothingElse(db, jwt(newData(), secret), purpose);
	const { iat, exp, jti, ...claims } = newData();
	await assertNothingElse(db, await db.encode(claims, "compact", purpose), purpose);
	for (const value of ["", "no-dot-here", "....", "abc.def.ghi", ".", "..", "e30.", `.${hmac("", secret)}`])
		assert.equal(await db.decode(value, purpose), null);
});

test("the two encodings of goauth are not confused", async () => {
	const { purpose, secret } = await newKey();
	const [header, body, mac] = jwt(newData(), secret).split(".");
	const [part, compactMac] = compact(newData(), secret).split(".");
	assert.deepEqual(await db.accepted(
		[`${body}.${mac}`, `${header}.${mac}`, `${header}.${part}.${compactMac}`], purpose), []);
});

test("a cookie of goauth, which has no jti, is revoked by its content", async () => {
	const { purpose, secret } = await newKey();
	const data = newData();
	assert.equal(await db.revoke(compact(data, secret), purpose), true);
	assert.equal(await db.decode(compact(data, secret), purpose), null);
	assert.equal(await db.revoke(compact(data, secret), purpose), false);
	assert.notEqual(await db.decode(compact(newData(), secret), purpose), null);
});

test("session decodes cookies of rockstar", async () => {
	const { purpose, secret } = await newKey();
	for (let length = 1; length <= 60; length++) {
		const id = padded(randomBytes(length));
		assert.equal(await db.decode(seal(id, secret), purpose), id);
	}
	for (const id of ["1", "null", "true", "back\\slash", "2026-01-01"])
		assert.equal(await db.decode(seal(id, secret), purpose), id);
	// A value that begins like JSON is taken for JSON, and these are no
	// claims.
	for (const payload of ["[1]", "\"quoted\"", "{", "{\"exp\":1,\"exp\":1}", ""])
		assert.equal(await db.decode(seal(payload, secret), purpose), null);
	const data = { ...newData(), nested: { a: [1, "é"] } };
	assert.deepEqual(await db.decode(seal(JSON.stringify(data), secret), purpose), data);
});

test("rockstar opens cookies of session", async () => {
	const { purpose, secret } = await newKey();
	const lengths = new Set();
	for (let n = 0; n < 6; n++) {
		const value = await db.encode({ id: "x".repeat(n) }, "sealed", purpose);
		const { iat, exp, jti, ...rest } = JSON.parse(open(value, secret));
		assert.deepEqual(rest, { id: "x".repeat(n) });
		assert.equal(exp - iat, 3600);
		lengths.add(value.length - value.replace(/=*$/, "").length);
	}
	assert.deepEqual([...lengths].sort(), [0, 1, 2]);
});

test("session accepts no altered cookie of rockstar", async () => {
	const { purpose, secret } = await newKey();
	for (const length of [30, 31, 32]) {
		const value = seal(padded(randomBytes(length)), secret);
		await assertNothingElse(db, value, purpose);
		assert.equal(await db.decode(value.replaceAll("=", "") + "=".repeat(4), purpose), null);
	}
	const refused = [
		seal("id", randomBytes(32)), seal("a b", secret), seal("é", secret), seal("a\n", secret), seal("\0", secret),
	];
	assert.deepEqual(await db.accepted(refused, purpose), []);
});

test("a cookie of rockstar expires by its claims, and is revoked independent of its nonce", async () => {
	const { purpose, secret } = await newKey();
	assert.equal(await db.decode(seal(JSON.stringify({ exp: secondsNow() - 60 }), secret), purpose), null);
	const id = padded(randomBytes(32));
	assert.equal(await db.revoke(seal(id, secret), purpose), true);
	assert.equal(await db.decode(seal(id, secret), purpose), null);
	assert.equal(await db.decode(seal(`${id}x`, secret), purpose), `${id}x`);
});

test("an older key opens both formats until it is retired", async () => {
	const { purpose, secret, kid } = await newKey();
	const values = [compact(newData(), secret), jwt(newData(), secret), seal("some-id", secret)];
	const newer = randomBytes(32);
	await db.importKey(newer, purpose);
	assert.deepEqual(await db.accepted(values, purpose), values);
	assert.equal(open(seal("some-id", newer), newer), "some-id");
	assert.ok(readCompact(await db.encode({}, "compact", purpose), newer));
	assert.ok(open(await db.encode({}, "sealed", purpose), newer));
	assert.equal(await db.retireKey(kid), true);
	assert.deepEqual(await db.accepted(values, purpose), []);
});

test("a key that session made does not open these formats", async () => {
	const { purpose, secret } = await newKey();
	await db.value("session_key_rotate($1)", purpose);
	for (const encoding of ["compact", "sealed"]) {
		const value = await db.encode({ sub: "42" }, encoding, purpose);
		assert.equal((await db.decode(value, purpose)).sub, "42");
		assert.doesNotMatch(value, /=/);
		assert.throws(() => encoding === "compact" ? readCompact(value, secret) : open(value, secret));
	}
});
