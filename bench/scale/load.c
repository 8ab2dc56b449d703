/*
 * load.c
 *	  Runs a statement in databases of different sizes, and prints what the
 *	  backends spent on it.
 *
 *	  load BLOCK WARM ROUNDS STATEMENT VALUES CONNINFO...
 *
 * Each database has a connection of its own.  The query VALUES returns the
 * values of $1 for a block; for them, the prepared statement runs BLOCK times,
 * each in a transaction of its own.  Only these count.  After a block in one
 * database comes one in the next.  That is a round.  The database that begins
 * changes from round to round.  The first WARM rounds are not printed.
 *
 * Prints a line for each block: the number of the database, and then for a call
 * the time that its backend was on a processor and the time that passed, both
 * in microseconds, and the bytes of WAL.  At the end, it prints a line for each
 * database with its number, "memory", and the private memory of its backend in
 * kB.
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

/* Opens a file of the process of a backend. */
static FILE *
open_proc(PGconn *conn, const char *name)
{
	char		path[64];
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", PQbackendPID(conn), name);
	file = fopen(path, "r");
	if (file == NULL)
		fail(path, "cannot be read; does the server run on this machine?");
	return file;
}

/* Returns how long the backend of a connection was on a processor so far. */
static long long
ran(PGconn *conn)
{
	FILE	   *file = open_proc(conn, "schedstat");
	long long	ns;

	if (fscanf(file, "%lld", &ns) != 1)
		fail("schedstat", "has no time");
	fclose(file);
	return ns;
}

/* Returns the private memory of the backend of a connection, in kB. */
static long
private_memory(PGconn *conn)
{
	FILE	   *file = open_proc(conn, "status");
	char		line[256];
	long		kb = -1;

	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kb) == 1)
			break;
	fclose(file);
	if (kb < 0)
		fail("status", "has no RssAnon");
	return kb;
}

static long long
now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

/* Runs SQL without parameters that returns rows. */
static PGresult *
query(PGconn *conn, const char *sql)
{
	PGresult   *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(sql, PQerrorMessage(conn));
	return result;
}

/* Returns the position of the WAL. */
static double
wal(PGconn *conn)
{
	PGresult   *result = query(conn, "SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_insert_lsn() - '0/0' END");
	double		position = atof(PQgetvalue(result, 0, 0));

	PQclear(result);
	return position;
}

/* Runs the statement for the values of a block; prints what that took. */
static void
run_block(PGconn *conn, int database, const char *values_sql, int block, int print)
{
	PGresult   *values = query(conn, values_sql);
	double		wal_before = wal(conn);
	long long	ran_before = ran(conn);
	long long	before = now();
	long long	spent;
	long long	passed;

	if (PQntuples(values) != block)
		fail(values_sql, "did not return a value for each call");
	for (int i = 0; i < block; i++)
	{
		const char *value[] = {PQgetvalue(values, i, 0)};
		PGresult   *result = PQexecPrepared(conn, "s", 1, value, NULL, NULL, 0);

		if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) == 0)
			fail("the statement returned no row", PQerrorMessage(conn));
		PQclear(result);
	}
	passed = now() - before;
	spent = ran(conn) - ran_before;
	if (print)
		printf("%d %.3f %.3f %.1f\n", database + 1, spent / 1000.0 / block,
			   passed / 1000.0 / block, (wal(conn) - wal_before) / block);
	PQclear(values);
}

int
main(int argc, char **argv)
{
	int			count = argc - 6;
	int			block;
	long		warm;
	long		rounds;
	PGconn	   *conns[8];

	if (count < 1 || count > 8)
		fail("usage", "load BLOCK WARM ROUNDS STATEMENT VALUES CONNINFO...");
	block = atoi(argv[1]);
	warm = atol(argv[2]);
	rounds = atol(argv[3]);
	for (int i = 0; i < count; i++)
	{
		PGresult   *result;

		conns[i] = PQconnectdb(argv[i + 6]);
		if (PQstatus(conns[i]) != CONNECTION_OK)
			fail("connection", PQerrorMessage(conns[i]));
		result = PQprepare(conns[i], "s", argv[4], 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			fail(argv[4], PQerrorMessage(conns[i]));
		PQclear(result);
	}
	for (long round = 0; round < warm + rounds; round++)
		for (int i = 0; i < count; i++)
		{
			int			database = (int) ((i + round) % count);

			run_block(conns[database], database, argv[5], block, round >= warm);
		}
	for (int i = 0; i < count; i++)
		printf("%d memory %ld\n", i + 1, private_memory(conns[i]));
	return 0;
}
