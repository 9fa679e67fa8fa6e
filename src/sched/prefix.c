/* prefix-cache-scorer: the share of the prompt's blocks that the replica holds from the start on; match / total, as in
 * the reference picker with its default of matchLengthWeight 0. Part of a pick, under the pool's lock; the look-up was
 * made before it was taken. */
#include "sched/plugin.h"

static void score(const struct view *v, float *score, float *trust)
{
	uint32_t total = v->facts->chain_len;
	for (uint32_t i = 0; i < v->n; i++) {
		score[i] = 0;
		trust[i] = total ? 1 : 0;
	}
	for (uint32_t i = 0; total && v->hits && i < v->hits->n; i++) {
		uint16_t place = v->place[v->hits->slot[i]];
		if (place)
			score[place - 1] = (float)(v->hits->blocks[i] < total ? v->hits->blocks[i] : total) /
					   (float)total;
	}
}

const struct scorer scorer_prefix = { "prefix-cache-scorer", score };
