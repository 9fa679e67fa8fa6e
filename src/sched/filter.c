/* Filters: the first step of a pick, under the pool's lock. A table of them in order; each keeps some of what the one
 * before it left.
 *
 * A hard one that leaves nobody ends the pick with its own answer; a soft one is then passed over. "Serves the model"
 * stands before "usable", so that a model whose replicas are all down is 503 and not 404. */
#include "sched/filter.h"

struct query {
	const struct pool *pool;
	const struct facts *facts;
	const struct pool_options *options;
	const struct pool_model *model; /* NULL: no replica ever named it */
	uint64_t now;
};

static bool is_member(const struct query *q, const struct replica *r)
{
	(void)q;
	return r->live && r->state != REPLICA_DRAINING;
}

/* A replica without a model list may be asked for anything; an adapter that runs somewhere need not be in the list. */
static bool serves_model(const struct query *q, const struct replica *r)
{
	const struct pool_model *m = q->model;
	if (!r->models_known || q->facts->model.n == 0)
		return true;
	return m && (slot_set_has(&m->serves, r->slot) || slot_set_has(&m->lora_running, r->slot) ||
		     slot_set_has(&m->lora_waiting, r->slot));
}

static bool is_usable(const struct query *q, const struct replica *r)
{
	return pool_usable_locked(q->pool, r, q->now);
}

static bool is_untried(const struct query *q, const struct replica *r)
{
	for (int i = 0; i < SCHED_EXCLUDED_MAX; i++)
		if (q->facts->excluded[i] == r->id)
			return false;
	return true;
}

/* A request that failed once already is not spent on a replica that only serves because too few others do. */
static bool is_sound_enough(const struct query *q, const struct replica *r)
{
	return !r->pressed || q->facts->excluded[0] == 0;
}

/* It answered 429 or 503 a moment ago. */
static bool is_not_busy(const struct query *q, const struct replica *r)
{
	return q->now >= r->busy_until;
}

static bool is_open(const struct query *q, const struct replica *r)
{
	uint32_t bound = replica_bound(r, q->options, q->now);
	return bound == 0 || r->in_flight < bound;
}

typedef bool (*predicate)(const struct query *q, const struct replica *r);

/* Keeps those for which it is true, in front. The order among the rest may change, but nobody is lost. */
static inline __attribute__((always_inline)) uint32_t keep_if(predicate is, const struct query *q,
							      const struct replica *r, uint16_t *slots, uint32_t n)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t slot = slots[i];
		if (is(q, &r[slot])) {
			slots[i] = slots[kept];
			slots[kept++] = slot;
		}
	}
	return kept;
}

/* One function per filter with its predicate inlined: one indirect call per filter and pick. */
#define FILTER(what)                                                                                                   \
	static uint32_t keep_##what(const struct query *q, const struct replica *r, uint16_t *slots, uint32_t n)       \
	{                                                                                                              \
		return keep_if(what, q, r, slots, n);                                                                  \
	}
FILTER(serves_model)
FILTER(is_usable)
FILTER(is_untried)
FILTER(is_sound_enough)
FILTER(is_not_busy)
FILTER(is_open)

struct filter {
	uint32_t (*keep)(const struct query *q, const struct replica *r, uint16_t *slots, uint32_t n);
	bool soft;
	int when_none; /* of a hard one */
};

static const struct filter filters[] = {
	{ keep_serves_model, false, -PS_ENOMODEL },
	{ keep_is_usable, false, -PS_ENOREPLICA },
	{ keep_is_untried, true, 0 },
	{ keep_is_sound_enough, true, 0 },
	{ keep_is_not_busy, true, 0 },
	{ keep_is_open, false, 0 },
};

int filter_candidates(struct pool *p, const struct facts *f, uint64_t now, uint16_t *slots)
{
	uint32_t used, n = 0;
	const struct replica *r = pool_replicas_locked(p, &used);
	struct query q = { p, f, pool_options_of(p), pool_model_find_locked(p, f->model), now };
	for (uint32_t i = 0; i < used; i++)
		if (is_member(&q, &r[i]))
			slots[n++] = (uint16_t)i;
	if (n == 0)
		return -PS_ENOREPLICA;
	for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
		uint32_t kept = filters[i].keep(&q, r, slots, n);
		if (kept == 0 && !filters[i].soft)
			return filters[i].when_none;
		n = kept ? kept : n;
	}
	return (int)n;
}

bool sched_any_open_locked(struct pool *p, uint64_t now)
{
	uint32_t used;
	const struct replica *r = pool_replicas_locked(p, &used);
	struct query q = { .pool = p, .options = pool_options_of(p), .now = now };
	for (uint32_t i = 0; i < used; i++)
		if (is_member(&q, &r[i]) && is_usable(&q, &r[i]) && is_open(&q, &r[i]))
			return true;
	return false;
}
