/* The names that rewrites add to the models a client may ask for: for the aggregated model list. */
#include "gate/rewrites.h"
#include "gate/snapshot.h"

void snapshot_rewritten_models(const struct snapshot *s, uint32_t pool, void (*each)(void *arg, struct span model),
			       void *arg)
{
	const struct model_rewrites *r = pool < s->pool_count ? s->pools[pool].rewrites : NULL;
	const struct map_slot *entry;
	uint32_t i = 0;
	while (r && (entry = map_next_slot(&r->exact, &i)))
		each(arg, entry->key);
}
