/*
 * ip.c
 *	  SQL entry point: the address of a client behind proxies.
 *
 *	  session_ip
 *
 * Rules: a client writes a part of the text.  Nothing in it raises an error,
 * and only its end is read.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/inet.h"

#include "api/api.h"
#include "compat.h"
#include "model/address.h"
#include "wire/forwarded.h"

PG_FUNCTION_INFO_V1(session_ip);

/*
 * Returns the end of a text: all bytes that session_forwarded_address reads,
 * and one more if the text has one, which shows that it was cut.
 */
static text *
arg_end(FunctionCallInfo fcinfo, int n)
{
	int32		size = toast_raw_datum_size(PG_GETARG_DATUM(n)) - VARHDRSZ;
	int32		first = Max(0, size - SESSION_FORWARDED_BYTES - 1);

	return PG_GETARG_TEXT_P_SLICE(n, first, size - first);
}

Datum
session_ip(PG_FUNCTION_ARGS)
{
	int32		hops = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);
	text	   *value;
	inet	   *ip;

	if (hops < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hops must be at least 1")));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	value = arg_end(fcinfo, 0);
	ip = session_address_forwarded(VARDATA_ANY(value),
								   VARSIZE_ANY_EXHDR(value), hops);
	if (ip == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INET_P(ip);
}
