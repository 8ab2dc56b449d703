// Statements for node-pg that travel together: Parse (once a connection), Bind,
// Describe and Execute of each, and one Sync. They take one round trip and run
// in one transaction, which ends at the Sync. The client must not have the
// option "pipeline", which puts a Sync behind each statement.
//
//   const [first, second] = await pool.query(new Together([
//     { name: "first", text: "...", values: [] },
//     { name: "second", text: "...", values: [] },
//   ]));
//
// This is a Submittable, as those of pg-cursor and pg-query-stream: an object
// that writes its own messages and is told of the answers.
import pg from "pg";

export class Together {
	constructor(statements) {
		this.statements = statements;
		this.results = [];
	}

	// The statement that the next messages belong to. The client remembers by
	// name and text what was parsed.
	get name() { return this.statements[this.results.length]?.name; }
	get text() { return this.statements[this.results.length]?.text; }

	submit(connection) {
		connection.stream.cork();
		for (const { name, text, values } of this.statements) {
			if (connection.parsedStatements[name] === undefined)
				connection.parse({ name, text });
			connection.bind({ statement: name, values, valueMapper: pg.utils.prepareValue });
			connection.describe({ type: "P" });
			connection.execute({});
		}
		connection.sync();
		connection.stream.uncork();
		return null;
	}

	handleRowDescription(message) {
		this.result = new pg.Result(undefined, pg.types);
		this.result.addFields(message.fields);
	}

	handleDataRow(message) {
		this.result.addRow(this.result.parseRow(message.fields));
	}

	handleCommandComplete(message) {
		this.result.addCommandComplete(message);
		this.results.push(this.result);
	}

	handleError(error) {
		this.callback(error);
	}

	handleReadyForQuery() {
		this.callback(null, this.results);
	}
}
