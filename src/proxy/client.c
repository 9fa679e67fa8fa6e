/* Client connections: from accepted to closed. Reads heads and hands bodies to their exchange; writes what an exchange
 * gives.
 *
 * One request at a time: what a client sends ahead waits in `in`, unread beyond its bound, while the socket is watched
 * for the client's end alone, so that a client that leaves is noticed behind bytes nobody has read. */
#include <stdlib.h>
#include <unistd.h>

#include "proxy/internal.h"

#define DRAIN_IDLE_NS (5 * NS_PER_S)

enum { LINGER_NS = 2000000000, LINGER_BYTES_MAX = 1 << 20, READS_PER_TURN = 4, PROXY_HEADER_MAX = 4200 };

const struct listener_policy *client_policy(const struct client *c)
{
	const struct snapshot *s = c->proxy->use->snapshot;
	uint32_t n = c->listener->number;
	return &s->listeners[n < s->listener_count ? n : 0].policy;
}

struct span client_host(const struct client *c)
{
	return span_str(c->host);
}

void client_address(const struct client *c, struct address *ret)
{
	memset(ret, 0, sizeof *ret);
	memcpy(&ret->sa, &c->peer, sizeof c->peer);
	ret->len = sizeof c->peer;
}

static void set_peer(struct client *c, const struct sockaddr_storage *sa)
{
	struct address a = { .sa = *sa };
	char text[ADDRESS_TEXT_MAX];
	memcpy(&c->peer, sa, sizeof c->peer);
	address_format_host(&a, text);
	span_copy(c->host, sizeof c->host, span_str(text));
}

static void arm(struct client *c, uint64_t after_ns)
{
	timer_set(c->proxy->loop, &c->timer, loop_now(c->proxy->loop) + after_ns);
}

/* ---- closing ---- */

void client_close(struct client *c, bool abort)
{
	if (c->dead)
		return;
	c->dead = true;
	if (c->x)
		exchange_abort(c->x, PS_ECLIENTGONE);
	timer_clear(&c->timer);
	io_close(c->io, abort);
	list_remove(&c->node);
	list_push_back(&c->proxy->dead_clients, &c->node);
	c->listener->connections--;
	tm_move(c->listener->open, -1);
	c->proxy->connection_count--;
}

/* The answer is written and the connection ends, but the client may still be sending: closing now could destroy
 * the answer on its way (RFC 9112 §9.6). */
static void linger(struct client *c)
{
	c->lingering = true;
	c->linger_bytes = 0;
	io_shutdown(c->io);
	io_want_read(c->io, true, true);
	arm(c, LINGER_NS);
}

static void linger_read(struct client *c)
{
	ptrdiff_t n = io_read(c->io, loop_scratch(c->proxy->loop), LOOP_SCRATCH_BYTES);
	if (n == -PS_EAGAIN)
		return;
	c->linger_bytes += n > 0 ? (uint32_t)n : 0;
	if (n <= 0 || c->linger_bytes > LINGER_BYTES_MAX)
		client_close(c, false);
}

void client_hurry(struct client *c, uint64_t within_ns)
{
	if (!c->x && !c->closing && !c->lingering && buf_len(&c->in) == 0)
		arm(c, within_ns);
}

/* ---- writing ---- */

bool client_blocked(const struct client *c)
{
	return buf_len(&c->out) > 0;
}

static bool keep_rest(struct client *c, const struct iovec *iov, int n, size_t skip)
{
	for (int i = 0; i < n; i++) {
		size_t k = skip < iov[i].iov_len ? skip : iov[i].iov_len;
		skip -= k;
		if (buf_add(&c->out, span_of((const char *)iov[i].iov_base + k, iov[i].iov_len - k)) < 0)
			return false;
	}
	return true;
}

bool client_write(struct client *c, const struct iovec *iov, int n)
{
	size_t all = 0;
	for (int i = 0; i < n; i++)
		all += iov[i].iov_len;
	ptrdiff_t took = client_blocked(c) ? 0 : io_writev(c->io, iov, n);
	if (took < 0)
		return false;
	c->proxy->sent_bytes += (uint64_t)took;
	if ((size_t)took == all)
		return true;
	if (!c->stalled_since)
		c->stalled_since = loop_now(c->proxy->loop);
	else if (took)
		c->stalled_since = loop_now(c->proxy->loop);
	if (!c->writing) {
		c->writing = true;
		io_want_write(c->io);
	}
	return keep_rest(c, iov, n, (size_t)took);
}

/* Nothing is left to write. */
static void written(struct client *c)
{
	buf_free(&c->out);
	c->stalled_since = 0;
	if (c->x)
		exchange_drained(c->x);
	else if (c->closing)
		linger(c);
}

static void on_writable(void *owner)
{
	struct client *c = owner;
	c->writing = false;
	struct span s = buf_span(&c->out);
	struct iovec iov = { (char *)(uintptr_t)s.p, s.n };
	ptrdiff_t took = s.n ? io_writev(c->io, &iov, 1) : 0;
	if (took < 0) {
		client_close(c, true);
		return;
	}
	buf_skip(&c->out, (size_t)took);
	c->proxy->sent_bytes += (uint64_t)took;
	if (took)
		c->stalled_since = loop_now(c->proxy->loop);
	if (client_blocked(c)) {
		c->writing = true;
		io_want_write(c->io);
		return;
	}
	written(c);
}

/* ---- between requests ---- */

void client_read(struct client *c, bool on)
{
	io_want_read(c->io, on, true);
}

bool client_ends(const struct client *c)
{
	return c->closing || c->proxy->draining || c->listener->number == UINT32_MAX ||
	       c->requests >= client_policy(c)->requests_per_connection;
}

/* No exchange is under way: waits for the next head, or for the rest of one that has begun. */
static void idle(struct client *c)
{
	const struct listener_policy *p = client_policy(c);
	if (c->dead || c->x || c->closing || c->lingering)
		return;
	if (c->ended) { /* and nothing whole is left to answer */
		client_close(c, false);
		return;
	}
	if (buf_len(&c->in) == 0) {
		buf_free(&c->in);
		/* While draining, long enough that a request on its way is not lost, short enough to leave. */
		arm(c, c->proxy->draining && p->idle_timeout_ns > DRAIN_IDLE_NS ? DRAIN_IDLE_NS : p->idle_timeout_ns);
	} else if (!c->head_begun) { /* its time is counted from its first bytes, however they drip */
		c->head_begun = true;
		arm(c, p->head_timeout_ns);
	}
	client_read(c, true);
}

static void end_connection(struct client *c, bool linger_first)
{
	c->closing = true;
	if (client_blocked(c)) {
		client_read(c, false);
		arm(c, client_policy(c)->write_stall_ns);
	} else if (linger_first || buf_len(&c->in)) {
		linger(c);
	} else {
		client_close(c, false);
	}
}

static void parse(struct client *c);

void client_next(struct client *c, bool keep, bool linger_first)
{
	c->x = NULL;
	if (c->dead)
		return;
	if (!keep || c->closing || c->requests >= client_policy(c)->requests_per_connection) {
		end_connection(c, linger_first);
		return;
	}
	if (!c->parsing) /* else whoever parses goes on */
		parse(c);
}

static void on_timer(struct timer *t, uint64_t now)
{
	struct client *c = container_of(t, struct client, timer);
	(void)now;
	if (c->lingering || c->closing || buf_len(&c->in) == 0) {
		client_close(c, false);
		return;
	}
	struct err e;
	err_set(&e, PS_EHEADTIMEOUT, "the request head did not arrive in time");
	respond_bad_request(c, PS_EHEADTIMEOUT, &e);
}

/* ---- reading ---- */

/* Takes the PROXY protocol header off the front. False: wait, or it was no such header and the client is closed. */
static bool take_proxy_header(struct client *c)
{
	struct proxy_header h;
	struct span s = buf_span(&c->in);
	ptrdiff_t n = proxy_header_parse(&h, s.p, s.n, NULL);
	if (n == 0 && s.n < PROXY_HEADER_MAX)
		return false;
	if (n <= 0) {
		client_close(c, true); /* whoever this is does not speak what the listener asks for */
		return false;
	}
	c->expect_proxy_header = false;
	if (!h.local)
		set_peer(c, &h.source);
	buf_skip(&c->in, (size_t)n);
	return true;
}

/* Parses one head at p. Returns the bytes used by it and its body so far, 0 when more are needed, -1 when the client
 * was refused. */
static ptrdiff_t parse_one(struct client *c, char *p, size_t n)
{
	NOT_ZEROED struct h1_head h;
	NOT_ZEROED struct err e;
	e.text[0] = '\0';
	ptrdiff_t used = h1_request_parse(&h, p, n, c->in_seen, &client_policy(c)->limits, &e);
	if (used < 0) {
		respond_bad_request(c, (int)used, &e);
		return -1;
	}
	c->in_seen = used ? 0 : n;
	if (used == 0)
		return 0;
	timer_clear(&c->timer);
	c->requests++;
	c->head_begun = false;
	c->parsing = true; /* an exchange that ends at once must not parse on from within */
	exchange_begin(c, &h, p, (size_t)used);
	ptrdiff_t body = 0;
	if (c->x && !c->dead && (size_t)used < n && exchange_wants_body(c->x))
		body = exchange_body(c->x, p + used, n - (size_t)used);
	c->parsing = false;
	return body < 0 ? -1 : used + body;
}

/* Parses requests out of `in` while no exchange is under way. */
static void parse(struct client *c)
{
	while (!c->dead && !c->lingering && !c->closing && !c->x && buf_len(&c->in)) {
		if (c->expect_proxy_header && !take_proxy_header(c))
			return;
		ptrdiff_t used = buf_len(&c->in) ? parse_one(c, c->in.p + c->in.at, buf_len(&c->in)) : 0;
		if (c->dead || used < 0)
			return;
		buf_skip(&c->in, (size_t)used);
		if (used == 0)
			break;
	}
	idle(c);
}

/* Bytes of a head, fresh from the socket. Whole requests are parsed where they are; only a remainder is copied. */
static void arrived(struct client *c, char *p, size_t n)
{
	if (buf_len(&c->in) == 0 && !c->expect_proxy_header && !c->x) {
		ptrdiff_t used = parse_one(c, p, n);
		if (used < 0 || c->dead)
			return;
		p += used;
		n -= (size_t)used;
	}
	if (buf_add(&c->in, span_of(p, n)) < 0) {
		client_close(c, true);
		return;
	}
	if (c->x && n)
		client_read(c, false); /* sent ahead: later */
	else if (!c->x)
		parse(c);
}

/* Reads body bytes straight into the exchange's memory where it has some. */
static bool read_body(struct client *c)
{
	size_t room;
	char *to = exchange_body_room(c->x, &room);
	char *p = to ? to : loop_scratch(c->proxy->loop);
	size_t want = to ? room : LOOP_SCRATCH_BYTES;
	ptrdiff_t n = io_read(c->io, p, want);
	if (n == -PS_EAGAIN)
		return false;
	if (n <= 0) {
		client_close(c, n < 0);
		return false;
	}
	c->proxy->received_bytes += (uint64_t)n;
	if (to)
		return exchange_body_arrived(c->x, (size_t)n) && (size_t)n == want;
	ptrdiff_t used = exchange_body(c->x, p, (size_t)n);
	if (used >= 0 && used < n && !c->dead)
		arrived(c, p + used, (size_t)(n - used));
	return used >= 0 && (size_t)n == want;
}

/* While an exchange is under way and its request complete: either bytes sent ahead, or the client's end. */
static void read_ahead(struct client *c)
{
	char *p = loop_scratch(c->proxy->loop);
	ptrdiff_t n = io_read(c->io, p, LOOP_SCRATCH_BYTES / 4);
	if (n == -PS_EAGAIN)
		return;
	if (n < 0 || (n == 0 && client_policy(c)->half_close == HALF_CLOSE_ABORT)) {
		client_close(c, true);
		return;
	}
	if (n == 0) {
		c->ended = true;
		io_want_read(c->io, false, false);
		return;
	}
	c->proxy->received_bytes += (uint64_t)n;
	arrived(c, p, (size_t)n);
}

static void read_head(struct client *c)
{
	char *p = loop_scratch(c->proxy->loop);
	ptrdiff_t n = io_read(c->io, p, LOOP_SCRATCH_BYTES);
	if (n == -PS_EAGAIN)
		return;
	if (n <= 0) {
		client_close(c, n < 0);
		return;
	}
	c->proxy->received_bytes += (uint64_t)n;
	arrived(c, p, (size_t)n);
}

static void on_readable(void *owner)
{
	struct client *c = owner;
	if (c->lingering) {
		linger_read(c);
	} else if (c->x && exchange_wants_body(c->x)) {
		for (int i = 0; i < READS_PER_TURN && !c->dead && c->x && exchange_wants_body(c->x); i++)
			if (!read_body(c))
				break;
	} else if (c->x) {
		read_ahead(c);
	} else {
		read_head(c);
	}
}

static void on_hangup(void *owner)
{
	struct client *c = owner;
	int gone = 0;
	socklen_t n = sizeof gone;
	bool error = getsockopt(io_fd(c->io), SOL_SOCKET, SO_ERROR, &gone, &n) == 0 && gone != 0;
	if (!error && c->x && client_policy(c)->half_close == HALF_CLOSE_TOLERATE) {
		c->ended = true;
		io_want_read(c->io, false, false);
		return;
	}
	client_close(c, true);
}

static void on_connected(void *owner, int result)
{
	(void)owner, (void)result; /* accepted sockets are connected */
}

static const struct io_ops events = { on_connected, on_readable, on_writable, on_hangup };

void client_accept(struct proxy_listener *pl, int fd, const struct address *peer)
{
	struct proxy *p = pl->proxy;
	struct client *c = calloc(1, sizeof *c);
	if (!c) {
		close(fd);
		return;
	}
	c->io = io_open(p->loop, fd, &events, c);
	if (!c->io) {
		free(c);
		return;
	}
	c->proxy = p;
	c->listener = pl;
	set_peer(c, &peer->sa);
	buf_init(&c->in, CLIENT_IN_MAX);
	buf_init(&c->out, CLIENT_OUT_MAX);
	timer_init(&c->timer, on_timer);
	list_push_back(&p->clients, &c->node);
	pl->connections++;
	p->connection_count++;
	tm_add(pl->accepted, 1);
	tm_move(pl->open, 1);
	const struct listener_policy *policy = client_policy(c);
	c->expect_proxy_header = policy->proxy_protocol;
	c->head_begun = true;
	arm(c, policy->head_timeout_ns);
	if (pl->connections > policy->connections) {
		struct err e;
		err_set(&e, PS_ECONNLIMIT, "this listener holds as many connections as it may");
		respond_bad_request(c, PS_ECONNLIMIT, &e);
	}
}
