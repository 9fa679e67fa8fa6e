/* Which replicas are asked: the pools given, compared with what is in them every tenth of a second. On the signals
 * thread, except probe_pool_set and probe_pool_remove.
 *
 * Comparing instead of being told keeps the membership in one place, the pool; it costs a walk over its slots under its
 * lock, some microseconds for a hundred replicas. */
#include "probe/probe.h"

#include <math.h>
#include <stdlib.h>

#include "probe/internal.h"

#define COMPARE_NS (100 * NS_PER_MS)
enum { IDLE_PER_REPLICA = ASK_COUNT };

/* A replica that is stopped must lose its traffic within 2 s: two health questions in a row, each 500 ms after the last
 * was put or as soon as that failed, and 700 ms of patience for each. */
struct probe_policy probe_policy_default(void)
{
	return (struct probe_policy){
		.engine = ENGINE_UNKNOWN,
		.metrics_interval_ns = NS_PER_S,
		.health_interval_ns = 500 * NS_PER_MS,
		.models_interval_ns = 30 * NS_PER_S,
		.timeout_ns = 700 * NS_PER_MS,
		.metrics_path = "/metrics",
		.health_path = "/health",
		.models_path = "/v1/models",
	};
}

/* ---- targets ---- */

static struct target *target_new(struct probe_pool *pp, uint64_t id, const struct address *a)
{
	struct target *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->pool = pp;
	t->id = id;
	t->key = ++pp->probe->last_key;
	t->address = *a;
	t->started = (double)NAN;
	address_format(a, t->name);
	for (enum ask ask = 0; ask < ASK_COUNT; ask++) {
		question_init(&t->question[ask], t, ask);
		question_soon(&t->question[ask]);
	}
	return t;
}

static void target_free(struct target *t)
{
	for (enum ask ask = 0; ask < ASK_COUNT; ask++)
		question_stop(&t->question[ask]);
	free(t);
}

/* A replica of the pool that is to be asked; new ones get their questions. Without memory it is tried again at the next
 * comparison. */
static void see_replica(struct probe_pool *pp, const struct replica *r)
{
	struct target *t = map_find_u64(&pp->targets, r->id);
	if (!t) {
		t = target_new(pp, r->id, &r->address);
		if (t && map_put_u64(&pp->targets, r->id, t) < 0) {
			target_free(t);
			t = NULL;
		}
	}
	if (t)
		t->round = pp->probe->round;
}

/* Replicas that drain are not asked any more: they get no new requests, whatever they would say. */
static void see_replicas(struct probe_pool *pp)
{
	struct pool *pool = gate_pool(pp->gate);
	uint32_t n;
	pool_lock(pool);
	const struct replica *r = pool_replicas_locked(pool, &n);
	for (uint32_t i = 0; i < n; i++)
		if (r[i].live && r[i].state != REPLICA_DRAINING)
			see_replica(pp, &r[i]);
	pool_unlock(pool);
}

/* Any target whose last round is not `round`, or NULL. */
static struct target *stale_target(const struct probe_pool *pp, uint64_t round)
{
	uint32_t i = 0;
	struct target *t;
	while ((t = map_next(&pp->targets, &i)))
		if (t->round != round)
			return t;
	return NULL;
}

static void drop_stale_targets(struct probe_pool *pp, uint64_t round)
{
	struct target *t;
	while ((t = stale_target(pp, round))) {
		(void)map_take_u64(&pp->targets, t->id);
		target_free(t);
	}
}

static void ask_everything_soon(struct probe_pool *pp)
{
	uint32_t i = 0;
	struct target *t;
	while ((t = map_next(&pp->targets, &i)))
		for (enum ask ask = 0; ask < ASK_COUNT; ask++)
			if (!t->question[ask].call)
				question_soon(&t->question[ask]);
}

/* ---- pools ---- */

static bool policy_same(const struct probe_policy *a, const struct probe_policy *b)
{
	return a->engine == b->engine && a->metrics_interval_ns == b->metrics_interval_ns &&
	       a->health_interval_ns == b->health_interval_ns && a->models_interval_ns == b->models_interval_ns &&
	       a->timeout_ns == b->timeout_ns && strcmp(a->metrics_path, b->metrics_path) == 0 &&
	       strcmp(a->health_path, b->health_path) == 0 && strcmp(a->models_path, b->models_path) == 0;
}

static void pool_drop(struct probe_pool *pp)
{
	drop_stale_targets(pp, UINT64_MAX);
	map_free(&pp->targets);
	list_remove(&pp->node);
	free(pp);
}

static void compare_pool(struct probe_pool *pp)
{
	if (!pp->gate) {
		pool_drop(pp);
		return;
	}
	if (!policy_same(&pp->policy, &pp->given)) {
		pp->policy = pp->given;
		ask_everything_soon(pp);
	}
	see_replicas(pp);
	drop_stale_targets(pp, pp->probe->round);
}

static void on_compare(struct timer *timer, uint64_t now)
{
	struct probe *p = container_of(timer, struct probe, compare);
	timer_set(p->loop, timer, now + COMPARE_NS);
	(void)pthread_mutex_lock(&p->lock);
	p->round++;
	list_each (it, next, &p->pools)
		compare_pool(container_of(it, struct probe_pool, node));
	(void)pthread_mutex_unlock(&p->lock);
}

static struct probe_pool *pool_find_locked(const struct probe *p, const struct gate *g)
{
	list_each (it, next, &p->pools) {
		struct probe_pool *pp = container_of(it, struct probe_pool, node);
		if (pp->gate == g)
			return pp;
	}
	return NULL;
}

static struct probe_pool *pool_new_locked(struct probe *p, struct gate *g)
{
	struct probe_pool *pp = calloc(1, sizeof *pp);
	if (!pp)
		return NULL;
	pp->probe = p;
	pp->gate = g;
	(void)span_copy(pp->name, sizeof pp->name, span_str(pool_options_of(gate_pool(g))->name));
	map_init(&pp->targets, POOL_REPLICAS_MAX);
	list_push_back(&p->pools, &pp->node);
	return pp;
}

int probe_pool_set(struct probe *p, struct gate *g, const struct probe_policy *policy)
{
	(void)pthread_mutex_lock(&p->lock);
	struct probe_pool *pp = pool_find_locked(p, g);
	if (!pp)
		pp = pool_new_locked(p, g);
	if (pp)
		pp->given = *policy;
	(void)pthread_mutex_unlock(&p->lock);
	return pp ? 0 : -PS_ENOMEM;
}

void probe_pool_remove(struct probe *p, struct gate *g)
{
	(void)pthread_mutex_lock(&p->lock);
	struct probe_pool *pp = pool_find_locked(p, g);
	if (pp)
		pp->gate = NULL;
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- the whole ---- */

struct probe *probe_new(struct loop *l, const struct gate_sink *sink)
{
	struct upstream_options o = upstream_options_default();
	struct probe *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	o.idle_max = IDLE_PER_REPLICA;
	p->loop = l;
	p->sink = sink;
	p->upstream = upstream_new(l, &o);
	if (!p->upstream) {
		free(p);
		return NULL;
	}
	(void)pthread_mutex_init(&p->lock, NULL);
	list_init(&p->pools);
	timer_init(&p->compare, on_compare);
	timer_set(l, &p->compare, loop_now(l));
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	timer_clear(&p->compare);
	list_each (it, next, &p->pools)
		pool_drop(container_of(it, struct probe_pool, node));
	upstream_free(p->upstream);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}
