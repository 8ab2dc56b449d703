import type { SessionData, Store } from "express-session";

declare namespace connect {
	interface StoreOptions {
		/** A pool of pg, or any object with `query`. Default: a pool of its own. */
		pool?: { query(text: any, values?: any[]): Promise<{ rows: any[] }> };
		/** An instance of pg-promise, in place of a pool. */
		pgPromise?: { any(text: string, values?: any[]): Promise<any[]> };
		/** For a pool of its own. Default: DATABASE_URL, or the variables PGHOST and so on. */
		conString?: string;
		conObject?: object;
		/** The schema of the functions, if it is not in the search_path. */
		schema?: string;
		/** Whether statements are prepared once in a connection. Default: false. */
		prepare?: boolean;
		/** Seconds that a session without cookie.maxAge lives after its last use. Default: a day. */
		ttl?: number;
		/** The user of a session, if it has one. Default: `passport.user`, or `userId`. */
		user?(session: SessionData & Record<string, any>): string | number | null | undefined;
		/** The number of trusted proxies in front of the application. Default: 0. */
		proxies?: number;
		/** Whether a session ends at its first deadline. Default: false. */
		disableTouch?: boolean;
		errorLog?(...values: unknown[]): void;
		/** These options of connect-pg-simple have no effect. */
		schemaName?: unknown;
		tableName?: unknown;
		createTableIfMissing?: unknown;
		pruneSessionInterval?: unknown;
		pruneSessionRandomizedInterval?: unknown;
	}

	class SessionStore extends Store {
		constructor(options?: StoreOptions);
		get(sid: string, callback: (error: any, session?: SessionData | null) => void): void;
		set(sid: string, session: SessionData, callback?: (error?: any) => void): void;
		destroy(sid: string, callback?: (error?: any) => void): void;
		touch(sid: string, session: SessionData, callback?: () => void): void;
		all(callback: (error: any, sessions?: SessionData[] | null) => void): void;
		length(callback: (error: any, length?: number) => void): void;
		clear(callback?: (error?: any) => void): void;
		/** Ends the pool, if the store has made it. */
		close(): Promise<void>;
	}
}

/** Returns a class of stores. Pass the module express-session. */
declare function connect(expressSession: { Store: typeof Store }): typeof connect.SessionStore;

export = connect;
