/* Policies laid over options: which ones target an object, and which of two wins. Control thread; cold. */
#include <stdlib.h>

#include "config/store.h"

enum { POLICIES_MAX = 256 }; /* laid on one object */

struct laid {
	const struct config_policy *policy;
	bool section; /* targets the section, so it wins over what targets the whole */
};

static bool targets(const struct config_policy *p, const struct config_meta *m, struct span section, bool *ret_section)
{
	bool hit = false;
	for (uint32_t i = 0; i < p->target_count; i++) {
		const struct config_ref *t = &p->targets[i];
		bool whole = !t->section_name.n;
		if (!span_eq(t->kind, span_str(config_kind_name(m->kind))) || !span_eq(t->namespace, m->namespace) ||
		    !span_eq(t->name, m->name) || !(whole || span_eq(t->section_name, section)))
			continue;
		hit = true;
		*ret_section |= !whole;
	}
	return hit;
}

/* Weakest first: the whole before the section, the younger before the older, later names before earlier (GEP-713: the
 * oldest wins). */
static int laid_cmp(const void *a, const void *b)
{
	const struct laid *x = a, *y = b;
	const struct config_meta *m = &x->policy->meta, *n = &y->policy->meta;
	if (x->section != y->section)
		return x->section ? 1 : -1;
	if (m->created != n->created)
		return m->created > n->created ? -1 : 1;
	size_t shorter = m->name.n < n->name.n ? m->name.n : n->name.n;
	int order = memcmp(m->name.p, n->name.p, shorter);
	if (order)
		return order < 0 ? 1 : -1;
	return m->name.n < n->name.n ? 1 : m->name.n > n->name.n ? -1 : 0;
}

void policies_apply(const struct config *c, enum config_kind policy_kind, const struct config_meta *target,
		    struct span section, void *options)
{
	struct laid laid[POLICIES_MAX];
	uint32_t n = 0;
	for (uint32_t i = 0; i < config_count(c, policy_kind) && n < POLICIES_MAX; i++) {
		laid[n] = (struct laid){ config_at(c, policy_kind, i), false };
		if (targets(laid[n].policy, target, section, &laid[n].section))
			n++;
	}
	qsort(laid, n, sizeof laid[0], laid_cmp);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < laid[i].policy->set_count; k++)
			option_copy(laid[i].policy->sets[k].row, options, &laid[i].policy->listener);
}
