/* queue-scorer: fewer requests waiting in the replica's own queue is better. Part of a pick, under the pool's lock.
 * Min-max over the candidates, as in the reference picker; the number is the view's, which knows of ours sent since the
 * scrape. */
#include "sched/plugin.h"

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	return score_load(v, v->queued, score, trust);
}

const struct scorer scorer_queue = { "queue-scorer", score };
