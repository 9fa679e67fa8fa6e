/* A model server that costs next to nothing, for measuring what stands in front of it: backend FIRST-PORT COUNT
 * [METRICS-FILE]
 *
 * POST to any path is answered like a chat; a streamed one event by event. What is wanted stands in the OpenAI field
 * `user`, the only one that every proxy passes on: "itl=US;batch=N;rb=BYTES" (microseconds between writes, events in
 * one write, bytes of a whole reply). Each event carries "t":<CLOCK_MONOTONIC ns>, so that a client on the same machine
 * can subtract. GET /metrics gives METRICS-FILE, or a short page with vLLM's names; /v1/models one model; anything else
 * an empty 200. Requests must have a Content-Length. */
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
#include <unistd.h>

enum {
	READ_BYTES = 65536,
	HEAD_BYTES_MAX = 65536,
	OUT_BYTES_MAX = 128 * 1024, /* of unpaced events waiting for the socket */
	REPLY_BYTES_MAX = 1000000,
	EVENT_BYTES = 512,
	EPOLL_EVENTS = 512,
	EVENTS_DEFAULT = 16,
};

/* Bytes with room behind them. */
struct bytes {
	char *p;
	size_t at, end, cap;
};

struct conn {
	int fd;
	bool listens, writing;
	struct bytes in, out;
	/* the stream being sent */
	bool streaming, usage;
	long events_left, sequence, batch;
	uint64_t interval_ns, next_ns;
	size_t heap_at; /* index + 1; 0: not in the heap */
};

/* Paced streams by their next event; a binary heap. */
static struct conn **heap;
static size_t heap_count, heap_cap;
static int epoll_fd;
static struct bytes metrics;

static char *room(struct bytes *b, size_t n)
{
	if (b->at == b->end)
		b->at = b->end = 0;
	if (b->end + n > b->cap) {
		b->cap = (b->end + n) * 2;
		b->p = must(realloc(b->p, b->cap));
	}
	return b->p + b->end;
}

static void append(struct bytes *b, const void *p, size_t n)
{
	memcpy(room(b, n), p, n);
	b->end += n;
}

/* ---- the heap ---- */

static void heap_swap(size_t a, size_t b)
{
	struct conn *c = heap[a];
	heap[a] = heap[b];
	heap[b] = c;
	heap[a]->heap_at = a + 1;
	heap[b]->heap_at = b + 1;
}

static void heap_settle(size_t i)
{
	for (; i && heap[(i - 1) / 2]->next_ns > heap[i]->next_ns; i = (i - 1) / 2)
		heap_swap(i, (i - 1) / 2);
	for (;;) {
		size_t least = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
			if (child < heap_count && heap[child]->next_ns < heap[least]->next_ns)
				least = child;
		}
		if (least == i)
			return;
		heap_swap(i, least);
		i = least;
	}
}

static void heap_add(struct conn *c)
{
	if (heap_count == heap_cap) {
		heap_cap = heap_cap ? heap_cap * 2 : 1024;
		heap = must(realloc(heap, heap_cap * sizeof *heap));
	}
	heap[heap_count] = c;
	c->heap_at = ++heap_count;
	heap_settle(heap_count - 1);
}

static void heap_remove(struct conn *c)
{
	size_t i = c->heap_at - 1;
	if (!c->heap_at)
		return;
	heap_swap(i, heap_count - 1);
	heap_count--;
	c->heap_at = 0;
	if (i < heap_count)
		heap_settle(i);
}

/* ---- connections ---- */

static void watch(struct conn *c, int operation, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, operation, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void drop(struct conn *c)
{
	heap_remove(c);
	close(c->fd);
	free(c->in.p);
	free(c->out.p);
	free(c);
}

/* Sends what waits. False: the connection is broken. */
static bool flush(struct conn *c)
{
	while (c->out.at < c->out.end) {
		ssize_t n = send(c->fd, c->out.p + c->out.at, c->out.end - c->out.at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		c->out.at += (size_t)n;
	}
	bool wants = c->out.at < c->out.end;
	if (wants != c->writing)
		watch(c, EPOLL_CTL_MOD, EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0));
	c->writing = wants;
	return true;
}

/* ---- answers ---- */

static void answer(struct conn *c, const char *type, const char *body, size_t n)
{
	char head[256];
	int k = snprintf(head, sizeof head,
			 "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n", type,
			 n);
	append(&c->out, head, (size_t)k);
	append(&c->out, body, n);
}

static void append_chunk(struct conn *c, const char *p, size_t n)
{
	char size[24];
	append(&c->out, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", n));
	append(&c->out, p, n);
	append(&c->out, "\r\n", 2);
}

static void end_stream(struct conn *c)
{
	static const char done[] = "data: [DONE]\n\n";
	char event[EVENT_BYTES];
	if (c->usage) {
		int n = snprintf(event, sizeof event,
				 "data: "
				 "{\"id\":\"chatcmpl-0\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"
				 "\"tiny\",\"choices\":[],"
				 "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%ld,\"total_tokens\":%ld}}\n\n",
				 c->sequence, c->sequence + 9);
		append_chunk(c, event, (size_t)n);
	}
	append_chunk(c, done, sizeof done - 1);
	append(&c->out, "0\r\n\r\n", 5);
	c->streaming = false;
}

/* The next events of a stream, as one chunk. */
static void emit(struct conn *c)
{
	static char batch[EVENT_BYTES * 1024];
	size_t n = 0;
	for (long k = 0; k < c->batch && c->events_left > 0 && n + EVENT_BYTES < sizeof batch;
	     k++, c->events_left--, c->sequence++)
		n += (size_t)snprintf(batch + n, EVENT_BYTES,
				      "data: "
				      "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\","
				      "\"created\":1760000000,"
				      "\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
				      "tok%ld\"},\"logprobs\":null,"
				      "\"finish_reason\":%s}],\"t\":%llu}\n\n",
				      c->sequence, c->events_left == 1 ? "\"length\"" : "null",
				      (unsigned long long)now_ns());
	if (n)
		append_chunk(c, batch, n);
	if (c->events_left == 0)
		end_stream(c);
}

/* What an unpaced stream may have waiting. */
static void fill(struct conn *c)
{
	while (c->streaming && !c->interval_ns && c->out.end - c->out.at < OUT_BYTES_MAX)
		emit(c);
}

/* The number behind `key` in the text, or `otherwise`. */
static long number_after(const char *p, size_t n, const char *key, long otherwise)
{
	const char *found = memmem(p, n, key, strlen(key));
	if (!found)
		return otherwise;
	found += strlen(key);
	while (*found == ' ' || *found == ':')
		found++;
	return strtol(found, NULL, 10);
}

static void start_stream(struct conn *c, const char *body, size_t n)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
		"transfer-encoding: chunked\r\n\r\n";
	append(&c->out, head, sizeof head - 1);
	c->streaming = true;
	c->usage = memmem(body, n, "\"include_usage\":true", 20) != NULL;
	c->events_left = number_after(body, n, "\"max_tokens\"", EVENTS_DEFAULT);
	c->sequence = 0;
	c->batch = number_after(body, n, "batch=", 1);
	c->interval_ns = (uint64_t)number_after(body, n, "itl=", 0) * 1000;
	if (c->interval_ns) {
		emit(c);
		c->next_ns = now_ns() + c->interval_ns;
		if (c->streaming)
			heap_add(c);
	}
}

static void answer_whole(struct conn *c, const char *body, size_t n)
{
	static char reply[REPLY_BYTES_MAX + 1024];
	long text = number_after(body, n, "rb=", 256);
	text = text > REPLY_BYTES_MAX ? REPLY_BYTES_MAX : text;
	int k = snprintf(reply, 512,
			 "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1760000000,"
			 "\"model\":\"tiny\","
			 "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
	memset(reply + k, 'a', (size_t)text);
	k += (int)text;
	k += snprintf(reply + k, 512,
		      "\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{\"prompt_"
		      "tokens\":%zu,"
		      "\"completion_tokens\":%ld,\"total_tokens\":%zu}}",
		      n / 4, text / 4, n / 4 + (size_t)text / 4);
	answer(c, "application/json", reply, (size_t)k);
}

static void handle(struct conn *c, const char *head, const char *body, size_t n)
{
	static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\",\"created\":"
				     "1760000000,\"owned_by\":\"vllm\","
				     "\"root\":\"tiny\",\"parent\":null,\"max_model_len\":131072}]}";
	if (strncmp(head, "POST", 4) == 0 && memmem(body, n, "\"stream\":true", 13))
		start_stream(c, body, n);
	else if (strncmp(head, "POST", 4) == 0)
		answer_whole(c, body, n);
	else if (strncmp(head, "GET /metrics", 12) == 0)
		answer(c, "text/plain; version=0.0.4; charset=utf-8", metrics.p, metrics.end);
	else if (strncmp(head, "GET /v1/models", 14) == 0)
		answer(c, "application/json", models, sizeof models - 1);
	else
		answer(c, "text/plain", "", 0);
}

/* ---- requests ---- */

static size_t content_length(const char *head, const char *end)
{
	for (const char *p = head; (p = memchr(p, '\n', (size_t)(end - p))) != NULL;) {
		p++;
		if (strncasecmp(p, "content-length:", 15) == 0)
			return strtoul(p + 15, NULL, 10);
	}
	return 0;
}

/* Handles the whole requests that are there, one at a time. False: the connection is to be closed. */
static bool process(struct conn *c)
{
	while (!c->streaming && c->in.at < c->in.end) {
		char *head = c->in.p + c->in.at, *end = memmem(head, c->in.end - c->in.at, "\r\n\r\n", 4);
		if (!end)
			return c->in.end - c->in.at < HEAD_BYTES_MAX;
		size_t length = content_length(head, end + 2), whole = (size_t)(end + 4 - head) + length;
		if (c->in.end - c->in.at < whole)
			return true;
		room(&c->in, 1)[0] = '\0'; /* strtol stops there */
		head = c->in.p + c->in.at;
		handle(c, head, head + whole - length, length);
		c->in.at += whole;
		fill(c);
	}
	if (c->streaming && c->in.at == c->in.end) { /* thousands of held streams need no input buffers */
		free(c->in.p);
		c->in = (struct bytes){ 0 };
	}
	return flush(c);
}

static bool read_all(struct conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, room(&c->in, READ_BYTES), READ_BYTES, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n < 0)
			return process(c);
		c->in.end += (size_t)n;
	}
}

static bool write_more(struct conn *c)
{
	fill(c);
	return flush(c) && (c->streaming || process(c));
}

static void accept_all(const struct conn *listener)
{
	int fd, on = 1;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = must(calloc(1, sizeof *c));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		c->fd = fd;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* Events that are due. */
static void run_due(uint64_t now)
{
	while (heap_count && heap[0]->next_ns <= now) {
		struct conn *c = heap[0];
		heap_remove(c);
		emit(c);
		c->next_ns += c->interval_ns;
		if (c->streaming)
			heap_add(c);
		if (!flush(c) || !process(c))
			drop(c);
	}
}

/* ---- the start ---- */

static void listen_on(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct conn *c = must(calloc(1, sizeof *c));
	int on = 1;
	c->listens = true;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(c->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(c->fd, 4096) < 0)
		die("listen");
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void load_metrics(const char *path)
{
	static const char page[] =
		"vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} 0.0\n"
		"vllm:num_requests_waiting{engine=\"0\",model_name=\"tiny\"} 0.0\n"
		"vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"tiny\"} 0.1\n"
		"vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"4096\",engine=\"0\"} 1.0\n";
	FILE *f = path ? fopen(path, "rb") : NULL;
	if (path && !f)
		die(path);
	if (!f) {
		append(&metrics, page, sizeof page - 1);
		return;
	}
	for (size_t n; (n = fread(room(&metrics, READ_BYTES), 1, READ_BYTES, f)) > 0;)
		metrics.end += n;
	fclose(f);
}

static void turn(void)
{
	static struct epoll_event events[EPOLL_EVENTS];
	uint64_t now = now_ns();
	struct timespec wait = timespec_of(heap_count && heap[0]->next_ns > now ? heap[0]->next_ns - now : 0);
	int n = epoll_pwait2(epoll_fd, events, EPOLL_EVENTS, heap_count ? &wait : NULL, NULL);
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		if (c->listens)
			accept_all(c);
		else if (((events[i].events & EPOLLOUT) && !write_more(c)) ||
			 ((events[i].events & ~(uint32_t)EPOLLOUT) && !read_all(c)))
			drop(c);
	}
	run_due(now_ns());
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: backend FIRST-PORT COUNT [METRICS-FILE]\n", stderr);
		return 2;
	}
	long first = strtol(argv[1], NULL, 10), count = strtol(argv[2], NULL, 10);
	raise_descriptors();
	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load_metrics(argc > 3 ? argv[3] : NULL);
	for (long i = 0; i < count; i++)
		listen_on((uint16_t)(first + i));
	for (;;)
		turn();
}
