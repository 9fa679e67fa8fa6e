/* prefix-cache-scorer: the share of the prompt's blocks that the replica holds from the start on; match / total, as in
 * the reference picker with its default of matchLengthWeight 0. Part of a pick, under the pool's lock; the look-up was
 * made before it was taken. */
#include "sched/plugin.h"

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	(void)trust;
	uint32_t total = v->facts->chain_len;
	if (total == 0 || !v->hits)
		return KNOWS_NOTHING;
	memset(score, 0, v->n * sizeof *score);
	float share = 1 / (float)total;
	for (uint32_t i = 0; i < v->hits->n; i++) {
		uint32_t place = v->place[v->hits->slot[i]], blocks = v->hits->blocks[i];
		if (place)
			score[place - 1] = blocks < total ? (float)blocks * share : 1;
	}
	return KNOWS_ALL;
}

const struct scorer scorer_prefix = { "prefix-cache-scorer", score };
