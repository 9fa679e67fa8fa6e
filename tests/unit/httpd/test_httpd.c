/* The small server, over real sockets: a loop thread answers, the test speaks to it byte by byte. */
#include "httpd/httpd.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the server under test ---- */

struct fixture {
	struct loop *loop;
	struct httpd *server;
	struct timer later;
	struct httpd_request *waiting; /* of /later */
	size_t left;		       /* of /big */
	_Atomic size_t given;
	_Atomic unsigned handled, gone, drained;
	_Atomic bool refuse;
};
static struct fixture fx;

enum { BIG_BYTES = 8 << 20, PIECE_BYTES = 16 << 10 };

static void give_more(struct httpd_request *rq)
{
	static char piece[PIECE_BYTES];
	memset(piece, 'x', sizeof piece);
	while (fx.left) {
		fx.left -= sizeof piece;
		fx.given += sizeof piece;
		if (httpd_send(rq, span_of(piece, sizeof piece)) <= 0 && fx.left)
			return;
	}
	httpd_end(rq);
}

static void on_drain(struct httpd_request *rq)
{
	fx.drained++;
	give_more(rq);
}

static void on_gone(struct httpd_request *rq)
{
	fx.gone++;
	if (fx.waiting == rq)
		fx.waiting = NULL;
}

static void answer_later(struct timer *t, uint64_t now)
{
	(void)t;
	(void)now;
	struct httpd_answer a = { .status = 200, .content_type = "text/plain" };
	if (fx.waiting)
		httpd_respond(fx.waiting, &a, SPAN("late"));
	fx.waiting = NULL;
}

static void on_big(struct httpd_request *rq)
{
	rq->on_drain = on_drain;
	rq->on_gone = on_gone;
	fx.left = BIG_BYTES;
	httpd_begin(rq, &(struct httpd_answer){ .status = 200 });
	give_more(rq);
}

static void on_later(struct httpd_request *rq)
{
	rq->on_gone = on_gone;
	fx.waiting = rq;
	if (httpd_path_is(rq, "/later"))
		timer_set(fx.loop, &fx.later, loop_now(fx.loop) + 50 * NS_PER_MS);
}

static void on_stream(struct httpd_request *rq)
{
	httpd_begin(rq, &(struct httpd_answer){ .status = 200, .content_type = "text/event-stream" });
	assert_true(httpd_send(rq, SPAN("one")) >= 0);
	assert_true(httpd_send(rq, SPAN_NONE) >= 0); /* an empty piece must not end the body */
	assert_true(httpd_send(rq, SPAN("three")) >= 0);
	httpd_end(rq);
}

static void on_broken(struct httpd_request *rq)
{
	httpd_begin(rq, &(struct httpd_answer){ .status = 200 });
	assert_true(httpd_send(rq, SPAN("part")) >= 0);
	httpd_break(rq, httpd_path_is(rq, "/fin") ? HTTPD_FIN : HTTPD_RST);
}

static void on_raw(struct httpd_request *rq)
{
	rq->on_gone = on_gone;
	assert_true(httpd_send_raw(rq, SPAN("rubbish\r\n")) >= 0);
	httpd_half_close(rq);
}

static void on_extra(struct httpd_request *rq)
{
	httpd_respond(rq, &(struct httpd_answer){ .status = 200, .fields = SPAN("x-extra: 1\r\n") }, SPAN("a"));
}

static void on_echo(struct httpd_request *rq)
{
	httpd_respond(rq, &(struct httpd_answer){ .status = 200, .content_type = "text/plain" }, rq->body);
}

static void on_empty(struct httpd_request *rq)
{
	httpd_respond(rq, &(struct httpd_answer){ .status = 204 }, SPAN_NONE);
}

static void handler(struct httpd_request *rq, void *arg)
{
	static const struct {
		const char *path;
		void (*fn)(struct httpd_request *rq);
	} routes[] = {
		{ "/echo", on_echo },	  { "/later", on_later }, { "/never", on_later }, { "/big", on_big },
		{ "/stream", on_stream }, { "/fin", on_broken },  { "/rst", on_broken },  { "/raw", on_raw },
		{ "/extra", on_extra },	  { "/empty", on_empty },
	};
	(void)arg;
	fx.handled++;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
		if (httpd_path_is(rq, routes[i].path)) {
			routes[i].fn(rq);
			return;
		}
	httpd_respond_error(rq, 404, "there is no %s here", "\"such\" thing");
}

static bool wanted(void *arg)
{
	(void)arg;
	return !fx.refuse;
}

static int setup(void **state)
{
	(void)state;
	struct err e = { 0 };
	struct address at;
	struct httpd_options o = { .server = "test",
				   .fields = "vary: Origin\r\n",
				   .body_max_bytes = 1000,
				   .out_max_bytes = 64 << 10,
				   .connections_max = 8,
				   .head_timeout_ns = 200 * NS_PER_MS,
				   .body_timeout_ns = 200 * NS_PER_MS,
				   .idle_timeout_ns = 400 * NS_PER_MS,
				   .send_timeout_ns = 400 * NS_PER_MS };
	memset(&fx, 0, sizeof fx);
	fx.loop = loop_new("httpd", 0);
	timer_init(&fx.later, answer_later);
	assert_int_equal(address_parse(&at, SPAN("127.0.0.1:0"), &e), 0);
	fx.server = httpd_new(fx.loop, &at, &o, handler, NULL, &e);
	if (!fx.server)
		fail_msg("%s", e.text);
	httpd_on_connection(fx.server, wanted, NULL);
	return loop_start(fx.loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_stop(fx.loop);
	loop_join(fx.loop);
	timer_clear(&fx.later);
	httpd_free(fx.server);
	loop_free(fx.loop);
	return 0;
}

/* ---- the client ---- */

static int dial(void)
{
	const struct address *at = httpd_address(fx.server);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at->sa, at->len), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, ms) == 1;
}

enum heard { CLOSED, RESET, OPEN };

/* Everything until the peer closes, or until nothing came for a while after the first bytes. */
static enum heard hear_for(int fd, char *out, size_t cap, int silence_ms)
{
	size_t n = 0;
	enum heard how = OPEN;
	while (how == OPEN && readable(fd, n ? silence_ms : 2000)) {
		ssize_t r = recv(fd, out + n, cap - 1 - n, 0);
		if (r > 0)
			n += (size_t)r;
		else
			how = r == 0 ? CLOSED : RESET;
	}
	out[n] = '\0';
	return how;
}

static enum heard hear(int fd, char *out, size_t cap)
{
	return hear_for(fd, out, cap, 150);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void wait_for(_Atomic unsigned *what, unsigned n)
{
	for (int i = 0; i < 400 && *what < n; i++)
		usleep(5000);
	assert_int_equal(*what, n);
}

/* ---- tests ---- */

struct talk {
	const char *says, *hears[4], *lacks;
	enum heard end;
};

static void conversations_go_as_they_should(void **state)
{
	(void)state;
	static const struct talk talks[] = {
		{ "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
		  { "HTTP/1.1 404 Not Found\r\ndate: ", " GMT\r\nserver: test\r\ncontent-length: ",
		    "\r\ncontent-type: application/json\r\nvary: Origin\r\n\r\n{\"error\":{\"message\":\"there "
		    "is no "
		    "\\\"such\\\" thing here\",\"type\":\"Not Found\",\"param\":null,\"code\":404}}" },
		  "connection:",
		  OPEN },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		  { "content-length: 5\r\n", "\r\n\r\nhello" },
		  "chunked",
		  OPEN },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
		  { "connection: close\r\n", "\r\n\r\nhi" },
		  NULL,
		  CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
		  { "content-length: 5\r\n", "\r\n\r\nabcde" },
		  NULL,
		  OPEN },
		{ "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n",
		  { "HTTP/1.1 404 Not Found\r\n", "content-length: 9", "\r\n\r\nHTTP/1.1 204 No Content\r\n" },
		  "error",
		  OPEN },
		{ "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
		  { "transfer-encoding: chunked\r\n", "\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n" },
		  "content-length",
		  OPEN },
		{ "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n", { "HTTP/1.1 200 OK\r\n" }, "one", OPEN },
		{ "GET /stream HTTP/1.0\r\n\r\n", { "connection: close\r\n\r\nonethree" }, "chunked", CLOSED },
		/* answers leave in order, also when the first is late */
		{ "GET /later HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: "
		  "4\r\n\r\nsoonGET "
		  "/stream HTTP/1.1\r\nHost: a\r\n\r\n",
		  { "\r\n\r\nlateHTTP/1.1 200 OK", "\r\n\r\nsoonHTTP/1.1 200 OK", "5\r\nthree\r\n0\r\n\r\n" },
		  NULL,
		  OPEN },
		{ "GET /extra?x=1 HTTP/1.1\r\nHost: a\r\n\r\n",
		  { "server: test\r\nx-extra: 1\r\ncontent-length: 1\r\n", "\r\n\r\na" },
		  "content-type",
		  OPEN },
		/* what is malformed is refused and closed */
		{ "rubbish\r\n\r\n",
		  { "HTTP/1.1 400 Bad Request\r\n", "\"code\":400", "connection: close" },
		  NULL,
		  CLOSED },
		{ "GET / HTTP/1.1\r\n\r\n", { "HTTP/1.1 400" }, NULL, CLOSED },
		{ "GET / HTTP/2.1\r\nHost: a\r\n\r\n", { "HTTP/1.1 505" }, NULL, CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n0\r\n\r\n",
		  { "HTTP/1.1 400" },
		  NULL,
		  CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		  { "HTTP/1.1 400" },
		  NULL,
		  CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", { "HTTP/1.1 413" }, NULL, CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
		  { "HTTP/1.1 413" },
		  "100 Continue",
		  CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 1\r\n\r\n",
		  { "HTTP/1.1 417" },
		  NULL,
		  CLOSED },
		/* limits of time */
		{ "GET /ec", { "HTTP/1.1 408" }, NULL, CLOSED },
		{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", { "HTTP/1.1 408" }, NULL, CLOSED },
		/* ends on purpose */
		{ "GET /fin HTTP/1.1\r\nHost: a\r\n\r\n", { "4\r\npart\r\n" }, "\r\n0\r\n", CLOSED },
		{ "GET /rst HTTP/1.1\r\nHost: a\r\n\r\n", { NULL }, "\r\n0\r\n", RESET },
		{ "GET /raw HTTP/1.1\r\nHost: a\r\n\r\n", { "rubbish\r\n" }, "HTTP", CLOSED },
	};
	for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
		const struct talk *t = &talks[i];
		char got[8192];
		int fd = dial();
		say(fd, t->says);
		enum heard how = hear_for(fd, got, sizeof got, t->end == OPEN ? 150 : 2000);
		for (int k = 0; k < 4 && t->hears[k]; k++)
			if (!strstr(got, t->hears[k]))
				fail_msg("talk %zu:\n%s\nlacks:\n%s", i, got, t->hears[k]);
		if (t->lacks && strstr(got, t->lacks))
			fail_msg("talk %zu:\n%s\nhas:\n%s", i, got, t->lacks);
		if (how != t->end)
			fail_msg("talk %zu ended %d, not %d:\n%s", i, how, t->end, got);
		close(fd);
	}
}

static void every_split_of_a_pipeline_gives_the_same_answers(void **state)
{
	(void)state;
	static const char text[] =
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab\r\n\r\n0\r\n\r\n"
		"\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz";
	for (size_t cut = 1; cut < sizeof text - 1; cut++) {
		char got[4096] = "";
		int fd = dial();
		assert_int_equal(send(fd, text, cut, 0), (ssize_t)cut);
		usleep(1000);
		say(fd, text + cut);
		size_t n = 0;
		while (!strstr(got, "xyz")) {
			assert_true(readable(fd, 1000));
			ssize_t r = recv(fd, got + n, sizeof got - 1 - n, 0);
			assert_true(r > 0);
			n += (size_t)r;
			got[n] = '\0';
		}
		assert_int_equal(count(got, "HTTP/1.1 200 OK"), 2);
		assert_int_equal(count(got, "\r\n\r\nab\r\nHTTP/1.1"), 1);
		close(fd);
	}
}

static void a_body_is_invited_before_it_is_sent(void **state)
{
	(void)state;
	char got[4096];
	int fd = dial();
	say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_true(readable(fd, 1000));
	ssize_t n = recv(fd, got, sizeof got, 0);
	assert_int_equal(n, 25);
	assert_memory_equal(got, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	say(fd, "abc");
	assert_int_equal(hear(fd, got, sizeof got), OPEN);
	assert_non_null(strstr(got, "\r\n\r\nabc"));
	close(fd);
}

static void a_client_that_leaves_is_heard_of(void **state)
{
	(void)state;
	/* More often than there may be connections: each must be given back. */
	for (unsigned i = 0; i < 10; i++) {
		int fd = dial();
		/* Bytes nobody reads stand before the FIN. */
		say(fd, "GET /never HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
		wait_for(&fx.handled, i + 1);
		if (i & 1) {
			struct linger now = { .l_onoff = 1 };
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		}
		close(fd);
		wait_for(&fx.gone, i + 1);
	}
	usleep(20000);
	assert_int_equal(fx.handled, 10);
}

static void a_half_closed_request_ends_with_its_client(void **state)
{
	(void)state;
	char got[256];
	int fd = dial();
	say(fd, "GET /raw HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(hear(fd, got, sizeof got), CLOSED);
	assert_int_equal(fx.gone, 0);
	close(fd);
	wait_for(&fx.gone, 1);
}

static void a_slow_reader_stops_the_handler(void **state)
{
	(void)state;
	static char got[64 << 10];
	int fd = dial(), small = 32 << 10;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	usleep(100000);
	assert_true(fx.given > 0);
	assert_true(fx.given < BIG_BYTES);
	size_t total = 0;
	while (readable(fd, 300)) {
		ssize_t n = recv(fd, got, sizeof got, 0);
		if (n <= 0)
			break;
		total += (size_t)n;
	}
	assert_int_equal(fx.given, BIG_BYTES);
	assert_true(total > BIG_BYTES);
	assert_true(fx.drained > 0);
	assert_int_equal(fx.gone, 0);
	/* And one that never reads is given up. */
	say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(&fx.gone, 1);
	close(fd);
}

static void connections_over_the_bound_are_reset(void **state)
{
	(void)state;
	int fd[9];
	char got[256];
	for (int i = 0; i < 9; i++)
		fd[i] = dial();
	assert_int_equal(hear(fd[8], got, sizeof got), RESET);
	close(fd[0]);
	usleep(50000);
	fd[0] = dial();
	say(fd[0], "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(hear(fd[0], got, sizeof got), OPEN);
	assert_non_null(strstr(got, "204"));
	for (int i = 0; i < 9; i++)
		close(fd[i]);
}

static void connections_can_be_refused_on_purpose(void **state)
{
	(void)state;
	char got[256];
	fx.refuse = true;
	int fd = dial();
	assert_int_equal(hear(fd, got, sizeof got), RESET);
	close(fd);
	fx.refuse = false;
	fd = dial();
	say(fd, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(hear(fd, got, sizeof got), OPEN);
	close(fd);
}

static void an_idle_connection_is_closed_quietly(void **state)
{
	(void)state;
	char got[4096];
	int fd = dial();
	assert_int_equal(hear(fd, got, sizeof got), CLOSED);
	assert_string_equal(got, "");
	close(fd);
}

struct command {
	struct mail mail;
	_Atomic unsigned done;
	bool listen;
};

static void obey(struct mail *m)
{
	struct command *c = container_of(m, struct command, mail);
	assert_int_equal(httpd_listen(fx.server, c->listen, NULL), 0);
	c->done = 1;
}

static void listening(bool on)
{
	struct command c = { .mail.deliver = obey, .listen = on };
	loop_post(fx.loop, &c.mail);
	wait_for(&c.done, 1);
}

static bool can_connect(void)
{
	const struct address *at = httpd_address(fx.server);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = connect(fd, (const struct sockaddr *)&at->sa, at->len) == 0;
	close(fd);
	return ok;
}

static void a_closed_listener_can_be_opened_again(void **state)
{
	(void)state;
	assert_true(can_connect());
	listening(false);
	assert_false(can_connect());
	listening(true);
	assert_true(can_connect());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	descriptors_init();
	const struct CMUnitTest tests[] = {
		TEST(conversations_go_as_they_should),
		TEST(every_split_of_a_pipeline_gives_the_same_answers),
		TEST(a_body_is_invited_before_it_is_sent),
		TEST(a_client_that_leaves_is_heard_of),
		TEST(a_half_closed_request_ends_with_its_client),
		TEST(a_slow_reader_stops_the_handler),
		TEST(connections_over_the_bound_are_reset),
		TEST(connections_can_be_refused_on_purpose),
		TEST(an_idle_connection_is_closed_quietly),
		TEST(a_closed_listener_can_be_opened_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
