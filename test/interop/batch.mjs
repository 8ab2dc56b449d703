// Sends several statements with parameters before one Sync, as drivers with a
// pipeline mode do.
import pg from "pg";

class Batch extends pg.Query {
	constructor(statements, done) {
		super({ text: "batch" }, undefined, done);
		this.statements = statements;
	}

	requiresPreparation() {
		return true;
	}

	prepare(connection) {
		for (const { name, text, values = [] } of this.statements) {
			if (text !== undefined)
				connection.parse({ name, text });
			connection.bind({ statement: name, values });
			connection.describe({ type: "P" });
			connection.execute({});
		}
		connection.sync();
	}
}

// Returns the rows of each statement that ran, and the SQLSTATE of the error
// that skipped the others. A statement is { name, text, values }; without a
// text, it is the one of this name that is already prepared.
export function batch(client, ...statements) {
	return new Promise((resolve) => {
		const query = new Batch(statements, (error) => resolve({
			rows: [query._results].flat().map((result) => result.rows).slice(0, error ? query.ran : undefined),
			...(error && { error: error.code }),
		}));
		query.ran = 0;
		const complete = query.handleCommandComplete;
		query.handleCommandComplete = (...args) => {
			query.ran++;
			complete.apply(query, args);
		};
		client.query(query);
	});
}
