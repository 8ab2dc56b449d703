/*
 * inject.c
 *	  Errors at the calls of src/table, for test/faults/100_injected.pl.
 *
 * The Makefile links this file into a library of its own, in which the files of
 * src/table are compiled with -finstrument-functions.  The compiler then calls
 * __cyg_profile_func_enter at the entry of every function of them, whoever
 * calls it.
 *
 * The setting "faults.at" has the form "N:LABEL".  Its change begins to count
 * from zero, and the call with the number N raises an error.  With 0 none
 * does.  faults_points() returns how many calls were counted.
 *
 * No error is raised outside a transaction's work: not while a transaction
 * commits or ends, and not in a critical section.
 */
#include "postgres.h"

#include <dlfcn.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

/* The dynamic linker would find the functions of the C library instead. */
#define HIDDEN __attribute__((visibility("hidden"), no_instrument_function))

extern void __cyg_profile_func_enter(void *function, void *caller) HIDDEN;
extern void __cyg_profile_func_exit(void *function, void *caller) HIDDEN;

#define LABEL_BYTES 64

static char label[LABEL_BYTES] = "";
static int	points = 0;

/* Starts to count from zero if the setting is another than before. */
static const char *
read_setting(void)
{
	const char *setting = GetConfigOption("faults.at", true, false);

	if (setting != NULL && strcmp(setting, label) != 0)
	{
		strlcpy(label, setting, sizeof(label));
		points = 0;
	}
	return setting;
}

static const char *
name_of(void *function)
{
	Dl_info		info;

	if (dladdr(function, &info) == 0 || info.dli_sname == NULL)
		return "a static function";
	return info.dli_sname;
}

void
__cyg_profile_func_enter(void *function, void *caller)
{
	const char *setting;

	if (CritSectionCount > 0 || !IsTransactionState())
		return;
	setting = read_setting();
	if (setting == NULL || setting[0] == '\0')
		return;
	if (++points == atoi(setting))
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE('F', 'A', 'U', 'L', 'T')),
				 errmsg("injected error at call %d, in %s", points,
						name_of(function))));
}

void
__cyg_profile_func_exit(void *function, void *caller)
{
}

PG_FUNCTION_INFO_V1(faults_points);

/* Returns the number of calls since the setting changed. */
Datum
faults_points(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(points);
}
