/*
 * lineage.c
 *	  Sessions that were made of other sessions.
 *
 * Rules:
 * - No foreign key and no stored state says that a session ended with its
 *	 parent: each look at the session reads its parents by their ids.  So it
 *	 ends in the same instant, whether a statement, a deadline, a policy or a
 *	 DELETE has ended the parent.
 * - A refreshable parent is alive as long as it can be refreshed.  The tokens
 *	 of a parent do not matter, so a rotation ends nothing.
 * - A parent must still be of the user who made the session, and of the tenant
 *	 and role that the session has from it.  It must be older: another session
 *	 can get the id of one that was deleted, if the application chooses it.
 * - An administrator can write anything into parent_id.  A look reads at most
 *	 SESSION_GENERATIONS rows, and a session with more parents has ended, so a
 *	 circle is as good as no parent.
 * - An ordinary session has no parent and costs nothing here.
 */
#include "postgres.h"

#include "compat.h"
#include "engine/lineage.h"
#include "model/policy.h"

/*
 * Returns whether a session is still the one that another was made of: it is
 * older, and of the user who made the other.  That is the one who acts in it,
 * or its user, and then tenant and role are the same, too.
 */
static bool
is_maker(const SessionRow *parent, const SessionRow *child)
{
	if (parent->created_at > child->created_at)
		return false;
	if (child->actor_id != NULL)
		return session_policy_same_text(parent->user_id, child->actor_id);
	return session_policy_is_of_user(parent, child->user_id,
									 child->tenant_id) &&
		session_policy_same_text(parent->role, child->role);
}

/* Has a row judged by its own life alone. */
void
session_lineage_disregard(SessionRow *row)
{
	row->lineage.known = true;
	row->lineage.generation = 0;
	row->lineage.status = SESSION_ACTIVE;
	row->lineage.is_ours = false;
	row->lineage.end = DT_NOEND;
}

/* Lowers the level of a session to that of a parent. */
static void
lower_level(SessionRow *row, const SessionRow *parent)
{
	if (row->auth_level <= parent->auth_level)
		return;
	row->auth_level = parent->auth_level;
	row->amr = NULL;			/* which method remains is not known */
}

/* Sets the lineage of a new session of a parent. */
void
session_lineage_extend(SessionRow *row, const SessionRow *parent)
{
	session_lineage_disregard(row);
	row->lineage.generation = 1;
	if (parent->has_parent)
		row->lineage.generation += parent->lineage.generation;
	/* This is not after the end of the parent's own parents. */
	row->lineage.end = session_policy_end(parent);
}

/*
 * Reads the parent of a session, or of one that it was made of, and adds to
 * its lineage what that says.  Returns false if the parent is not alive.
 */
static bool
read_parent(SessionRow *row, const SessionRow *child, SessionRow *parent,
			TimestampTz now, SessionLineageSeen see)
{
	SessionLineage *lineage = &row->lineage;

	/* A session whose parent is gone or another counts as revoked. */
	lineage->status = SESSION_REVOKED;
	if (!session_store_read_without_data(&child->parent_id, parent) ||
		!is_maker(parent, child))
		return false;
	session_lineage_disregard(parent);
	see(parent, now);
	lineage->status = session_policy_life(parent, now);
	lineage->is_ours = parent->uncommitted &&
		parent->revoked_at != SESSION_NO_TIME;
	lineage->end = Min(lineage->end, session_policy_end(parent));
	lower_level(row, parent);
	return lineage->status == SESSION_ACTIVE;
}

/* Reads the sessions that a session was made of, and sets its lineage. */
void
session_lineage_look(SessionRow *row, TimestampTz now, SessionLineageSeen see)
{
	SessionRow	rows[2];
	const SessionRow *child = row;

	session_lineage_disregard(row);
	while (child->has_parent)
	{
		SessionRow *parent = &rows[row->lineage.generation % 2];

		if (row->lineage.generation++ == SESSION_GENERATIONS)
			row->lineage.status = SESSION_REVOKED;
		else if (read_parent(row, child, parent, now, see))
		{
			child = parent;
			continue;
		}
		break;
	}
}

/* Adds the sessions that were made of sessions in an array. */
void
session_lineage_add_descendants(SessionIds *ids)
{
	int			first = 0;

	if (!session_store_has_children())
		return;
	for (int i = 0; i < SESSION_GENERATIONS && first < ids->count; i++)
	{
		int			count = ids->count;

		session_store_add_children(ids, first);
		first = count;
	}
}

/* Adds the sessions that a session was made of. */
void
session_lineage_add_ancestors(SessionIds *ids, const SessionRow *row)
{
	SessionRow	rows[2];
	const SessionRow *child = row;

	for (int i = 0; i < SESSION_GENERATIONS && child->has_parent; i++)
	{
		session_store_add_id(ids, &child->parent_id);
		if (!session_store_read_without_data(&child->parent_id, &rows[i % 2]))
			break;
		child = &rows[i % 2];
	}
}

/* Returns whether a session was made of one with this id. */
bool
session_lineage_descends(const SessionRow *row, const pg_uuid_t *id)
{
	SessionIds	ids = {0};

	session_lineage_add_ancestors(&ids, row);
	for (int i = 0; i < ids.count; i++)
		if (memcmp(ids.ids[i].data, id->data, UUID_LEN) == 0)
			return true;
	return false;
}

/* Adds the rows to a list whose parent has an id, each before its children. */
static List *
add_family(List *sorted, List *children, const pg_uuid_t *parent_id, int depth)
{
	ListCell   *cell;

	if (depth > SESSION_GENERATIONS)
		return sorted;
	foreach(cell, children)
	{
		SessionRow *row = lfirst(cell);

		if (memcmp(row->parent_id.data, parent_id->data, UUID_LEN) != 0)
			continue;
		sorted = lappend(sorted, row);
		sorted = add_family(sorted, children, &row->id, depth + 1);
	}
	return sorted;
}

/* Returns whether a list has the row of the parent of a session. */
static bool
has_parent_of(List *rows, const SessionRow *child)
{
	ListCell   *cell;

	foreach(cell, rows)
		if (memcmp(((SessionRow *) lfirst(cell))->id.data,
				   child->parent_id.data, UUID_LEN) == 0)
		return true;
	return false;
}

/* Sorts rows of live sessions so that children come after their parents. */
List *
session_lineage_sort(List *rows)
{
	List	   *heads = NIL;
	List	   *children = NIL;
	List	   *sorted = NIL;
	ListCell   *cell;

	foreach(cell, rows)
	{
		SessionRow *row = lfirst(cell);

		if (row->has_parent && has_parent_of(rows, row))
			children = lappend(children, row);
		else
			heads = lappend(heads, row);
	}
	foreach(cell, heads)
	{
		SessionRow *row = lfirst(cell);

		sorted = lappend(sorted, row);
		sorted = add_family(sorted, children, &row->id, 1);
	}
	return sorted;
}

/* Notes a change for the live identities of a session's descendants. */
void
session_lineage_note_change(const pg_uuid_t *id)
{
	SessionIds	ids = {0};

	session_store_add_id(&ids, id);
	session_lineage_add_descendants(&ids);
	for (int i = 1; i < ids.count; i++)
		session_store_note_descendant(&ids.ids[i]);
	pfree(ids.ids);
}
