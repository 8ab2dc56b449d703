/*
 * load.c
 *	  Runs prepared statements over one connection and prints what the backend
 *	  spent on them.
 *
 *	  load CONNINFO BLOCK ROUNDS ARGUMENTS STATEMENT...
 *
 * ARGUMENTS is a query with one row for each session; STATEMENT is COLUMN=SQL,
 * where COLUMN is the number of the column of ARGUMENTS that $1 gets.  A
 * statement runs BLOCK times, with the arguments of random sessions and a
 * transaction each, then the next statement does.  That is a round.  The
 * statement that begins changes from round to round.  The first round warms
 * up and is not printed.
 *
 * Prints "# backend PID", and a line for each block: the number of the
 * statement, and the backend's user time, system time (in ticks of
 * _SC_CLK_TCK) and time on a processor (in ns) during the block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

typedef struct Spent
{
	unsigned long user;
	unsigned long sys;
	unsigned long long ns;
} Spent;

static PGconn *conn;

/* Ends the program with an error. */
static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* Opens a file of the backend in /proc. */
static FILE *
open_proc(const char *name)
{
	char		path[64];
	FILE	   *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", PQbackendPID(conn), name);
	file = fopen(path, "r");
	if (file == NULL)
		fail(path, "cannot be opened; does the server run on this machine?");
	return file;
}

/* Returns what the backend has spent so far. */
static Spent
spent_so_far(void)
{
	Spent		spent;
	FILE	   *stat = open_proc("stat");
	FILE	   *sched = open_proc("schedstat");

	if (fscanf(stat, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			   &spent.user, &spent.sys) != 2 ||
		fscanf(sched, "%llu", &spent.ns) != 1)
		fail("/proc", "has another form than expected");
	fclose(stat);
	fclose(sched);
	return spent;
}

/* Runs statement n for the session in a row of the arguments. */
static void
run_once(int n, const char *value)
{
	char		name[16];
	PGresult   *result;

	snprintf(name, sizeof(name), "s%d", n);
	result = PQexecPrepared(conn, name, 1, &value, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		fail("a statement did not return one row", PQerrorMessage(conn));
	PQclear(result);
}

/* Runs a block of statement n, and prints what the backend spent on it. */
static void
run_block(int n, int column, long block, const PGresult *arguments, int print)
{
	Spent		before = spent_so_far();
	Spent		after;

	for (long i = 0; i < block; i++)
		run_once(n, PQgetvalue(arguments, (int) (random() % PQntuples(arguments)), column));
	after = spent_so_far();
	if (print)
		printf("%d %lu %lu %llu\n", n + 1, after.user - before.user,
			   after.sys - before.sys, after.ns - before.ns);
}

/* Prepares statement n under its number. */
static void
prepare(int n, const char *sql)
{
	char		name[16];
	PGresult   *result;

	snprintf(name, sizeof(name), "s%d", n);
	result = PQprepare(conn, name, sql, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail(sql, PQerrorMessage(conn));
	PQclear(result);
}

int
main(int argc, char **argv)
{
	int			count = argc - 5;
	long		block;
	long		rounds;
	PGresult   *arguments;

	if (count < 1)
		fail("usage", "load CONNINFO BLOCK ROUNDS ARGUMENTS STATEMENT...");
	block = atol(argv[2]);
	rounds = atol(argv[3]);
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		fail("connection", PQerrorMessage(conn));
	arguments = PQexec(conn, argv[4]);
	if (PQresultStatus(arguments) != PGRES_TUPLES_OK || PQntuples(arguments) == 0)
		fail(argv[4], PQerrorMessage(conn));
	for (int n = 0; n < count; n++)
		prepare(n, strchr(argv[n + 5], '=') + 1);
	printf("# backend %d\n", PQbackendPID(conn));
	srandom(1);
	for (long round = 0; round <= rounds; round++)
		for (int i = 0; i < count; i++)
		{
			int			n = (int) ((i + round) % count);

			run_block(n, atoi(argv[n + 5]), block, arguments, round > 0);
		}
	PQclear(arguments);
	PQfinish(conn);
	return 0;
}
