/*
 * clock.c
 *	  The clock of a server that a test sets, for test/faults/080_clock.pl.
 *
 * The server is started with this library in LD_PRELOAD.  The variable
 * FAULT_CLOCK names a file with a number of seconds, which is mapped into every
 * process and added to the time of day.  A clock that only measures is right.
 *
 * libfaketime does not do for this: PostgreSQL 15 starts workers in a signal
 * handler that interrupts select(), and libfaketime gives them the right time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead = NULL;

__attribute__((constructor))
static void
map_clock(void)
{
	const char *path = getenv("FAULT_CLOCK");
	int			file = path == NULL ? -1 : open(path, O_RDONLY);
	void	   *memory;

	if (file < 0)
		return;
	memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
	if (memory != MAP_FAILED)
		ahead = memory;
	close(file);
}

static int64_t
seconds_ahead(void)
{
	return ahead == NULL ? 0 : *ahead;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result = (int) syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && (clock == CLOCK_REALTIME ||
						clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += seconds_ahead();
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t * now)
{
	struct timespec precise;

	clock_gettime(CLOCK_REALTIME, &precise);
	if (now != NULL)
		*now = precise.tv_sec;
	return precise.tv_sec;
}
