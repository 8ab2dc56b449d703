// Compiled by package.test.mjs, and never run.
import client = require("pg-session-client");

export const session = client.sessions({ pool: { query: async () => ({ rows: [] }) } });
