/* A worker's proxy: its listeners, the snapshots its exchanges use, the pools' tick, draining. */
#include "proxy/proxy.h"

#include <stdlib.h>
#include <malloc.h>

#include "proxy/internal.h"

enum {
	TICK_NS = 50000000,
	IDLE_GRACE_NS = 1000000000,
	COMPOSE_MAX = 256 * 1024,
	TRIM_TICKS = 200 /* ten seconds */,
	KEPT_FREE_BYTES = 32 << 20,
	TOP_PAD_BYTES = 1 << 20
};

/* ---- snapshots in use ---- */

static struct snapshot_use *use_new(struct snapshot *s)
{
	struct snapshot_use *u = calloc(1, sizeof *u);
	if (u)
		u->snapshot = snapshot_ref(s);
	return u;
}

/* Old snapshots that no exchange uses any more go back, and listeners that are gone with their last connection. */
static void retire(struct proxy *p)
{
	list_each (it, next, &p->listeners) {
		struct proxy_listener *pl = container_of(it, struct proxy_listener, node);
		if (pl->number == UINT32_MAX && pl->connections == 0) {
			list_remove(it);
			free(pl);
		}
	}
	list_each (it, next, &p->uses) {
		struct snapshot_use *u = container_of(it, struct snapshot_use, node);
		if (u == p->use || u->users)
			continue;
		list_remove(it);
		snapshot_unref(u->snapshot);
		free(u);
	}
}

/* ---- the end of a turn, and the tick ---- */

static void free_dead_clients(struct proxy *p)
{
	list_each (it, next, &p->dead_clients) {
		struct client *c = container_of(it, struct client, node);
		buf_free(&c->in);
		buf_free(&c->out);
		free(c);
	}
	list_init(&p->dead_clients);
}

static void maybe_drained(struct proxy *p)
{
	if (!p->draining || !p->drained || p->exchange_count || p->connection_count)
		return;
	void (*drained)(void *arg) = p->drained;
	p->drained = NULL;
	drained(p->drained_arg);
}

static void on_turn_end(void *arg)
{
	struct proxy *p = arg;
	if (!list_empty(&p->dead_exchanges))
		exchange_free_dead(p);
	if (!list_empty(&p->dead_clients))
		free_dead_clients(p);
	retire(p);
	maybe_drained(p);
}

static void on_tick(struct timer *t, uint64_t now)
{
	struct proxy *p = container_of(t, struct proxy, tick);
	const struct snapshot *s = p->use->snapshot;
	settle_counts(p);
	if (p->home)
		for (uint32_t i = 0; i < s->pool_count; i++)
			gate_advance(s->pools[i].gate, now, proxy_sink());
	/* What a burst of streams took is given back to the system, not kept for ever. */
	if (p->home && ++p->ticks % TRIM_TICKS == 0)
		(void)malloc_trim(0);
	timer_set(p->loop, t, now + TICK_NS);
}

/* ---- listeners ---- */

static void on_accept(void *owner, int fd, const struct address *peer)
{
	client_accept(owner, fd, peer);
}

static const struct listener_ops listener_events = { on_accept };

int proxy_listen(struct proxy *p, uint32_t listener, int fd, struct err *e)
{
	const struct snapshot_listener *sl = &p->use->snapshot->listeners[listener];
	struct proxy_listener *pl = calloc(1, sizeof *pl);
	if (!pl)
		return err_set(e, PS_ENOMEM, "no memory for a listener");
	struct span name = span_str(sl->name);
	pl->proxy = p;
	pl->number = listener;
	pl->accepted = tm_series_of(TM_CONNECTIONS, &name, 1);
	pl->open = tm_series_of(TM_CONNECTIONS_OPEN, &name, 1);
	pl->listener = listener_open(p->loop, &sl->address, fd, &listener_events, pl, e);
	if (!pl->listener) {
		free(pl);
		return -PS_EIO;
	}
	list_push_back(&p->listeners, &pl->node);
	return 0;
}

unsigned proxy_listener_fds(const struct proxy *p, int *fds, uint32_t *listeners, unsigned max)
{
	unsigned n = 0;
	list_each (it, next, &p->listeners) {
		const struct proxy_listener *pl = container_of(it, struct proxy_listener, node);
		if (!pl->listener) /* a reload has closed it */
			continue;
		if (n == max)
			break;
		fds[n] = listener_fd(pl->listener);
		listeners[n++] = pl->number;
	}
	return n;
}

static void stop_listening(struct proxy_listener *pl)
{
	if (pl->listener)
		listener_close(pl->listener);
	pl->listener = NULL;
}

static uint32_t find_listener(const struct snapshot *s, const struct address *a)
{
	for (uint32_t i = 0; i < s->listener_count; i++)
		if (address_eq(&s->listeners[i].address, a))
			return i;
	return UINT32_MAX;
}

static bool listening(const struct proxy *p, uint32_t number)
{
	list_each (it, next, &p->listeners)
		if (container_of(it, struct proxy_listener, node)->number == number)
			return true;
	return false;
}

/* Connections of listeners that are gone answer what is under way or comes within a moment, and end. */
static void hurry_orphans(struct proxy *p)
{
	list_each (it, next, &p->clients) {
		struct client *c = container_of(it, struct client, node);
		if (c->listener->number == UINT32_MAX)
			client_hurry(c, IDLE_GRACE_NS);
	}
}

void proxy_apply(struct proxy *p, struct snapshot *s)
{
	struct snapshot_use *u = use_new(s);
	struct err e = { 0 };
	if (!u)
		return; /* without memory the old configuration stays in force */
	const struct snapshot *old = p->use->snapshot;
	list_each (it, next, &p->listeners) {
		struct proxy_listener *pl = container_of(it, struct proxy_listener, node);
		if (pl->number != UINT32_MAX)
			pl->number = find_listener(s, &old->listeners[pl->number].address);
		if (pl->number == UINT32_MAX)
			stop_listening(pl);
	}
	hurry_orphans(p);
	list_push_back(&p->uses, &u->node);
	p->use = u;
	body_memory_limit(s->body_memory_bytes);
	for (uint32_t i = 0; i < s->listener_count; i++)
		if (!listening(p, i) && proxy_listen(p, i, -1, &e) < 0)
			log_event(LOG_ERROR, "listen_failed", "listener", s->listeners[i].name, "error", e.text, NULL);
}

/* ---- making and ending ---- */

static void on_drain_end(struct timer *t, uint64_t now)
{
	struct proxy *p = container_of(t, struct proxy, drain_timer);
	(void)now;
	list_each (it, next, &p->clients) {
		struct client *c = container_of(it, struct client, node);
		struct err e;
		err_set(&e, PS_EDRAINING, "the gateway is shutting down");
		if (c->x && c->x->answer_begun)
			relay_cut(c->x, PS_EDRAINING, &e);
		else if (c->x)
			respond_error(c->x, PS_EDRAINING, 0, &e);
		if (!c->dead)
			client_close(c, false);
	}
	maybe_drained(p);
}

/* Freed body chunks stay with the process for the next body: giving them back and faulting them in again costs more
 * than copying them. What a quiet time leaves over goes back with malloc_trim in the tick. */
static void keep_freed_memory(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES);
	(void)mallopt(M_TOP_PAD, TOP_PAD_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_FREE_BYTES);
}

struct proxy *proxy_new(struct loop *l, struct snapshot *s, bool home)
{
	struct proxy *p = calloc(1, sizeof *p);
	struct upstream_options o = upstream_options_default();
	keep_freed_memory();
	if (!p)
		return NULL;
	p->loop = l;
	p->home = home;
	p->use = use_new(s);
	p->upstream = upstream_new(l, &o);
	p->series = series_new();
	if (!p->use || !p->upstream || !p->series) {
		abort(); /* at start: there is nothing to serve with */
	}
	list_init(&p->uses);
	list_init(&p->listeners);
	list_init(&p->clients);
	list_init(&p->dead_clients);
	list_init(&p->dead_exchanges);
	list_init(&p->spare_exchanges);
	list_push_back(&p->uses, &p->use->node);
	buf_init(&p->compose, COMPOSE_MAX);
	buf_init(&p->edited, CLIENT_OUT_MAX);
	body_memory_limit(s->body_memory_bytes);
	loop_on_turn_end(l, on_turn_end, p);
	timer_init(&p->tick, on_tick);
	timer_init(&p->drain_timer, on_drain_end);
	timer_set(l, &p->tick, loop_now(l) + TICK_NS);
	return p;
}

static void close_all(struct proxy *p)
{
	list_each (it, next, &p->clients)
		client_close(container_of(it, struct client, node), true);
}

void proxy_drain(struct proxy *p, uint64_t until, void (*drained)(void *arg), void *arg)
{
	p->draining = true;
	p->drained = drained;
	p->drained_arg = arg;
	list_each (it, next, &p->listeners)
		stop_listening(container_of(it, struct proxy_listener, node));
	timer_set(p->loop, &p->drain_timer, until);
}

void proxy_close_idle(struct proxy *p)
{
	list_each (it, next, &p->clients)
		client_hurry(container_of(it, struct client, node), IDLE_GRACE_NS);
}

void proxy_free(struct proxy *p)
{
	close_all(p);
	on_turn_end(p);
	list_each (it, next, &p->listeners) {
		struct proxy_listener *pl = container_of(it, struct proxy_listener, node);
		stop_listening(pl);
		list_remove(it);
		free(pl);
	}
	exchange_free_spare(p);
	timer_clear(&p->tick);
	timer_clear(&p->drain_timer);
	loop_on_turn_end(p->loop, NULL, NULL);
	upstream_free(p->upstream);
	p->use = NULL;
	retire(p);
	series_free(p->series);
	buf_free(&p->compose);
	buf_free(&p->edited);
	free(p);
}

/* ---- decisions for held tickets ---- */

static void on_decided(void *arg, void *owner, struct ticket *t)
{
	struct exchange *x = owner;
	(void)arg, (void)t;
	loop_post(x->proxy->loop, &x->mail);
}

const struct gate_sink *proxy_sink(void)
{
	static const struct gate_sink sink = { .decided = on_decided };
	return &sink;
}
