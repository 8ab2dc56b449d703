/*
 * reseal.c
 *	  Replacing the master key.
 *
 * The new master key is placed beside the current one, the secrets of
 * session.keys are sealed with it, and then it takes the place of the current
 * one.  Both are tried when a secret is opened (see keyseal.c), so each of
 * these states works, also after a crash:
 *
 *	 - the new key is there, and the secrets are sealed with the current one;
 *	 - the new key, beside the current one, has sealed the secrets;
 *	 - the current one is gone, and the new key is not in its place yet;
 *	 - the new key has taken its place.
 *
 * Rules:
 * - A database is changed in one transaction.  Other databases of the server
 *	 have secrets of their own, sealed with the key that they had.
 * - The lock on the table excludes other writers: they lock it, then seal.
 * - The witness is sealed again with all other rows.  In a database without
 *	 one it is written, so that the first use takes the new key.
 * - An opened secret is wiped before the next one is opened.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "settings.h"
#include "shared/database.h"
#include "table/keyseal.h"
#include "table/keystore.h"
#include "table/master.h"
#include "table/reseal.h"
#include "table/table.h"

/* A row with a secret, as it was read. */
typedef struct SealedRow
{
	SessionKeysealName name;
	bytea	   *sealed;
} SealedRow;

/* What is derived from the two master keys; wiped with its memory context. */
typedef struct Replacement
{
	SessionKeysealer current;
	SessionKeysealer fresh;
	MemoryContextCallback wipe;
} Replacement;

static SessionStatement update_statement = {
	.table = &session_keystore_table,
	.sql = "UPDATE ONLY session.keys SET secret = $2"
	" WHERE kid OPERATOR(pg_catalog.=) $1",
	.types = {TEXTOID, BYTEAOID}
};

/* Reads the rows that have a secret, the witness excluded. */
static List *
read_rows(void)
{
	Relation	rel = session_table_open(&session_keystore_table,
										 AccessShareLock);
	List	   *rows = NIL;
	SessionTableScan scan;

	session_table_begin(&scan, rel,
						session_keystore_table.indexes[SESSION_KEYSTORE_BY_KID],
						NULL);
	while (session_table_next(&scan))
	{
		SealedRow  *row;

		if (session_keystore_is_null(scan.slot, SESSION_KEYSTORE_SECRET))
			continue;
		row = palloc(sizeof(SealedRow));
		row->name.kid = session_keystore_text(scan.slot, SESSION_KEYSTORE_KID);
		row->name.purpose = session_keystore_text(scan.slot,
												  SESSION_KEYSTORE_PURPOSE);
		row->name.algorithm = session_keystore_text(scan.slot,
													SESSION_KEYSTORE_ALGORITHM);
		row->sealed = DatumGetByteaPCopy(session_keystore_value(scan.slot,
																SESSION_KEYSTORE_SECRET));
		if (strcmp(row->name.kid, SESSION_KEYSEAL_WITNESS) != 0)
			rows = lappend(rows, row);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
	return rows;
}

/* Writes the sealed secret of a row. */
static void
write_sealed(const char *kid, bytea *sealed)
{
	Datum		values[] = {CStringGetTextDatum(kid), PointerGetDatum(sealed)};
	uint64		noted = session_keystore_table.changes_noted;

	session_table_expect(&session_keystore_table,
						 session_table_execute(&update_statement, values, NULL),
						 1);
	session_table_expect_noted(&session_keystore_table, noted, 1);
}

/* Seals one secret again.  One that has the new key already is left alone. */
static void
reseal_row(const SealedRow *row, const Replacement *keys)
{
	size_t		len;
	uint8	   *secret = session_keyseal_open_with(&keys->current, &row->name,
												   row->sealed, &len);

	if (secret != NULL)
	{
		bytea	   *sealed = session_keyseal_close_with(&keys->fresh, &row->name,
														secret, len);

		session_crypto_wipe(secret, len);
		write_sealed(row->name.kid, sealed);
		return;
	}
	secret = session_keyseal_open_with(&keys->fresh, &row->name, row->sealed,
									   &len);
	if (secret == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" is not sealed with the current master key",
						row->name.kid),
				 errhint("If nothing needs this key, delete its row in "
						 "session.keys, and try again.")));
	session_crypto_wipe(secret, len);
}

/* Reads the new master key; errors if it is the current one. */
static void
read_fresh(SessionKeysealer *fresh)
{
	uint8		master[SESSION_MASTER_BYTES];
	uint8		current[SESSION_MASTER_BYTES];
	bool		same;

	session_master_read(master, SESSION_MASTER_NEW);
	same = session_master_try(current, SESSION_MASTER_CURRENT) == SESSION_MASTER_OK &&
		session_crypto_equal(master, current, sizeof(master));
	session_crypto_wipe(current, sizeof(current));
	session_keyseal_derive(fresh, master);
	if (!same)
		return;
	session_crypto_wipe(fresh, sizeof(*fresh));
	session_master_refuse_same();
}

/* Reads the current master key, which must have sealed the witness. */
static void
read_current(SessionKeysealer *current, const bytea *witness)
{
	uint8		master[SESSION_MASTER_BYTES];

	session_master_read(master, SESSION_MASTER_CURRENT);
	session_keyseal_derive(current, master);
	if (witness == NULL || session_keyseal_fits(current, witness))
		return;
	session_crypto_wipe(current, sizeof(*current));
	session_master_mismatch();
}

/* Seals the witness again, or writes the first one. */
static void
reseal_witness(const SessionKeysealer *fresh, const bytea *witness)
{
	if (witness == NULL)
		session_keyseal_insert_witness(fresh);
	else
		write_sealed(SESSION_KEYSEAL_WITNESS, session_keyseal_make_witness(fresh));
	session_master_mark();
	session_database_set_sealed(true);
}

/* Seals all rows again. */
static void
reseal_rows(const List *rows, Replacement *keys, const bytea *witness)
{
	ListCell   *cell;

	if (rows != NIL || witness != NULL)
		read_current(&keys->current, witness);
	foreach(cell, rows)
		reseal_row(lfirst(cell), keys);
	reseal_witness(&keys->fresh, witness);
}

/* Tells the caller what to do next. */
static void
tell_next(bool before)
{
	const char *database = get_database_name(MyDatabaseId);
	const char *path = session_master_path(SESSION_MASTER_CURRENT);

	ereport(NOTICE,
			(before ?
			 errmsg("keys of database \"%s\" are already sealed with the new "
					"master key", database) :
			 errmsg("keys of database \"%s\" are sealed with the new master key",
					database),
			 session_master_is_command() ?
			 errhint("Commit, and call session_master_key_rotate() in the other "
					 "databases that have the extension.  Then let "
					 "\"session.master_key_command\" print the new key for "
					 "\"current\".") :
			 errhint("Commit, and call session_master_key_rotate() in the other "
					 "databases that have the extension.  Then run \"mv %s "
					 "%s.old\" and \"mv %s.new %s\", on the standbys too.",
					 path, path, path, path)));
}

/* Wipes what is derived from the master keys. */
static void
wipe_replacement(void *arg)
{
	Replacement *keys = arg;

	session_crypto_wipe(&keys->current, sizeof(keys->current));
	session_crypto_wipe(&keys->fresh, sizeof(keys->fresh));
}

/* Returns memory that is wiped also after an error. */
static Replacement *
make_replacement(void)
{
	Replacement *keys = palloc0_object(Replacement);

	keys->wipe.func = wipe_replacement;
	keys->wipe.arg = keys;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &keys->wipe);
	return keys;
}

/* Seals the secrets of session.keys with the new master key. */
int64
session_reseal_all(void)
{
	Replacement *keys = make_replacement();
	bytea	   *witness;
	List	   *rows;
	bool		before;

	table_close(session_table_open(&session_keystore_table,
								   ShareRowExclusiveLock), NoLock);
	witness = session_keyseal_read_witness();
	rows = read_rows();
	read_fresh(&keys->fresh);
	before = witness != NULL && session_keyseal_fits(&keys->fresh, witness);
	if (!before)
		reseal_rows(rows, keys, witness);
	wipe_replacement(keys);
	tell_next(before);
	return before ? -1 : list_length(rows);
}
