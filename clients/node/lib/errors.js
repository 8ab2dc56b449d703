// Errors of a session, and what is added to those of the database.
//
// Rules:
// - An error that a client may see has status, statusCode and expose, which
//   Express and Fastify know.
// - An error of the database stays the same object, with its code. Its message
//   says more: which key of the data, or which option.
"use strict";

class SessionError extends Error {
	constructor(message, status, code, options) {
		super(message, options);
		this.name = this.constructor.name;
		this.code = code;
		this.status = this.statusCode = status;
		this.expose = true;
	}
}

// There is no live session, or it has no user where one is required. The
// answer is 401.
class SessionRequired extends SessionError {
	constructor(message = "a session is required", options) {
		super(message, 401, "SESSION_REQUIRED", options);
	}
}

// session_require refused a session that is live. The answer is 403.
class SessionForbidden extends SessionError {
	constructor(message, reason, options) {
		super(message, 403, "SESSION_FORBIDDEN", options);
		this.reason = reason;
	}
}

// The errors of session_require, and why it refused.
const REFUSALS = new Map([
	["a session is required", "session"],
	["a higher level of authentication is required", "level"],
	["a more recent authentication is required", "age"],
	["another method of authentication is required", "method"],
	["another scope is required", "scope"],
]);

// Returns the error that an application gets for an error within as(). userOf
// reads the user of the session: to a visitor, any refusal means to log in.
async function refusal(error, userOf) {
	const reason = error?.code === "42501" ? REFUSALS.get(error.message) : undefined;
	if (reason === undefined)
		return error;
	const user = reason === "session" ? null : await userOf().catch(() => undefined);
	return user === null ? new SessionRequired(undefined, { cause: error }) :
		new SessionForbidden(error.message, reason, { cause: error });
}

// Adds to the message of an error, and to its stack, which frameworks log.
function explain(error, before, after) {
	const { message, stack } = error;
	const better = before + message + after;
	error.message = better;
	if (typeof stack === "string")
		error.stack = stack.replace(message, () => better);
	return error;
}

// What jsonb does not take: the character NUL, and halves of a surrogate pair.
const NOT_JSONB = /\\u0000|\\ud[89a-f][0-9a-f]{2}/;
const isNotJsonb = (value) => NOT_JSONB.test(JSON.stringify(value).replaceAll("\\\\", ""));
const size = ([key, value]) => JSON.stringify([key, value]).length;

// Names the key of the data that an error of the database is about.
function nameKey(error, data) {
	const entries = Object.entries(data);
	if (["22P02", "22P05"].includes(error?.code)) {
		const [key] = entries.find(isNotJsonb) ?? [];
		if (key !== undefined)
			explain(error, "", ` in the key ${JSON.stringify(key)} of the data`).key = key;
	} else if (error?.code === "54000" && entries.length > 0) {
		const [key] = entries.reduce((most, entry) => (size(entry) > size(most) ? entry : most));
		explain(error, "", `: the key ${JSON.stringify(key)} is the largest`).key = key;
	}
	return error;
}

async function withKey(data, promise) {
	try {
		return await promise;
	} catch (error) {
		throw nameKey(error, data ?? {});
	}
}

// The same for the value of an option that the database does not take, such as
// an interval.
async function withOption(options, promise) {
	try {
		return await promise;
	} catch (error) {
		const [name] = Object.entries(options).find(([, value]) => typeof value === "string" &&
			/^22/.test(error?.code) && error.message.includes(`"${value}"`)) ?? [];
		throw name === undefined ? error : explain(error, `the option "${name}": `, "");
	}
}

module.exports = { SessionForbidden, SessionRequired, explain, refusal, withKey, withOption };
