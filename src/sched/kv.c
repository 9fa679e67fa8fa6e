/* kv-cache-utilization-scorer: 1 - used, as in the reference picker. Part of a pick, under the pool's lock. */
#include "sched/plugin.h"

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	memcpy(trust, v->kv_trust, v->n * sizeof *trust);
	for (uint32_t i = 0; i < v->n; i++)
		score[i] = 1 - v->kv_used[i];
	return v->kv_known ? KNOWS_ALL : KNOWS_SOME;
}

const struct scorer scorer_kv = { "kv-cache-utilization-scorer", score };
