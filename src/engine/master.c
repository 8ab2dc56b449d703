/*
 * master.c
 *	  The master key, which lives outside the database.
 *
 * Rules: the file holds 64 hexadecimal digits and a line break, is a plain
 * file of the server's own user, and nobody else may read it.  It is made at
 * first use, complete or not at all: written under another name that must not
 * exist (O_EXCL), forced to disk, and linked to its own name, so of two
 * backends one makes it and both then read the same.  A standby never makes
 * one.  A command's output is taken as the file's content would be.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "compat.h"
#include "crypto/crypto.h"
#include "engine/master.h"
#include "settings.h"

#define DIGITS (2 * SESSION_MASTER_BYTES)

/* What was read, whatever it was; one byte more tells too long from right. */
typedef struct Content
{
	char		bytes[DIGITS + 3];
	size_t		len;
} Content;

static bool
uses_command(void)
{
	return session_settings.master_key_command != NULL &&
		session_settings.master_key_command[0] != '\0';
}

static pg_noinline void
refuse(const char *problem, const char *remedy)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 uses_command() ?
			 errmsg("output of \"session.master_key_command\" %s", problem) :
			 errmsg("master key file \"%s\" %s",
					session_settings.master_key_file, problem),
			 errhint("%s", remedy)));
}

void
session_master_mismatch(void)
{
	refuse("is not the master key that the database was used with",
		   "Put back the master key file of the server the data came from; "
		   "a standby needs that of its primary.");
	pg_unreachable();
}

/* Turns what was read into the key. */
static void
parse(uint8 key[SESSION_MASTER_BYTES], Content *content)
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
	if (!good)
		refuse("does not hold 64 hexadecimal digits",
			   "Restore it from a backup; a new one is made with "
			   "\"openssl rand -hex 32\", but opens nothing that was sealed "
			   "with the old one.");
}

static void
read_command(Content *content)
{
	FILE	   *pipe = OpenPipeStream(session_settings.master_key_command, "r");
	int			status;

	if (pipe == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not run \"session.master_key_command\": %m")));
	/* A buffer of the stream would keep the key after it is closed. */
	setvbuf(pipe, NULL, _IONBF, 0);
	content->len = fread(content->bytes, 1, sizeof(content->bytes), pipe);
	status = ClosePipeStream(pipe);
	if (status != 0)
	{
		session_crypto_wipe(content, sizeof(*content));
		refuse("could not be had: the command failed",
			   "Run the command by hand as the user of the server.");
	}
}

/* False when there is no such file. */
static bool
read_file(Content *content)
{
	const char *path = session_settings.master_key_file;
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	struct stat st;
	ssize_t		len;

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not open master key file \"%s\": %m", path),
				 errhint("It must be a plain file, not a link, that the user of "
						 "the server can read.")));
	if (fstat(fd, &st) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not look at master key file \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		(st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		refuse("must belong to the user of the server and be closed to others",
			   "Make it so with chown and \"chmod 600\".");
	len = read(fd, content->bytes, sizeof(content->bytes));
	if (len < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read master key file \"%s\": %m", path)));
	content->len = len;
	CloseTransientFile(fd);
	return true;
}

/* Writes a new key under a name of our own; true when it is on disk. */
static bool
write_new(const char *path)
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
							   S_IRUSR | S_IWUSR);
	done = fd >= 0 &&
		write(fd, line, sizeof(line)) == sizeof(line) && pg_fsync(fd) == 0;
	if (fd >= 0)
		CloseTransientFile(fd);
	session_crypto_wipe(key, sizeof(key));
	session_crypto_wipe(line, sizeof(line));
	return done;
}

static void
make_file(void)
{
	const char *path = session_settings.master_key_file;
	char	   *fresh = psprintf("%s.%d", path, MyProcPid);
	char	   *directory;
	bool		made;
	int			problem;

	/* What a crash left of an earlier attempt is nobody's key. */
	(void) unlink(fresh);
	made = write_new(fresh) && (link(fresh, path) == 0 || errno == EEXIST);
	problem = errno;
	(void) unlink(fresh);
	errno = problem;
	if (!made)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not make master key file \"%s\": %m", path),
				 errhint("The user of the server must be able to write to its "
						 "directory, or set \"session.master_key_file\".")));
	fsync_fname(path, false);
	directory = pstrdup(path);
	get_parent_directory(directory);
	fsync_fname(directory[0] == '\0' ? "." : directory, true);
}

void
session_master_read(uint8 key[SESSION_MASTER_BYTES], bool may_make)
{
	Content		content;

	if (uses_command())
		read_command(&content);
	else if (!read_file(&content))
	{
		if (!may_make || RecoveryInProgress())
			refuse("does not exist",
				   "Copy it from the server the data came from; a standby "
				   "needs that of its primary.");
		make_file();
		ereport(LOG,
				(errmsg("made master key file \"%s\"",
						session_settings.master_key_file)));
		if (!read_file(&content))
			elog(ERROR, "master key file vanished");
	}
	parse(key, &content);
}
