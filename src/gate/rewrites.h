/* The InferenceModelRewrites of one pool, compiled: a model's name to the rule for it. Private to gate. */
#ifndef PS_GATE_REWRITES_H
#define PS_GATE_REWRITES_H

#include "base/base.h"
#include "config/config.h"

/* One rule with its targets. Lives in the snapshot's arena, texts in its configuration. */
struct rewrite_rule {
	struct span object; /* the InferenceModelRewrite's name */
	const struct config_rewrite_target *targets;
	uint32_t target_count;
	uint64_t weight_sum;
};

struct model_rewrites {
	struct map exact;		    /* model names -> struct rewrite_rule */
	const struct rewrite_rule *generic; /* for every other model; NULL: none */
};

/* Compiles the objects that refer to `pool` ("namespace/name" of an InferencePool), oldest first. *ret is NULL when
 * there are none. 0 or -PS_ENOMEM; what was made is in the arena, except the map, which rewrites_done frees. */
int rewrites_compile(struct arena *memory, const struct config *c, const struct config_pool *pool,
		     struct model_rewrites **ret) MUST_CHECK;
void rewrites_done(struct model_rewrites *r);
/* The rule for a model: one that names it, else the generic one, else NULL. `r` may be NULL. */
const struct rewrite_rule *rewrites_find(const struct model_rewrites *r, struct span model);
/* True when a rule names this model. */
bool rewrites_name(const struct model_rewrites *r, struct span model);
/* One of the targets by weight; SPAN_NONE when the rule has none. */
struct span rewrites_target(const struct rewrite_rule *rule, uint64_t random);

#endif
