// Compiled by package.test.mjs, and never run.
import session = require("express-session");
import connect = require("pg-session-client/store");

const SessionStore = connect(session);
export const store: InstanceType<typeof SessionStore> = new SessionStore();
