/*
 * assertion.c
 *	  What a failed assertion calls, for tests that are linked without a server.
 *
 * postgres.h is not included, because the arguments depend on the version.
 */
#include <stdlib.h>

extern void ExceptionalCondition(void);

/* Ends the test. */
void
ExceptionalCondition(void)
{
	abort();
}
