/* running-requests-size-scorer: fewer requests running is better. Part of a pick, under the pool's lock.
 * Min-max over the candidates, as in the reference picker. Not in the default profile: a full batch is no fault in a
 * replica. */
#include "sched/plugin.h"

static bool score(const struct view *v, float *score, float *trust)
{
	memcpy(trust, v->queued_trust, v->n * sizeof *trust);
	score_min_max(v, v->running, trust, score);
	return true;
}

const struct scorer scorer_running = { "running-requests-size-scorer", score };
