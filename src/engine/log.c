/*
 * log.c
 *	  Keeping tokens out of the server's log.
 *
 * A message that mentions a token is put into the log here, without it, by
 * way of the server's own report of it; the server is then told that the log
 * has it.  So the client gets what it would have got, and every destination of
 * the log, and every hook that was there before, sees no token: not in the
 * message and what goes with it, and not in the statement.
 *
 * Rules:
 * - The hook runs in every process, in and outside of transactions, in
 *	 critical sections and in the middle of errors.  It raises nothing by
 *	 itself; an error of the server's in there passes through.
 * - Where there is no memory for a text without its tokens, the text is left
 *	 out.
 * - Whatever is swapped for the report is put back after it, and so is the
 *	 statement after an error.
 * - Positions (cursorpos, internalpos) count in the texts as they were.
 */
#include "postgres.h"

#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "engine/log.h"
#include "settings.h"
#include "wire/redact.h"

static char left_out[] = "(left out for lack of memory)";

static void redact_log(ErrorData *edata);

static emit_log_hook_type previous = NULL;

/* What is being reported without its tokens. */
static ErrorData *reporting = NULL;

/*
 * The texts of a message that may repeat what a caller wrote.  The rest are
 * names in the server's own code (a backtrace is of functions) and names of
 * objects, which only the client gets.
 */
#define TEXTS 6

static char **
text_of(ErrorData *edata, int i)
{
	char	  **const texts[TEXTS] = {
		&edata->message, &edata->detail, &edata->detail_log, &edata->hint,
		&edata->context, &edata->internalquery
	};

	return texts[i];
}

static bool
mentions_token(ErrorData *edata)
{
	for (int i = 0; i < TEXTS; i++)
	{
		const char *chars = *text_of(edata, i);

		if (chars != NULL && session_redact_size(chars) > 0)
			return true;
	}
	return check_log_of_query(edata) &&
		session_redact_size(debug_query_string) > 0;
}

/* The text itself, when there is no token in it. */
static char *
redacted(const char *chars)
{
	size_t		size = chars == NULL ? 0 : session_redact_size(chars);
	char	   *copy;

	if (size == 0)
		return unconstify(char *, chars);
	copy = palloc_extended(size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (copy == NULL)
		return left_out;
	session_redact_write(copy, chars);
	return copy;
}

static void
free_copy(const char *copy, const char *chars)
{
	if (copy != chars && copy != left_out)
		pfree(unconstify(char *, copy));
}

/*
 * Has the server report a message to the log, and not to the client.  Hooks
 * that came after ours are running and do not see it again.
 */
static void
report_without_tokens(ErrorData *edata, const char *query)
{
	emit_log_hook_type const hook = emit_log_hook;
	ErrorData  *const outer = reporting;
	const char *const query_before = debug_query_string;

	PG_TRY();
	{
		reporting = edata;
		emit_log_hook = redact_log;
		debug_query_string = query;
		EmitErrorReport();
	}
	PG_FINALLY();
	{
		reporting = outer;
		emit_log_hook = hook;
		/* An error in an error may have cleared it. */
		if (debug_query_string == query)
			debug_query_string = query_before;
	}
	PG_END_TRY();
}

static void
report_redacted(ErrorData *edata)
{
	ErrorData	before = *edata;
	const char *query = debug_query_string;
	char	   *copies[TEXTS];

	if (check_log_of_query(edata))
		query = redacted(debug_query_string);
	for (int i = 0; i < TEXTS; i++)
	{
		copies[i] = redacted(*text_of(edata, i));
		*text_of(edata, i) = copies[i];
	}
	edata->output_to_client = false;

	report_without_tokens(edata, query);

	for (int i = 0; i < TEXTS; i++)
	{
		/* A hook may have put something of its own there. */
		free_copy(copies[i], *text_of(&before, i));
		*text_of(edata, i) = *text_of(&before, i);
	}
	free_copy(query, debug_query_string);
	edata->output_to_client = before.output_to_client;
	edata->output_to_server = false;
}

static void
redact_log(ErrorData *edata)
{
	if (session_settings.redact_log && edata != reporting &&
		mentions_token(edata))
		report_redacted(edata);
	else if (previous != NULL)
		previous(edata);
}

void
session_log_init(void)
{
	previous = emit_log_hook;
	emit_log_hook = redact_log;
}
