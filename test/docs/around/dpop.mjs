// An application with Express, and a client whose session is bound to its key.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import express from "express";
import { SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import pg from "pg";

const pool = new pg.Pool();
const app = express();
let publicUrl;
BLOCK
const server = await new Promise((resolve) => { const s = app.listen(0, "127.0.0.1", () => resolve(s)); });
publicUrl = `http://127.0.0.1:${server.address().port}`;
const { publicKey, privateKey } = await generateKeyPair("ES256");
const jwk = await exportJWK(publicKey);
const { rows: [{ token }] } = await pool.query("SELECT token FROM session_login(NULL, 'ada', jkt => $1)", [await calculateJwkThumbprint(jwk)]);
const proof = (more = {}) => new SignJWT({
	htm: "GET", htu: `${publicUrl}/me`, jti: randomUUID(), ath: createHash("sha256").update(token).digest("base64url"), ...more,
}).setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk }).setIssuedAt().sign(privateKey);
const ask = async (headers) => (await fetch(`${publicUrl}/me?x=1`, { headers })).status;

const good = { Authorization: `DPoP ${token}`, DPoP: await proof() };
assert.equal(await ask(good), 200);
for (const bad of [{}, good, { Authorization: `DPoP ${token}` }, { ...good, DPoP: await proof({ htm: "POST" }) }, { ...good, DPoP: await proof({ htu: `${publicUrl}/you` }) }])
	assert.equal(await ask(bad), 401);
server.close();
server.closeAllConnections();
await pool.end();
