/* What objects say of each other: references that lead nowhere, and values that do not fit together. Each complaint
 * stands where the reference is written. Control thread; cold. */
#include <stdio.h>

#include "config/scalar.h"
#include "config/store.h"

enum { CHECK_PATH_MAX = 128 };
static const char pool_group[] = "inference.networking.k8s.io", gateway_group[] = "gateway.networking.k8s.io";

/* The names of a kind in a namespace, to find the nearest to a mistyped one. */
static struct span nearest(const struct config *c, enum config_kind kind, const struct config_ref *ref)
{
	struct span best = SPAN_NONE;
	uint32_t best_distance = (uint32_t)ref->name.n / 3 + 1;
	for (uint32_t i = 0; i < config_count(c, kind); i++) {
		const struct config_meta *m = config_at(c, kind, i);
		uint32_t d = scalar_distance(m->name, ref->name);
		if (span_eq(m->namespace, ref->namespace) && d < best_distance) {
			best_distance = d;
			best = m->name;
		}
	}
	return best;
}

static void complain_missing(struct loading *l, enum config_kind kind, const struct config_ref *ref, const char *path)
{
	if (l->dangling_ok)
		return;
	if (report_is_full(l->report)) {
		l->report->count++;
		return;
	}
	const char *name = config_kind_name(kind);
	struct span near = nearest(l->config, kind, ref);
	if (near.n)
		report_add(l->report, &ref->at, path,
			   "there is no %s \"%.*s\" in namespace %.*s; did you mean \"%.*s\"?", name,
			   SPAN_ARG(ref->name), SPAN_ARG(ref->namespace), SPAN_ARG(near));
	else
		report_add(l->report, &ref->at, path,
			   "there is no %s \"%.*s\" in namespace %.*s; wanted the name of one", name,
			   SPAN_ARG(ref->name), SPAN_ARG(ref->namespace));
}

/* The object a reference means, which must be of this kind; NULL with a complaint. */
static const void *want_object(struct loading *l, enum config_kind kind, const char *group,
			       const struct config_ref *ref, const char *path)
{
	const char *name = config_kind_name(kind);
	if (!ref->name.n)
		return NULL; /* not decoded: complained of already */
	if (!span_eq(ref->kind, span_str(name)) || !span_eq(ref->group, span_str(group))) {
		report_add(l->report, &ref->at, path, "refers to %.*s of group \"%.*s\"; wanted %s of group \"%s\"",
			   SPAN_ARG(ref->kind), SPAN_ARG(ref->group), name, group);
		return NULL;
	}
	const void *object = config_find(l->config, kind, ref->namespace, ref->name);
	if (!object)
		complain_missing(l, kind, ref, path);
	return object;
}

/* ---- Gateways and what hangs on them ---- */

static bool has_section(const struct config_gateway *g, struct span section)
{
	for (uint32_t i = 0; i < g->listener_count; i++)
		if (span_eq(g->listeners[i].name, section))
			return true;
	return false;
}

static void check_gateway_ref(struct loading *l, const struct config_ref *ref, const char *path)
{
	const struct config_gateway *g = want_object(l, CONFIG_GATEWAY, gateway_group, ref, path);
	if (g && ref->section_name.n && !has_section(g, ref->section_name) && !l->dangling_ok)
		report_add(l->report, &ref->at, path,
			   "the Gateway \"%.*s\" has no listener \"%.*s\"; wanted one of its listeners",
			   SPAN_ARG(ref->name), SPAN_ARG(ref->section_name));
}

static void complain_name(struct loading *l, const struct config_listener *a, uint32_t i)
{
	char path[CHECK_PATH_MAX];
	(void)snprintf(path, sizeof path, "spec.listeners[%u].name", i);
	report_add(l->report, &a->at, path, "\"%.*s\" stands twice; wanted another name", SPAN_ARG(a->name));
}

static void check_gateway(struct loading *l, const struct config_gateway *g)
{
	for (uint32_t i = 0; i < g->listener_count; i++) {
		const struct config_listener *a = &g->listeners[i];
		for (uint32_t k = 0; k < i; k++)
			if (a->name.n && span_eq(a->name, g->listeners[k].name))
				complain_name(l, a, i);
	}
}

/* ---- routes ---- */

static void check_backend(struct loading *l, const struct config_http_route *r, struct config_backend_ref *b,
			  const char *path)
{
	if (!b->ref.name.n)
		return;
	b->pool = pools_resolve(l, r, b, path);
	bool pool = span_eq(b->ref.kind, SPAN("InferencePool"));
	enum config_kind kind = pool ? CONFIG_INFERENCE_POOL : CONFIG_SERVICE;
	if (!config_find(l->config, kind, b->ref.namespace, b->ref.name) &&
	    (pool || span_eq(b->ref.kind, SPAN("Service"))))
		complain_missing(l, kind, &b->ref, path);
}

static bool hosts_meet(const struct config_http_route *r, const struct config_listener *l)
{
	struct span host;
	bool meet = !r->hostname_count;
	for (uint32_t i = 0; i < r->hostname_count; i++)
		meet |= config_hostnames_intersect(l->hostname, r->hostnames[i].text, &host);
	return meet;
}

/* A parentRef that leads to no listener is a route that gets no requests: never what was meant. */
static void check_attached(struct loading *l, const struct config_http_route *r, uint32_t parent, const char *path)
{
	bool attached = false, met = false;
	for (uint32_t i = 0; i < config_listener_count(l->config); i++) {
		const struct config_listener_entry *e = config_listener_at(l->config, i);
		bool here = config_route_attaches(r, parent, e);
		attached |= here;
		met |= here && hosts_meet(r, e->listener);
	}
	const struct config_ref *ref = &r->parents[parent];
	if (!attached)
		report_add(l->report, &ref->at, path,
			   "no listener of the Gateway \"%.*s\" of this name and port takes routes of namespace %.*s; "
			   "wanted one whose allowedRoutes do",
			   SPAN_ARG(ref->name), SPAN_ARG(r->meta.namespace));
	else if (!met)
		report_add(l->report, &ref->at, path,
			   "no hostname of the route belongs to a listener of the Gateway \"%.*s\"; wanted one that a "
			   "listener takes",
			   SPAN_ARG(ref->name));
}

static void check_parent(struct loading *l, const struct config_http_route *r, uint32_t parent)
{
	char path[CHECK_PATH_MAX];
	uint32_t before = l->report->count;
	(void)snprintf(path, sizeof path, "spec.parentRefs[%u]", parent);
	check_gateway_ref(l, &r->parents[parent], path);
	if (!l->dangling_ok && l->report->count == before)
		check_attached(l, r, parent, path);
}

static void check_route(struct loading *l, struct config_http_route *r)
{
	char path[CHECK_PATH_MAX];
	for (uint32_t i = 0; i < r->parent_count; i++)
		check_parent(l, r, i);
	for (uint32_t i = 0; i < r->rule_count; i++) {
		for (uint32_t k = 0; k < r->rules[i].backend_count; k++) {
			(void)snprintf(path, sizeof path, "spec.rules[%u].backendRefs[%u]", i, k);
			check_backend(l, r, &r->rules[i].backends[k], path);
		}
	}
}

/* ---- policies ---- */

static void check_pool_target(struct loading *l, const struct config_ref *ref, const char *path)
{
	if (want_object(l, CONFIG_INFERENCE_POOL, pool_group, ref, path) && ref->section_name.n)
		report_add(l->report, &ref->at, path, "an InferencePool has no sections; wanted no sectionName");
}

static void check_policy(struct loading *l, const struct config_policy *p)
{
	char path[CHECK_PATH_MAX];
	for (uint32_t i = 0; i < p->target_count; i++) {
		(void)snprintf(path, sizeof path, "spec.targetRefs[%u]", i);
		if (p->meta.kind == CONFIG_LISTENER_POLICY)
			check_gateway_ref(l, &p->targets[i], path);
		else
			check_pool_target(l, &p->targets[i], path);
	}
	if (p->meta.kind != CONFIG_INFERENCE_POLICY || p->pool.eject_min_ns <= p->pool.eject_max_ns)
		return;
	for (uint32_t i = 0; i < p->set_count; i++)
		if (!strncmp(p->sets[i].row->name, "ejectM", 6)) {
			report_add(l->report, &p->sets[i].at, "spec.ejection",
				   "ejectMin is longer than ejectMax; wanted at most that");
			return;
		}
}

/* ---- one row per kind that refers to something ---- */

static void on_gateway(struct loading *l, struct config_meta *m)
{
	check_gateway(l, (const struct config_gateway *)(const void *)m);
}

static void on_route(struct loading *l, struct config_meta *m)
{
	check_route(l, (struct config_http_route *)(void *)m);
}

static void on_objective(struct loading *l, struct config_meta *m)
{
	const struct config_objective *o = (const void *)m;
	(void)want_object(l, CONFIG_INFERENCE_POOL, pool_group, &o->pool_ref, "spec.poolRef");
}

static void on_rewrite(struct loading *l, struct config_meta *m)
{
	const struct config_model_rewrite *w = (const void *)m;
	(void)want_object(l, CONFIG_INFERENCE_POOL, pool_group, &w->pool_ref, "spec.poolRef");
}

static void on_policy(struct loading *l, struct config_meta *m)
{
	check_policy(l, (const struct config_policy *)(const void *)m);
}

static void (*const checks[CONFIG_KIND_COUNT])(struct loading *l, struct config_meta *m) = {
	[CONFIG_GATEWAY] = on_gateway,
	[CONFIG_HTTP_ROUTE] = on_route,
	[CONFIG_INFERENCE_OBJECTIVE] = on_objective,
	[CONFIG_INFERENCE_MODEL_REWRITE] = on_rewrite,
	[CONFIG_LISTENER_POLICY] = on_policy,
	[CONFIG_INFERENCE_POLICY] = on_policy,
};

void references_check(struct loading *l)
{
	for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++)
		for (uint32_t i = 0; checks[kind] && i < l->config->kinds[kind].count; i++)
			checks[kind](l, l->config->kinds[kind].items[i]);
}
