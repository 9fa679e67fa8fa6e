/* active-request-scorer: fewer of our own requests in flight is better; (max - n) / max, as in the reference picker
 * with its defaults. Part of a pick, under the pool's lock. The one number that is never late: alone it decides where
 * nothing else is known. */
#include "sched/plugin.h"

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	(void)trust;
	float max = range_of(v->in_flight, NULL, v->n).max, share = max > 0 ? 1 / max : 0;
	for (uint32_t i = 0; i < v->n; i++)
		score[i] = 1 - v->in_flight[i] * share;
	return KNOWS_ALL;
}

const struct scorer scorer_active = { "active-request-scorer", score };
