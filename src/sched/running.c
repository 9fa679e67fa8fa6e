/* running-requests-size-scorer: fewer requests running is better. Part of a pick, under the pool's lock.
 * Min-max over the candidates, as in the reference picker. Not in the default profile: a full batch is no fault in a
 * replica. */
#include "sched/plugin.h"

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	return score_load(v, v->running, score, trust);
}

const struct scorer scorer_running = { "running-requests-size-scorer", score };
