// The session of one request, without a framework.
//
// Rules:
// - No statement runs until a function is called.
// - A session is only ever created with a token that the database makes. The
//   token of a client is never one of a new session.
// - The token stays in private fields, so that printing the object in a log
//   does not show it.
// - Functions that change what this object knows run one after the other, also
//   where the caller does not wait: two of them could create two sessions, or
//   a late answer could replace the cookie of a login.
"use strict";

const { bare, changes, isEmpty, isObject, plain } = require("./changes.js");
const { SessionRequired, refusal, withKey, withOption } = require("./errors.js");
const { checkArgument, checkNoArguments, checkOptions } = require("./options.js");
const { Database, json, sql } = require("./sql.js");

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// A row of session_info in the notation of JavaScript.
const describe = (row) => ({
	id: row.id,
	userId: row.user_id,
	tenantId: row.tenant_id,
	role: row.role,
	authLevel: row.auth_level,
	amr: row.amr,
	actorId: row.actor_id,
	scopes: row.scopes,
	ip: row.ip,
	userAgent: row.user_agent,
	createdAt: row.created_at,
	authenticatedAt: row.authenticated_at,
	lastSeenAt: row.last_seen_at,
	expiresAt: row.expires_at,
	current: row.current,
	bound: row.bound,
});

const INFO = ["id", "userId", "tenantId", "role", "authLevel", "amr", "actorId", "scopes",
	"createdAt", "authenticatedAt", "expiresAt"];

const OPTIONS = {
	pool: "any",
	schema: "string",
	proxies: "count",
	proxyHeader: "string",
	cookie: "object",
	prepare: "boolean",
	onError: "function",
};

const COOKIE = {
	name: "string",
	maxAge: "interval",
	path: "string",
	domain: "string",
	secure: "boolean",
	httpOnly: "boolean",
	sameSite: "sameSite",
	partitioned: "boolean",
};

const REGENERATE = {
	remember: "interval",
	lifetime: "interval",
	maxAge: "interval",
	tenantId: "id",
	role: "string",
	authLevel: "integer",
	amr: "strings",
};

const LOGIN = {
	...REGENERATE,
	data: "object",
	idleTimeout: "interval",
	sliding: "boolean",
	maxSessions: "integer",
};

// What belongs to the application: its pool and its options.
class Sessions {
	constructor(options = {}) {
		if (typeof options?.query === "function")
			throw new TypeError("the pool is an option: pass { pool }");
		checkOptions("sessions()", options, OPTIONS);
		checkOptions("cookie", options.cookie ?? {}, COOKIE);
		this.database = new Database(options);
		this.cookie = options.cookie ?? {};
		this.proxies = options.proxies ?? 0;
		this.proxyHeader = (options.proxyHeader ?? "x-forwarded-for").toLowerCase();
		this.onError = options.onError ?? ((error) => console.error(error));
	}

	// The session of a request of node:http, or of one that looks like it.
	open(request, headersSent) {
		const { headers } = request;
		return new Session(this, {
			cookies: headers.cookie,
			address: this.proxies === 0 ? request.socket?.remoteAddress : headers[this.proxyHeader],
			userAgent: headers["user-agent"],
			headersSent,
		});
	}

	// The text of a Set-Cookie header with a token: an array of texts.
	cookieOf(token, maxAge) {
		const { f } = this.database;
		const { name, path, domain, secure, httpOnly, sameSite, partitioned } = this.cookie;
		return sql`ARRAY(SELECT ${f.session_cookie_header}(${token}, name => ${name}::text,
			max_age => ${maxAge ?? this.cookie.maxAge}::interval, path => ${path}::text,
			domain => ${domain}::text, secure => ${secure}::boolean, http_only => ${httpOnly}::boolean,
			same_site => ${sameSite}::text, partitioned => ${partitioned}::boolean))`;
	}

	// The same to remove it. A cookie is removed by the attributes it has.
	cookieRemoval(header) {
		const { f } = this.database;
		const { name, maxAge, ...attributes } = this.cookie;
		return isEmpty(attributes) ?
			sql`ARRAY(SELECT ${f.session_cookie_clear}(${name}::text, ${header}::text))` :
			this.cookieOf(sql`''`, "0");
	}
}

// Changes the data of a session whose response has ended.
function tooLate() {
	throw new Error("the data cannot be changed: the response has ended");
}

const TOO_LATE = { set: tooLate, defineProperty: tooLate, deleteProperty: tooLate };

let closeSession;

class Session {
	#sessions;
	#database;
	#cookies;
	#client;
	#headersSent;
	#token = null;		// the token that this request has got from the database
	#read = null;		// the promise of load()
	#row = null;		// the live session, or null
	#before = null;		// its data as the database has it
	#data = null;
	#lines = [];		// values of Set-Cookie that the browser has to get
	#turn = Promise.resolve();	// ends when the functions that run have ended
	#running = 0;		// how many of them there are
	#closed = false;	// nothing is written at the end of the response any more

	constructor(sessions, { cookies, address, userAgent, headersSent = () => false }) {
		this.#sessions = sessions;
		this.#database = sessions.database;
		this.#cookies = cookies;
		const hops = sessions.proxies || 1;
		const { session_ip } = sessions.database.f;
		this.#client = sql`ip => ${session_ip}(${address}::text, ${hops}), user_agent => ${userAgent}::text`;
		this.#headersSent = headersSent;
	}

	// Runs a function when those before it have ended.
	#inTurn(work) {
		this.#running++;
		const result = this.#turn.then(work).finally(() => { this.#running--; });
		this.#turn = result.catch(() => { });
		return result;
	}

	// The token of the request: that of its cookie, or the one that replaced it.
	get #given() {
		const { session_cookie_read } = this.#database.f;
		return this.#token === null ?
			sql`${session_cookie_read}(${this.#cookies}::text, ${this.#sessions.cookie.name}::text)` :
			sql`${this.#token}::text`;
	}

	// Reads the session once. Returns this object, which then has data, userId
	// and so on. Without a live session, userId is null and data is empty.
	load(...values) {
		checkNoArguments("load()", values);
		this.#read ??= this.#inTurn(() => this.#load()).catch((error) => {
			this.#read = null;
			throw error;
		});
		return this.#read;
	}

	// Whether there can be a session: the request has a cookie, or a login was.
	get #possible() {
		return this.#cookies !== undefined || this.#token !== null;
	}

	async #load() {
		if (this.#data !== null)
			return this;	// a login before it has read the session
		if (!this.#possible) {
			this.#keep(null);
			return this;
		}
		// A token that is unknown may have been replaced a moment ago by another
		// request of this browser, whose new cookie must not be removed.
		const { f } = this.#database;
		const row = await this.#database.row(sql`
			WITH given AS MATERIALIZED (SELECT ${this.#given} AS token)
			SELECT s.*, CASE WHEN s.id IS NULL AND given.token IS NOT NULL
					AND ${f.session_status}(given.token, ${this.#client})
						IN ('malformed', 'revoked', 'expired', 'idle')
				THEN ${this.#sessions.cookieRemoval(this.#cookies)} END AS removal
			FROM given LEFT JOIN LATERAL ${f.session_validate}(given.token, ${this.#client}) AS s ON true`);
		if (row.removal)
			this.#lines = row.removal;
		this.#keep(row.id === null ? null : row);
		return this;
	}

	// Keeps what the database says about the session. data stays the same
	// object, because the application may hold it. With keepData it also keeps
	// what was changed while a statement ran.
	#keep(row, keepData = false) {
		this.#row = row && describe(row);
		this.#before = row ? (typeof row.data === "string" ? JSON.parse(row.data) : row.data) : {};
		if (this.#closed)
			this.#data = Object.freeze(bare(Object.entries(plain(this.#before))));
		this.#data ??= bare([]);
		if (!keepData)
			this.discard();
		this.#read = Promise.resolve(this);
	}

	#loaded() {
		if (this.#data === null)
			throw new Error("the session is not read yet: await req.session.load()");
	}

	// The data, an object that may be changed. Its changes are written when the
	// response ends.
	get data() {
		this.#loaded();
		return this.#closed ? new Proxy(this.#data, TOO_LATE) : this.#data;
	}

	set data(data) {
		this.#loaded();
		checkArgument("data", data, "object");
		if (this.#closed)
			tooLate();
		this.#data = bare(Object.entries(data));
	}

	// Whether the data has changes that are not written yet.
	get changed() {
		if (this.#data === null)
			return false;
		try {
			const { patch, set } = changes(this.#before, plain(this.#data));
			return patch !== null || set !== null;
		} catch {
			return true;	// save() says what is wrong
		}
	}

	// Whether the end of the response has to wait: for changes that are not
	// written yet, and for functions that run.
	get pending() {
		return this.#running > 0 || this.changed;
	}

	// Writes the changes of the data. Returns false if the session has ended in
	// the meantime: it stays ended, and the changes are dropped. The first data
	// of a visitor makes a session.
	async save(...values) {
		checkNoArguments("save()", values);
		return this.#inTurn(() => this.#save());
	}

	// The response has ended, and the changes are written. Later ones would be
	// lost, so changing the data is an error from now on.
	#close() {
		this.#closed = true;
		if (this.#data !== null)
			Object.freeze(this.#data);
	}

	async #save() {
		if (!this.changed)
			return true;
		const after = plain(this.#data);
		if (this.#row === null)
			return this.#create(after);
		const { f } = this.#database;
		const { patch, set } = changes(this.#before, after);
		const merge = sql`${f.session_data_merge}(${this.#given}, ${json(patch)}::jsonb)`;
		const each = sql`(SELECT bool_and(${f.session_data_set}(${this.#given}, key, value))
			FROM jsonb_each(${json(set)}::jsonb))`;
		const { live } = await withKey(after, this.#database.row(
			set === null ? sql`SELECT ${merge} AS live` :
			patch === null ? sql`SELECT ${each} AS live` :
			sql`SELECT ${merge} AND ${each} AS live`));
		this.#before = after;
		return live;
	}

	async #create(data) {
		this.#mustReachBrowser("save the data of a new visitor");
		return withKey(data, this.#accept(
			sql`${this.#database.f.session_create}(NULL, ${json(data)}::jsonb, ${this.#client})`, undefined, true));
	}

	// Forgets the changes of the data.
	discard() {
		if (this.#data === null || this.#closed)
			return;
		for (const key of Object.keys(this.#data))
			delete this.#data[key];
		Object.assign(this.#data, bare(Object.entries(plain(this.#before))));
	}

	// Logs a user in, who has proven who he is. The browser gets a new token.
	async login(userId, options = {}) {
		checkArgument("the user of login()", userId, "id");
		checkOptions("login()", options, LOGIN);
		return this.#inTurn(() => withOption(options, this.#login(String(userId), options)));
	}

	async #login(user, options) {
		this.#mustReachBrowser("login");
		// Changes that a session has go to that session. Of a visitor without
		// one, they become those of the login.
		let data = options.data;
		if (this.changed && this.#row === null)
			data = bare([...Object.entries(this.#data), ...Object.entries(data ?? {})]);
		else
			await this.#save();
		data &&= plain(data);
		await withKey(data, this.#accept(sql`${this.#database.f.session_login}(${this.#given}, ${user}::text,
			data => ${json(data)}::jsonb, tenant_id => ${options.tenantId}::text,
			role => ${options.role}::text, ${this.#client},
			lifetime => ${options.lifetime ?? options.remember}::interval,
			idle_timeout => ${options.idleTimeout}::interval, sliding => ${options.sliding}::boolean,
			auth_level => ${options.authLevel}::integer, amr => ${options.amr}::text[],
			max_sessions => ${options.maxSessions}::integer)`,
		options.maxAge ?? options.remember));
		return this;
	}

	// Gives the session a new token, with another role, tenant or level if
	// asked. Returns false if there is no live session.
	async regenerate(options = {}) {
		checkOptions("regenerate()", options, REGENERATE);
		return this.#inTurn(() => withOption(options, this.#regenerate(options)));
	}

	async #regenerate(options) {
		this.#mustReachBrowser("regenerate");
		await this.#save();
		return this.#accept(sql`${this.#database.f.session_regenerate}(${this.#given},
			role => ${options.role}::text, tenant_id => ${options.tenantId}::text,
			auth_level => ${options.authLevel}::integer, amr => ${options.amr}::text[],
			lifetime => ${options.lifetime ?? options.remember}::interval, ${this.#client})`,
		options.maxAge ?? options.remember);
	}

	// Calls a function that returns credentials, keeps the token for the browser
	// and reads the session. Returns false if there are none.
	async #accept(call, maxAge, keepData) {
		const { session_validate } = this.#database.f;
		const row = await this.#database.row(sql`
			SELECT s.*, made.token, ${this.#sessions.cookieOf(sql`made.token`, maxAge)} AS lines
			FROM ${call} AS made
			LEFT JOIN LATERAL ${session_validate}(made.token, ${this.#client}) AS s ON true
			WHERE made.token IS NOT NULL`);
		if (row === undefined)
			return false;
		this.#token = row.token;
		this.#lines = row.lines;
		this.#keep(row.id === null ? null : row, keepData);
		return true;
	}

	// Ends the session. Returns false if it had ended before.
	async logout(...values) {
		checkNoArguments("logout()", values);
		return this.#inTurn(() => this.#logout());
	}

	async #logout() {
		const { ended, lines } = await this.#database.row(sql`SELECT
			${this.#database.f.session_revoke}(${this.#given}) AS ended,
			${this.#sessions.cookieRemoval(this.#cookies)} AS lines`);
		this.#lines = lines;
		this.#keep(null);
		return ended;
	}

	// Runs work(client) in a transaction that is bound to the session, so that
	// row-level security knows the user. Rolls back if work fails. Throws
	// SessionRequired if there is no live session.
	async as(work, options = {}) {
		checkArgument("the first argument of as()", work, "function");
		checkOptions("as()", options, { readOnly: "boolean" });
		if (typeof this.#database.pool.connect !== "function")
			throw new TypeError("as() needs a pool: an object with a function connect");
		await this.#turn;
		if (!this.#possible)
			throw new SessionRequired();
		const client = await this.#database.pool.connect();
		let open = true;
		let broken;
		let failure;
		const onError = (error) => { broken = error; };
		client.on?.("error", onError);
		// The connection serves other users after this transaction, so work gets
		// an object that is of no use after it.
		const bound = {
			query: (...values) => {
				if (!open)
					throw new Error("the transaction of as() has ended");
				return client.query(...values);
			},
		};
		try {
			await client.query(options.readOnly ? "BEGIN READ ONLY" : "BEGIN");
			const { known } = await this.#database.row(sql`SELECT
				${this.#database.f.session_authenticate}(${this.#given}, ${this.#client}) AS known`, client);
			if (!known)
				throw new SessionRequired();
			const result = await work(bound);
			open = false;
			const { command } = await client.query("COMMIT");
			if (command === "ROLLBACK")
				throw new Error("the transaction of as() was rolled back, because a statement in it failed");
			return result;
		} catch (error) {
			open = false;
			await client.query("ROLLBACK").catch(onError);
			failure = error;
		} finally {
			client.removeListener?.("error", onError);
			client.release(broken);
		}
		throw await refusal(failure, async () => (await this.load()).userId);
	}

	// The live sessions of the user, newest first.
	async devices(...values) {
		checkNoArguments("devices()", values);
		const rows = await this.as((client) => this.#database.rows(
			sql`SELECT * FROM ${this.#database.f.session_mine}()`, client), { readOnly: true });
		return rows.map(describe);
	}

	// Ends one session of the user, by the id that devices() has. Returns false
	// if it is not a live one of this user.
	async revoke(id) {
		checkArgument("the id of revoke()", id, "string");
		if (!UUID.test(id))
			return false;
		const { f } = this.#database;
		const { ended, own } = await this.as((client) => this.#database.row(sql`SELECT
			${f.session_id}() = ${id}::uuid AS own, ${f.session_revoke_mine}(${id}::uuid) AS ended`, client));
		if (own)
			await this.logout();
		return ended;
	}

	// Ends the other sessions of the user. Returns how many.
	async revokeOthers(...values) {
		checkNoArguments("revokeOthers()", values);
		const { ended } = await this.as((client) => this.#database.row(
			sql`SELECT ${this.#database.f.session_revoke_others}() AS ended`, client));
		return Number(ended);
	}

	// Returns the values of Set-Cookie for the browser, once.
	takeCookies() {
		const lines = this.#lines;
		this.#lines = [];
		return lines;
	}

	#mustReachBrowser(what) {
		if (this.#headersSent())
			throw Object.assign(new Error(`cannot ${what}: the headers of the response are sent, or the browser is gone`),
				{ code: "SESSION_HEADERS_SENT" });
	}

	static {
		for (const name of INFO)
			Object.defineProperty(this.prototype, name, {
				get() {
					this.#loaded();
					return this.#row ? this.#row[name] : null;
				},
				set() {
					throw new TypeError(`${name} is what the session is: login() and regenerate() change it`);
				},
			});
		closeSession = (session) => session.#close();
	}
}

// A key of the data that is set on the session itself would be lost.
Object.setPrototypeOf(Session.prototype, new Proxy({}, {
	set(target, name, value, receiver) {
		if (typeof name === "string")
			throw new TypeError(`a session has no member "${name}": set data.${name}`);
		return Reflect.set(target, name, value, receiver);
	},
}));

module.exports = { Session, Sessions, closeSession };
