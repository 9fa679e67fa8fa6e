/* Gathering: the candidates of a pick and what is believed of each, from the replicas into columns. The second step of
 * a pick, after the filters and before the scores; under the pool's lock.
 *
 * What a replica says is old by up to a scrape interval and may be untrue; what we sent there is known exactly. A
 * replica holds at least our requests in flight, so what it does not admit to is counted as waiting: queued = max(said,
 * in flight - running). The same bound from below serves picks made between two scrapes (they do not herd) and replicas
 * that always say "idle". */
#include "sched/view.h"

/* fmax and its like are calls into the library; these are one instruction each. */
static inline double larger(double a, double b)
{
	return a > b ? a : b;
}
static inline float smaller(float a, float b)
{
	return a < b ? a : b;
}

/* KV memory our own prompts need there at least, as a share; 0 when its size is not known. */
static double kv_floor(const struct replica *r)
{
	double tokens = r->signals.kv_blocks * r->signals.block_tokens;
	return !(tokens > 0) ? 0 : (double)r->in_flight_tokens < tokens ? (double)r->in_flight_tokens / tokens : 1;
}

static void gather_load(struct view *v, uint32_t i, const struct replica *r, float trust)
{
	double queued = trust > 0 ? r->signals.queued : 0, running = trust > 0 ? r->signals.running : 0;
	double ours = r->in_flight;
	v->in_flight[i] = (float)ours;
	v->queued[i] = (float)larger(queued, ours - running);
	v->running[i] = (float)larger(running, ours - queued);
	v->queued_trust[i] = trust;
	v->queued_known &= trust >= 1;
}

/* Who never said how many adapters fit is taken to have room. */
static void gather_lora(struct view *v, uint32_t i, const struct replica *r, float trust)
{
	bool said = r->signal_at[SIGNAL_MAX_LORA] != 0;
	v->lora_named[i] = (float)r->lora_named;
	v->lora_max[i] = said ? (float)r->signals.max_lora : INFINITY;
	v->lora_trust[i] = said ? trust : 1;
	v->lora_known &= v->lora_trust[i] >= 1;
}

static void gather_one(struct view *v, uint32_t i, const struct replica *r, uint64_t stale, uint64_t now)
{
	float queued = signal_trust(stale, r->signal_at[SIGNAL_QUEUED], now);
	float running = signal_trust(stale, r->signal_at[SIGNAL_RUNNING], now);
	float kv = signal_trust(stale, r->signal_at[SIGNAL_KV_USED], now);
	v->slot[i] = (uint16_t)r->slot;
	v->place[r->slot] = (uint16_t)(i + 1);
	v->weight[i] = (float)r->weight_permille / 1000;
	gather_load(v, i, r, smaller(queued, running));
	v->kv_used[i] = (float)(kv > 0 ? larger(r->signals.kv_used, kv_floor(r)) : 0);
	v->kv_trust[i] = kv;
	v->kv_known &= kv >= 1;
	if (v->facts->adapter.n)
		gather_lora(v, i, r, signal_trust(stale, r->signal_at[SIGNAL_MAX_LORA], now));
}

void view_gather(struct view *v, const struct pool *p, const struct replica *replicas, const uint16_t *slots,
		 uint32_t n, uint64_t now)
{
	uint64_t stale = pool_options_of(p)->signal_stale_ns;
	v->n = n;
	v->queued_known = v->kv_known = v->lora_known = true;
	for (uint32_t i = 0; i < n; i++)
		gather_one(v, i, &replicas[slots[i]], stale, now);
}

static void widen(struct range *r, float value)
{
	r->min = value < r->min ? value : r->min;
	r->max = value > r->max ? value : r->max;
}

struct range range_of(const float *value, const float *trust, uint32_t n)
{
	/* Two at a time: one alone waits for itself at every step. */
	struct range a = { INFINITY, -INFINITY }, b = a;
	uint32_t i = 0;
	for (; !trust && i + 1 < n; i += 2) {
		widen(&a, value[i]);
		widen(&b, value[i + 1]);
	}
	for (; i < n; i++)
		if (!trust || trust[i] > 0)
			widen(&a, value[i]);
	return (struct range){ smaller(a.min, b.min), a.max > b.max ? a.max : b.max };
}

enum knowledge score_load(const struct view *v, const float *value, float *score, float *trust)
{
	struct range r = range_of(value, v->queued_known ? NULL : v->queued_trust, v->n);
	float share = r.max > r.min ? 1 / (r.max - r.min) : 0;
	memcpy(trust, v->queued_trust, v->n * sizeof *trust);
	for (uint32_t i = 0; i < v->n; i++)
		score[i] = 1 - (value[i] - r.min) * share;
	return v->queued_known ? KNOWS_ALL : KNOWS_SOME;
}
