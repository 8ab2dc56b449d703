import client from "./index.js";

export const { Session, SessionForbidden, SessionRequired, Sessions, fastifySessions, sessions } = client;
