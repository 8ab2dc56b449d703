/*
 * master.c
 *	  The master key, which is kept outside the database.
 *
 * Rules:
 * - The file contains 64 hexadecimal digits and a line break.  It is a plain
 *	 file, not a link, and belongs to the server's user.  No other user may
 *	 read it; the group may if it may read the data directory.
 * - The file is created at the first use, complete or not at all: it is
 *	 written under a temporary name with O_EXCL, flushed to disk, and linked
 *	 to its own name.  So of two backends only one creates it, and both then
 *	 read the same key.
 * - The file is not created on a standby, nor while something on the server
 *	 may be sealed with a key that is lost.  Three things tell whether
 *	 something is sealed:
 *	   for the current database, its witness (see keyring.c);
 *	   for other databases, shared memory, in which the workers note what each
 *	   database has after the server has started;
 *	   for the whole server, a marker file in the data directory.
 *	 Without preload, other databases have only the marker file, which
 *	 pg_upgrade does not copy.
 * - While the master key is replaced, there are two: the current key and the
 *	 new one, which is the file with ".new" after its name.  No file is created
 *	 while there is a new key.
 * - The output of a command is treated like the content of the file.  "%k" in
 *	 the command stands for the word "current" or "new", "%%" for a percent
 *	 sign.  A command without "%k" prints the current key only.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "common/file_perm.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "settings.h"
#include "shared/database.h"
#include "table/master.h"

#define DIGITS (2 * SESSION_MASTER_BYTES)

/* What was read.  One extra byte of room detects content that is too long. */
typedef struct Content
{
	char		bytes[DIGITS + 3];
	size_t		len;
} Content;

/* The marker file.  It is in the data directory; the key file need not be. */
#define MARK "session_master.sealed"
#define MARK_TEXT \
	"Keys of the extension \"session\" are sealed with the master key of this server.\n" \
	"While this file is here, no new master key is made when the old one is missing.\n"

/* How long to wait until the workers have checked every database. */
#define LAUNCHER_WAIT_MS 10000
#define LAUNCHER_LOOK_MS 50

/* Why the key could not be read; errno is set where the text has %m. */
typedef enum Fault
{
	FAULT_NONE,
	FAULT_ABSENT,				/* there is no file */
	FAULT_OPEN,
	FAULT_STAT,
	FAULT_EXPOSED,				/* accessible to others, or not a plain file */
	FAULT_READ,
	FAULT_RUN,					/* the command could not be started */
	FAULT_COMMAND,				/* the command failed */
	FAULT_PLACEHOLDER,			/* the command cannot print the new key */
	FAULT_FORM					/* the content is not a key */
} Fault;

/* Returns whether the key comes from a command. */
bool
session_master_is_command(void)
{
	return session_settings.master_key_command != NULL &&
		session_settings.master_key_command[0] != '\0';
}

/* Returns the name of the file of a key. */
const char *
session_master_path(SessionMasterPlace place)
{
	const char *path = session_settings.master_key_file;

	return place == SESSION_MASTER_CURRENT ? path : psprintf("%s.new", path);
}

/* Errors about the key file, or about the command if that is set. */
static pg_noinline void
refuse_master_key(SessionMasterPlace place, const char *problem,
				  const char *remedy)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 session_master_is_command() ?
			 errmsg("output of \"session.master_key_command\" %s",
					place == SESSION_MASTER_NEW ?
					psprintf("for the new key %s", problem) : problem) :
			 errmsg("master key file \"%s\" %s",
					session_master_path(place), problem),
			 errhint("%s", remedy)));
}

/* Errors because a value was sealed with another master key. */
void
session_master_mismatch(void)
{
	refuse_master_key(SESSION_MASTER_CURRENT,
					  "is not the master key that sealed the keys of this database",
					  "Put back the master key file of the server that the data came from; "
					  "a standby needs that of its primary.  If "
					  "session_master_key_rotate was called, that is the file with \".new\" "
					  "after its name.");
	pg_unreachable();
}

/* Errors because the new key is the current one. */
void
session_master_refuse_same(void)
{
	refuse_master_key(SESSION_MASTER_NEW, "is the same as the current master key",
					  "Generate another one with \"openssl rand -hex 32\".");
	pg_unreachable();
}

/* Raises the error of a fault. */
static void
report_fault(Fault fault, SessionMasterPlace place)
{
	int			problem = errno;
	const char *path = session_master_path(place);

	errno = problem;
	switch (fault)
	{
		case FAULT_NONE:
			break;
		case FAULT_ABSENT:
			refuse_master_key(place, "does not exist",
							  place == SESSION_MASTER_CURRENT ?
							  "Copy it from the server that the data came from; a "
							  "standby needs that of its primary." :
							  "Create it with \"openssl rand -hex 32\" and \"chmod 600\", "
							  "and copy it to the standbys.");
			break;
		case FAULT_OPEN:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("could not open master key file \"%s\": %m", path),
					 errhint("It must be a plain file, not a link, that the "
							 "server's user can read.")));
			break;
		case FAULT_STAT:
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat master key file \"%s\": %m",
							path)));
			break;
		case FAULT_EXPOSED:
			refuse_master_key(place, "must belong to the server's user and must not be "
							  "accessible to others",
							  "Run chown and \"chmod 600\" on it.");
			break;
		case FAULT_READ:
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read master key file \"%s\": %m", path)));
			break;
		case FAULT_RUN:
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not run \"session.master_key_command\": %m")));
			break;
		case FAULT_COMMAND:
			refuse_master_key(place, "is not available because the command failed",
							  "Run the command by hand as the server's user.");
			break;
		case FAULT_PLACEHOLDER:
			refuse_master_key(place, "is not available because the command has no \"%k\"",
							  "Let the command print the current or the new key.  "
							  "\"%k\" in it is replaced by the word \"current\" or "
							  "\"new\".");
			break;
		case FAULT_FORM:
			refuse_master_key(place, "does not contain 64 hexadecimal digits",
							  place == SESSION_MASTER_NEW ?
							  "Generate it with \"openssl rand -hex 32\"." :
							  "Restore it from a backup.  \"openssl rand -hex 32\" "
							  "creates a new key, but that opens nothing that was "
							  "sealed with the old one.");
			break;
	}
}

/* Decodes the key from what was read, and wipes the latter. */
static Fault
parse_master_key(uint8 key[SESSION_MASTER_BYTES], Content *content)
{
	char	   *bytes = content->bytes;
	size_t		len = content->len;
	bool		good;

	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	if (len > 0 && bytes[len - 1] == '\r')
		len--;
	good = len == DIGITS;
	for (size_t i = 0; good && i < DIGITS; i++)
		good = isxdigit((unsigned char) bytes[i]);
	if (good)
		hex_decode(bytes, DIGITS, (char *) key);
	session_crypto_wipe(content, sizeof(*content));
	return good ? FAULT_NONE : FAULT_FORM;
}

/*
 * Returns the command with its placeholders replaced.  NULL = it cannot print
 * this key.
 */
static char *
make_command(SessionMasterPlace place)
{
	StringInfoData command;
	bool		chooses = false;

	initStringInfo(&command);
	for (const char *c = session_settings.master_key_command; *c != '\0'; c++)
	{
		if (c[0] == '%' && c[1] == 'k')
		{
			appendStringInfoString(&command, place == SESSION_MASTER_NEW ?
								   "new" : "current");
			chooses = true;
			c++;
			continue;
		}
		if (c[0] == '%' && c[1] == '%')
			c++;
		appendStringInfoChar(&command, *c);
	}
	return chooses || place == SESSION_MASTER_CURRENT ? command.data : NULL;
}

/* Reads the output of the command. */
static Fault
read_command(Content *content, SessionMasterPlace place)
{
	char	   *command = make_command(place);
	FILE	   *pipe;

	if (command == NULL)
		return FAULT_PLACEHOLDER;
	pipe = OpenPipeStream(command, "r");
	if (pipe == NULL)
		return FAULT_RUN;
	/* A buffer of the stream would contain the key after it is closed. */
	setvbuf(pipe, NULL, _IONBF, 0);
	content->len = fread(content->bytes, 1, sizeof(content->bytes), pipe);
	if (ClosePipeStream(pipe) == 0)
		return FAULT_NONE;
	session_crypto_wipe(content, sizeof(*content));
	return FAULT_COMMAND;
}

/*
 * Returns whether a file is a plain one of the server's user and not
 * accessible to others.  The group may read it if it may read the data
 * directory.
 */
static bool
is_private(const struct stat *st)
{
	mode_t		refused = S_IRWXG | S_IRWXO;

	if ((data_directory_mode & S_IRGRP) != 0)
		refused &= ~S_IRGRP;
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
		(st->st_mode & refused) == 0;
}

static Fault
read_open_file(int fd, Content *content)
{
	struct stat st;
	ssize_t		len;

	if (fstat(fd, &st) < 0)
		return FAULT_STAT;
	if (!is_private(&st))
		return FAULT_EXPOSED;
	len = read(fd, content->bytes, sizeof(content->bytes));
	if (len < 0)
		return FAULT_READ;
	content->len = len;
	return FAULT_NONE;
}

static Fault
read_file(Content *content, SessionMasterPlace place)
{
	int			fd = OpenTransientFile(session_master_path(place),
									   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	Fault		fault;
	int			problem;

	if (fd < 0)
		return errno == ENOENT ? FAULT_ABSENT : FAULT_OPEN;
	fault = read_open_file(fd, content);
	problem = errno;
	CloseTransientFile(fd);
	errno = problem;
	return fault;
}

static Fault
read_key(uint8 key[SESSION_MASTER_BYTES], SessionMasterPlace place)
{
	Content		content;
	Fault		fault = session_master_is_command() ?
	read_command(&content, place) : read_file(&content, place);

	return fault == FAULT_NONE ? parse_master_key(key, &content) : fault;
}

/*
 * Creating the file
 */

/* Errors if something on the server may be sealed with a lost key. */
static void
check_nothing_sealed(void)
{
	struct stat st;
	Oid			elsewhere;
	char	   *name;

	if (stat(MARK, &st) == 0)
		refuse_master_key(SESSION_MASTER_CURRENT, "does not exist",
						  "Keys on this server are sealed with it.  Copy it from a backup. "
						  "If it is lost and no database needs it any more, remove \"" MARK
						  "\" from the data directory.");
	if (!session_database_is_shared() || !IsUnderPostmaster)
		return;
	for (int i = 0; i < LAUNCHER_WAIT_MS / LAUNCHER_LOOK_MS &&
		 !session_database_all_visited(); i++)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LAUNCHER_LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (!session_database_all_visited())
		refuse_master_key(SESSION_MASTER_CURRENT, "does not exist, and is not created before the workers have "
						  "checked every database",
						  "Workers do that after the server has started; see "
						  "\"workers\" in session.stats.  Or create the file with "
						  "\"openssl rand -hex 32\".");
	elsewhere = session_database_find_other_sealed();
	name = OidIsValid(elsewhere) ? get_database_name(elsewhere) : NULL;
	if (name != NULL)
		refuse_master_key(SESSION_MASTER_CURRENT, "does not exist",
						  psprintf("Keys of database \"%s\" are sealed with it.  Copy it "
								   "from the server that the data came from.", name));
}

/*
 * Generates a key and writes it to a new file.  Returns whether it is on disk.
 */
static bool
write_new_key(const char *path)
{
	uint8		key[SESSION_MASTER_BYTES];
	char		line[DIGITS + 1];
	int			fd;
	bool		done;

	if (!session_crypto_random(key, sizeof(key)))
		return false;
	hex_encode((const char *) key, sizeof(key), line);
	line[DIGITS] = '\n';
	fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
							   pg_file_create_mode);
	done = fd >= 0 &&
		write(fd, line, sizeof(line)) == sizeof(line) && pg_fsync(fd) == 0;
	if (fd >= 0)
		CloseTransientFile(fd);
	session_crypto_wipe(key, sizeof(key));
	session_crypto_wipe(line, sizeof(line));
	return done;
}

/* Creates the key file, unless another backend has. */
static void
make_key_file(void)
{
	const char *path = session_settings.master_key_file;
	char	   *fresh = psprintf("%s.%d", path, MyProcPid);
	char	   *directory;
	bool		made;
	int			problem;

	/* A crash may have left a file of an earlier attempt, which is unused. */
	(void) unlink(fresh);
	made = write_new_key(fresh) && (link(fresh, path) == 0 || errno == EEXIST);
	problem = errno;
	(void) unlink(fresh);
	errno = problem;
	if (!made)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not create master key file \"%s\": %m", path),
				 errhint("Let the server's user write to its directory, or set "
						 "\"session.master_key_file\".")));
	fsync_fname(path, false);
	directory = pstrdup(path);
	get_parent_directory(directory);
	fsync_fname(directory[0] == '\0' ? "." : directory, true);
}

/* Reads a master key. */
void
session_master_read(uint8 key[SESSION_MASTER_BYTES], SessionMasterPlace place)
{
	report_fault(read_key(key, place), place);
}

/*
 * Reads the master key for a database that has nothing sealed, and creates the
 * file if that is allowed.
 */
void
session_master_read_first(uint8 key[SESSION_MASTER_BYTES])
{
	Fault		fault = read_key(key, SESSION_MASTER_CURRENT);

	if (fault == FAULT_ABSENT)
	{
		/* The new key is about to be moved to the place of the current one. */
		Fault		new_fault = read_key(key, SESSION_MASTER_NEW);

		if (new_fault != FAULT_ABSENT)
		{
			report_fault(new_fault, SESSION_MASTER_NEW);
			return;
		}
	}
	if (fault == FAULT_ABSENT && !RecoveryInProgress())
	{
		check_nothing_sealed();
		make_key_file();
		ereport(LOG,
				(errmsg("created master key file \"%s\"",
						session_settings.master_key_file)));
		fault = read_key(key, SESSION_MASTER_CURRENT);
	}
	report_fault(fault, SESSION_MASTER_CURRENT);
}

/* Reads a master key without raising an error. */
SessionMasterState
session_master_try(uint8 key[SESSION_MASTER_BYTES], SessionMasterPlace place)
{
	switch (read_key(key, place))
	{
		case FAULT_NONE:
			return SESSION_MASTER_OK;
		case FAULT_ABSENT:
		case FAULT_RUN:
		case FAULT_COMMAND:
		case FAULT_PLACEHOLDER:
			return SESSION_MASTER_MISSING;
		default:
			return SESSION_MASTER_WRONG;
	}
}

/* Warns that a database begins to use a key that is about to be replaced. */
void
session_master_warn_begun(const uint8 current[SESSION_MASTER_BYTES])
{
	uint8		fresh[SESSION_MASTER_BYTES];

	/* A command may have a new key ready at all times. */
	if (!session_master_is_command() &&
		session_master_try(fresh, SESSION_MASTER_NEW) == SESSION_MASTER_OK &&
		!session_crypto_equal(fresh, current, sizeof(fresh)))
		ereport(WARNING,
				(errmsg("database \"%s\" begins with the current master key, but "
						"there is a new one",
						get_database_name(MyDatabaseId)),
				 errhint("Call session_master_key_rotate() in this database, "
						 "too, before you move \"%s\".",
						 session_master_path(SESSION_MASTER_NEW))));
	session_crypto_wipe(fresh, sizeof(fresh));
}

/*
 * Writes the marker file.  A failure is only logged: the marker matters only
 * if the key is lost later.
 */
void
session_master_mark(void)
{
	static const char text[] = MARK_TEXT;
	struct stat st;
	int			fd;

	if (RecoveryInProgress() || stat(MARK, &st) == 0)
		return;
	fd = OpenTransientFile(MARK, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);
	if (fd < 0 && errno == EEXIST)
		return;
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text) ||
		pg_fsync(fd) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", MARK)));
	if (fd >= 0)
		CloseTransientFile(fd);
	fsync_fname(".", true);
}

/* Warns that the master key of this database is missing or wrong. */
void
session_master_warn(SessionMasterState state)
{
	const char *path = session_settings.master_key_file;
	const char *name = get_database_name(MyDatabaseId);

	if (state == SESSION_MASTER_MISSING)
		ereport(WARNING,
				(errmsg("master key file \"%s\" does not exist, but keys of "
						"database \"%s\" are sealed with it", path, name),
				 errhint("Copy it from the server that the data came from, for "
						 "instance from the old data directory after "
						 "pg_upgrade.")));
	if (state == SESSION_MASTER_WRONG)
		ereport(WARNING,
				(errmsg("master key file \"%s\" does not open the keys of "
						"database \"%s\"", path, name),
				 errhint("Put back the file of the server that the data came "
						 "from.")));
}
