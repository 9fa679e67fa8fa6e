/* The pick: filters, columns, scores, the best. Between admission and dispatch, under the pool's lock, a few
 * microseconds for 256 replicas.
 *
 * The sum over scorers of weight x score, times the replica's slow-start weight. Where a scorer knows less than
 * everything of a replica, the missing part is taken as the mean of what it knows of the others: silence is neither
 * good nor bad. The best total wins; among equals the one with the fewest requests in flight, then chance (the
 * reference's max-score picker shuffles too). */
#include "sched/sched.h"

#include <stdlib.h>

#include "sched/filter.h"
#include "sched/view.h"

static const struct scorer *const scorers[] = {
#define SCHED_PLUGIN(id) &scorer_##id,
#include "sched/plugins.def"
#undef SCHED_PLUGIN
};
#define SCORERS ((int)(sizeof scorers / sizeof scorers[0]))
_Static_assert(SCORERS <= SCHED_PLUGINS_MAX, "a decision has a reason per plugin");

#define TIE 1e-5f /* totals this near are equal: sums in another order differ by less */

static const struct sched_weight default_profile[] = {
	{ "queue-scorer", 2 },	       { "kv-cache-utilization-scorer", 2 }, { "prefix-cache-scorer", 3 },
	{ "lora-affinity-scorer", 1 }, { "active-request-scorer", 1 },	     { NULL, 0 },
};

/* Owner: a gate. Under the lock of its pool. The arrays are scratch of one pick. */
struct sched {
	struct rng rng;
	float weight[SCORERS]; /* 0: not in the profile */
	struct view view;
	uint16_t slots[POOL_REPLICAS_MAX];
	bool applies[SCORERS]; /* to the request of this pick */
	float score[SCORERS][POOL_REPLICAS_MAX];
	float trust[POOL_REPLICAS_MAX];
	float total[POOL_REPLICAS_MAX];
};

const char *sched_plugin_name(unsigned plugin)
{
	return plugin < (unsigned)SCORERS ? scorers[plugin]->name : NULL;
}

static int find_scorer(const char *name)
{
	for (int i = 0; i < SCORERS; i++)
		if (strcmp(scorers[i]->name, name) == 0)
			return i;
	return -1;
}

static int read_profile(struct sched *s, const struct sched_weight *row, struct err *e)
{
	bool seen[SCORERS] = { false };
	for (; row->name; row++) {
		int i = find_scorer(row->name);
		if (i < 0)
			return err_set(e, PS_EINVAL, "there is no scorer \"%s\"", row->name);
		if (seen[i])
			return err_set(e, PS_EINVAL, "scorer \"%s\" stands twice", row->name);
		if (!isfinite(row->weight) || row->weight < 0)
			return err_set(e, PS_EINVAL, "the weight of scorer \"%s\" is not a number from 0 up",
				       row->name);
		seen[i] = true;
		s->weight[i] = (float)row->weight;
	}
	return 0;
}

struct sched *sched_new(const struct sched_weight *profile, uint64_t seed, struct err *e)
{
	struct sched *s = calloc(1, sizeof *s);
	if (!s) {
		(void)err_set(e, PS_ENOMEM, "no memory for a scheduler");
		return NULL;
	}
	if (read_profile(s, profile ? profile : default_profile, e) < 0) {
		free(s);
		return NULL;
	}
	rng_seed(&s->rng, seed);
	return s;
}

void sched_free(struct sched *s)
{
	free(s);
}

/* Puts the mean of what is known in the place of what is not. */
static void fill_in(struct sched *s, float *score)
{
	float known = 0, sum = 0;
	for (uint32_t i = 0; i < s->view.n; i++) {
		known += s->trust[i];
		sum += s->trust[i] > 0 ? s->trust[i] * score[i] : 0;
	}
	float mean = known > 0 ? sum / known : 0;
	for (uint32_t i = 0; i < s->view.n; i++)
		score[i] = s->trust[i] > 0 ? s->trust[i] * score[i] + (1 - s->trust[i]) * mean : mean;
}

static void add_scores(struct sched *s, int scorer)
{
	float *score = s->score[scorer], weight = s->weight[scorer];
	enum knowledge knows = scorers[scorer]->score(&s->view, score, s->trust);
	s->applies[scorer] = knows != KNOWS_NOTHING;
	if (!s->applies[scorer])
		return;
	if (knows == KNOWS_SOME)
		fill_in(s, score);
	for (uint32_t i = 0; i < s->view.n; i++)
		s->total[i] += weight * score[i];
}

static void score_all(struct sched *s)
{
	memset(s->total, 0, s->view.n * sizeof s->total[0]);
	for (int i = 0; i < SCORERS; i++)
		if (s->weight[i] > 0)
			add_scores(s, i);
	for (uint32_t i = 0; i < s->view.n; i++)
		s->total[i] *= s->view.weight[i];
}

/* The row with the best total; among equals the fewest in flight; among those any. */
static uint32_t pick_best(struct sched *s)
{
	float best = range_of(s->total, NULL, s->view.n).max, fewest = INFINITY;
	uint32_t chosen = 0, equal = 0;
	for (uint32_t i = 0; i < s->view.n; i++) {
		float ours = s->view.in_flight[i];
		if (s->total[i] < best - TIE || ours > fewest)
			continue;
		equal = ours < fewest ? 1 : equal + 1;
		fewest = ours;
		if (rng_below(&s->rng, equal) == 0)
			chosen = i;
	}
	return chosen;
}

static uint32_t blocks_at(const struct prefix_hits *hits, uint32_t slot)
{
	for (uint32_t i = 0; hits && i < hits->n; i++)
		if (hits->slot[i] == slot)
			return hits->blocks[i];
	return 0;
}

static void give_reasons(const struct sched *s, uint32_t row, struct decision *ret)
{
	for (int i = 0; i < SCORERS; i++)
		if (s->weight[i] > 0 && s->applies[i])
			ret->reasons[ret->reason_count++] = (struct reason){ (uint8_t)i,
									     (uint8_t)lrintf(s->score[i][row] * 255) };
}

/* Prompt tokens that are not believed cached there. */
static uint32_t uncached_tokens(const struct facts *f, uint32_t blocks)
{
	if (blocks >= f->chain_len)
		return f->chain_len ? 0 : f->prompt_tokens;
	return f->prompt_tokens - (uint32_t)((uint64_t)f->prompt_tokens * blocks / f->chain_len);
}

static void decide(struct sched *s, uint32_t row, struct replica *r, uint64_t now, struct decision *ret)
{
	const struct view *v = &s->view;
	uint32_t blocks = blocks_at(v->hits, r->slot);
	*ret = (struct decision){
		.replica = r->id,
		.slot = r->slot,
		.name = r->name,
		.address = &r->address,
		.prefix_blocks = blocks < v->facts->chain_len ? blocks : v->facts->chain_len,
		.candidates = (uint16_t)v->n,
	};
	give_reasons(s, row, ret);
	ret->charge = pool_dispatched_locked(v->facts->pool, r, uncached_tokens(v->facts, blocks), now);
	if (v->facts->stream)
		ret->predicted_ttft_ns = pool_predict_first_token_ns(r, &ret->charge);
	if (v->adapter)
		pool_lora_sent_locked(v->facts->pool, r, v->adapter);
}

int sched_pick_locked(struct sched *s, const struct facts *f, const struct prefix_hits *hits, uint64_t now,
		      struct decision *ret)
{
	pool_tick_locked(f->pool, now);
	int n = filter_candidates(f->pool, f, now, s->slots);
	if (n <= 0)
		return n;
	uint32_t used;
	struct replica *replicas = pool_replicas_locked(f->pool, &used);
	struct view *v = &s->view;
	v->facts = f;
	v->hits = hits;
	v->adapter = f->adapter.n ? pool_model_find_locked(f->pool, f->adapter) : NULL;
	memset(v->place, 0, used * sizeof v->place[0]);
	view_gather(v, f->pool, replicas, s->slots, (uint32_t)n, now);
	score_all(s);
	uint32_t row = pick_best(s);
	decide(s, row, &replicas[v->slot[row]], now, ret);
	return 1;
}
