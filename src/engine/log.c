/*
 * log.c
 *	  Keeps tokens, cookies and keys out of the server's log.
 *
 * "Token" stands for all that redact.c finds.
 *
 * The hook looks for tokens in each message before the server logs it.  If it
 * finds one, it replaces the tokens, has the server report the message to the
 * log alone, restores the message, and tells the server that the log has it.
 * So no destination of the log and no hook installed earlier sees a token, in
 * the message or in the statement, and the client gets the message as it was.
 *
 * Rules:
 * - The hook runs in every process, inside and outside of transactions, in
 *	 critical sections and during error handling.  It raises no error itself;
 *	 an error of the server during the report passes through.
 * - When there is no memory for a text without its tokens, the text is left
 *	 out.
 * - What is replaced for the report is restored after it.  After an error, the
 *	 statement is restored too.
 * - Positions (cursorpos, internalpos) are those in the original texts.
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

/* The message that is being reported without its tokens. */
static ErrorData *reporting = NULL;

/*
 * The number of texts of a message that may repeat what a client wrote.  The
 * others are names in the server's own code, like a backtrace, and names of
 * objects, which only the client gets.
 */
#define TEXTS 6

/* Returns a pointer to one of the texts of a message. */
static char **
text_of(ErrorData *edata, int i)
{
	char	  **const texts[TEXTS] = {
		&edata->message, &edata->detail, &edata->detail_log, &edata->hint,
		&edata->context, &edata->internalquery
	};

	return texts[i];
}

/* Returns whether the log entry of a message would contain a token. */
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

/* Returns a copy without tokens, or the text itself if it has none. */
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

/* Frees what redacted() returned for a text. */
static void
free_copy(const char *copy, const char *chars)
{
	if (copy != chars && copy != left_out)
		pfree(unconstify(char *, copy));
}

/*
 * Has the server report a message to the log, and not to the client.  Hooks
 * that were installed after ours are running: they have called ours.  So they
 * are not called again.
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
		/* An error during error handling may have cleared it. */
		if (debug_query_string == query)
			debug_query_string = query_before;
	}
	PG_END_TRY();
}

/* Reports a message to the log with its tokens replaced. */
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
		/* An earlier hook may have replaced the text. */
		free_copy(copies[i], *text_of(&before, i));
		*text_of(edata, i) = *text_of(&before, i);
	}
	free_copy(query, debug_query_string);
	edata->output_to_client = before.output_to_client;
	edata->output_to_server = false;
}

/* The emit_log hook. */
static void
redact_log(ErrorData *edata)
{
	if (session_settings.redact_log && edata != reporting &&
		mentions_token(edata))
		report_redacted(edata);
	else if (previous != NULL)
		previous(edata);
}

/* Installs the hook. */
void
session_log_init(void)
{
	previous = emit_log_hook;
	emit_log_hook = redact_log;
}
