/* lora-affinity-scorer: loading an adapter costs time and a slot. Part of a pick, under the pool's lock.
 * The reference picker's steps: running there, room for one more, already waiting there, full. */
#include "sched/plugin.h"

#define RUNNING 1.0f
#define ROOM 0.8f
#define WAITING 0.6f
#define FULL 0.0f

static float affinity(const struct view *v, uint32_t i)
{
	const struct pool_model *m = v->adapter;
	if (m && slot_set_has(&m->lora_running, v->slot[i]))
		return RUNNING;
	if (v->lora_named[i] < v->lora_max[i])
		return ROOM;
	return m && slot_set_has(&m->lora_waiting, v->slot[i]) ? WAITING : FULL;
}

static enum knowledge score(const struct view *v, float *score, float *trust)
{
	if (v->facts->adapter.n == 0)
		return KNOWS_NOTHING;
	memcpy(trust, v->lora_trust, v->n * sizeof *trust);
	for (uint32_t i = 0; i < v->n; i++)
		score[i] = affinity(v, i);
	return v->lora_known ? KNOWS_ALL : KNOWS_SOME;
}

const struct scorer scorer_lora = { "lora-affinity-scorer", score };
