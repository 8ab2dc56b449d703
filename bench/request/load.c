/*
 * A load generator for HTTP that compares every answer.
 *
 *		load PORT PATH HEADERS ANSWERS CLIENTS SECONDS MINIMUM SEED
 *
 * HEADERS and ANSWERS are files with one entry for each user, each of which
 * ends with a zero byte: a header line with the user's credential, and the body
 * that must be returned. Each client has a connection and sends GET requests of
 * users that are chosen at random, the next when the answer to the last is
 * complete, for that time and until there are at least so many requests. The same
 * seed chooses the same users.
 *
 * Prints the seconds, and the latency of each request in microseconds, a line
 * each. Fails if an answer is not the user's page.
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
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define ANSWER_SIZE 65536

typedef struct Entries
{
	char	  **entry;
	size_t		count;
}			Entries;

typedef struct Client
{
	int			fd;
	size_t		user;
	uint64_t	sent_at;
	size_t		length;
	char		answer[ANSWER_SIZE + 1];
}			Client;

static const char *path;
static int	port;
static Entries headers;
static Entries answers;
static uint64_t random_state;
static Client clients[MAX_CLIENTS];
static uint32_t * latencies;
static size_t requests;

static void
fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static size_t
random_user(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % headers.count;
}

/* Reads a whole file and cuts it into its entries. */
static Entries
read_entries(const char *name)
{
	FILE	   *in = fopen(name, "rb");
	Entries		result = {NULL, 0};
	size_t		size;
	char	   *text;

	if (!in || fseek(in, 0, SEEK_END) != 0)
		fail(name);
	size = ftell(in);
	rewind(in);
	text = malloc(size + 1);

	if (!text ||size == 0 || fread(text, 1, size, in) != size || text[size - 1] != 0)
		fail(name);
	fclose(in);
	result.entry = malloc(size * sizeof(char *));
	for (size_t at = 0; at < size; at += strlen(text +at) + 1)
		result.entry[result.count++] = text +at;

	return result;
}

static void
open_client(Client * client)
{
	struct sockaddr_in address = {.sin_family = AF_INET,.sin_port = htons(port)};
	int			on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (client->fd < 0 ||
		connect(client->fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		fail("cannot connect");
}

static void
send_request(Client * client)
{
	char		request[4096];
	int			size;

	client->user = random_user();
	client->length = 0;
	size = snprintf(request, sizeof(request),
					"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
					"Accept: application/json\r\nUser-Agent: bench\r\n%s\r\n\r\n",
					path, headers.entry[client->user]);
	if (size >= (int) sizeof(request))
		fail("a request is too long");
	client->sent_at = now();
	if (send(client->fd, request, size, 0) != size)
		fail("could not send a request");
}

/*
 * Joins the chunks of a body in place. Returns false while it is not complete.
 */
static int
join_chunks(char *body, size_t *size)
{
	char	   *from = body;
	char	   *to = body;
	char	   *end = body + *size;

	/*
	 * The end is looked for first, so that nothing is moved before it is
	 * there.
	 */
	if (*size < 5 || memcmp(end - 5, "0\r\n\r\n", 5) != 0)
		return 0;
	for (;;)
	{
		char	   *data;
		size_t		chunk = strtoul(from, &data, 16);

		if (chunk == 0)
			break;
		data = strstr(data, "\r\n");
		if (!data || data + 2 + chunk + 2 > end)
			fail("a chunk is broken");
		memmove(to, data + 2, chunk);
		to += chunk;
		from = data + 2 + chunk + 2;
	}
	*size = to - body;
	*to = 0;
	return 1;
}

/*
 * Returns whether the answer is complete. Fails if it is not the user's page.
 */
static int
check_answer(Client * client)
{
	char	   *head_end;
	char	   *header;
	char	   *body;
	size_t		size;

	client->answer[client->length] = 0;
	head_end = strstr(client->answer, "\r\n\r\n");
	if (!head_end)
		return 0;
	body = head_end + 4;
	size = client->answer + client->length - body;
	*head_end = 0;
	header = strcasestr(client->answer, "\r\ncontent-length:");
	if (header ? size < strtoul(header + 17, NULL, 10) : !join_chunks(body, &size))
	{
		*head_end = '\r';
		return 0;
	}
	if (strncmp(client->answer, "HTTP/1.1 200", 12) != 0 ||
		strcmp(body, answers.entry[client->user]) != 0)
	{
		fprintf(stderr, "user %zu\n%s\n\n%s\n", client->user, client->answer, body);
		fail("an answer is not the user's page");
	}
	return 1;
}

/* Reads what has arrived. Returns whether the answer is complete. */
static int
receive(Client * client)
{
	ssize_t		n = recv(client->fd, client->answer + client->length,
						 ANSWER_SIZE - client->length, 0);

	if (n <= 0)
		fail("a connection was closed, or an answer is too long");
	client->length += n;
	return check_answer(client);
}

static void
run(int count, uint64_t duration, size_t minimum)
{
	struct pollfd wait[MAX_CLIENTS];
	uint64_t	end = now() + duration;
	int			open = count;
	size_t		room = 0;

	for (int i = 0; i < count; i++)
	{
		open_client(&clients[i]);
		wait[i] = (struct pollfd)
		{
			.fd = clients[i].fd,.events = POLLIN
		};
		send_request(&clients[i]);
	}
	while (open > 0)
	{
		if (poll(wait, count, 10000) <= 0)
			fail("no answer within 10 seconds");
		for (int i = 0; i < count; i++)
		{
			uint64_t	at;

			if (!(wait[i].revents & ~POLLOUT) || !receive(&clients[i]))
				continue;
			at = now();
			if (requests == room)
				latencies = realloc(latencies, (room = room * 2 + 4096) * sizeof(uint32_t));
			latencies[requests++] = at - clients[i].sent_at;
			if (at < end || requests < minimum)
				send_request(&clients[i]);
			else
			{
				close(clients[i].fd);
				wait[i].fd = -1;
				wait[i].revents = 0;
				open--;
			}
		}
	}
}

int
main(int argc, char **argv)
{
	uint64_t	began;
	double		seconds;
	int			count;

	if (argc != 9)
		fail("usage: load PORT PATH HEADERS ANSWERS CLIENTS SECONDS MINIMUM SEED");
	port = atoi(argv[1]);
	path = argv[2];
	headers = read_entries(argv[3]);
	answers = read_entries(argv[4]);
	count = atoi(argv[5]);
	random_state = strtoull(argv[8], NULL, 10) * 0x9E3779B97F4A7C15 + 1;
	if (count < 1 || count > MAX_CLIENTS || headers.count != answers.count)
		fail("bad arguments");
	began = now();
	run(count, strtod(argv[6], NULL) * 1e9, strtoull(argv[7], NULL, 10));
	seconds = (now() - began) / 1e9;
	printf("%.6f\n", seconds);
	for (size_t i = 0; i < requests; i++)
		printf("%.1f\n", latencies[i] / 1e3);
	return 0;
}
