// Requests with and without a session.
const headers = { cookie: process.env.COOKIE, "user-agent": "curl/8" };
const socket = { remoteAddress: "198.51.100.7" };
const ada = { headers, socket };
const stranger = { headers: {}, socket };
BLOCK
