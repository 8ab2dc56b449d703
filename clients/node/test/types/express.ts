// Compiled by package.test.mjs, and never run.
import express from "express";
import { createServer } from "node:http";
import pg from "pg";
import { fastifySessions, SessionForbidden, SessionRequired, Sessions, sessions, type Device } from "pg-session-client";

const pool = new pg.Pool();
const app = express();
app.use(sessions({ pool, proxies: 1, cookie: { name: "session", secure: false, sameSite: "lax" } }));

app.get("/", async (req, res) => {
	const { userId, data } = await req.session.load();
	const name: string | null = userId;
	data.count = (data.count ?? 0) + 1;
	res.send({ name, count: data.count });
});
app.post("/", async (req, res) => {
	await req.session.login(7, { remember: "30 days", amr: ["pwd"] });
	const ended: boolean = await req.session.logout();
	const devices: Device[] = await req.session.devices();
	const others: number = await req.session.revokeOthers();
	const { rows } = await req.session.as((client) => client.query<{ body: string }>("SELECT body FROM note"),
		{ readOnly: true });
	const bodies: string[] = rows.map((row) => row.body);
	res.json([ended, devices, others, bodies]);
	await req.session.login(7n, { tenantId: 3, data: { theme: "dark" } });
	// @ts-expect-error: save takes no callback, as that of express-session does
	await req.session.save(() => res.end());
	// @ts-expect-error: a user is a string or a number
	await req.session.login({ id: 7 });
	// @ts-expect-error: there is no such option
	await req.session.login("ada", { rememberMe: true });
});

// @ts-expect-error: a pool is required
sessions({});
// @ts-expect-error: not a value of SameSite
sessions({ pool, cookie: { sameSite: "none!" } });

const session = sessions({ pool });
createServer(async (req, res) => {
	session(req, res);
	await req.session.load();
	res.end(new Sessions({ pool }).open(req).takeCookies().join());
});

app.use((error: unknown, req: express.Request, res: express.Response, next: express.NextFunction) => {
	if (error instanceof SessionForbidden)
		res.status(error.status).json(error.reason === "level");
	else
		next(error);
});

const required: 401 = new SessionRequired("log in to this team first").status;
export { fastifySessions, required };
