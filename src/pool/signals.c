/* What replicas say of themselves: believed with an age, or counted and not believed. Called by the signals thread at
 * every scrape.
 *
 * Each number has bounds of what an engine can mean; outside them the last good value stays until it is stale (design
 * §5). Two things are derived here: the learned bound of an engine that has requests waiting, and the size of its
 * prefix cache. */
#include "pool/private.h"

/* Above these no engine means it (guessed, a hundred times what is seen). */
#define REQUESTS_MAX 1e6
#define KV_BLOCKS_MAX 1e9
#define BLOCK_TOKENS_MAX 65536.0
#define LORA_MAX 1e4
#define KV_ROUNDING 1.05 /* engines report a little over 1 while they evict */

enum {
	QUEUED_SCRAPES_FULL =
		2, /* a request that just came waits for the engine's next step: once is no sign of a full engine */
	LEARNED_GROWTH = 4, /* the bound grows by a quarter, and by this much at least, while it alone holds us back */
	PREFIX_BLOCKS_MIN = 64,
};

struct signal_row {
	double max;
	double tolerated; /* up to here it is taken as max */
	enum signal_fault above;
};

static const struct signal_row rows[SIGNAL_COUNT] = {
	[SIGNAL_QUEUED] = { REQUESTS_MAX, REQUESTS_MAX, SIGNAL_TOO_LARGE },
	[SIGNAL_RUNNING] = { REQUESTS_MAX, REQUESTS_MAX, SIGNAL_TOO_LARGE },
	[SIGNAL_KV_USED] = { 1, KV_ROUNDING, SIGNAL_OVER_ONE },
	[SIGNAL_KV_BLOCKS] = { KV_BLOCKS_MAX, KV_BLOCKS_MAX, SIGNAL_TOO_LARGE },
	[SIGNAL_BLOCK_TOKENS] = { BLOCK_TOKENS_MAX, BLOCK_TOKENS_MAX, SIGNAL_TOO_LARGE },
	[SIGNAL_MAX_LORA] = { LORA_MAX, LORA_MAX, SIGNAL_TOO_LARGE },
};

const char *signal_fault_name(enum signal_fault f)
{
	static const char *const names[SIGNAL_FAULTS] = {
		[SIGNAL_MISSING] = "missing",	  [SIGNAL_NOT_FINITE] = "not_finite", [SIGNAL_NEGATIVE] = "negative",
		[SIGNAL_TOO_LARGE] = "too_large", [SIGNAL_OVER_ONE] = "over_one",
	};
	return f < SIGNAL_FAULTS ? names[f] : "";
}

static double *value_of(struct signals *s, enum signal which)
{
	double *const values[SIGNAL_COUNT] = {
		[SIGNAL_QUEUED] = &s->queued,
		[SIGNAL_RUNNING] = &s->running,
		[SIGNAL_KV_USED] = &s->kv_used,
		[SIGNAL_KV_BLOCKS] = &s->kv_blocks,
		[SIGNAL_BLOCK_TOKENS] = &s->block_tokens,
		[SIGNAL_MAX_LORA] = &s->max_lora,
	};
	return values[which];
}

/* What is wrong with it, or SIGNAL_FAULTS. */
static enum signal_fault fault_of(enum signal which, double v)
{
	if (isnan(v))
		return SIGNAL_MISSING;
	if (isinf(v))
		return SIGNAL_NOT_FINITE;
	if (v < 0)
		return SIGNAL_NEGATIVE;
	return v > rows[which].tolerated ? rows[which].above : SIGNAL_FAULTS;
}

/* True when the new value was believed. */
static bool take_signal(struct pool *p, struct replica *r, enum signal which, double v, uint64_t now)
{
	enum signal_fault f = fault_of(which, v);
	if (f == SIGNAL_FAULTS) {
		*value_of(&r->signals, which) = v > rows[which].max ? rows[which].max : v;
		r->signal_at[which] = now;
		return true;
	}
	/* Most engines never say some of these: that is no fault. */
	if (f != SIGNAL_MISSING || r->signal_at[which])
		p->counters.faults[f]++;
	return false;
}

/* The README's rule of the bound. */
static void learn_capacity(struct replica *r)
{
	if (r->signals.queued > 0) {
		if (++r->queued_scrapes >= QUEUED_SCRAPES_FULL)
			r->learned_capacity = r->signals.running < 1 ? 1 : (uint32_t)r->signals.running;
		return;
	}
	r->queued_scrapes = 0;
	if (r->learned_capacity && r->in_flight >= r->learned_capacity && r->learned_capacity < REQUESTS_MAX) {
		uint32_t quarter = r->learned_capacity / 4;
		r->learned_capacity += quarter > LEARNED_GROWTH ? quarter : LEARNED_GROWTH;
	}
}

/* Blocks of the prefix index that its KV memory holds; 0 when it does not say. */
static uint32_t prefix_capacity(const struct replica *r)
{
	double blocks = r->signals.kv_blocks * r->signals.block_tokens / PREFIX_BLOCK_TOKENS;
	if (!(blocks > 0)) /* NAN too */
		return 0;
	if (blocks < PREFIX_BLOCKS_MIN)
		return PREFIX_BLOCKS_MIN;
	return blocks > PREFIX_REPLICA_BLOCKS_MAX ? PREFIX_REPLICA_BLOCKS_MAX : (uint32_t)blocks;
}

static void take_scrape(struct pool *p, struct replica *r, const struct signals *s, uint64_t now)
{
	struct signals said = *s;
	bool believed[SIGNAL_COUNT];
	for (enum signal i = 0; i < SIGNAL_COUNT; i++)
		believed[i] = take_signal(p, r, i, *value_of(&said, i), now);
	r->signals_at = now;
	r->scrape_errors = 0;
	if (believed[SIGNAL_QUEUED] && believed[SIGNAL_RUNNING])
		learn_capacity(r);
	models_on_lora_locked(p, r, s->lora_running, s->lora_waiting);
	p->openings++;
}

void pool_on_scrape(struct pool *p, uint64_t id, enum engine_kind engine, const struct signals *s, uint64_t now)
{
	uint32_t blocks = 0, slot = 0;
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	if (r) {
		r->engine = engine;
		take_scrape(p, r, s, now);
		blocks = prefix_capacity(r);
		slot = r->slot;
	}
	pool_unlock(p);
	if (blocks)
		prefix_set_capacity(p->prefix, slot, blocks);
}

void pool_on_scrape_failed(struct pool *p, uint64_t id, uint64_t now)
{
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	if (r) {
		r->scrape_errors++;
		health_weigh_probes_locked(p, r, now);
	}
	pool_unlock(p);
}

void pool_counters(struct pool *p, struct pool_counters *ret)
{
	pool_lock(p);
	*ret = p->counters;
	pool_unlock(p);
}
