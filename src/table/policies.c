/*
 * policies.c
 *	  The only access to session.policies: rules for all sessions, or
 *	  those of a tenant, a role or both.
 *
 * Rules:
 * - A backend reads the table once and keeps what it says in a hash by tenant
 *	 and role.  When a change of the table commits, its trigger makes every
 *	 backend, also those of a standby, read it again, through the relcache.  A
 *	 rollback, also to a savepoint, does the same in the backend that has made
 *	 the change.
 * - Messages about changes are taken in at every lookup, so one that begins
 *	 after a commit sees what was committed.
 * - The trigger also has that commit flushed, so that a crash brings back no
 *	 session that was ended.
 * - The fingerprint covers every value of every row.  A snapshot names the
 *	 fingerprint from before its row was read (see cookie/snapshot.c).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "model/digest.h"
#include "model/policy.h"
#include "settings.h"
#include "shared/stamp.h"
#include "table/policies.h"
#include "table/table.h"
#include "wire/base64url.h"

StaticAssertDecl(SESSION_BASE64URL_CHARS(SESSION_FINGERPRINT_BYTES) ==
				 SESSION_FINGERPRINT_CHARS,
				 "the characters of a fingerprint hold its bytes");

/* Columns of session.policies. */
enum
{
	COL_ID,
	COL_TENANT_ID,
	COL_ROLE,
	COL_LIFETIME,
	COL_IDLE_TIMEOUT,
	COL_MAX_SESSIONS,
	COL_BIND_IP,
	COL_BIND_USER_AGENT,
	COL_VALID_AFTER,
	N_COLUMNS
};

static const SessionColumn columns[N_COLUMNS] = {
	[COL_ID] = {"id", UUIDOID, true},
	[COL_TENANT_ID] = {"tenant_id", TEXTOID, false},
	[COL_ROLE] = {"role", TEXTOID, false},
	[COL_LIFETIME] = {"lifetime", INTERVALOID, false},
	[COL_IDLE_TIMEOUT] = {"idle_timeout", INTERVALOID, false},
	[COL_MAX_SESSIONS] = {"max_sessions", INT4OID, false},
	[COL_BIND_IP] = {"bind_ip", TEXTOID, false},
	[COL_BIND_USER_AGENT] = {"bind_user_agent", BOOLOID, false},
	[COL_VALID_AFTER] = {"valid_after", TIMESTAMPTZOID, false},
};

enum
{
	BY_SCOPE
};

static const SessionIndex indexes[] = {
	[BY_SCOPE] = {BTREE_AM_OID, 2, {COL_TENANT_ID, COL_ROLE},.unique = true},
};

static const char *const triggers[] = {
	"policies_changed", "policies_emptied", NULL
};

static SessionTable policies = {
	.name = "policies",
	.triggers = triggers,
	.ncolumns = lengthof(columns),
	.columns = columns,
	.nindexes = lengthof(indexes),
	.needed = indexes,
	.durable = true
};

static SessionStatement set_statement = {
	.table = &policies,
	.sql = "INSERT INTO session.policies (tenant_id, role, lifetime,"
	" idle_timeout, max_sessions, bind_ip, bind_user_agent)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT (tenant_id, role) DO UPDATE SET"
	" lifetime = EXCLUDED.lifetime, idle_timeout = EXCLUDED.idle_timeout,"
	" max_sessions = EXCLUDED.max_sessions, bind_ip = EXCLUDED.bind_ip,"
	" bind_user_agent = EXCLUDED.bind_user_agent",
	.types = {TEXTOID, TEXTOID, INTERVALOID, INTERVALOID, INT4OID, TEXTOID,
	BOOLOID}
};

#define NEXT_SECOND(at) "pg_catalog.date_trunc('second', " at ")" \
	" OPERATOR(pg_catalog.+) INTERVAL '1 second'"

/*
 * A time that the caller chooses does not move the row's back.
 *
 * The clock is read when the row is locked, not before the wait for it.  What
 * was made after earlier calls is older than the new time too, although it may
 * look newer than the clock: after a call, a cookie has an iat of the next
 * second, and later ones if the clock was set back.  That holds for calls for
 * a tenant and for all sessions.
 */
static SessionStatement cut_statement = {
	.table = &policies,
	.sql = "INSERT INTO session.policies AS p (tenant_id, valid_after)"
	" SELECT $1, COALESCE($2, GREATEST(pg_catalog.clock_timestamp(), "
	NEXT_SECOND("pg_catalog.max(o.valid_after)") "))"
	" FROM ONLY session.policies o WHERE $1 IS NULL OR o.tenant_id IS NULL"
	" OR o.tenant_id OPERATOR(pg_catalog.=) $1"
	" ON CONFLICT (tenant_id, role) DO UPDATE SET valid_after ="
	" CASE WHEN $2 IS NULL"
	" THEN GREATEST(pg_catalog.clock_timestamp(), EXCLUDED.valid_after, "
	NEXT_SECOND("p.valid_after") ")"
	" ELSE GREATEST($2, p.valid_after) END",
	.types = {TEXTOID, TIMESTAMPTZOID}
};

#define OF_SCOPE " WHERE tenant_id IS NOT DISTINCT FROM $1" \
	" AND role IS NOT DISTINCT FROM $2"

#define SAYS_SOMETHING " AND (lifetime IS NOT NULL" \
	" OR idle_timeout IS NOT NULL OR max_sessions IS NOT NULL" \
	" OR bind_ip IS NOT NULL OR bind_user_agent IS NOT NULL)"

/*
 * First the row is deleted if it has no valid_after, and otherwise it is
 * cleared.  A valid_after that is committed in between is kept.
 */
static SessionStatement delete_statement = {
	.table = &policies,
	.sql = "DELETE FROM ONLY session.policies" OF_SCOPE SAYS_SOMETHING
	" AND valid_after IS NULL",
	.types = {TEXTOID, TEXTOID}
};

static SessionStatement clear_statement = {
	.table = &policies,
	.sql = "UPDATE ONLY session.policies SET lifetime = NULL,"
	" idle_timeout = NULL, max_sessions = NULL, bind_ip = NULL,"
	" bind_user_agent = NULL" OF_SCOPE SAYS_SOMETHING,
	.types = {TEXTOID, TEXTOID}
};

/* A row of the table. */
typedef struct Policy
{
	text	   *tenant_id;		/* NULL = of all tenants and of none */
	text	   *role;			/* NULL = of all roles and of none */
	SessionRules rules;
} Policy;

/* A place for a row in a hash with linear probing; free without a row. */
typedef struct Slot
{
	uint64		hash;			/* of the tenant and the role */
	const Policy *policy;
} Slot;

/* All rows, as they were read. */
typedef struct Policies
{
	MemoryContext memory;		/* holds everything below */
	List	   *rows;			/* of Policy */
	Slot	   *slots;
	uint32		mask;			/* number of slots - 1 */
	int			breadths;		/* of rows that there are; see breadth_of */
	/* Empty if there are no rows. */
	char		fingerprint[SESSION_FINGERPRINT_CHARS + 1];
} Policies;

static Policies *cached = NULL;

/* Set by the invalidation callback, which must not free memory itself. */
static bool policies_stale = false;

/*
 * The cache
 */

/*
 * Marks what was read as stale when the table changes.  Sessions may be over
 * since.
 */
static void
invalidate_policies(Oid relid)
{
	if (!OidIsValid(relid) || relid == policies.relid ||
		!OidIsValid(policies.relid))
	{
		policies_stale = true;
		session_stamp_note_here();
	}
}

static const char *const bind_ip_names[] = {
	[SESSION_BIND_OFF] = "off",
	[SESSION_BIND_SUBNET] = "subnet",
	[SESSION_BIND_EXACT] = "exact",
};

/* Returns the value of a SessionBindIp by its name; -1 for any other name. */
int
session_policies_bind_ip(const text *name)
{
	size_t		len = VARSIZE_ANY_EXHDR(name);

	for (int i = 0; i < (int) lengthof(bind_ip_names); i++)
		if (len == strlen(bind_ip_names[i]) &&
			memcmp(VARDATA_ANY(name), bind_ip_names[i], len) == 0)
			return i;
	return -1;
}

/* Returns the name of a SessionBindIp. */
const char *
session_policies_bind_ip_name(int value)
{
	return bind_ip_names[value];
}

/* Returns an interval in microseconds; 0 if it is too long to ever end. */
static int64
read_length(Datum interval)
{
	int64		usecs;

	return session_policy_usecs(&usecs, DatumGetIntervalP(interval)) ? usecs : 0;
}

/* Sets what a row says from its values. */
static void
read_rules(SessionRules *rules, const Datum *values, const bool *nulls)
{
	if (!nulls[COL_LIFETIME])
	{
		rules->says |= SESSION_RULE_LIFETIME;
		rules->lifetime = read_length(values[COL_LIFETIME]);
	}
	if (!nulls[COL_IDLE_TIMEOUT])
	{
		rules->says |= SESSION_RULE_IDLE_TIMEOUT;
		rules->idle_timeout = read_length(values[COL_IDLE_TIMEOUT]);
	}
	if (!nulls[COL_MAX_SESSIONS])
	{
		rules->says |= SESSION_RULE_MAX_SESSIONS;
		rules->max_sessions = DatumGetInt32(values[COL_MAX_SESSIONS]);
	}
	if (!nulls[COL_BIND_IP])
	{
		rules->says |= SESSION_RULE_BIND_IP;
		rules->bind_ip =
			session_policies_bind_ip(DatumGetTextPP(values[COL_BIND_IP]));
	}
	if (!nulls[COL_BIND_USER_AGENT])
	{
		rules->says |= SESSION_RULE_BIND_USER_AGENT;
		rules->bind_user_agent = DatumGetBool(values[COL_BIND_USER_AGENT]);
	}
	if (!nulls[COL_VALID_AFTER])
	{
		rules->says |= SESSION_RULE_VALID_AFTER;
		rules->valid_after = DatumGetTimestampTz(values[COL_VALID_AFTER]);
	}
}

/* Returns a copy of a text, NULL for SQL NULL. */
static text *
copy_name(Datum value, bool null)
{
	return null ? NULL : DatumGetTextPCopy(value);
}

/* Appends a text to what the fingerprint is made of; NULL has a length. */
static void
append_name(StringInfo content, const text *name)
{
	int			len = name == NULL ? -1 : (int) VARSIZE_ANY_EXHDR(name);

	appendBinaryStringInfo(content, (char *) &len, sizeof(len));
	if (name != NULL)
		appendBinaryStringInfo(content, VARDATA_ANY(name), len);
}

/* Appends a row to what the fingerprint is made of. */
static void
append_policy(StringInfo content, const Policy *policy)
{
	const SessionRules *rules = &policy->rules;
	int64		numbers[] = {
		rules->says, rules->lifetime, rules->idle_timeout,
		rules->max_sessions, rules->bind_ip, rules->bind_user_agent,
		rules->valid_after
	};

	append_name(content, policy->tenant_id);
	append_name(content, policy->role);
	appendBinaryStringInfo(content, (char *) numbers, sizeof(numbers));
}

/* Reads all rows, in the order of tenants and roles. */
static void
read_policies(Policies *read, StringInfo content)
{
	Relation	rel = session_table_open(&policies, AccessShareLock);
	SessionTableScan scan;

	session_table_begin(&scan, rel, policies.indexes[BY_SCOPE], NULL);
	while (session_table_next(&scan))
	{
		Datum		values[N_COLUMNS];
		bool		nulls[N_COLUMNS];
		HeapTuple	tuple = session_table_deform(&policies, scan.slot, values,
												 nulls);
		MemoryContext caller = MemoryContextSwitchTo(read->memory);
		Policy	   *policy = palloc0_object(Policy);

		policy->tenant_id = copy_name(values[COL_TENANT_ID],
									  nulls[COL_TENANT_ID]);
		policy->role = copy_name(values[COL_ROLE], nulls[COL_ROLE]);
		read_rules(&policy->rules, values, nulls);
		read->rows = lappend(read->rows, policy);
		MemoryContextSwitchTo(caller);
		append_policy(content, policy);
		heap_freetuple(tuple);
	}
	session_table_end(&scan);
	table_close(rel, AccessShareLock);
}

/* Returns the hash of a tenant or a role, 0 for NULL. */
static uint64
hash_name(const text *name, uint64 seed)
{
	return name == NULL ? 0 :
		hash_bytes_extended((const unsigned char *) VARDATA_ANY(name),
							VARSIZE_ANY_EXHDR(name), seed);
}

/* A tenant and a role, either of which may be NULL, and their hashes. */
typedef struct Scope
{
	const text *tenant_id;
	const text *role;
	uint64		tenant_hash;
	uint64		role_hash;
} Scope;

/* Returns the scope of a tenant and a role. */
static Scope
make_scope(const text *tenant_id, const text *role)
{
	Scope		scope = {
		.tenant_id = tenant_id,
		.role = role,
		.tenant_hash = hash_name(tenant_id, 1),
		.role_hash = hash_name(role, 2)
	};

	return scope;
}

/* Returns the bit that says whether a scope has a tenant and a role. */
static int
breadth_of(const text *tenant_id, const text *role)
{
	return 1 << ((tenant_id != NULL ? 2 : 0) + (role != NULL ? 1 : 0));
}

/* Puts the rows into slots, half of which stay free. */
static void
fill_slots(Policies *all)
{
	uint32		count = pg_nextpower2_32(Max(1, list_length(all->rows)) * 2);
	ListCell   *cell;

	all->slots = MemoryContextAllocHuge(all->memory, count * sizeof(Slot));
	memset(all->slots, 0, count * sizeof(Slot));
	all->mask = count - 1;
	foreach(cell, all->rows)
	{
		Policy	   *policy = lfirst(cell);
		Scope		scope = make_scope(policy->tenant_id, policy->role);
		uint64		hash = scope.tenant_hash ^ scope.role_hash;
		uint32		n = hash & all->mask;

		while (all->slots[n].policy != NULL)
			n = (n + 1) & all->mask;
		all->slots[n].hash = hash;
		all->slots[n].policy = policy;
		all->breadths |= breadth_of(policy->tenant_id, policy->role);
	}
}

/* Computes the fingerprint of what was read. */
static void
set_fingerprint(Policies *all, const StringInfoData *content)
{
	uint8		hash[SESSION_SHA256_BYTES];

	session_digest_sha256(hash, content->data, content->len);
	session_base64url_encode(all->fingerprint, hash,
							 SESSION_FINGERPRINT_BYTES);
	all->fingerprint[SESSION_FINGERPRINT_CHARS] = '\0';
}

/* Reads the table.  The result is freed with the caller's memory. */
static Policies *
load_policies(void)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext,
												 "session policies",
												 ALLOCSET_SMALL_SIZES);
	Policies   *read = MemoryContextAllocZero(memory, sizeof(Policies));
	StringInfoData content;

	read->memory = memory;
	initStringInfo(&content);
	read_policies(read, &content);
	if (read->rows != NIL)
	{
		fill_slots(read);
		set_fingerprint(read, &content);
	}
	pfree(content.data);
	return read;
}

/*
 * Returns all rows, by what is committed now and what this transaction has
 * done.  A change that is committed during the load makes it stale at once.
 */
static const Policies *
current_policies(void)
{
	static bool watching = false;

	if (!watching)
		session_table_watch(invalidate_policies);
	watching = true;
	AcceptInvalidationMessages();
	if (cached != NULL && policies_stale)
	{
		MemoryContextDelete(cached->memory);
		cached = NULL;
	}
	if (cached == NULL)
	{
		Policies   *read;

		policies_stale = false;
		read = load_policies();
		MemoryContextSetParent(read->memory, TopMemoryContext);
		cached = read;
	}
	return cached;
}

/*
 * Looking up
 */

/*
 * Adds what the row of the scope says, if there is one.  With any_tenant, the
 * row is the one without a tenant, and with any_role the one without a role.
 * There may be several rows if an administrator has replaced the unique index.
 */
static void
add_policy(SessionRules *rules, const Policies *all, const Scope *scope,
		   bool any_tenant, bool any_role)
{
	const text *tenant_id = any_tenant ? NULL : scope->tenant_id;
	const text *role = any_role ? NULL : scope->role;
	uint64		hash = (any_tenant ? 0 : scope->tenant_hash) ^
	(any_role ? 0 : scope->role_hash);
	const Policy *policy;

	if ((all->breadths & breadth_of(tenant_id, role)) == 0)
		return;
	for (uint32 n = hash & all->mask; (policy = all->slots[n].policy) != NULL;
		 n = (n + 1) & all->mask)
		if (all->slots[n].hash == hash &&
			session_policy_same_text(policy->tenant_id, tenant_id) &&
			session_policy_same_text(policy->role, role))
			session_policy_add_rules(rules, &policy->rules);
}

/* Sets the rules that apply to sessions of a tenant and a role. */
void
session_policies_find(SessionRules *rules, const text *tenant_id,
					  const text *role)
{
	const Policies *all = current_policies();
	Scope		scope;

	memset(rules, 0, sizeof(*rules));
	if (all->rows == NIL)
		return;
	scope = make_scope(tenant_id, role);
	if (tenant_id != NULL && role != NULL)
		add_policy(rules, all, &scope, false, false);
	if (tenant_id != NULL)
		add_policy(rules, all, &scope, false, true);
	if (role != NULL)
		add_policy(rules, all, &scope, true, false);
	add_policy(rules, all, &scope, true, true);
}

/* Returns the fingerprint of the whole table. */
const char *
session_policies_fingerprint(void)
{
	return current_policies()->fingerprint;
}

/*
 * Changing
 */

/* Sets a parameter to a tenant or a role, or to SQL NULL. */
static void
put_scope(Datum *value, char *null, const text *name)
{
	*value = PointerGetDatum(name);
	*null = name == NULL ? 'n' : ' ';
}

/* Sets a parameter to an interval, or to SQL NULL. */
static void
put_interval(Datum *value, char *null, bool says, int64 usecs)
{
	Interval   *interval = palloc_object(Interval);

	session_policy_interval(interval, usecs);
	*value = IntervalPGetDatum(interval);
	*null = says ? ' ' : 'n';
}

/* Sets what the row of a tenant and a role says, except valid_after. */
void
session_policies_set(const text *tenant_id, const text *role,
					 const SessionRules *rules)
{
	uint64		noted = policies.changes_noted;
	Datum		values[7];
	char		nulls[7];

	put_scope(&values[0], &nulls[0], tenant_id);
	put_scope(&values[1], &nulls[1], role);
	put_interval(&values[2], &nulls[2],
				 (rules->says & SESSION_RULE_LIFETIME) != 0, rules->lifetime);
	put_interval(&values[3], &nulls[3],
				 (rules->says & SESSION_RULE_IDLE_TIMEOUT) != 0,
				 rules->idle_timeout);
	values[4] = Int32GetDatum(rules->max_sessions);
	nulls[4] = (rules->says & SESSION_RULE_MAX_SESSIONS) != 0 ? ' ' : 'n';
	values[5] = CStringGetTextDatum(session_policies_bind_ip_name(rules->bind_ip));
	nulls[5] = (rules->says & SESSION_RULE_BIND_IP) != 0 ? ' ' : 'n';
	values[6] = BoolGetDatum(rules->bind_user_agent);
	nulls[6] = (rules->says & SESSION_RULE_BIND_USER_AGENT) != 0 ? ' ' : 'n';
	session_table_expect(&policies,
						 session_table_execute(&set_statement, values, nulls),
						 1);
	session_table_expect_noted(&policies, noted, 1);
}

/* Sets what the row of exactly a tenant and a role says now. */
static void
read_now(SessionRules *rules, const text *tenant_id, const text *role)
{
	const Policies *all = current_policies();
	Scope		scope = make_scope(tenant_id, role);

	memset(rules, 0, sizeof(*rules));
	if (all->rows != NIL)
		add_policy(rules, all, &scope, tenant_id == NULL, role == NULL);
}

/* Clears what a row says, except valid_after. */
bool
session_policies_clear(const text *tenant_id, const text *role)
{
	uint64		noted = policies.changes_noted;
	uint64		cleared;
	SessionRules rules;
	Datum		values[2];
	char		nulls[2];

	put_scope(&values[0], &nulls[0], tenant_id);
	put_scope(&values[1], &nulls[1], role);
	cleared = session_table_execute(&delete_statement, values, nulls);
	if (cleared == 0)
		cleared = session_table_execute(&clear_statement, values, nulls);
	read_now(&rules, tenant_id, role);
	if (cleared == 0 && (rules.says & ~SESSION_RULE_VALID_AFTER) == 0)
		return false;
	session_table_expect(&policies, cleared, 1);
	session_table_expect_noted(&policies, noted, 1);
	return true;
}

/* Moves valid_after in the row of a tenant, or in the row of all sessions. */
TimestampTz
session_policies_cut(const text *tenant_id, TimestampTz valid_after)
{
	uint64		noted = policies.changes_noted;
	SessionRules rules;
	Datum		values[2];
	char		nulls[2];

	put_scope(&values[0], &nulls[0], tenant_id);
	values[1] = TimestampTzGetDatum(valid_after);
	nulls[1] = valid_after == SESSION_NO_TIME ? 'n' : ' ';
	session_table_expect(&policies,
						 session_table_execute(&cut_statement, values, nulls),
						 1);
	session_table_expect_noted(&policies, noted, 1);
	read_now(&rules, tenant_id, NULL);
	if ((rules.says & SESSION_RULE_VALID_AFTER) == 0)
		session_table_expect(&policies, 0, 1);
	return rules.valid_after;
}

/* Warns if one of the table's triggers does not fire for every change. */
void
session_policies_check_triggers(void)
{
	session_table_check_triggers(&policies);
}

/* Notes that the running transaction has changed the table. */
void
session_policies_note_change(void)
{
	Relation	rel = session_table_open(&policies, AccessShareLock);

	CacheInvalidateRelcache(rel);
	table_close(rel, AccessShareLock);
	session_table_flush_commit(&policies);
	policies.changes_noted++;
}
