// Sessions of the PostgreSQL extension "session" for Express, connect, Fastify
// and plain http. README.md describes it.
"use strict";

const { attach, isLate, saveAtClose } = require("./lib/http.js");
const { SessionForbidden, SessionRequired } = require("./lib/errors.js");
const { Session, Sessions } = require("./lib/session.js");

// Returns a middleware for Express and connect, which gives each request a
// session. With plain http, call it with the request and the response.
function sessions(options) {
	const all = new Sessions(options);
	return function session(request, response, next) {
		if (!(request.session instanceof Session)) {
			request.session = all.open(request, () => isLate(response));
			attach(request.session, response, next, all.onError);
		}
		next?.();
	};
}

// A plugin for Fastify: app.register(fastifySessions, options).
async function fastifySessions(app, options) {
	const all = new Sessions(options);

	app.decorateRequest("session", null);
	app.addHook("onRequest", async (request, reply) => {
		request.session = all.open(request.raw, () => reply.sent || isLate(reply.raw));
	});
	app.addHook("onSend", async (request, reply) => {
		const { session } = request;
		if (!session)
			return;
		try {
			await session.save();
		} catch (error) {
			session.discard();	// the answer to the error is sent as well
			throw error;
		}
		for (const line of session.takeCookies())
			reply.header("set-cookie", line);
	});
	// What a stream has changed after the headers were sent.
	app.addHook("onResponse", async (request, reply) => {
		if (request.session)
			await saveAtClose(request.session, reply.raw, all.onError);
	});
}

// Not in a scope of its own, as fastify-plugin does it.
fastifySessions[Symbol.for("skip-override")] = true;
fastifySessions[Symbol.for("fastify.display-name")] = "pg-session-client";

module.exports = { Session, SessionForbidden, SessionRequired, Sessions, fastifySessions, sessions };
