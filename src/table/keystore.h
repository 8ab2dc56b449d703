/*
 * keystore.h
 *	  The rows of session.keys, with their secrets as they are stored: sealed.
 */
#ifndef SESSION_KEYSTORE_H
#define SESSION_KEYSTORE_H

#include "table/table.h"

/* Columns of session.keys. */
enum
{
	SESSION_KEYSTORE_KID,
	SESSION_KEYSTORE_PURPOSE,
	SESSION_KEYSTORE_ALGORITHM,
	SESSION_KEYSTORE_SECRET,
	SESSION_KEYSTORE_PUBLIC_JWK,
	SESSION_KEYSTORE_TOKEN_KID,
	SESSION_KEYSTORE_ISSUER,
	SESSION_KEYSTORE_AUDIENCE,
	SESSION_KEYSTORE_IMPORTED,
	SESSION_KEYSTORE_CREATED_AT,
	SESSION_KEYSTORE_ACTIVATED_AT,
	SESSION_KEYSTORE_RETIRED_AT,
	SESSION_KEYSTORE_COLUMNS
};

/* Indexes of session.keys. */
enum
{
	SESSION_KEYSTORE_BY_KID,
	SESSION_KEYSTORE_BY_ACTIVATION,
	SESSION_KEYSTORE_INDEXES
};

/* The table, for the modules that seal and open its secrets. */
extern SessionTable session_keystore_table;

/* Returns the value of a required column; errors if it is NULL. */
extern Datum session_keystore_value(TupleTableSlot *slot, int column);

/* Returns the value of a text, NULL if it is NULL. */
extern char *session_keystore_text(TupleTableSlot *slot, int column);

/* Returns whether a value is NULL. */
extern bool session_keystore_is_null(TupleTableSlot *slot, int column);

/* Returns whether the row in a slot is a key of a purpose in use. */
extern bool session_keystore_is_of(TupleTableSlot *slot, const char *purpose);

/* Begins a scan for the row of a kid.  Returns false if there is none. */
extern bool session_keystore_begin(SessionTableScan *scan, Relation rel,
								   const char *kid);

/* Returns whether a key exists; a retired one counts only if asked for. */
extern bool session_keystore_has(const char *kid, bool retired_too);

/* Returns the purpose of a key, retired or not; NULL if there is none. */
extern char *session_keystore_purpose(const char *kid);

/* A row that is to be written. */
typedef struct SessionKeystoreRow
{
	const char *kid;
	const char *purpose;
	const char *algorithm;
	bytea	   *sealed;			/* NULL = the key only verifies */
	Jsonb	   *public_jwk;		/* NULL = the key is a secret */
	const char *token_kid;		/* these three may be NULL */
	const char *issuer;
	const char *audience;
	bool		imported;
} SessionKeystoreRow;

/*
 * Writes a new key.  Errors with 23505 if the kid is taken.
 *
 * The key is activated after those of its purpose that can sign.  One that has
 * a public half is activated a number of seconds (lead) later if the purpose
 * has an active one: others learn it before it signs.
 */
extern void session_keystore_insert(const SessionKeystoreRow *row, int lead);

/* Retires a key.  Returns false if there is none or it was retired already. */
extern bool session_keystore_retire(const char *kid);

/*
 * Returns the JWK Set of a purpose: the public halves of its keys in use that
 * can sign, in the order of their activation, which may lie ahead.  It is read
 * with the snapshot of the statement, and needs no master key.
 */
extern Jsonb *session_keystore_jwks(const char *purpose);

/* Returns whether a row of the table has something sealed. */
extern bool session_keystore_is_sealed(HeapTuple row, TupleDesc desc);

/* How the table of keys was changed. */
typedef enum SessionKeystoreChange
{
	SESSION_KEYSTORE_ADDED,
	SESSION_KEYSTORE_CHANGED,
	SESSION_KEYSTORE_REMOVED
} SessionKeystoreChange;

/*
 * Notes a change of the table of keys, for its trigger.  When the transaction
 * commits, every backend drops its opened keys, and the commit is flushed.
 */
extern void session_keystore_changed(SessionKeystoreChange change);

/* Warns if one of the table's own triggers does not fire for every change. */
extern void session_keystore_check_triggers(void);

#endif							/* SESSION_KEYSTORE_H */
