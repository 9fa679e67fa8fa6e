/* active-request-scorer: fewer of our own requests in flight is better; (max - n) / max, as in the reference picker
 * with its defaults. Part of a pick, under the pool's lock. The one number that is never late: alone it decides where
 * nothing else is known. */
#include "sched/plugin.h"

static bool score(const struct view *v, float *score, float *trust)
{
	float max = 0;
	for (uint32_t i = 0; i < v->n; i++)
		max = v->in_flight[i] > max ? v->in_flight[i] : max;
	for (uint32_t i = 0; i < v->n; i++) {
		score[i] = max > 0 ? (max - v->in_flight[i]) / max : 1;
		trust[i] = 1;
	}
	return true;
}

const struct scorer scorer_active = { "active-request-scorer", score };
