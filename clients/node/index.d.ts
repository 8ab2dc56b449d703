import type { IncomingMessage, ServerResponse } from "node:http";

/** A pool of pg, or any object with `query`. `as()` needs `connect`, too. */
export interface Pool {
	query(text: any, values?: any[]): Promise<{ rows: any[] }>;
	connect?(): Promise<any>;
}

/** Attributes of the cookie. What is left out follows the settings `session.cookie_*`. */
export interface CookieOptions {
	name?: string;
	/** An interval of PostgreSQL, such as `"30 days"`. Default: until the browser ends. */
	maxAge?: string;
	path?: string;
	domain?: string;
	secure?: boolean;
	httpOnly?: boolean;
	sameSite?: "lax" | "strict" | "none";
	partitioned?: boolean;
}

export interface Options {
	pool: Pool;
	/** The schema of the functions, if it is not in the search_path. */
	schema?: string;
	/** Whether statements are prepared once in a connection. Default: false. */
	prepare?: boolean;
	/** The number of trusted proxies in front of the application. Default: 0. */
	proxies?: number;
	/** The header in which the proxies give the client's address. Default: `"x-forwarded-for"`. */
	proxyHeader?: string;
	cookie?: CookieOptions;
	/** Called with an error for which there is no other place. Default: console.error. */
	onError?(error: unknown): void;
}

export interface LoginOptions {
	/** Merged into the data of the session. */
	data?: Record<string, unknown>;
	/** An interval: how long session and cookie last. Short for `lifetime` and `maxAge`. */
	remember?: string;
	lifetime?: string;
	idleTimeout?: string;
	sliding?: boolean;
	maxAge?: string;
	tenantId?: string | number | bigint;
	role?: string;
	authLevel?: number;
	amr?: string[];
	maxSessions?: number;
}

export type RegenerateOptions =
	Pick<LoginOptions, "remember" | "lifetime" | "maxAge" | "tenantId" | "role" | "authLevel" | "amr">;

/** A session of `devices()`. */
export interface Device {
	id: string;
	userId: string | null;
	tenantId: string | null;
	role: string | null;
	authLevel: number;
	amr: string[] | null;
	actorId: string | null;
	scopes: string[] | null;
	ip: string | null;
	userAgent: string | null;
	createdAt: Date;
	authenticatedAt: Date | null;
	lastSeenAt: Date;
	expiresAt: Date;
	/** Whether it is the session of this request. */
	current: boolean;
	bound: boolean;
}

/** What `as()` gives to its function: of use until the transaction ends. */
export interface BoundClient {
	query<Row = any>(text: any, values?: any[]): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** The type of `data`: add your keys by declaration merging. */
export interface SessionData {
	[key: string]: any;
}

/** The session of one request. Nothing is read before the first call. */
export class Session {
	/** Reads the session, once, and returns this object. */
	load(): Promise<this>;
	/** The data. Changes are written at the end of the response. After load(). */
	data: SessionData;
	/** Whether the data has changes that are not written yet. */
	readonly changed: boolean;
	/** Whether there are changes to write, or functions that run. */
	readonly pending: boolean;
	/** These are null without a live session. After load(). */
	readonly id: string | null;
	readonly userId: string | null;
	readonly tenantId: string | null;
	readonly role: string | null;
	readonly authLevel: number | null;
	readonly amr: string[] | null;
	readonly actorId: string | null;
	readonly scopes: string[] | null;
	readonly createdAt: Date | null;
	readonly authenticatedAt: Date | null;
	readonly expiresAt: Date | null;
	/** Writes the changes now. False if the session has ended in the meantime. */
	save(): Promise<boolean>;
	/** Forgets the changes of the data. */
	discard(): void;
	/** Logs in a user who has proven who he is. */
	login(userId: string | number | bigint, options?: LoginOptions): Promise<this>;
	/** A new token for the same session. False if there is no live session. */
	regenerate(options?: RegenerateOptions): Promise<boolean>;
	/** Ends the session. False if it had ended before. */
	logout(): Promise<boolean>;
	/** Runs work in a transaction that is bound to the session. */
	as<Result>(work: (client: BoundClient) => Promise<Result> | Result,
		options?: { readOnly?: boolean }): Promise<Result>;
	/** The live sessions of the user, newest first. */
	devices(): Promise<Device[]>;
	/** Ends one session of the user. False if there is no such one. */
	revoke(id: string): Promise<boolean>;
	/** Ends the other sessions of the user. Returns how many. */
	revokeOthers(): Promise<number>;
	/** The values of Set-Cookie for the browser, once. For other frameworks. */
	takeCookies(): string[];
}

/** There is no live session, or it has no user where one is required. Express and Fastify answer 401. */
export class SessionRequired extends Error {
	constructor(message?: string, options?: { cause?: unknown });
	readonly code: "SESSION_REQUIRED";
	readonly status: 401;
	readonly statusCode: 401;
	/** The message may be sent to the client. */
	readonly expose: true;
}

/** session_require refused the session. Express and Fastify answer 403. */
export class SessionForbidden extends Error {
	constructor(message: string, reason: SessionForbidden["reason"], options?: { cause?: unknown });
	readonly code: "SESSION_FORBIDDEN";
	readonly status: 403;
	readonly statusCode: 403;
	/** The message may be sent to the client. */
	readonly expose: true;
	/** What the session does not have: the level, a recent authentication, the method, or the scope. */
	readonly reason: "level" | "age" | "method" | "scope";
}

/** For other frameworks: makes the session of a request. */
export class Sessions {
	constructor(options: Options);
	open(request: {
		headers: Record<string, string | string[] | undefined>;
		socket?: { remoteAddress?: string };
	}, headersSent?: () => boolean): Session;
}

/** A middleware for Express and connect. With plain http, call it with request and response. */
export function sessions(options: Options):
	(request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void) => void;

/** A plugin for Fastify: `app.register(fastifySessions, options)`. */
export function fastifySessions(app: any, options: Options): Promise<void>;

declare module "node:http" {
	interface IncomingMessage {
		session: Session;
	}
}
