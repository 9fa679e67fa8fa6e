/* Connections to replicas: opening, keeping, giving away, closing. One thread: its loop's.
 *
 * Idle connections are kept per replica, newest first, for less time than engines keep theirs, and stay readable, so
 * that one the engine closes is dropped at once. What is left of the race (closed while our request is on its way) is
 * reported as `reused`, and the request may be sent again. */
#include "upstream/upstream.h"

#include <stdlib.h>

#include "upstream/internal.h"

enum { REPLICAS_MAX = 1 << 20, HEAD_BYTES_MAX = 256 * 1024 };

struct idle_list {
	struct list calls;
	uint32_t count;
	uint64_t replica;
};

struct upstream_options upstream_options_default(void)
{
	return (struct upstream_options){
		.connect_ns = NS_PER_S, .idle_ns = 4 * NS_PER_S, .idle_max = 256, .limits = h1_limits_default()
	};
}

struct upstream *upstream_new(struct loop *l, const struct upstream_options *o)
{
	struct upstream *u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->loop = l;
	u->options = *o;
	map_init(&u->idle, REPLICAS_MAX);
	list_init(&u->busy);
	buf_init(&u->head, HEAD_BYTES_MAX);
	return u;
}

static void release(struct upstream_call *c)
{
	buf_free(&c->out);
	buf_free(&c->rest);
	buf_free(&c->trailers);
	free(c);
}

/* Closes the connection. The memory goes now, or when the callback that called us has returned. */
static void drop(struct upstream_call *c, bool abort)
{
	if (c->gone)
		return;
	c->gone = true;
	c->up->stats.busy--;
	timer_clear(&c->timer);
	list_remove(&c->node);
	io_close(c->io, abort);
	if (c->depth == 0)
		release(c);
}

static void enter(struct upstream_call *c)
{
	c->depth++;
}

static void leave(struct upstream_call *c)
{
	if (--c->depth == 0 && c->gone)
		release(c);
}

/* ---- idle connections ---- */

static struct idle_list *idle_of(struct upstream *u, uint64_t replica, bool make)
{
	struct idle_list *il = map_find_u64(&u->idle, replica);
	if (il || !make)
		return il;
	il = calloc(1, sizeof *il);
	if (!il)
		return NULL;
	list_init(&il->calls);
	il->replica = replica;
	if (map_put_u64(&u->idle, replica, il) < 0) {
		free(il);
		return NULL;
	}
	return il;
}

static void drop_idle(struct upstream_call *c)
{
	c->up->stats.idle--;
	c->up->stats.busy++; /* which drop takes back */
	struct idle_list *il = idle_of(c->up, c->replica, false);
	il->count--;
	drop(c, false);
}

static void keep(struct upstream_call *c)
{
	struct upstream *u = c->up;
	struct idle_list *il = idle_of(u, c->replica, true);
	if (!il || il->count >= u->options.idle_max) {
		drop(c, false);
		return;
	}
	buf_free(&c->rest);
	buf_free(&c->out);
	upstream_resume(c);
	list_remove(&c->node);
	list_push_front(&il->calls, &c->node);
	c->kept_at = loop_now(u->loop);
	il->count++;
	u->stats.idle++;
	u->stats.busy--;
	timer_set(u->loop, &c->timer, loop_now(u->loop) + u->options.idle_ns);
}

/* The newest one that has been idle for a whole turn: of one that became so in this turn nobody has looked yet whether
 * the replica said more than its answer, or closed it. */
static struct upstream_call *find_idle(const struct upstream *u, const struct idle_list *il)
{
	list_each (it, next, &il->calls) {
		struct upstream_call *c = container_of(it, struct upstream_call, node);
		if (c->kept_at != loop_now(u->loop))
			return c;
	}
	return NULL;
}

static struct upstream_call *take_idle(struct upstream *u, uint64_t replica)
{
	struct idle_list *il = idle_of(u, replica, false);
	struct upstream_call *c = il ? find_idle(u, il) : NULL;
	if (!c)
		return NULL;
	list_remove(&c->node);
	list_push_back(&u->busy, &c->node);
	timer_clear(&c->timer);
	il->count--;
	u->stats.idle--;
	u->stats.busy++;
	return c;
}

/* ---- how a call ends ---- */

void call_end(struct upstream_call *c)
{
	const struct upstream_ops *ops = c->ops;
	c->ops = NULL;
	timer_clear(&c->timer);
	struct buf trailers = c->trailers;
	buf_init(&c->trailers, TRAILER_MAX);
	void *owner = c->owner;
	if (c->keep && c->sent && !c->broken)
		keep(c);
	else
		drop(c, false);
	ops->on_end(owner, buf_span(&trailers));
	buf_free(&trailers);
}

void call_fail(struct upstream_call *c, int code, const struct err *e)
{
	const struct upstream_ops *ops = c->ops;
	void *owner = c->owner;
	bool reused = c->requests > 1 && !c->answered && abs(code) == PS_ERESET;
	c->ops = NULL;
	drop(c, true);
	ops->on_fail(owner, code, reused, e);
}

static void on_timer(struct timer *t, uint64_t now)
{
	(void)now;
	struct upstream_call *c = container_of(t, struct upstream_call, timer);
	struct err e;
	if (!c->ops)
		drop_idle(c);
	else if (c->connecting)
		call_fail(c, err_set(&e, PS_ECONNTIMEOUT, "no connection within the time for connecting"), &e);
	else
		drop(c, true); /* draining took too long */
}

/* ---- what the socket says ---- */

static void on_connected(void *owner, int result)
{
	struct upstream_call *c = owner;
	struct err e;
	c->connecting = false;
	timer_clear(&c->timer);
	*(result < 0 ? &c->up->stats.connects_failed : &c->up->stats.connects) += 1;
	enter(c);
	if (result < 0)
		call_fail(c, err_set(&e, PS_ECONNECT, "the connection was refused or cannot be made"), &e);
	else
		c->protocol->more(c);
	leave(c);
}

/* Reads until there is nothing more, the owner has had enough, or it is the others' turn. */
static void read_on(struct upstream_call *c)
{
	enum { READS_PER_TURN = 4 };
	for (int i = 0; i < READS_PER_TURN && !c->gone && c->ops && !c->paused; i++) {
		char *p = loop_scratch(c->up->loop);
		ptrdiff_t n = io_read(c->io, p, LOOP_SCRATCH_BYTES);
		if (n == -PS_EAGAIN)
			return;
		if (n <= 0) {
			c->protocol->eof(c);
			return;
		}
		c->answered = true;
		c->up->stats.received_bytes += (uint64_t)n;
		c->protocol->receive(c, p, (size_t)n);
		if (n < LOOP_SCRATCH_BYTES)
			break;
	}
	if (!c->gone && c->ops)
		c->ops->on_pause(c->owner);
}

static void on_readable(void *owner)
{
	struct upstream_call *c = owner;
	if (!c->ops) { /* idle: whatever it is, it belongs to no request */
		drop_idle(c);
		return;
	}
	enter(c);
	read_on(c);
	leave(c);
}

static void on_writable(void *owner)
{
	struct upstream_call *c = owner;
	enter(c);
	if (c->ops)
		c->protocol->more(c);
	leave(c);
}

static void on_hangup(void *owner)
{
	/* Reading is off for back-pressure: what the replica still said is read later, and its end then. */
	struct upstream_call *c = owner;
	io_want_read(c->io, false, false);
}

static const struct io_ops io_events = { on_connected, on_readable, on_writable, on_hangup };

/* ---- calls ---- */

static struct upstream_call *connect_new(struct upstream *u, const struct upstream_target *to)
{
	struct upstream_call *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->io = io_connect(u->loop, &to->address, &io_events, c);
	if (!c->io) {
		free(c);
		return NULL;
	}
	c->up = u;
	c->replica = to->id;
	c->protocol = &upstream_http1;
	c->connecting = true;
	buf_init(&c->out, HEAD_BYTES_MAX);
	buf_init(&c->rest, (size_t)u->options.limits.head_bytes + u->options.limits.line_bytes + LOOP_SCRATCH_BYTES);
	buf_init(&c->trailers, TRAILER_MAX);
	timer_init(&c->timer, on_timer);
	timer_set(u->loop, &c->timer, loop_now(u->loop) + (to->connect_ns ? to->connect_ns : u->options.connect_ns));
	list_push_back(&u->busy, &c->node);
	u->stats.busy++;
	return c;
}

struct upstream_call *upstream_open(struct upstream *u, const struct upstream_target *to,
				    const struct upstream_request *rq, const struct upstream_ops *ops, void *owner)
{
	struct upstream_call *c = to->fresh ? NULL : take_idle(u, to->id);
	if (!c)
		c = connect_new(u, to);
	if (!c)
		return NULL;
	c->ops = ops;
	c->owner = owner;
	c->requests++;
	enter(c);
	c->protocol->start(c, rq);
	leave(c);
	return c;
}

void upstream_body_ready(struct upstream_call *c)
{
	enter(c);
	if (!c->connecting)
		c->protocol->more(c);
	leave(c);
}

void upstream_pause(struct upstream_call *c)
{
	if (c->paused)
		return;
	c->paused = true;
	io_want_read(c->io, false, true);
}

void upstream_resume(struct upstream_call *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	io_want_read(c->io, true, true);
}

void upstream_abort(struct upstream_call *c)
{
	c->ops = NULL;
	drop(c, true);
}

/* ---- draining: an answer nobody wants, read to its end ---- */

static int drain_body(void *owner, struct iovec *iov, int max, bool *last)
{
	(void)owner, (void)iov, (void)max;
	*last = false;
	return 0;
}
static void drain_taken(void *owner, size_t n)
{
	(void)owner, (void)n;
}
static void drain_head(void *owner, const struct h1_head *h)
{
	(void)owner, (void)h;
}
static void drain_data(void *owner, char *p, size_t n)
{
	(void)owner, (void)p, (void)n;
}
static void drain_pause(void *owner)
{
	(void)owner;
}
static void drain_end(void *owner, struct span trailers)
{
	(void)owner, (void)trailers;
}
static void drain_fail(void *owner, int code, bool reused, const struct err *e)
{
	(void)owner, (void)code, (void)reused, (void)e;
}

static const struct upstream_ops drain_ops = {
	.body = drain_body,
	.body_taken = drain_taken,
	.on_head = drain_head,
	.on_body = drain_data,
	.on_pause = drain_pause,
	.on_end = drain_end,
	.on_fail = drain_fail,
};

void upstream_drain(struct upstream_call *c, uint64_t drain_ns)
{
	if (c->connecting || !c->sent) { /* the engine has no whole request: nothing to crash on */
		upstream_abort(c);
		return;
	}
	c->ops = &drain_ops;
	c->owner = NULL;
	timer_set(c->up->loop, &c->timer, loop_now(c->up->loop) + drain_ns);
	upstream_resume(c);
}

void upstream_stats(const struct upstream *u, struct upstream_stats *ret)
{
	*ret = u->stats;
}

bool upstream_sent(const struct upstream_call *c)
{
	return c->sent;
}

void upstream_free(struct upstream *u)
{
	struct idle_list *il;
	uint32_t i = 0;
	while ((il = map_next(&u->idle, &i))) {
		list_each (it, next, &il->calls)
			drop_idle(container_of(it, struct upstream_call, node));
		free(il);
	}
	map_free(&u->idle);
	list_each (it, next, &u->busy)
		upstream_abort(container_of(it, struct upstream_call, node));
	buf_free(&u->head);
	free(u);
}
