/* InferenceModelRewrite: the model a client asks for is not always the model a replica is asked for (aliases,
 * canaries).
 *
 * Precedence as in the reference (llm-d.ai/v1alpha2): a rule that names the model before one without matches; of equals
 * the rule of the oldest object, then the first in it. Applied at compile time by putting the rules in that order into
 * a map that keeps its first entry, so that a request costs one look-up. Control's thread makes it, workers read it. */
#include "gate/rewrites.h"

#include <stdlib.h>

/* A bound for the map: names in the rules of one pool. */
enum { REWRITE_NAMES_MAX = 100000 };

static bool refers_to(const struct config_ref *ref, const struct config_pool *pool)
{
	const struct config_meta *meta = &pool->inference->meta;
	return span_eq(ref->name, meta->name) && span_eq(ref->namespace, meta->namespace);
}

static int older_first(const void *a, const void *b)
{
	const struct config_model_rewrite *x = *(const struct config_model_rewrite *const *)a;
	const struct config_model_rewrite *y = *(const struct config_model_rewrite *const *)b;
	if (x->meta.created != y->meta.created)
		return x->meta.created < y->meta.created ? -1 : 1;
	size_t n = x->meta.name.n < y->meta.name.n ? x->meta.name.n : y->meta.name.n;
	int r = n ? memcmp(x->meta.name.p, y->meta.name.p, n) : 0;
	return r ? r : (x->meta.name.n > y->meta.name.n) - (x->meta.name.n < y->meta.name.n);
}

static int add_rule(struct arena *memory, struct model_rewrites *r, struct span object,
		    const struct config_rewrite_rule *from)
{
	struct rewrite_rule *rule = arena_new(memory, struct rewrite_rule);
	if (!rule)
		return -PS_ENOMEM;
	*rule = (struct rewrite_rule){ .object = object, .targets = from->targets, .target_count = from->target_count };
	for (uint32_t i = 0; i < from->target_count; i++)
		rule->weight_sum += from->targets[i].weight;
	if (from->match_count == 0 && !r->generic)
		r->generic = rule;
	for (uint32_t i = 0; i < from->match_count; i++) {
		struct span model = from->matches[i].model;
		if (!map_find(&r->exact, model) && map_put(&r->exact, model, rule) < 0)
			return -PS_ENOMEM;
	}
	return 0;
}

static int add_object(struct arena *memory, struct model_rewrites *r, const struct config_model_rewrite *o)
{
	for (uint32_t i = 0; i < o->rule_count; i++) {
		if (add_rule(memory, r, o->meta.name, &o->rules[i]) < 0)
			return -PS_ENOMEM;
	}
	return 0;
}

/* The objects that refer to the pool, in order of precedence, in the arena. */
static int collect(struct arena *memory, const struct config *c, const struct config_pool *pool,
		   const struct config_model_rewrite ***ret)
{
	uint32_t all = config_count(c, CONFIG_INFERENCE_MODEL_REWRITE), n = 0;
	const struct config_model_rewrite **found = arena_array(memory, const struct config_model_rewrite *, all + 1);
	if (!found)
		return -PS_ENOMEM;
	for (uint32_t i = 0; i < all; i++) {
		const struct config_model_rewrite *o = config_at(c, CONFIG_INFERENCE_MODEL_REWRITE, i);
		if (refers_to(&o->pool_ref, pool))
			found[n++] = o;
	}
	qsort(found, n, sizeof(struct config_model_rewrite *), older_first);
	*ret = found;
	return (int)n;
}

int rewrites_compile(struct arena *memory, const struct config *c, const struct config_pool *pool,
		     struct model_rewrites **ret)
{
	const struct config_model_rewrite **objects;
	if (!pool->inference || config_count(c, CONFIG_INFERENCE_MODEL_REWRITE) == 0) {
		*ret = NULL;
		return 0;
	}
	int n = collect(memory, c, pool, &objects);
	struct model_rewrites *r = n > 0 ? arena_new(memory, struct model_rewrites) : NULL;
	if (n < 0 || (n > 0 && !r))
		return -PS_ENOMEM;
	if (r)
		map_init(&r->exact, REWRITE_NAMES_MAX);
	for (int i = 0; i < n; i++) {
		if (add_object(memory, r, objects[i]) < 0) {
			rewrites_done(r);
			return -PS_ENOMEM;
		}
	}
	*ret = r;
	return 0;
}

void rewrites_done(struct model_rewrites *r)
{
	if (r)
		map_free(&r->exact);
}

bool rewrites_name(const struct model_rewrites *r, struct span model)
{
	return r && map_find(&r->exact, model);
}

const struct rewrite_rule *rewrites_find(const struct model_rewrites *r, struct span model)
{
	if (!r)
		return NULL;
	const struct rewrite_rule *rule = map_find(&r->exact, model);
	return rule ? rule : r->generic;
}

struct span rewrites_target(const struct rewrite_rule *rule, uint64_t random)
{
	if (rule->weight_sum == 0)
		return SPAN_NONE;
	uint64_t at = random % rule->weight_sum;
	for (uint32_t i = 0; i < rule->target_count; i++) {
		if (at < rule->targets[i].weight)
			return rule->targets[i].model;
		at -= rule->targets[i].weight;
	}
	return SPAN_NONE;
}
