/*
 * A TCP proxy that delays what it forwards.
 *
 *		delay MICROSECONDS PORT...
 *
 * For each port it listens on another one of 127.0.0.1, and prints its number.
 * Every byte is forwarded that time after it has arrived, in both directions,
 * however many are on their way: a link with a latency and without a limit of
 * its rate. It runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS 4
#define MAX_LINKS 1024

/* Bytes that were read together, and when they are due. */
typedef struct Chunk
{
	struct Chunk *next;
	uint64_t	due;
	size_t		size;
	char		bytes[];
}			Chunk;

/* One direction of a connection. */
typedef struct Link
{
	int			from;
	int			to;
	Chunk	   *first;
	Chunk	  **last;
}			Link;

static int	listeners[MAX_PORTS];
static int	targets[MAX_PORTS];
static int	port_count;
static Link links[MAX_LINKS];
static int	link_count;
static uint64_t delay;

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* Listens on a free port and prints it. */
static int
listen_for(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t	size = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) != 0 ||
		listen(fd, 128) != 0 || getsockname(fd, (struct sockaddr *) &address, &size) != 0)
		fail("listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void
add_link(int from, int to)
{
	int			on = 1;
	Link	   *link = &links[link_count++];

	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*link = (Link)
	{
		.from = from,.to = to
	};
	link->last = &link->first;
}

static void
accept_on(int i)
{
	struct sockaddr_in address = loopback(targets[i]);
	int			client = accept(listeners[i], NULL, NULL);
	int			server = socket(AF_INET, SOCK_STREAM, 0);

	if (client < 0 || server < 0 || link_count + 2 > MAX_LINKS ||
		connect(server, (struct sockaddr *) &address, sizeof(address)) != 0)
		fail("accept");
	add_link(client, server);
	add_link(server, client);
}

/* Links are in pairs. When one end is closed, so is the other. */
static void
close_pair(int i)
{
	for (int j = i & ~1; j <= (i | 1); j++)
	{
		close(links[j].from);
		links[j].from = -1;
		while (links[j].first)
		{
			Chunk	   *chunk = links[j].first;

			links[j].first = chunk->next;
			free(chunk);
		}
	}
}

static void
read_from(int i)
{
	static char bytes[65536];
	Link	   *link = &links[i];
	ssize_t		n = recv(link->from, bytes, sizeof(bytes), 0);
	Chunk	   *chunk;

	if (n <= 0)
	{
		close_pair(i);
		return;
	}
	chunk = malloc(sizeof(Chunk) + n);
	if (!chunk)
		fail("malloc");
	chunk->next = NULL;
	chunk->due = now() + delay;
	chunk->size = n;
	memcpy(chunk->bytes, bytes, n);
	*link->last = chunk;
	link->last = &chunk->next;
}

/* Forwards what is due. */
static void
write_to(int i)
{
	Link	   *link = &links[i];

	while (link->first && link->first->due <= now())
	{
		Chunk	   *chunk = link->first;

		if (send(link->to, chunk->bytes, chunk->size, MSG_NOSIGNAL) != (ssize_t) chunk->size)
		{
			close_pair(i);
			return;
		}
		link->first = chunk->next;
		if (!link->first)
			link->last = &link->first;
		free(chunk);
	}
}

/* Waits for bytes, or until the first are due. */
static void
wait_for(struct pollfd *wait)
{
	struct timespec timeout;
	uint64_t	due = UINT64_MAX;
	uint64_t	at = now();

	for (int i = 0; i < port_count; i++)
		wait[i] = (struct pollfd)
	{
		.fd = listeners[i],.events = POLLIN
	};
	for (int i = 0; i < link_count; i++)
	{
		wait[port_count + i] = (struct pollfd)
		{
			.fd = links[i].from,.events = POLLIN
		};
		if (links[i].first && links[i].first->due < due)
			due = links[i].first->due;
	}
	due = due <= at ? 0 : due - at;
	timeout.tv_sec = due / 1000000000;
	timeout.tv_nsec = due % 1000000000;
	ppoll(wait, port_count + link_count, due > 3600000000000 ? NULL : &timeout, NULL);
}

int
main(int argc, char **argv)
{
	static struct pollfd wait[MAX_PORTS + MAX_LINKS];

	if (argc < 3 || argc > 2 + MAX_PORTS)
	{
		fprintf(stderr, "usage: delay MICROSECONDS PORT...\n");
		return 1;
	}
	/* By default, Linux lets a timer be late by 50 microseconds. */
	prctl(PR_SET_TIMERSLACK, 1);
	delay = strtoull(argv[1], NULL, 10) * 1000;
	for (; port_count < argc - 2; port_count++)
	{
		targets[port_count] = atoi(argv[2 + port_count]);
		listeners[port_count] = listen_for();
	}
	for (;;)
	{
		int			known = link_count;

		wait_for(wait);
		for (int i = 0; i < known; i++)
		{
			if (links[i].from >= 0 && wait[port_count + i].revents)
				read_from(i);
			if (links[i].from >= 0)
				write_to(i);
		}
		for (int i = 0; i < port_count; i++)
			if (wait[i].revents)
				accept_on(i);
	}
}
