import client from "./index.js";

export const { Session, SessionRequired, Sessions, fastifySessions, sessions } = client;
