/* queue-scorer: fewer requests waiting in the replica's own queue is better. Part of a pick, under the pool's lock.
 * Min-max over the candidates, as in the reference picker; the number is the view's, which knows of ours sent since the
 * scrape. */
#include "sched/plugin.h"

static bool score(const struct view *v, float *score, float *trust)
{
	memcpy(trust, v->queued_trust, v->n * sizeof *trust);
	score_min_max(v, v->queued, trust, score);
	return true;
}

const struct scorer scorer_queue = { "queue-scorer", score };
