// Requests and responses of node:http: Express, connect and plain http.
//
// Rules:
// - Changes of the data are written before the end of the response is sent, so
//   that the next request of the browser finds them. What the handler sends in
//   the meantime waits in a queue.
// - Set-Cookie is added when the headers are sent: error handlers that remove
//   headers do not remove it.
// - If the changes cannot be written, there is no answer that looks complete.
"use strict";

const { setImmediate: nextRound } = require("node:timers/promises");

const { closeSession } = require("./session.js");

// Adds Set-Cookie to the headers that are about to be sent. args are those of
// writeHead, whose headers replace the ones of the response.
function withCookies(response, lines, args) {
	if (lines.length === 0)
		return args;
	const last = args.at(-1);
	const others = [];
	if (Array.isArray(last)) {
		for (const line of lines)
			last.push(...(Array.isArray(last[0]) ? [["Set-Cookie", line]] : ["Set-Cookie", line]));
		return args;
	}
	if (typeof last === "object" && last !== null)
		for (const name of Object.keys(last).filter((key) => key.toLowerCase() === "set-cookie")) {
			others.push(...[last[name]].flat());
			args = [...args.slice(0, -1), { ...last }];
			delete args.at(-1)[name];
		}
	const before = others.length > 0 ? others : [response.getHeader("Set-Cookie") ?? []].flat();
	response.setHeader("Set-Cookie", [...before, ...lines]);
	return args;
}

// Whether the headers are sent, also where a queue makes them look so.
const headersSent = (response) => Reflect.get(Object.getPrototypeOf(response), "headersSent", response);

// Whether a cookie cannot reach the browser any more.
const isLate = (response) => headersSent(response) || Boolean(response.destroyed);

// Writes what was changed after the end of the response, or before the browser
// closed the connection. A visitor who is gone gets no session, which is no
// error.
async function saveAtClose(session, response, onError) {
	await nextRound();	// after the application's own listeners
	try {
		if (session.pending)
			await session.save();
	} catch (error) {
		if (error.code !== "SESSION_HEADERS_SENT" || response.writableFinished)
			onError(error);
		session.discard();
	}
	// A handler that goes on after its browser has closed the connection has not
	// come to its end.
	if (response.writableEnded)
		closeSession(session);
}

// Answers 500 where no framework does.
function answerError(response) {
	for (const name of response.getHeaderNames())
		response.removeHeader(name);
	response.statusCode = 500;
	response.statusMessage = "";
	response.end();
}

// Makes the session take part in the response. next is that of a middleware, or
// undefined.
function attach(session, response, next, onError) {
	const own = {
		writeHead: response.writeHead,
		flushHeaders: response.flushHeaders,
		write: response.write,
		end: response.end,
	};
	let queue = null;	// calls that wait until the changes are written
	let calling = false;	// a call is on its way to Node
	let failed = false;	// the answer is an error: the handler's calls are dropped

	// An error handler must not begin another answer while one waits.
	Object.defineProperty(response, "headersSent", { configurable: true,
		get: () => queue !== null || headersSent(response) });
	response.once("close", () => saveAtClose(session, response, onError));

	// The first call is the one that has waited. Those after it may wait again.
	function replay([[first, args], ...others]) {
		queue = null;
		let room = call(first, args);
		for (const [name, values] of others)
			room = response[name](...values);
		if ((others.at(-1)?.[0] ?? first) === "write" && room)
			response.emit("drain");
	}

	// write and end call writeHead themselves, which must not wait then.
	function call(name, args) {
		if (name === "writeHead" && !headersSent(response))
			args = withCookies(response, session.takeCookies(), args);
		const outer = calling;
		calling = true;
		try {
			return own[name].apply(response, args);
		} finally {
			calling = outer;
		}
	}

	// An answer that looks complete says that everything is written, so there
	// is none after an error.
	function fail(error) {
		const ended = queue.at(-1)[0] === "end";
		session.discard();
		queue = null;
		if (ended && next && !isLate(response))
			return next(error);
		if (!response.destroyed || error.code !== "SESSION_HEADERS_SENT")
			onError(error);
		if (!isLate(response))
			answerError(response);
		else
			response.destroy();
		failed = true;
	}

	async function save() {
		try {
			await session.save();
		} catch (error) {
			return fail(error);
		}
		replay(queue);
	}

	for (const name of Object.keys(own))
		response[name] = function (...args) {
			if (calling)
				return call(name, args);
			if (failed)
				return name === "write" || response;
			if (queue === null && (name === "end" || !headersSent(response)) && session.pending) {
				queue = [[name, args]];
				save();
				return name === "write" ? false : response;
			}
			if (queue !== null) {
				queue.push([name, args]);
				return name === "write" ? false : response;
			}
			return call(name, args);
		};
}

module.exports = { attach, isLate, saveAtClose };
