// One origin for a page and its API: serves index.html, and forwards /api/...
// to PostgREST. Uses only the standard library.
//
// Rules: only listed headers reach PostgREST. The address of the client is
// that of the connection, never a value that the client sends. Only clients on
// this host may ask, under its own name, and no other origin may read the
// answers.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { createServer as createSecureServer } from "node:https";

const BODY_LIMIT = 64 * 1024;
const TIMEOUT = 20000;

const NAMES = ["127.0.0.1", "[::1]", "localhost"];
const METHODS = new Set(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]);
const PASSED_ON = ["accept", "content-type", "cookie", "prefer", "user-agent", "x-account", "x-api-token",
	"host", "origin", "sec-fetch-site", "x-csrf-token", "secure-session-response", "sec-secure-session-id"];
const PASSED_BACK = ["content-type", "content-range", "preference-applied", "set-cookie",
	"secure-session-registration", "secure-session-challenge"];

const HEADERS = {
	"cache-control": "no-store",
	"content-security-policy": "default-src 'none'; frame-ancestors 'none'",
	"cross-origin-opener-policy": "same-origin",
	"cross-origin-resource-policy": "same-origin",
	"referrer-policy": "same-origin",
	"x-content-type-options": "nosniff",
};

// Returns the Content-Security-Policy of the page. It allows the page's own
// script and style, by their digests, and nothing else.
function policy(page) {
	const digests = (tag) => [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))]
		.map(([, text]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`).join(" ");
	return [
		"default-src 'none'", `script-src ${digests("script")}`, `style-src ${digests("style")}`,
		"connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	].join("; ");
}

const pick = (headers, names) => Object.fromEntries(
	names.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]));

// Replaces characters that are not ASCII: PostgREST fails at headers that are
// not UTF-8.
const plain = (headers) => Object.fromEntries(
	Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\t\x20-\x7e]/g, "?")]));

function refuse(response, status, message) {
	if (response.headersSent)
		return response.destroy();
	response.writeHead(status, { ...HEADERS, "content-type": "application/json", connection: "close" });
	response.end(JSON.stringify({ message }));
}

// Calls work with the body of a request, unless the body is too large.
function read(request, response, work) {
	const chunks = [];
	let size = 0;
	request.on("data", (chunk) => {
		size += chunk.length;
		if (size <= BODY_LIMIT)
			chunks.push(chunk);
		else
			refuse(response, 413, "The request is too large.");
	});
	request.on("end", () => {
		if (size <= BODY_LIMIT)
			work(Buffer.concat(chunks));
	});
}

// Forwards the request at once with its body. PostgREST may answer and close
// the connection without reading the body. Sending the body later would fail,
// and the answer would be lost.
function forward(request, body, response, upstream) {
	const { "content-length": length, "transfer-encoding": chunked } = request.headers;
	const onward = ask({
		...upstream,
		agent: false,
		method: request.method,
		path: request.url.slice("/api".length),
		headers: {
			...plain(pick(request.headers, PASSED_ON)),
			"x-forwarded-for": request.socket.remoteAddress.replace(/^::ffff:|%.*$/g, ""),
			...((length ?? chunked) !== undefined && { "content-length": body.length }),
		},
		timeout: TIMEOUT,
	});
	onward.on("response", (answer) => {
		response.writeHead(answer.statusCode, { ...HEADERS, ...pick(answer.headers, PASSED_BACK) });
		answer.pipe(response);
	});
	onward.on("timeout", () => onward.destroy());
	onward.on("error", () => refuse(response, 502, "The API does not answer."));
	response.on("close", () => onward.destroy());
	onward.end(body);
}

// Returns a promise of a server that listens on one address.
const listen = (handle, port, address, certificate) => new Promise((resolve, reject) => {
	const options = { requestTimeout: TIMEOUT, headersTimeout: TIMEOUT, ...certificate };
	const server = (certificate ? createSecureServer : createServer)(options, handle);
	server.once("error", reject);
	server.listen(port, address, () => resolve(server));
});

// Listens on both loopback addresses, on the same port. The name localhost
// stands for both, and many clients try only the first address: in Debian 12
// that is ::1. On a machine without IPv6 it listens only on 127.0.0.1.
async function listenOnLoopback(handle, port, certificate) {
	const server = await listen(handle, port, "127.0.0.1", certificate);
	try {
		await listen(handle, server.address().port, "::1", certificate);
	} catch (error) {
		if (error.code === "EADDRINUSE" && port === 0) {
			server.close();
			return listenOnLoopback(handle, port, certificate);
		}
		if (error.code !== "EADDRNOTAVAIL" && error.code !== "EAFNOSUPPORT")
			throw error;
	}
	return server.address().port;
}

// Listens on a port of this host (0: any free port) and returns a promise of
// the port. upstream is the address of PostgREST, { socketPath } or { host,
// port }. With a certificate, { key, cert } in PEM, it speaks HTTPS.
export function serve({ page: file, upstream, port = 0, certificate }) {
	const page = readFileSync(file);
	const pageHeaders = {
		...HEADERS,
		"cache-control": "no-cache",
		"content-security-policy": policy(page.toString()),
		"content-type": "text/html; charset=utf-8",
	};

	return listenOnLoopback((request, response) => {
		const { method, url, headers, socket: { localPort } } = request;

		// The name of another host may resolve to this one (DNS rebinding).
		if (!NAMES.some((name) => headers.host === `${name}:${localPort}`))
			refuse(response, 421, "This is another host.");
		else if (!METHODS.has(method))
			refuse(response, 405, "This method is not supported.");
		else if (Number(headers["content-length"] ?? 0) > BODY_LIMIT)
			refuse(response, 413, "The request is too large.");
		else if (url.startsWith("/api/"))
			read(request, response, (body) => forward(request, body, response, upstream));
		else if (url === "/" && (method === "GET" || method === "HEAD"))
			response.writeHead(200, pageHeaders).end(method === "GET" ? page : undefined);
		else
			refuse(response, 404, "There is nothing here.");
	}, port, certificate);
}
