/* A load generator for what stands in front of model servers: loadgen -p PORT [options]; one line of JSON at the end.
 *
 *   -c N     clients, each on a connection of its own (closed loop: one request after another)
 *   -r RATE  requests a second instead (open loop; a latency counts from when the request was due, and -c bounds the
 * connections) -d SEC   time measured                  -b BYTES  prompt text               -k N  distinct prompts -R
 * BYTES reply text                     -s        stream                    -n N  events of a stream -i US    time
 * between events            -B N      events in one write -H       hold: all clients open a stream within two seconds,
 * {"held":N} is printed, and -d begins
 *
 * One thread. Prompts differ in their first bytes and share the rest, so that a megabyte times a thousand costs a
 * megabyte. Latencies in microseconds; "transit" is from an event's "t" (backend.c) to its arrival here. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_BYTES = 1024, READ_BYTES = 262144, LINE_BYTES = 1024, EPOLL_EVENTS = 1024, RAMP_S = 2, DRAIN_S = 5 };

static struct {
	uint16_t port;
	long clients, rate, body, prompts, reply, events, interval_us, batch;
	double seconds;
	bool stream, hold;
} opt = { .clients = 16, .seconds = 2, .body = 1024, .prompts = 1000, .reply = 256, .events = 16, .batch = 1 };

/* Latencies in units of 100 ns. */
struct samples {
	uint32_t *v;
	size_t n, cap;
};
static struct samples latency, first, transit;
static uint64_t answers, failures, events_seen, bytes_in;
static bool measuring, ending;

static void sample(struct samples *s, uint64_t ns)
{
	if (!measuring)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 65536;
		s->v = must(realloc(s->v, s->cap * sizeof *s->v));
	}
	s->v[s->n++] = ns / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 100);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double quantile(const struct samples *s, double q)
{
	return s->n ? s->v[(size_t)(q * (double)(s->n - 1) + 0.5)] / 10.0 : -1;
}

/* ---- clients ---- */

/* Where in an answer the parser is. */
enum part { PART_HEAD, PART_LENGTH, PART_SIZE, PART_DATA, PART_DATA_END, PART_TRAILER, PART_DONE };

struct client {
	int fd; /* -1: not connected */
	bool busy, writing, ok;
	uint64_t due, number;
	/* the request: its own head and first bytes, then the shared text */
	char head[HEAD_BYTES];
	size_t head_bytes, sent;
	/* the answer */
	enum part part;
	size_t left;	       /* bytes of the body or chunk */
	char line[LINE_BYTES]; /* head, size or event line under way */
	size_t line_bytes;
	char answer_head[4096];
	size_t answer_head_bytes;
	bool event_stream, any_event;
};

static struct client *clients;
static long *idle; /* indices of clients that are not busy (open loop) */
static long idle_count;
static int epoll_fd;
static char *text; /* the shared part of every body, its end included */
static size_t text_bytes;
static uint64_t requests;

static void watch(struct client *c, int operation, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, operation, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void disconnect(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool dial(struct client *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return false;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
		disconnect(c);
		return false;
	}
	c->writing = true;
	watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
	return true;
}

static void write_request(struct client *c)
{
	char own[512];
	int n = snprintf(own, sizeof own,
			 "{\"model\":\"tiny\",\"stream\":%s,\"max_tokens\":%ld,\"user\":\"itl=%ld;batch=%ld;rb=%ld\","
			 "\"messages\":[{\"role\":\"user\","
			 "\"content\":\"%08llx ",
			 opt.stream ? "true" : "false", opt.events, opt.interval_us, opt.batch, opt.reply,
			 (unsigned long long)((c->number % (uint64_t)opt.prompts) * 2654435761U));
	int k = snprintf(c->head, sizeof c->head,
			 "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: "
			 "application/json\r\nAuthorization: Bearer sk-test\r\n"
			 "User-Agent: loadgen\r\nAccept: */*\r\nContent-Length: %zu\r\n\r\n%s",
			 opt.port, (size_t)n + text_bytes, own);
	c->head_bytes = (size_t)k;
}

static void finish(struct client *c, bool ok)
{
	c->busy = false;
	if (measuring) {
		answers += ok;
		failures += !ok;
		if (ok)
			sample(&latency, now_ns() - c->due);
	}
	if (!ok)
		disconnect(c);
	if (opt.rate)
		idle[idle_count++] = c - clients;
}

/* Sends what the socket takes. False: broken. */
static bool pump(struct client *c)
{
	size_t whole = c->head_bytes + text_bytes;
	while (c->sent < whole) {
		size_t in_text = c->sent > c->head_bytes ? c->sent - c->head_bytes : 0;
		struct iovec v[2] = { { c->head + (c->sent - in_text), c->head_bytes - (c->sent - in_text) },
				      { text + in_text, text_bytes - in_text } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != ENOTCONN)
			return false;
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	bool wants = c->sent < whole;
	if (wants != c->writing)
		watch(c, EPOLL_CTL_MOD, EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0));
	c->writing = wants;
	return true;
}

static void begin(struct client *c, uint64_t due)
{
	c->busy = true;
	c->due = due;
	c->number = requests++;
	c->sent = c->line_bytes = c->answer_head_bytes = c->left = 0;
	c->part = PART_HEAD;
	c->event_stream = c->any_event = c->ok = false;
	write_request(c);
	if (c->fd < 0 ? !dial(c) : !pump(c))
		finish(c, false);
}

/* ---- answers ---- */

static void on_event_line(struct client *c, uint64_t now)
{
	c->line[c->line_bytes] = '\0';
	if (strncmp(c->line, "data:", 5) != 0 || strstr(c->line, "[DONE]"))
		return;
	if (!c->any_event)
		sample(&first, now - c->due);
	c->any_event = true;
	events_seen += measuring;
	const char *t = strstr(c->line, "\"t\":");
	uint64_t at = t ? strtoull(t + 4, NULL, 10) : now;
	if (at < now)
		sample(&transit, now - at);
}

static void on_payload(struct client *c, const char *p, size_t n, uint64_t now)
{
	while (c->event_stream && n) {
		const char *end = memchr(p, '\n', n);
		size_t k = end ? (size_t)(end - p) : n;
		if (c->line_bytes + k < LINE_BYTES) {
			memcpy(c->line + c->line_bytes, p, k);
			c->line_bytes += k;
		}
		if (!end)
			return;
		on_event_line(c, now);
		c->line_bytes = 0;
		p += k + 1;
		n -= k + 1;
	}
}

static void on_head(struct client *c)
{
	const char *length = strcasestr(c->answer_head, "\r\ncontent-length:");
	c->ok = strncmp(c->answer_head, "HTTP/1.1 200", 12) == 0;
	c->event_stream = strcasestr(c->answer_head, "text/event-stream") != NULL;
	c->left = length ? strtoul(length + 17, NULL, 10) : 0;
	c->part = !length ? PART_SIZE : c->left ? PART_LENGTH : PART_DONE;
}

/* Takes bytes of the head; returns how many. */
static size_t eat_head(struct client *c, const char *p, size_t n)
{
	size_t before = c->answer_head_bytes, space = sizeof c->answer_head - 1 - before;
	size_t k = n < space ? n : space;
	memcpy(c->answer_head + before, p, k);
	c->answer_head[before + k] = '\0';
	const char *end = strstr(c->answer_head, "\r\n\r\n");
	if (!end) {
		c->answer_head_bytes += k;
		return space ? k : n;
	}
	on_head(c);
	return (size_t)(end + 4 - c->answer_head) - before;
}

static size_t eat_data(struct client *c, const char *p, size_t n, uint64_t now)
{
	size_t k = n < c->left ? n : c->left;
	on_payload(c, p, k, now);
	c->left -= k;
	if (c->left == 0)
		c->part = c->part == PART_LENGTH ? PART_DONE : PART_DATA_END;
	return k;
}

/* One byte of chunk framing. */
static void eat_framing(struct client *c, char b)
{
	if (c->part == PART_SIZE) {
		if (b == '\n')
			c->part = c->left ? PART_DATA : PART_TRAILER;
		else if (b != '\r')
			c->left = c->left * 16 + (size_t)(b <= '9' ? b - '0' : (b | 32) - 'a' + 10);
	} else if (b == '\n') { /* behind the data, or the empty line at the end */
		c->part = c->part == PART_DATA_END ? PART_SIZE : PART_DONE;
	}
}

static void eat(struct client *c, const char *p, size_t n, uint64_t now)
{
	while (n && c->part != PART_DONE) {
		size_t k = 1;
		if (c->part == PART_HEAD)
			k = eat_head(c, p, n);
		else if (c->part == PART_LENGTH || c->part == PART_DATA)
			k = eat_data(c, p, n, now);
		else
			eat_framing(c, *p);
		p += k;
		n -= k;
	}
}

/* Reads once: what is behind waits for the next turn, so that no client starves. */
static void on_readable(struct client *c)
{
	static char buf[READ_BYTES];
	ssize_t n = recv(c->fd, buf, sizeof buf, 0);
	uint64_t now = now_ns();
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (c->busy)
			finish(c, false);
		else
			disconnect(c);
		return;
	}
	if (measuring)
		bytes_in += (uint64_t)n;
	if (!c->busy)
		return;
	eat(c, buf, (size_t)n, now);
	if (c->part == PART_DONE) {
		finish(c, c->ok && (!opt.stream || c->any_event));
		if (!opt.rate && !opt.hold && !ending)
			begin(c, now_ns());
	}
}

/* ---- the run ---- */

/* Starts what is due; returns when the next one is. */
static uint64_t start_due(uint64_t start, uint64_t now, uint64_t end)
{
	static uint64_t started;
	uint64_t per = opt.rate	  ? NS_PER_S / (uint64_t)opt.rate
		       : opt.hold ? RAMP_S * NS_PER_S / (uint64_t)opt.clients
				  : 0;
	if (!opt.rate && started == (uint64_t)opt.clients)
		return end;
	while ((opt.rate ? idle_count > 0 : started < (uint64_t)opt.clients) && start + started * per <= now) {
		begin(&clients[opt.rate ? idle[--idle_count] : (long)started], opt.rate ? start + started * per : now);
		started++;
	}
	return opt.rate && idle_count == 0 ? end : start + started * per;
}

static void turn(uint64_t until)
{
	static struct epoll_event events[EPOLL_EVENTS];
	uint64_t now = now_ns();
	struct timespec wait = timespec_of(until > now ? until - now : 0);
	int n = epoll_pwait2(epoll_fd, events, EPOLL_EVENTS, &wait, NULL);
	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;
		if (c->fd >= 0 && (events[i].events & EPOLLOUT) && c->busy && !pump(c))
			finish(c, false);
		if (c->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
			on_readable(c);
	}
}

static void begin_measuring(uint64_t *end)
{
	long held = 0;
	for (long i = 0; i < opt.clients; i++)
		held += clients[i].any_event;
	if (opt.hold) {
		printf("{\"held\":%ld}\n", held);
		fflush(stdout);
	}
	measuring = true;
	*end = now_ns() + (uint64_t)(opt.seconds * (double)NS_PER_S);
}

static void run(void)
{
	uint64_t start = now_ns(), measured_from = start + (opt.hold ? (RAMP_S + 2) * NS_PER_S : 0), end = UINT64_MAX;
	for (uint64_t now = start; now < end; now = now_ns()) {
		if (!measuring && now >= measured_from)
			begin_measuring(&end);
		uint64_t limit = measuring ? end : measured_from, next = start_due(start, now, limit);
		turn(next < limit ? next : limit);
	}
}

/* No new requests; those under way are waited for, so that as many were answered as were sent. */
static void drain(void)
{
	uint64_t until = now_ns() + DRAIN_S * NS_PER_S;
	ending = true;
	for (long i = 0; i < opt.clients && now_ns() < until;) {
		if (clients[i].busy)
			turn(until);
		else
			i++;
	}
}

static void report(void)
{
	struct samples *all[] = { &latency, &first, &transit };
	for (int i = 0; i < 3; i++) {
		if (all[i]->n)
			qsort(all[i]->v, all[i]->n, sizeof *all[i]->v, by_value);
	}
	printf("{\"ok\":%llu,\"failed\":%llu,\"requests\":%llu,\"seconds\":%.2f,\"latency_p50\":%.1f,\"latency_p99\":%."
	       "1f,\"first_p50\":%.1f,"
	       "\"events\":%llu,\"transit_p50\":%.1f,\"transit_p99\":%.1f,\"bytes\":%llu}\n",
	       (unsigned long long)answers, (unsigned long long)failures, (unsigned long long)requests, opt.seconds,
	       quantile(&latency, .5), quantile(&latency, .99), quantile(&first, .5), (unsigned long long)events_seen,
	       quantile(&transit, .5), quantile(&transit, .99), (unsigned long long)bytes_in);
}

static void parse(int argc, char **argv)
{
	for (int o; (o = getopt(argc, argv, "p:c:r:d:b:k:R:sn:i:B:H")) != -1;) {
		long n = optarg ? strtol(optarg, NULL, 10) : 0;
		switch (o) {
		case 'p':
			opt.port = (uint16_t)n;
			break;
		case 'c':
			opt.clients = n;
			break;
		case 'r':
			opt.rate = n;
			break;
		case 'd':
			opt.seconds = strtod(optarg, NULL);
			break;
		case 'b':
			opt.body = n;
			break;
		case 'k':
			opt.prompts = n;
			break;
		case 'R':
			opt.reply = n;
			break;
		case 's':
			opt.stream = true;
			break;
		case 'n':
			opt.events = n;
			break;
		case 'i':
			opt.interval_us = n;
			break;
		case 'B':
			opt.batch = n;
			break;
		case 'H':
			opt.hold = opt.stream = true;
			break;
		default:
			exit(2);
		}
	}
}

static void make_text(void)
{
	static const char end[] = "\"}]}";
	uint32_t x = 12345;
	text = must(malloc((size_t)opt.body + sizeof end));
	for (long i = 0; i < opt.body; i++) {
		x = x * 1103515245 + 12345;
		text[i] = i % 6 == 5 ? ' ' : (char)('a' + (x >> 16) % 26);
	}
	memcpy(text + opt.body, end, sizeof end);
	text_bytes = (size_t)opt.body + sizeof end - 1;
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	make_text();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clients = must(calloc((size_t)opt.clients, sizeof *clients));
	idle = must(calloc((size_t)opt.clients, sizeof *idle));
	for (long i = 0; i < opt.clients; i++) {
		clients[i].fd = -1;
		idle[idle_count++] = opt.clients - 1 - i;
	}
	run();
	if (!opt.hold)
		drain();
	report();
	return failures != 0;
}
