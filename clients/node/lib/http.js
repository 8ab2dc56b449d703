// Requests and responses of node:http: Express, connect and plain http.
//
// Rules:
// - Changes of the data are written before the end of the response is sent, so
//   that the next request of the browser finds them. What the handler sends in
//   the meantime waits in a queue.
// - Set-Cookie is added when the headers are sent: error handlers that remove
//   headers do not remove it.
"use strict";

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

// Answers 500 where no framework does.
function answerError(response) {
	for (const name of response.getHeaderNames())
		response.removeHeader(name);
	response.statusCode = 500;
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

	// An error handler must not begin another answer while one waits.
	Object.defineProperty(response, "headersSent", { configurable: true,
		get: () => queue !== null || headersSent(response) });

	function replay(calls) {
		queue = null;
		let room;
		for (const [name, args] of calls)
			room = response[name](...args);
		if (calls.at(-1)[0] === "write" && room)
			response.emit("drain");
	}

	async function save() {
		try {
			await session.save();
		} catch (error) {
			session.discard();
			const calls = queue;
			// The handler has said everything, so there can be another answer.
			if (calls[0][0] !== "end" || headersSent(response)) {
				onError(error);
				return replay(calls);
			}
			queue = null;
			if (next)
				return next(error);
			onError(error);
			return answerError(response);
		}
		replay(queue);
	}

	for (const name of Object.keys(own))
		response[name] = function (...args) {
			if (queue === null && session.changed && (name === "end" || !headersSent(response))) {
				queue = [[name, args]];
				save();
				return name === "write" ? false : response;
			}
			if (queue !== null) {
				queue.push([name, args]);
				return name === "write" ? false : response;
			}
			if (name === "writeHead" && !headersSent(response))
				args = withCookies(response, session.takeCookies(), args);
			return own[name].apply(response, args);
		};
}

module.exports = { attach, headersSent };
