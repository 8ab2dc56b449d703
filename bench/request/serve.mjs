// Serves one form of a request: node serve.mjs FORM. Prints its port.
import { once } from "node:events";
import { createServer } from "node:http";
import { forms } from "./forms.mjs";

const form = await forms[process.argv[2]]();

const server = createServer(async (request, response) => {
	try {
		const rows = await form(request, response);
		response.statusCode = rows ? 200 : 401;
		response.setHeader("Content-Type", "application/json");
		response.end(rows ? JSON.stringify(rows) : "");
	} catch (error) {
		console.error(error);
		response.statusCode = 500;
		response.end();
	}
}).listen(0, "127.0.0.1");
await once(server, "listening");
console.log(server.address().port);
