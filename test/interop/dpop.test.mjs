// DPoP: proofs of the package dpop, and of jose, are accepted; what session
// says about keys and nonces is what these packages expect.
import assert from "node:assert/strict";
import { randomUUID, webcrypto } from "node:crypto";
import { before, test } from "node:test";
import {
	EmbeddedJWK, SignJWT, base64url, calculateJwkThumbprint, exportJWK, generateKeyPair, jwtVerify,
} from "jose";
import { ownDatabase, secondsNow } from "./support.mjs";

// Node.js 18 has no globals of these names.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
const DPoP = await import("dpop");

const db = ownDatabase("dpop");
const URL_OF_API = "https://api.example.com/todos";

// Proofs from the second in which the server started are refused.
before(async () => {
	while (await db.value("pg_postmaster_start_time() > now() - interval '2 s'"))
		await new Promise((resolve) => setTimeout(resolve, 200));
});

const newSession = async (jkt) => (await db.rows(
	"SELECT token, refresh_token FROM session_create('alice', refreshable => true, jkt => $1)", jkt))[0];
const authenticate = (token, proof, method = "GET", url = URL_OF_API) => db.value(
	"session_authenticate($1, proof => $2, method => $3, url => $4)", token, proof, method, url);
const hash = async (text) => base64url.encode(new Uint8Array(
	await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));

for (const algorithm of ["ES256", "RS256", "Ed25519"]) {
	test(`session accepts proofs that the package dpop signs with ${algorithm}, once`, async () => {
		const pair = await DPoP.generateKeyPair(algorithm);
		const { token } = await newSession(await DPoP.calculateThumbprint(pair.publicKey));
		const proof = await DPoP.generateProof(pair, URL_OF_API, "GET", undefined, token);
		assert.equal(await authenticate(token, proof, "POST"), false);
		assert.equal(await authenticate(token, proof, "GET", `${URL_OF_API}/1`), false);
		assert.equal(await authenticate(token, proof, "GET", `${URL_OF_API}?select=id`), true);
		assert.equal(await authenticate(token, proof), false);
		const other = await DPoP.generateKeyPair(algorithm);
		assert.equal(await authenticate(token, await DPoP.generateProof(other, URL_OF_API, "GET", undefined, token)), false);
		assert.equal(await authenticate(token, await DPoP.generateProof(pair, URL_OF_API, "GET")), false);
		assert.equal(await authenticate(token, null), false);
	});
}

test("a session is bound by a proof of the package dpop, and refreshed with one for no token", async () => {
	const pair = await DPoP.generateKeyPair("ES256");
	const { token, refresh_token: refresh } = await newSession(null);
	const bind = async () => db.value("session_bind_key($1, $2, 'POST', $3)",
		token, await DPoP.generateProof(pair, URL_OF_API, "POST"), URL_OF_API);
	assert.equal(await bind(), true);
	assert.equal(await bind(), false);
	assert.equal(await authenticate(token, await DPoP.generateProof(pair, URL_OF_API, "GET", undefined, token)), true);
	assert.deepEqual(await db.rows("SELECT FROM session_refresh($1)", refresh), []);
	const [next] = await db.rows("SELECT token FROM session_refresh($1, proof => $2, method => 'POST', url => $3)",
		refresh, await DPoP.generateProof(pair, URL_OF_API, "POST"), URL_OF_API);
	assert.equal(await authenticate(next.token, await DPoP.generateProof(pair, URL_OF_API, "GET", undefined, next.token)), true);
});

test("URLs are the same to session if they are to WHATWG URL", async () => {
	const pair = await DPoP.generateKeyPair("ES256");
	const { token } = await newSession(await DPoP.calculateThumbprint(pair.publicKey));
	for (const url of [
		"HTTPS://API.EXAMPLE.com:443/todos", "https://api.example.com/a/../todos?b#c", "https://api.example.com/./todos",
	]) {
		const proof = await DPoP.generateProof(pair, new URL(url).href, "GET", undefined, token);
		assert.equal(await authenticate(token, proof), true, url);
		const raw = await DPoP.generateProof(pair, url, "GET", undefined, token);
		assert.equal(await authenticate(token, raw), true, url);
	}
});

for (const alg of ["ES256", "EdDSA", "RS256"]) {
	test(`session and jose agree about proofs with ${alg}`, async () => {
		const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
		const jwk = await exportJWK(publicKey);
		const { token } = await newSession(await calculateJwkThumbprint(jwk));
		const sign = async (payload = {}, header = {}) => new SignJWT({
			jti: randomUUID(), htm: "GET", htu: URL_OF_API, iat: secondsNow(), ath: await hash(token), ...payload,
		}).setProtectedHeader({ alg, typ: "dpop+jwt", jwk, ...header }).sign(privateKey);
		const good = await sign();
		await jwtVerify(good, EmbeddedJWK, { typ: "dpop+jwt" });
		assert.equal(await authenticate(token, good), true);
		for (const bad of [
			await sign({ iat: secondsNow() - 100 }), await sign({ iat: undefined }), await sign({ jti: undefined }), await sign({ jti: 1 }),
			await sign({ ath: await hash(`${token}x`) }), await sign({ ath: undefined }), await sign({ htm: "POST" }), await sign({ htu: "https://evil.example/" }),
			await sign({}, { typ: "JWT" }), await sign({}, { jwk: undefined }), await sign({}, { jwk: await exportJWK(privateKey) }), await sign({}, { jwk: { ...jwk, kty: "oct" } }),
			`${good}x`, good.slice(0, -2),
		])
			assert.equal(await authenticate(token, bad), false);
	});
}

test("a nonce of session goes into the proofs of the package dpop", async () => {
	const pair = await DPoP.generateKeyPair("ES256");
	const { token } = await newSession(await DPoP.calculateThumbprint(pair.publicKey));
	const nonce = await db.value("session_dpop_nonce()");
	assert.match(nonce, /^[\w-]+$/);
	await db.rows("SET session.dpop_nonce = on");
	assert.equal(await authenticate(token, await DPoP.generateProof(pair, URL_OF_API, "GET", undefined, token)), false);
	assert.equal(await authenticate(token, await DPoP.generateProof(pair, URL_OF_API, "GET", "other", token)), false);
	assert.equal(await authenticate(token, await DPoP.generateProof(pair, URL_OF_API, "GET", nonce, token)), true);
	await db.rows("RESET session.dpop_nonce");
});
