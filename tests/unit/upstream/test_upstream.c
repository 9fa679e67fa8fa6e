/* Calls against a scripted replica on loopback: what it sends, how it is cut into writes, and how it ends; a row each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream/upstream.h"

enum { ANSWER_MAX = 1 << 20, CALLS_MAX = 4 };

/* ---- the replica: a thread that answers each request on a connection with the same bytes ---- */

struct replica {
	const char *answer;
	size_t split; /* bytes per write; 0: all at once */
	bool close_after;
	int listen_fd;
	unsigned connections, requests;
	size_t request_bytes;
	char request[ANSWER_MAX];
	pthread_t thread;
};

static bool request_complete(const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	if (!end)
		return false;
	if (memmem(p, n, "transfer-encoding: chunked", 26))
		return n >= 5 && memcmp(p + n - 5, "0\r\n\r\n", 5) == 0;
	const char *cl = memmem(p, n, "content-length: ", 16);
	size_t want = cl ? strtoul(cl + 16, NULL, 10) : 0;
	return n - (size_t)(end + 4 - p) >= want;
}

static bool serve_one(struct replica *r, int fd)
{
	size_t n = 0;
	while (!request_complete(r->request, n)) {
		ssize_t k = recv(fd, r->request + n, sizeof r->request - n, 0);
		if (k <= 0)
			return false;
		n += (size_t)k;
	}
	r->requests++;
	r->request_bytes = n;
	size_t all = strlen(r->answer), step = r->split ? r->split : all;
	for (size_t at = 0; at < all; at += step) {
		size_t k = step < all - at ? step : all - at;
		if (send(fd, r->answer + at, k, MSG_NOSIGNAL) < 0)
			return false;
		if (r->split)
			usleep(200);
	}
	return !r->close_after;
}

static void *replica_main(void *arg)
{
	struct replica *r = arg;
	for (;;) {
		int fd = accept(r->listen_fd, NULL, NULL), on = 1;
		if (fd < 0)
			return NULL;
		r->connections++;
		setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on);
		while (serve_one(r, fd))
			;
		close(fd);
	}
}

static void replica_start(struct replica *r, struct address *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	r->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r->listen_fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(listen(r->listen_fd, 16), 0);
	a->len = sizeof a->sa;
	assert_int_equal(getsockname(r->listen_fd, (struct sockaddr *)&a->sa, &a->len), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, replica_main, r), 0);
}

static void replica_stop(struct replica *r)
{
	shutdown(r->listen_fd, SHUT_RDWR);
	pthread_join(r->thread, NULL);
	close(r->listen_fd);
}

/* ---- the caller ---- */

struct caller {
	struct loop *loop;
	struct upstream *up;
	struct upstream_call *call;
	struct upstream_target to;
	unsigned left; /* calls still to be made */
	int status, result;
	bool reused;
	char body[ANSWER_MAX], trailers[256];
	size_t body_n;
	/* what is sent */
	const char *payload;
	size_t payload_n, taken, shown; /* bytes there, given away, visible so far */
	enum h1_framing framing;
	struct timer more, again;
};

static void open_call(struct caller *c);

static int body(void *owner, struct iovec *iov, int max, bool *last)
{
	struct caller *c = owner;
	int n = 0;
	/* in pieces of at most 5000 bytes, so that several are needed */
	for (size_t at = c->taken; at < c->shown && n < max; at += iov[n++].iov_len) {
		size_t k = c->shown - at < 5000 ? c->shown - at : 5000;
		iov[n] = (struct iovec){ (char *)(uintptr_t)c->payload + at, k };
		if (n == max - 1) {
			*last = at + k == c->payload_n;
			return max;
		}
	}
	*last = c->shown == c->payload_n;
	return n;
}
static void taken(void *owner, size_t n)
{
	((struct caller *)owner)->taken += n;
}
static void on_head(void *owner, const struct h1_head *h)
{
	((struct caller *)owner)->status = h->status;
}
static void on_body(void *owner, char *p, size_t n)
{
	struct caller *c = owner;
	assert_true(c->body_n + n <= sizeof c->body);
	memcpy(c->body + c->body_n, p, n);
	c->body_n += n;
}
static void on_pause(void *owner)
{
	(void)owner;
}
static void finished(struct caller *c, int result)
{
	c->result = result;
	c->call = NULL;
	timer_clear(&c->more);
	if (--c->left) /* not in this turn: its connection is offered from the next one on */
		timer_set(c->loop, &c->again, loop_now(c->loop) + NS_PER_MS);
	else
		loop_stop(c->loop);
}
static void on_end(void *owner, struct span trailers)
{
	struct caller *c = owner;
	span_copy(c->trailers, sizeof c->trailers, trailers);
	finished(c, 0);
}
static void on_fail(void *owner, int code, bool reused, const struct err *e)
{
	struct caller *c = owner;
	assert_true(e->text[0] != 0);
	c->reused = reused;
	finished(c, code);
}
static const struct upstream_ops events = { body, taken, on_head, on_body, on_pause, on_end, on_fail };

static void show_more(struct timer *t, uint64_t now)
{
	struct caller *c = container_of(t, struct caller, more);
	size_t k = c->payload_n - c->shown;
	c->shown += k < 70001 ? k : 70001;
	if (c->shown < c->payload_n)
		timer_set(c->loop, t, now + 2 * NS_PER_MS);
	upstream_body_ready(c->call);
}

static void on_again(struct timer *t, uint64_t now)
{
	(void)now;
	open_call(container_of(t, struct caller, again));
}

static void open_call(struct caller *c)
{
	struct upstream_request rq = { .method = c->payload ? SPAN("POST") : SPAN("GET"),
				       .target = SPAN("/x"),
				       .authority = SPAN("here"),
				       .framing = c->framing,
				       .length = c->payload_n };
	c->body_n = c->taken = c->shown = 0;
	c->status = 0;
	c->call = upstream_open(c->up, &c->to, &rq, &events, c);
	assert_non_null(c->call);
	if (c->payload)
		timer_set(c->loop, &c->more, loop_now(c->loop) + NS_PER_MS);
}

static void run(struct caller *c, struct replica *r, unsigned calls)
{
	struct upstream_options o = upstream_options_default();
	c->loop = loop_new("caller", 0);
	c->up = upstream_new(c->loop, &o);
	c->left = calls;
	c->to.id = 1;
	timer_init(&c->more, show_more);
	timer_init(&c->again, on_again);
	if (r)
		replica_start(r, &c->to.address);
	open_call(c);
	loop_run(c->loop);
	upstream_free(c->up);
	loop_free(c->loop);
	if (r)
		replica_stop(r);
}

/* ---- answers ---- */

struct row {
	const char *name, *answer;
	bool close_after;
	int result, status;
	const char *body;
	bool kept; /* two calls share a connection */
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct row rows[] = {
	{ "length", OK "content-length: 5\r\n\r\nhello", false, 0, 200, "hello", true },
	{ "no body", "HTTP/1.1 204 No Content\r\n\r\n", false, 0, 204, "", true },
	{ "chunked", OK "transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", false, 0, 200, "hello",
	  true },
	{ "until close", OK "\r\nhello", true, 0, 200, "hello", false },
	{ "interim answers",
	  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" OK "content-length: 2\r\n\r\nhi", false,
	  0, 200, "hi", true },
	{ "asks to close", OK "connection: close\r\ncontent-length: 2\r\n\r\nhi", true, 0, 200, "hi", false },
	{ "bytes behind the answer", OK "content-length: 2\r\n\r\nhi!", true, 0, 200, "hi", false },
	{ "closes before it answers", "", true, -PS_ERESET, 0, "", false },
	{ "half a head", "HTTP/1.1 200 OK\r\ncont", true, -PS_ERESET, 0, "", false },
	{ "short body", OK "content-length: 9\r\n\r\nhello", true, -PS_ECUT, 200, "hello", false },
	{ "chunks without an end", OK "transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n", true, -PS_ECUT, 200, "hel",
	  false },
	{ "garbage", "\x16\x03\x01 nonsense\r\n\r\n", true, -PS_EUPPROTO, 0, "", false },
	{ "bad status", "HTTP/1.1 abc OK\r\n\r\n", true, -PS_EUPPROTO, 0, "", false },
	{ "length and chunked", OK "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", true,
	  -PS_EUPPROTO, 0, "", false },
	{ "bad chunk", OK "transfer-encoding: chunked\r\n\r\nzz\r\n", true, -PS_EUPPROTO, 200, "", false },
	{ "unasked change of protocols", "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", true, -PS_EUPPROTO, 0, "",
	  false },
};

static void check_row(const struct row *w, size_t split)
{
	static struct caller c;
	static struct replica r;
	c = (struct caller){ 0 };
	r = (struct replica){ .answer = w->answer, .close_after = w->close_after, .split = split };
	run(&c, &r, w->result ? 1 : 2);
	if (c.result != w->result || c.status != w->status || c.body_n != strlen(w->body) ||
	    memcmp(c.body, w->body, c.body_n) != 0)
		fail_msg("%s (split %zu): result %d status %d body %.*s", w->name, split, c.result, c.status,
			 (int)c.body_n, c.body);
	if (w->result == 0 && r.connections != (w->kept ? 1 : 2))
		fail_msg("%s (split %zu): %u connections", w->name, split, r.connections);
}

static void answers_come_out_as_they_are_or_fail_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		check_row(&rows[i], 0);
		/* A stray byte that comes late finds the next call waiting, which then fails: nobody can know whose it
		 * is. */
		if (strcmp(rows[i].name, "bytes behind the answer") == 0)
			continue;
		check_row(&rows[i], 1);
		check_row(&rows[i], 7);
	}
}

static void trailers_are_passed_on_checked(void **state)
{
	(void)state;
	static struct caller c;
	static struct replica r = { .answer = OK
				    "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-sum: 7\r\nhost: no\r\n\r\n" };
	run(&c, &r, 1);
	assert_int_equal(c.result, 0);
	assert_string_equal(c.trailers, "x-sum: 7\r\n");
}

/* ---- requests ---- */

static size_t dechunk(const char *p, size_t n, char *out)
{
	struct h1_chunked ck;
	struct h1_limits limits = h1_limits_default();
	struct err e;
	size_t payload;
	memcpy(out, p, n);
	h1_chunked_init(&ck, &limits, false);
	assert_int_equal(h1_chunked_decode(&ck, out, n, &payload, NULL, &e), n);
	assert_true(h1_chunked_done(&ck));
	return payload;
}

static void a_body_that_comes_in_pieces_arrives_whole(void **state)
{
	(void)state;
	static struct caller c;
	static struct replica r;
	static char payload[600000], got[ANSWER_MAX];
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (char)('a' + i % 26);
	for (int chunked = 0; chunked < 2; chunked++) {
		c = (struct caller){ .payload = payload,
				     .payload_n = sizeof payload,
				     .framing = chunked ? H1_BODY_CHUNKED : H1_BODY_LENGTH };
		r = (struct replica){ .answer = OK "content-length: 0\r\n\r\n" };
		run(&c, &r, 2);
		assert_int_equal(c.result, 0);
		assert_int_equal(r.connections, 1);
		char *start = memmem(r.request, r.request_bytes, "\r\n\r\n", 4);
		size_t n = r.request_bytes - (size_t)(start + 4 - r.request);
		if (chunked)
			n = dechunk(start + 4, n, got);
		else
			memcpy(got, start + 4, n);
		assert_int_equal(n, sizeof payload);
		assert_memory_equal(got, payload, n);
	}
}

static void a_replica_that_is_not_there_is_a_failed_connect(void **state)
{
	(void)state;
	static struct caller c;
	assert_int_equal(address_parse(&c.to.address, SPAN("127.0.0.1:1"), NULL), 0);
	run(&c, NULL, 1);
	assert_int_equal(c.result, -PS_ECONNECT);
}

/* Keeps a connection, then closes it while it lies idle, in the same moment in which it is used again. */
static void *close_when_used(void *arg)
{
	struct replica *r = arg;
	int fd = accept(r->listen_fd, NULL, NULL);
	(void)serve_one(r, fd);
	(void)recv(fd, r->request, sizeof r->request, 0);
	struct linger now = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	return NULL;
}

static void a_kept_connection_that_died_is_told_apart(void **state)
{
	(void)state;
	static struct caller c;
	static struct replica r = { .answer = OK "content-length: 0\r\n\r\n" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	r.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(r.listen_fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(listen(r.listen_fd, 4), 0);
	c.to.address.len = sizeof c.to.address.sa;
	getsockname(r.listen_fd, (struct sockaddr *)&c.to.address.sa, &c.to.address.len);
	pthread_create(&r.thread, NULL, close_when_used, &r);
	run(&c, NULL, 2);
	pthread_join(r.thread, NULL);
	close(r.listen_fd);
	assert_int_equal(c.result, -PS_ERESET);
	assert_true(c.reused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_out_as_they_are_or_fail_by_name),
		cmocka_unit_test(trailers_are_passed_on_checked),
		cmocka_unit_test(a_body_that_comes_in_pieces_arrives_whole),
		cmocka_unit_test(a_replica_that_is_not_there_is_a_failed_connect),
		cmocka_unit_test(a_kept_connection_that_died_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
