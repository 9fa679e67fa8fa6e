/* penstock demo: what scripts/quickstart ends in. Four mock replicas and a gateway, as processes of this same binary;
 * chats that share prefixes and adapters; one streamed answer as it comes; a table of where each went and why.
 *
 * Single-threaded and blocking. What it shows it has from outside, as any user could: answers from the gateway's port,
 * reasons from its access log, which it reads through a pipe. The children end with it, also when it is killed
 * (PR_SET_PDEATHSIG, prctl(2)). */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/base.h"
#include "wire/wire.h"

enum {
	REPLICAS = 4,
	CHILDREN = REPLICAS + 1,
	ARGUMENTS_MAX = 32,
	ANSWER_BYTES_MAX = 1 << 20,
	REQUEST_BYTES_MAX = 64 * 1024,
	LOG_BYTES_MAX = 256 * 1024,
	LOG_READ_BYTES = 4096,
	READY_TRIES = 200, /* of 50 ms */
	READY_PAUSE_MS = 50,
	ANSWER_TIMEOUT_S = 20,
	LOG_WAIT_MS = 1000,
	END_WAIT_MS = 3000,
	GATEWAY_PORT = 8080, /* where the documentation says it is; another one when it is taken */
	ADMIN_PORT = 9090,
};

#define BASE_MODEL "llama-8b"

/* The whole demonstration. Owner: cmd_demo's frame. */
struct demo {
	char self[PATH_MAX];	  /* this binary, by the name under which a hand-over finds it again */
	pid_t children[CHILDREN]; /* 0: not running */
	struct address gateway, admin, replicas[REPLICAS];
	int log_fd;	/* the gateway's log, reading end; -1 before it runs */
	struct buf log; /* of it, what is no whole line yet */
};

/* Ctrl-C and friends. Written by on_signal, read everywhere. */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

/* ---- children ---- */

/* A port of 127.0.0.1 that is free now: `wanted`, or any when that is taken or 0. */
static int free_port(uint16_t wanted, struct address *ret, struct err *e)
{
	int r = address_from_host(ret, SPAN("127.0.0.1"), wanted, e);
	if (r < 0)
		return r;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, PS_EIO, "no socket: %s", strerror(errno));
	int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&ret->sa, ret->len) < 0) {
		close(fd);
		return wanted ? free_port(0, ret, e) : err_set(e, PS_EIO, "no free port: %s", strerror(errno));
	}
	ret->len = sizeof ret->sa;
	(void)getsockname(fd, (struct sockaddr *)&ret->sa, &ret->len);
	close(fd);
	return 0;
}

/* Never returns. Both outputs go to `out`. */
static _Noreturn void become(char *const *arguments, int out, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(out, STDERR_FILENO);
	execv(arguments[0], arguments);
	_exit(127);
}

/* A list of arguments for execv, ended by NULL. Texts are borrowed until the child runs. */
struct arguments {
	char *texts[ARGUMENTS_MAX];
	unsigned count;
};

static void add(struct arguments *a, const char *text)
{
	if (a->count + 1 < ARGUMENTS_MAX)
		a->texts[a->count++] = (char *)(uintptr_t)text; /* execv promises not to write to them */
}

static int start(pid_t *ret, const struct arguments *a, int out, struct err *e)
{
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return err_set(e, PS_EIO, "cannot start another process: %s", strerror(errno));
	if (pid == 0)
		become(a->texts, out, parent);
	*ret = pid;
	return 0;
}

/* Two replicas have one adapter loaded, two the other. */
static int start_replica(struct demo *d, unsigned i, struct err *e)
{
	static const char *const adapters[REPLICAS] = { "poet", "poet", "lawyer", "lawyer" };
	char at[ADDRESS_TEXT_MAX];
	struct arguments a = { 0 };
	int r = free_port(0, &d->replicas[i], e);
	if (r < 0)
		return r;
	address_format(&d->replicas[i], at);
	const char *const all[] = { d->self, "mock", "--listen", at, "--model", BASE_MODEL, "--lora", adapters[i] };
	for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
		add(&a, all[k]);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	r = start(&d->children[i], &a, nowhere, e);
	close(nowhere);
	return r;
}

static int start_gateway(struct demo *d, struct err *e)
{
	char listen_at[ADDRESS_TEXT_MAX], admin_at[ADDRESS_TEXT_MAX], urls[REPLICAS][ADDRESS_TEXT_MAX + 8];
	struct arguments a = { 0 };
	int ends[2], r;
	if ((r = free_port(GATEWAY_PORT, &d->gateway, e)) < 0 || (r = free_port(ADMIN_PORT, &d->admin, e)) < 0)
		return r;
	address_format(&d->gateway, listen_at);
	address_format(&d->admin, admin_at);
	const char *const all[] = { d->self, "serve", "--listen", listen_at, "--admin", admin_at, "--workers", "2" };
	for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
		add(&a, all[k]);
	for (unsigned i = 0; i < REPLICAS; i++) {
		char at[ADDRESS_TEXT_MAX];
		address_format(&d->replicas[i], at);
		(void)snprintf(urls[i], sizeof urls[i], "http://%s", at);
		add(&a, "--backend");
		add(&a, urls[i]);
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, PS_EIO, "no pipe: %s", strerror(errno));
	r = start(&d->children[REPLICAS], &a, ends[1], e);
	close(ends[1]);
	d->log_fd = ends[0];
	(void)fcntl(d->log_fd, F_SETFL, O_NONBLOCK);
	return r;
}

static void end_children(struct demo *d)
{
	for (unsigned i = 0; i < CHILDREN; i++) {
		if (d->children[i])
			kill(d->children[i], i < REPLICAS ? SIGKILL : SIGTERM);
	}
	for (int waited = 0; d->children[REPLICAS] && waited < END_WAIT_MS; waited += READY_PAUSE_MS) {
		if (waitpid(d->children[REPLICAS], NULL, WNOHANG) != 0)
			d->children[REPLICAS] = 0;
		else
			(void)poll(NULL, 0, READY_PAUSE_MS);
	}
	for (unsigned i = 0; i < CHILDREN; i++) {
		if (d->children[i]) {
			kill(d->children[i], SIGKILL);
			(void)waitpid(d->children[i], NULL, 0);
		}
	}
}

/* ---- asking ---- */

/* Takes the answer's payload as it comes. */
typedef void on_payload(void *arg, struct span payload);

static int connect_to(const struct address *to)
{
	struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(fd, (const struct sockaddr *)&to->sa, to->len) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool send_all(int fd, struct span s)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		s = span_skip(s, (size_t)n);
	}
	return true;
}

/* Reads some more; false at the end, on errors and on Ctrl-C. */
static bool receive(int fd, struct buf *in)
{
	char *p = buf_reserve(in, 4096);
	ssize_t n = p ? recv(fd, p, 4096, 0) : 0;
	if (n > 0)
		buf_commit(in, (size_t)n);
	return n > 0;
}

/* Hands on the payload of a body that ends with the connection (we ask for Connection: close). */
static void read_body(int fd, struct buf *in, bool chunked, on_payload *on, void *arg)
{
	struct h1_limits limits = h1_limits_default();
	struct h1_chunked decoder;
	h1_chunked_init(&decoder, &limits, true);
	do {
		size_t n = buf_len(in);
		if (chunked && h1_chunked_decode(&decoder, in->p + in->at, n, &n, NULL, NULL) < 0)
			return;
		on(arg, span_of(in->p + in->at, n));
		buf_clear(in);
	} while (!(chunked && h1_chunked_done(&decoder)) && receive(fd, in));
}

/* One request on a connection of its own. The answer's status, or -1. */
static int ask(const struct address *to, struct span request, on_payload *on, void *arg)
{
	struct h1_limits limits = h1_limits_default();
	struct h1_head head;
	struct buf in;
	ptrdiff_t n = 0;
	size_t seen = 0;
	int fd = connect_to(to);
	buf_init(&in, ANSWER_BYTES_MAX);
	bool ok = fd >= 0 && send_all(fd, request);
	while (ok && n == 0) {
		ok = receive(fd, &in);
		n = ok ? h1_response_parse(&head, H1_POST, in.p + in.at, buf_len(&in), seen, &limits, NULL) : -1;
		seen = buf_len(&in);
	}
	int status = n > 0 ? head.status : -1;
	if (n > 0) {
		bool chunked = head.framing == H1_BODY_CHUNKED;
		buf_skip(&in, (size_t)n);
		read_body(fd, &in, chunked, on, arg);
	}
	if (fd >= 0)
		close(fd);
	buf_free(&in);
	return status;
}

static void keep(void *arg, struct span payload)
{
	if (buf_add(arg, payload) < 0)
		buf_clear(arg);
}

static int get(const struct address *to, const char *path, struct buf *body)
{
	char request[256];
	int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n", path);
	return ask(to, span_of(request, (size_t)n), keep, body);
}

/* Ready, and the adapters of the replicas are known. */
static bool is_ready(const struct demo *d)
{
	struct buf body;
	buf_init(&body, ANSWER_BYTES_MAX);
	bool yes = get(&d->admin, "/readyz", &body) == 200;
	buf_clear(&body);
	yes = yes && get(&d->gateway, "/v1/models", &body) == 200 &&
	      span_search(buf_span(&body), SPAN("\"lawyer\"")) >= 0 &&
	      span_search(buf_span(&body), SPAN("\"poet\"")) >= 0;
	buf_free(&body);
	return yes;
}

/* Why the gateway left: its last words. */
static int report_gone(struct demo *d, struct err *e)
{
	struct span words, rest;
	char *p = buf_reserve(&d->log, LOG_READ_BYTES);
	ssize_t n = p ? read(d->log_fd, p, LOG_READ_BYTES) : 0;
	buf_commit(&d->log, n > 0 ? (size_t)n : 0);
	words = span_cut(span_trim(buf_span(&d->log)), '\n', &rest);
	return err_set(e, PS_EIO, "the gateway left: %.*s", SPAN_ARG(words));
}

static int wait_ready(struct demo *d, struct err *e)
{
	for (int i = 0; i < READY_TRIES && !stopped; i++) {
		if (is_ready(d))
			return 0;
		if (waitpid(d->children[REPLICAS], NULL, WNOHANG) > 0) {
			d->children[REPLICAS] = 0;
			return report_gone(d, e);
		}
		(void)poll(NULL, 0, READY_PAUSE_MS);
	}
	return stopped ? -PS_EAGAIN : err_set(e, PS_EIO, "the gateway did not become ready");
}

/* ---- chats ---- */

/* Long enough that sharing it is worth something: some 500 tokens each. */
#define TEN(s) s s s s s s s s s s
#define RULES                                                                                                          \
	TEN("You keep the rule book of a large library. Books leave by the door, never by the window. "                \
	    "A reader who asks kindly is answered kindly; one who shouts is answered in writing. ")
#define RECIPES                                                                                                        \
	TEN("You are the cook of a small mountain inn. Whatever is in the larder today is on the table tonight. "      \
	    "Salt is added once, pepper twice, and nobody leaves hungry. ")

struct chat {
	const char *about, *model, *system, *question;
};

/* Interleaved on purpose: what shares a prefix or an adapter does not come one after the other. */
static const struct chat chats[] = {
	{ "library, 1st question", BASE_MODEL, RULES, "May I take a book home?" },
	{ "kitchen, 1st question", BASE_MODEL, RECIPES, "What is for supper?" },
	{ "adapter poet", "poet", "You write verse.", "Two lines about rain, please." },
	{ "library, 2nd question", BASE_MODEL, RULES, "And how long may I keep it?" },
	{ "kitchen, 2nd question", BASE_MODEL, RECIPES, "Is there soup as well?" },
	{ "adapter lawyer", "lawyer", "You write contracts.", "One clause about umbrellas, please." },
	{ "adapter poet again", "poet", "You write verse.", "Two lines about snow, please." },
	{ "library, 3rd question", BASE_MODEL, RULES, "What if I lose it?" },
	{ "kitchen, 3rd question", BASE_MODEL, RECIPES, "May I have the recipe?" },
};
enum { CHATS = sizeof chats / sizeof chats[0] };

/* The request's bytes. */
static int write_chat(struct buf *b, const struct chat *c, unsigned tokens)
{
	struct buf body;
	buf_init(&body, REQUEST_BYTES_MAX);
	int r = buf_printf(
		&body,
		"{\"model\":\"%s\",\"stream\":true,\"max_tokens\":%u,\"messages\":[{\"role\":\"system\",\"content\":",
		c->model, tokens);
	if (r >= 0 && (r = json_add_string(&body, span_str(c->system))) >= 0 &&
	    (r = buf_printf(&body, "},{\"role\":\"user\",\"content\":")) >= 0 &&
	    (r = json_add_string(&body, span_str(c->question))) >= 0 && (r = buf_printf(&body, "}]}")) >= 0)
		r = buf_printf(b,
			       "POST /v1/chat/completions HTTP/1.1\r\nHost: demo\r\nContent-Type: application/json\r\n"
			       "Connection: close\r\nContent-Length: %zu\r\n\r\n%.*s",
			       buf_len(&body), SPAN_ARG(buf_span(&body)));
	buf_free(&body);
	return r;
}

/* Reads a stream's events; what they say is written out where `aloud`. */
struct listener_state {
	struct sse events;
	bool aloud;
};

static void on_event(const struct listener_state *s, struct span data)
{
	json_t *event = s->aloud ? json_loadb(data.p, data.n, 0, NULL) : NULL;
	json_t *delta = json_object_get(json_array_get(json_object_get(event, "choices"), 0), "delta");
	const char *text = json_string_value(json_object_get(delta, "content"));
	if (text) {
		fputs(text, stdout);
		fflush(stdout);
	}
	json_decref(event);
}

static void on_stream(void *arg, struct span payload)
{
	struct listener_state *s = arg;
	struct sse_event event;
	while (sse_next(&s->events, &payload, &event) == 1) {
		if (event.has_data)
			on_event(s, event.data);
	}
}

static int chat(const struct demo *d, const struct chat *c, unsigned tokens, bool aloud)
{
	struct listener_state s = { .aloud = aloud };
	struct buf request;
	buf_init(&request, REQUEST_BYTES_MAX);
	sse_init(&s.events, ANSWER_BYTES_MAX);
	int status = write_chat(&request, c, tokens) < 0 ? -1 : ask(&d->gateway, buf_span(&request), on_stream, &s);
	sse_free(&s.events);
	buf_free(&request);
	return status;
}

/* ---- the table: what the access log says ---- */

/* The value of a key in a logfmt line, without quotes; empty when it is not there. */
static struct span log_value(struct span line, struct span key)
{
	while (line.n) {
		struct span name = span_trim(span_cut(line, '=', &line)), value;
		if (line.n && line.p[0] == '"') {
			line = span_skip(line, 1);
			value = span_cut(line, '"', &line);
		} else {
			value = span_cut(line, ' ', &line);
		}
		if (span_eq(name, key))
			return value;
	}
	return SPAN_NONE;
}

/* What a scorer's verdict means where it was not zero, most telling first. */
static const struct {
	struct span scorer;
	const char *words;
} meanings[] = {
	{ SPAN("prefix-cache-scorer:"), "its cache holds the beginning of this prompt" },
	{ SPAN("lora-affinity-scorer:"), "the adapter is loaded there" },
};

static const char *in_words(struct span why)
{
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		ptrdiff_t at = span_search(why, meanings[i].scorer);
		struct span score = at < 0 ? SPAN_NONE : span_skip(why, (size_t)at + meanings[i].scorer.n);
		if (score.n && !span_starts(score, SPAN("0.00")))
			return meanings[i].words;
	}
	return "nothing speaks for another one";
}

static void print_row(const struct demo *d, struct span line, const char *about)
{
	struct span replica = log_value(line, SPAN("replica"));
	char letter = '?';
	for (unsigned i = 0; i < REPLICAS; i++) {
		char at[ADDRESS_TEXT_MAX];
		address_format(&d->replicas[i], at);
		if (span_eq(replica, span_str(at)))
			letter = (char)('A' + i);
	}
	printf("  %-22s %-9.*s %-8c %5.*s of %-5.*s %8.*s ms  %s\n", about, SPAN_ARG(log_value(line, SPAN("model"))),
	       letter, SPAN_ARG(log_value(line, SPAN("cached_tokens"))),
	       SPAN_ARG(log_value(line, SPAN("prompt_tokens"))), SPAN_ARG(log_value(line, SPAN("ttft_ms"))),
	       in_words(log_value(line, SPAN("why"))));
	fflush(stdout);
}

/* Waits up to wait_ms for a line of the access log and prints it as a row. False: none came. */
static bool next_row(struct demo *d, const char *about, int wait_ms)
{
	struct pollfd ready = { .fd = d->log_fd, .events = POLLIN };
	for (;;) {
		struct span rest, all = buf_span(&d->log), line = span_cut(all, '\n', &rest);
		if (line.n < all.n) {
			bool access = log_value(line, SPAN("replica")).n > 0 && log_value(line, SPAN("model")).n > 0;
			if (access)
				print_row(d, line, about);
			buf_skip(&d->log, line.n + 1);
			if (access)
				return true;
			continue;
		}
		char *p = poll(&ready, 1, wait_ms) == 1 ? buf_reserve(&d->log, LOG_READ_BYTES) : NULL;
		ssize_t n = p ? read(d->log_fd, p, LOG_READ_BYTES) : 0;
		if (n <= 0)
			return false;
		buf_commit(&d->log, (size_t)n);
	}
}

static void print_table_head(void)
{
	printf("\n  %-22s %-9s %s  %s  %s  %s\n", "chat", "model", "replica", "cached tokens", "first token",
	       "why there");
}

/* ---- the demonstration ---- */

static int say_streamed(struct demo *d)
{
	static const struct chat question = { "streamed", BASE_MODEL, "You are a river.", "Where do you come from?" };
	printf("One answer, streamed as it comes (%s):\n\n  ", question.model);
	fflush(stdout);
	int status = chat(d, &question, 60, true);
	puts("");
	return status;
}

static int show(struct demo *d, struct err *e)
{
	int status = say_streamed(d);
	print_table_head();
	(void)next_row(d, "the streamed one", LOG_WAIT_MS);
	for (unsigned i = 0; i < CHATS && !stopped && status == 200; i++) {
		status = chat(d, &chats[i], 16, false);
		if (status == 200 && !next_row(d, chats[i].about, LOG_WAIT_MS))
			return err_set(e, PS_EIO, "the gateway's log does not speak of \"%s\"", chats[i].about);
	}
	if (status != 200 && !stopped)
		return err_set(e, PS_EIO, "a chat was answered with status %d", status);
	return 0;
}

static void print_addresses(const struct demo *d)
{
	char gateway[ADDRESS_TEXT_MAX], admin[ADDRESS_TEXT_MAX];
	address_format(&d->gateway, gateway);
	address_format(&d->admin, admin);
	for (unsigned i = 0; i < REPLICAS; i++) {
		char at[ADDRESS_TEXT_MAX];
		address_format(&d->replicas[i], at);
		printf("  replica %c   http://%s  (mock)\n", (char)('A' + i), at);
	}
	printf("  gateway     http://%s/v1  (models %s, poet, lawyer)\n  admin       http://%s/metrics  /debug/pools  "
	       "/debug/config\n",
	       gateway, BASE_MODEL, admin);
}

static void print_invitation(const struct demo *d)
{
	char gateway[ADDRESS_TEXT_MAX];
	address_format(&d->gateway, gateway);
	printf("\nTry it; each chat adds a line here. Ctrl-C ends everything.\n\n"
	       "  curl -N http://%s/v1/chat/completions -H 'Content-Type: application/json' \\\n"
	       "    -d "
	       "'{\"model\":\"poet\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}'\n\n",
	       gateway);
	fflush(stdout);
}

static int run(struct demo *d, bool once, struct err *e)
{
	int r = 0;
	for (unsigned i = 0; i < REPLICAS && r >= 0; i++)
		r = start_replica(d, i, e);
	if (r < 0 || (r = start_gateway(d, e)) < 0 || (r = wait_ready(d, e)) < 0)
		return r;
	puts("Four mock replicas and a gateway are up.\n");
	print_addresses(d);
	puts("");
	r = show(d, e);
	if (r < 0 || once)
		return r;
	print_invitation(d);
	while (!stopped && waitpid(d->children[REPLICAS], NULL, WNOHANG) == 0)
		(void)next_row(d, "yours", LOG_WAIT_MS);
	return 0;
}

int cmd_demo(int argc, char **argv)
{
	bool once = argc == 2 && strcmp(argv[1], "--once") == 0;
	if (argc > 1 && !once) {
		puts("usage: penstock demo [--once]\n\n  --once   leave when the demonstration is over");
		return strcmp(argv[1], "--help") != 0;
	}
	struct sigaction act = { .sa_handler = on_signal };
	struct demo d = { .log_fd = -1 };
	struct err e = { 0 };
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	buf_init(&d.log, LOG_BYTES_MAX);
	ssize_t n = readlink("/proc/self/exe", d.self, sizeof d.self - 1);
	int r = n > 0 ? run(&d, once, &e) : err_set(&e, PS_EIO, "cannot find this binary: %s", strerror(errno));
	end_children(&d);
	buf_free(&d.log);
	if (d.log_fd >= 0)
		close(d.log_fd);
	if (r < 0 && !stopped)
		fprintf(stderr, "penstock demo: %s\n", e.text);
	return r < 0 && !stopped;
}
