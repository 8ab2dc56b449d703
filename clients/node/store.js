// A store for express-session. The ids that express-session makes are foreign
// tokens of the extension.
//
// Rules:
// - The session slides: each use restarts its lifetime, which is the maxAge of
//   its cookie. get counts as a use, so a request needs no touch.
// - A session that has ended stays ended. What is saved to it is dropped, and
//   get answers that it does not exist.
// - data has the session as express-session saves it. cookie.expires is left
//   out, because it follows from the lifetime, unless maxAge was changed after
//   the row was made; then it is in data, and get checks it.
"use strict";

const { createRequire } = require("node:module");
const { join } = require("node:path");

const { changes, isObject, plain } = require("./lib/changes.js");
const { withKey } = require("./lib/errors.js");
const { checkOptions } = require("./lib/options.js");
const { Database, json, sql } = require("./lib/sql.js");

const DAY = 86400;
const DUPLICATE = "23505";

const OPTIONS = {
	pool: "any",
	pgPromise: "any",
	conString: "string",
	conObject: "object",
	schema: "string",
	prepare: "boolean",
	ttl: "seconds",
	user: "function",
	proxies: "count",
	disableTouch: "boolean",
	errorLog: "function",
	// Of connect-pg-simple, without an effect.
	schemaName: "any",
	tableName: "any",
	createTableIfMissing: "any",
	pruneSessionInterval: "any",
	pruneSessionRandomizedInterval: "any",
};

// Passport's user, or the key "userId". Other values are no ids.
function userOf(session) {
	const user = session.passport?.user ?? session.userId;
	return typeof user === "string" || typeof user === "number" ? user : null;
}

// A pool as connect-pg-simple finds it, and whether this store ends it.
function poolOf({ pool, pgPromise, conString = process.env.DATABASE_URL, conObject, errorLog }) {
	if (pool !== undefined)
		return { pool, own: false };
	if (pgPromise !== undefined && typeof pgPromise?.any !== "function")
		throw new TypeError('the option "pgPromise" must be a database of pg-promise, with a function any');
	if (pgPromise !== undefined)
		return { pool: { query: async (text, values) => ({ rows: await pgPromise.any(text, values) }) }, own: false };
	const { Pool } = pgOf();
	const made = new Pool(conObject ?? (conString ? { connectionString: conString } : {}));
	made.on("error", errorLog ?? ((error) => console.error(error)));
	return { pool: made, own: true };
}

// The package pg. A folder that npm has linked does not see the packages of the
// application, whose folder is the current one as a rule.
function pgOf() {
	for (const from of [__filename, join(process.cwd(), "index.js")])
		try {
			return createRequire(from)("pg");
		} catch (error) {
			if (error.code !== "MODULE_NOT_FOUND")
				throw error;
		}
	throw new TypeError('pass the option "pool", or install the package pg for a pool of this store');
}

// The originalMaxAge of express-session is short of maxAge by the time between
// two of its looks at the clock. The rest of a second does not matter to a
// session that lives longer.
const wholeSeconds = (ms) => (ms > 10000 ? Math.ceil(ms / 1000) * 1000 : ms);

// What of an express-session is stored. With own, cookie.expires is, too.
function stored(session, own) {
	const data = plain(session);
	if (isObject(data.cookie) && !own)
		delete data.cookie.expires;
	return data;
}

module.exports = function connect(expressSession) {
	const { Store } = expressSession;

	return class SessionStore extends Store {
		#database;
		#ownsPool;
		#ttl;
		#user;
		#proxies;
		#disableTouch;
		#warned = false;
		#loaded = new WeakMap();	// of a session: what get has found

		constructor(options = {}) {
			super(options);
			checkOptions("the store", options, OPTIONS);
			const { pool, own } = poolOf(options);
			this.#database = new Database({ ...options, pool });
			this.#ownsPool = own;
			this.#ttl = (options.ttl ?? DAY) * 1000;
			this.#user = options.user ?? userOf;
			this.#proxies = options.proxies ?? 0;
			this.#disableTouch = options.disableTouch ?? false;
		}

		// Calls back as Node does, not from within the promise.
		#call(promise, callback) {
			promise.then(
				(value) => callback && process.nextTick(callback, null, value),
				(error) => callback && process.nextTick(callback, error));
		}

		// Milliseconds until a session ends. The expires of a cookie is maxAge after
		// the begin of its request, which the time of that request does not shorten.
		#maxAge({ cookie, req }) {
			const left = cookie?.expires ? new Date(cookie.expires).getTime() - Date.now() :
				cookie?.maxAge ?? cookie?.originalMaxAge ?? this.#ttl;
			if (Number.isNaN(left))
				return this.#ttl;
			const whole = cookie?.originalMaxAge;
			return wholeSeconds(left > 0 && whole > left && (req || whole - left < 1000) ? whole : left);
		}

		get(sid, callback) {
			this.#call(this.#get(sid), callback);
		}

		async #get(sid) {
			const { f } = this.#database;
			const row = await this.#database.row(sql`SELECT user_id, data,
					extract(epoch FROM expires_at - last_seen_at)::float8 * 1000 AS lifetime,
					extract(epoch FROM expires_at)::float8 * 1000 AS expires_at
				FROM ${f.session_validate}(${sid}::text)`);
			if (row === undefined)
				return undefined;
			const before = typeof row.data === "string" ? JSON.parse(row.data) : row.data;
			const data = plain(before);
			const own = Boolean(data.cookie?.expires);
			if (own && new Date(data.cookie.expires) <= new Date()) {
				await this.#destroy(sid);
				return undefined;
			}
			data.cookie = { originalMaxAge: Math.round(row.lifetime), ...data.cookie };
			if (!own)
				data.cookie.expires = data.cookie.originalMaxAge === null ? null : new Date(row.expires_at);
			Object.defineProperty(data, LOADED, { value: {
				before, own, user: row.user_id, lifetime: row.lifetime, at: Date.now() } });
			return data;
		}

		// express-session makes its object of what get has found.
		createSession(request, data) {
			const session = super.createSession(request, data);
			if (data[LOADED])
				this.#loaded.set(session, data[LOADED]);
			return session;
		}

		set(sid, session, callback) {
			this.#call(this.#set(sid, session), callback);
		}

		async #set(sid, session) {
			const maxAge = this.#maxAge(session);
			if (maxAge <= 0)
				return this.#destroy(sid);
			const loaded = this.#loaded.get(session);
			return withKey(session, loaded ? this.#change(sid, session, maxAge, loaded) :
				this.#replace(sid, session, maxAge));
		}

		// Writes what has changed since get, key by key.
		async #change(sid, session, maxAge, loaded) {
			this.#warn(session, loaded);
			const { f } = this.#database;
			const own = this.#isOwn(session, loaded);
			const after = stored(session, own);
			const { patch, set } = changes(loaded.before, after);
			if (patch !== null)
				await this.#database.row(sql`SELECT ${f.session_data_merge}(${sid}::text, ${json(patch)}::jsonb)`);
			if (set !== null)
				await this.#database.row(sql`SELECT ${f.session_data_set}(${sid}::text, key, value)
					FROM jsonb_each(${json(set)}::jsonb)`);
			Object.assign(loaded, { before: after, own });
		}

		// Whether the maxAge of a cookie is not the lifetime of its row.
		#isOwn(session, { lifetime }) {
			if (this.#disableTouch)
				return false;
			const maxAge = session.cookie?.originalMaxAge ?? this.#ttl;
			return Math.abs(maxAge - lifetime) > 1000 && Boolean(session.cookie?.expires);
		}

		// Replaces the data of a session, or creates it. An id of a session that
		// has ended cannot be used again.
		async #replace(sid, session, maxAge) {
			const { f } = this.#database;
			const user = this.#user(session);
			const request = session.req;
			const address = this.#proxies === 0 ? request?.socket?.remoteAddress :
				request?.headers?.["x-forwarded-for"];
			try {
				await this.#database.row(sql`SELECT CASE
					WHEN ${f.session_data_save}(${sid}::text, ${json(stored(session, true))}::jsonb) THEN NULL
					ELSE (SELECT id FROM ${f.session_create}(${user ?? null}::text,
						${json(stored(session, false))}::jsonb, token => ${sid}::text,
						lifetime => ${`${maxAge} ms`}::interval, sliding => ${!this.#disableTouch}::boolean,
						ip => ${f.session_ip}(${address}::text, ${this.#proxies || 1}),
						user_agent => ${request?.headers?.["user-agent"]}::text)) END`);
			} catch (error) {
				if (error.code !== DUPLICATE)
					throw error;
			}
		}

		// The user of a session is set when its row is made.
		#warn(session, { user }) {
			const now = this.#user(session);
			if (this.#warned || now === null || now === undefined || String(now) === user)
				return;
			this.#warned = true;
			process.emitWarning("a user logged in without req.session.regenerate(): " +
				"the session is not one of this user in the database, and can be fixed by an attacker");
		}

		touch(sid, session, callback) {
			this.#call(this.#touch(sid, session), callback);
		}

		async #touch(sid, session) {
			if (this.#disableTouch)
				return;
			const { f } = this.#database;
			const loaded = this.#loaded.get(session);
			if (loaded && !loaded.own && !this.#isOwn(session, loaded)) {
				// get was a use of the session, a moment ago.
				if (Date.now() - loaded.at > Math.min(loaded.lifetime / 10, 10000))
					await this.#database.row(sql`SELECT FROM ${f.session_validate}(${sid}::text)`);
				return;
			}
			const cookie = session.cookie && plain(session.cookie);
			await this.#database.row(sql`SELECT CASE
				WHEN ${f.session_data_get}(${sid}::text, 'cookie') ? 'expires'
				THEN ${f.session_data_merge}(${sid}::text,
					jsonb_build_object('cookie', jsonb_build_object('expires', ${cookie?.expires}::text)))
				ELSE true END FROM ${f.session_validate}(${sid}::text)`);
		}

		destroy(sid, callback) {
			this.#call(this.#destroy(sid), callback);
		}

		async #destroy(sid) {
			await this.#database.row(sql`SELECT ${this.#database.f.session_revoke}(${sid}::text)`);
		}

		// The live sessions with a foreign token, whose ids are UUIDs of version
		// 8. Only an administrator of the extension can list them.
		#listed() {
			return sql`FROM session.directory WHERE status = 'active' AND substr(id::text, 15, 1) = '8'`;
		}

		// The sessions, without their ids, of which the database has only hashes.
		all(callback) {
			this.#call(this.#database.rows(sql`SELECT data ${this.#listed()}`)
				.then((rows) => rows.map((row) => row.data)), callback);
		}

		length(callback) {
			this.#call(this.#database.row(sql`SELECT count(*)::integer AS count ${this.#listed()}`)
				.then((row) => row.count), callback);
		}

		clear(callback) {
			this.#call(this.#database.row(sql`SELECT ${this.#database.f.session_revoke_ids}(
				ARRAY(SELECT id ${this.#listed()}))`).then(() => undefined), callback);
		}

		// Ends the pool, if the store has made it.
		async close() {
			if (this.#ownsPool)
				await this.#database.pool.end();
		}
	};
};

const LOADED = Symbol("loaded");
