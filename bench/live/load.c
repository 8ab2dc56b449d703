/*
 * load.c
 *	  Runs a prepared statement in transactions that are set up in several ways,
 *	  and prints what the backends spent on it.
 *
 *	  load CONNINFO BLOCK ROUNDS STATEMENT SETUP...
 *
 * Each way has a connection of its own.  There BEGIN and SETUP run, then the
 * statement BLOCK times with a random number up to 1000 as $1, then COMMIT.
 * Only the statements count.  After a block of one way comes one of the next.
 * That is a round.  The way that begins changes from round to round.  The
 * first round warms up and is not printed.
 *
 * Prints a line for each block: the number of the way, the time that its
 * backend was on a processor, and the time that passed, both in ns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

/* Ends the program with an error. */
static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* Returns how long the backend of a connection was on a processor so far. */
static long long
ran(PGconn *conn)
{
	char		path[64];
	FILE	   *file;
	long long	ns;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(conn));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%lld", &ns) != 1)
		fail(path, "cannot be read; does the server run on this machine?");
	fclose(file);
	return ns;
}

static long long
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* Runs SQL without parameters. */
static void
run(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(sql, PQerrorMessage(conn));
	PQclear(result);
}

/* Runs the statement BLOCK times; prints what that took. */
static void
run_block(PGconn *conn, int way, long block, const char *setup, int print)
{
	long long	ran_before;
	long long	before;

	run(conn, "BEGIN");
	if (*setup != '\0')
		run(conn, setup);
	ran_before = ran(conn);
	before = now();
	for (long i = 0; i < block; i++)
	{
		char		value[16];
		const char *values[] = {value};
		PGresult   *result;

		snprintf(value, sizeof(value), "%ld", random() % 1000 + 1);
		result = PQexecPrepared(conn, "s", 1, values, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
			fail("the statement did not return one row", PQerrorMessage(conn));
		PQclear(result);
	}
	if (print)
		printf("%d %lld %lld\n", way + 1, ran(conn) - ran_before, now() - before);
	run(conn, "COMMIT");
}

int
main(int argc, char **argv)
{
	int			count = argc - 5;
	long		block;
	long		rounds;
	PGconn	   *conns[16];

	if (count < 1 || count > 16)
		fail("usage", "load CONNINFO BLOCK ROUNDS STATEMENT SETUP...");
	block = atol(argv[2]);
	rounds = atol(argv[3]);
	for (int way = 0; way < count; way++)
	{
		PGresult   *result;

		conns[way] = PQconnectdb(argv[1]);
		if (PQstatus(conns[way]) != CONNECTION_OK)
			fail("connection", PQerrorMessage(conns[way]));
		result = PQprepare(conns[way], "s", argv[4], 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail(argv[4], PQerrorMessage(conns[way]));
		PQclear(result);
	}
	srandom(1);
	for (long round = 0; round <= rounds; round++)
		for (int i = 0; i < count; i++)
		{
			int			way = (int) ((i + round) % count);

			run_block(conns[way], way, block, argv[way + 5], round > 0);
		}
	return 0;
}
