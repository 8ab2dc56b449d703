// Compiled by package.test.mjs, and never run.
import express from "express";
import session from "express-session";
import pg from "pg";
import connect from "pg-session-client/store";

declare module "express-session" {
	interface SessionData {
		userId: string;
	}
}

const SessionStore = connect(session);
const store = new SessionStore({ pool: new pg.Pool(), ttl: 3600, tableName: "session", user: (data) => data.userId });
const app = express();
app.use(session({ store, secret: "secret", resave: false, saveUninitialized: false }));
app.get("/", (req, res) => {
	req.session.userId = "ada";
	res.send("");
});
store.get("sid", (error, data) => console.log(error, data?.userId));
store.length((error, length) => console.log(error, length?.toFixed()));
void store.close();
// @ts-expect-error: ttl is a number
new SessionStore({ ttl: "1 day" });
// @ts-expect-error: no store has this option
new SessionStore({ tablename: "session" });
