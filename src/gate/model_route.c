/* Which pool answers for a model: the second half of routing, after the body has named the model (design §3.5).
 *
 * Every backend of the rule gets a rank for this model; the best rank present takes part in a weighted draw:
 *
 *   NAMED    a rewrite of the pool names the model
 *   SERVED   some replica of the pool lists it, as base model or adapter
 *   PERHAPS  not every replica has told its models yet
 *   GENERIC  all have, none has it, but the pool rewrites every model
 *
 * A reference that could not be resolved cannot rank; it keeps its share of the draw and is answered with an error, as
 * the Gateway API wants (HTTPBackendRef: "the proportion of traffic … must receive 500"). Any worker; one pool lock
 * for a moment where a rule has several pools. */
#include "gate/rewrites.h"
#include "gate/snapshot.h"

enum rank { RANK_NONE, RANK_GENERIC, RANK_PERHAPS, RANK_SERVED, RANK_NAMED };

static bool some_replica_lists(struct pool *p, struct span model)
{
	uint64_t any = 0;
	pool_lock(p);
	const struct pool_model *m = pool_model_find_locked(p, model);
	for (size_t i = 0; m && i < sizeof m->serves.bits / sizeof m->serves.bits[0]; i++)
		any |= m->serves.bits[i];
	pool_unlock(p);
	return any != 0;
}

static enum rank rank_of(const struct snapshot_pool *p, struct span model)
{
	if (rewrites_name(p->rewrites, model))
		return RANK_NAMED;
	if (some_replica_lists(p->pool, model))
		return RANK_SERVED;
	if (!pool_lacks_model(p->pool, model))
		return RANK_PERHAPS;
	return rewrites_find(p->rewrites, model) ? RANK_GENERIC : RANK_NONE;
}

/* Backends beyond it share the rank of none; Gateway API allows 16 per rule. */
enum { BACKENDS_RANKED_MAX = 64 };

/* Leaves only the backends of the best rank (and the unresolved) with a weight; returns the sum of weights. */
static uint64_t weigh(const struct snapshot *s, const struct route_rule *rule, struct span model,
		      uint32_t weights[BACKENDS_RANKED_MAX], uint32_t n)
{
	enum rank rank[BACKENDS_RANKED_MAX], best = RANK_NONE;
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct route_backend *b = &rule->backends[i];
		rank[i] = b->pool < s->pool_count && b->weight ? rank_of(&s->pools[b->pool], model) : RANK_NONE;
		if (rank[i] > best)
			best = rank[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		bool unresolved = rule->backends[i].pool >= s->pool_count;
		bool in = unresolved || (best != RANK_NONE && rank[i] == best);
		weights[i] = in ? rule->backends[i].weight : 0;
		sum += weights[i];
	}
	return sum;
}

/* The number of the backend, -PS_ENOMODEL or -PS_ENOREPLICA. */
static int by_model(const struct snapshot *s, const struct route_rule *rule, struct span model, uint64_t random)
{
	uint32_t weights[BACKENDS_RANKED_MAX], n = rule->backend_count;
	if (n > BACKENDS_RANKED_MAX)
		n = BACKENDS_RANKED_MAX;
	uint64_t sum = weigh(s, rule, model, weights, n);
	if (sum == 0) {
		for (uint32_t i = 0; i < n; i++) {
			if (rule->backends[i].weight)
				return -PS_ENOMODEL;
		}
		return -PS_ENOREPLICA;
	}
	uint64_t at = random % sum;
	for (uint32_t i = 0; i < n; i++) {
		if (at < weights[i])
			return (int)i;
		at -= weights[i];
	}
	return -PS_ENOREPLICA;
}

static int choose(const struct snapshot *s, const struct route_rule *rule, struct span model, uint64_t random)
{
	if (model.n && rule->backend_count > 1)
		return by_model(s, rule, model, random);
	uint32_t i = route_backend_pick(rule, random);
	return i == UINT32_MAX ? -PS_ENOREPLICA : (int)i;
}

int snapshot_route_model(const struct snapshot *s, const struct route_rule *rule, struct span model, uint64_t random,
			 struct model_route *ret, struct err *e)
{
	int i = choose(s, rule, model, random);
	if (i == -PS_ENOMODEL)
		return err_set(e, PS_ENOMODEL, "the model \"%.*s\" is served by no pool of this route",
			       SPAN_ARG(span_head(model, OPENAI_MODEL_MAX)));
	if (i < 0 || rule->backends[i].pool >= s->pool_count)
		return err_set(e, PS_ENOREPLICA, "rule %u of route %.*s has no pool to send this to", rule->number,
			       SPAN_ARG(rule->route_name));
	*ret = (struct model_route){ .pool = rule->backends[i].pool };
	const struct rewrite_rule *rewrite = model.n ? rewrites_find(s->pools[ret->pool].rewrites, model) : NULL;
	if (rewrite) {
		/* another draw: the low bits have chosen the pool */
		struct span target = rewrites_target(rewrite, hash_mix(random, 1));
		ret->rewritten = span_eq(target, model) ? SPAN_NONE : target;
		ret->rewrite_name = rewrite->object;
	}
	return 0;
}
