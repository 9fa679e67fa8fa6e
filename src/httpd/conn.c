/* One connection of the small server: from bytes to whole requests, and the limits of time.
 *
 * Reads stop while a request is being handled, so that pipelined requests wait in the kernel and a client that leaves
 * is heard of by its FIN all the same. Callbacks may end the connection at any point: every way in counts itself
 * (`entered`), and the last one out frees a dead connection. */
#include <stdlib.h>

#include "httpd/conn.h"

enum { LINGER_MS = 2000, HEAD_BUFFER_BYTES = 256 * 1024 };

static void parse(struct conn *c);

void conn_enter(struct conn *c)
{
	c->entered++;
}

void conn_leave(struct conn *c)
{
	if (--c->entered || !c->dead)
		return;
	buf_free(&c->in);
	buf_free(&c->head_bytes);
	buf_free(&c->body);
	buf_free(&c->out);
	free(c);
}

/* Only inside conn_enter and conn_leave. */
void conn_close(struct conn *c, bool abort)
{
	if (c->dead)
		return;
	c->dead = true;
	timer_clear(&c->timer);
	io_close(c->io, abort);
	list_remove(&c->node);
	c->server->conn_count--;
}

void conn_lose(struct conn *c)
{
	if (c->dead)
		return;
	if (c->state == CONN_HANDLING && c->rq.on_gone) {
		c->state = CONN_LINGER;
		c->rq.on_gone(&c->rq);
	}
	conn_close(c, true);
}

void conn_set_limit(struct conn *c, uint64_t ns)
{
	timer_set(c->server->loop, &c->timer, loop_now(c->server->loop) + ns);
}

/* ---- after an answer ---- */

/* FIN first and then reading on for a while: closing with unread bytes would reset the answer on its way. */
static void linger(struct conn *c)
{
	c->state = CONN_LINGER;
	io_shutdown(c->io);
	io_want_read(c->io, true, true);
	conn_set_limit(c, LINGER_MS * NS_PER_MS);
}

static void next_request(struct conn *c)
{
	c->state = CONN_HEAD;
	c->seen = 0;
	buf_free(&c->body);
	io_want_read(c->io, true, true);
	if (buf_len(&c->in) == 0) {
		buf_free(&c->in);
		conn_set_limit(c, c->server->options.idle_timeout_ns);
	} else {
		conn_set_limit(c, c->server->options.head_timeout_ns);
		if (!c->parsing)
			io_want_write(c->io); /* comes back next turn, and not inside the caller's stack */
	}
}

static void after_flush(struct conn *c)
{
	if (c->keep)
		next_request(c);
	else
		linger(c);
}

void conn_answered(struct conn *c)
{
	c->state = CONN_FLUSH;
	c->thirsty = false;
	if (conn_flush(c) && buf_len(&c->out) == 0)
		after_flush(c);
}

/* ---- requests ---- */

static void hand_over(struct conn *c)
{
	struct httpd *h = c->server;
	c->state = CONN_HANDLING;
	timer_clear(&c->timer);
	io_want_read(c->io, false, true);
	c->keep = c->head.keep_alive && c->head.minor == 1;
	c->head_only = c->head.method == H1_HEAD;
	c->mute = false;
	c->rq = (struct httpd_request){ .head = &c->head, .body = buf_span(&c->body), .peer = &c->peer, .server = h };
	h->handler(&c->rq, h->arg);
}

/* The head is parsed a second time, out of memory of its own: its spans must outlive what arrives behind it. */
static int keep_head(struct conn *c, size_t n)
{
	struct err e;
	buf_clear(&c->head_bytes);
	int r = buf_add(&c->head_bytes, span_head(buf_span(&c->in), n));
	if (r < 0)
		return r;
	buf_skip(&c->in, n);
	struct span s = buf_span(&c->head_bytes);
	ptrdiff_t again = h1_request_parse(&c->head, s.p, s.n, 0, &c->server->limits, &e);
	return again > 0 ? 0 : -PS_EBADHTTP;
}

static void begin_body(struct conn *c)
{
	struct httpd *h = c->server;
	c->state = CONN_BODY;
	c->body_left = c->head.framing == H1_BODY_LENGTH ? c->head.length : 0;
	if (c->body_left > h->options.body_max_bytes) {
		conn_refuse(c, PS_EBODYTOOBIG, "the body is larger than this server accepts");
		return;
	}
	if (c->head.framing == H1_BODY_CHUNKED)
		h1_chunked_init(&c->decoder, &h->limits, false);
	if (c->head.expect_continue && buf_len(&c->in) == 0 && c->head.framing != H1_BODY_NONE) {
		if (buf_add(&c->out, SPAN("HTTP/1.1 100 Continue\r\n\r\n")) == 0)
			conn_flush(c);
	}
	if (!c->dead)
		conn_set_limit(c, h->options.body_timeout_ns);
}

/* True when the parser can go on. */
static bool parse_head(struct conn *c)
{
	struct err e = { 0 };
	struct span s = buf_span(&c->in);
	if (s.n == 0)
		return false;
	ptrdiff_t r = h1_request_parse(&c->head, s.p, s.n, c->seen, &c->server->limits, &e);
	if (r == 0) {
		if (c->seen == 0)
			conn_set_limit(c, c->server->options.head_timeout_ns);
		c->seen = s.n;
		return false;
	}
	int kept = r < 0 ? (int)r : keep_head(c, (size_t)r);
	if (kept < 0) {
		conn_refuse(c, -kept, e.text);
		return false;
	}
	begin_body(c);
	return c->state == CONN_BODY && !c->dead;
}

/* Moves payload from `in` to `body`. 1: the body is complete; 0: more must come; -PS_E… */
static int take_body(struct conn *c)
{
	struct err e;
	size_t n = buf_len(&c->in), payload = n;
	if (c->head.framing == H1_BODY_CHUNKED) {
		ptrdiff_t used = h1_chunked_decode(&c->decoder, c->in.p + c->in.at, n, &payload, NULL, &e);
		if (used < 0)
			return (int)used;
		n = (size_t)used;
	} else if (n > c->body_left) {
		n = payload = (size_t)c->body_left;
	}
	int r = buf_add(&c->body, span_head(buf_span(&c->in), payload));
	if (r < 0)
		return r == -PS_ETOOBIG ? -PS_EBODYTOOBIG : r;
	buf_skip(&c->in, n);
	if (c->head.framing == H1_BODY_CHUNKED)
		return h1_chunked_done(&c->decoder);
	c->body_left -= n;
	return c->body_left == 0;
}

static bool parse_body(struct conn *c)
{
	int r = c->head.framing == H1_BODY_NONE ? 1 : take_body(c);
	if (r < 0) {
		conn_refuse(c, -r, NULL);
		return false;
	}
	if (r == 0) {
		conn_set_limit(c, c->server->options.body_timeout_ns);
		return false;
	}
	hand_over(c);
	return true;
}

/* One request after the other while they are here whole and the one before has been answered. */
static void parse(struct conn *c)
{
	c->parsing = true;
	bool more = true;
	while (more && !c->dead) {
		if (c->state == CONN_HEAD)
			more = parse_head(c);
		else if (c->state == CONN_BODY)
			more = parse_body(c);
		else
			more = false;
	}
	c->parsing = false;
}

/* ---- events ---- */

static void take_bytes(struct conn *c, const char *p, size_t n)
{
	if (c->state != CONN_HEAD && c->state != CONN_BODY)
		return; /* an answer that ends the connection is on its way */
	int r = buf_add(&c->in, span_of(p, n));
	if (r < 0)
		conn_refuse(c, -r, NULL);
	else
		parse(c);
}

static void on_readable(void *owner)
{
	struct conn *c = owner;
	char *scratch = loop_scratch(c->server->loop);
	conn_enter(c);
	ptrdiff_t n = io_read(c->io, scratch, LOOP_SCRATCH_BYTES);
	if (n > 0)
		take_bytes(c, scratch, (size_t)n);
	else if (n != -PS_EAGAIN)
		conn_close(c, n < 0);
	conn_leave(c);
}

static void on_writable(void *owner)
{
	struct conn *c = owner;
	conn_enter(c);
	if (conn_flush(c)) {
		bool low = buf_len(&c->out) <= c->server->options.out_max_bytes / 2;
		if (c->state == CONN_FLUSH && buf_len(&c->out) == 0)
			after_flush(c);
		else if (c->state == CONN_HEAD || c->state == CONN_BODY)
			parse(c);
		else if (c->state == CONN_HANDLING && c->thirsty && low) {
			c->thirsty = false;
			if (c->rq.on_drain)
				c->rq.on_drain(&c->rq);
		}
	}
	conn_leave(c);
}

static void on_hangup(void *owner)
{
	struct conn *c = owner;
	conn_enter(c);
	if (c->state == CONN_FLUSH)
		io_want_read(c->io, false, false); /* it may still read the answer; a reset shows in the next write */
	else
		conn_lose(c);
	conn_leave(c);
}

static const struct io_ops ops = { .on_readable = on_readable, .on_writable = on_writable, .on_hangup = on_hangup };

static void on_limit(struct timer *t, uint64_t now)
{
	struct conn *c = container_of(t, struct conn, timer);
	(void)now;
	conn_enter(c);
	if (c->state == CONN_HEAD && buf_len(&c->in))
		conn_refuse(c, PS_EHEADTIMEOUT, NULL);
	else if (c->state == CONN_BODY)
		conn_refuse(c, PS_EBODYTIMEOUT, NULL);
	else if (c->state == CONN_HEAD || c->state == CONN_LINGER)
		conn_close(c, false);
	else
		conn_lose(c);
	conn_leave(c);
}

void conn_open(struct httpd *h, int fd, const struct address *peer)
{
	struct conn *c = calloc(1, sizeof *c);
	struct io *io = io_open(h->loop, fd, &ops, c);
	if (!c || !io) {
		if (io)
			io_close(io, true);
		free(c);
		return;
	}
	c->server = h;
	c->io = io;
	c->peer = *peer;
	buf_init(&c->in, HEAD_BUFFER_BYTES);
	buf_init(&c->head_bytes, HEAD_BUFFER_BYTES);
	buf_init(&c->body, h->options.body_max_bytes);
	buf_init(&c->out, SIZE_MAX);
	timer_init(&c->timer, on_limit);
	list_push_back(&h->conns, &c->node);
	h->conn_count++;
	conn_set_limit(c, h->options.idle_timeout_ns);
}
