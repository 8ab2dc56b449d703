/*
 * tap.h
 *	  Functions to write the Test Anything Protocol.
 */
#ifndef SESSION_TAP_H
#define SESSION_TAP_H

#include <stdio.h>

static int	tap_count = 0;
static int	tap_failed = 0;

static inline void
tap_ok(bool passed, const char *title)
{
	tap_failed += !passed;
	fprintf(stdout, "%sok %d - %s\n", passed ? "" : "not ", ++tap_count,
			title);
}

/* Prints the plan. Returns the exit status for main. */
static inline int
tap_done(void)
{
	fprintf(stdout, "1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif							/* SESSION_TAP_H */
