/* Pools: what a backendRef can send to, and which replicas the objects give each. An InferencePool finds them by
 * labels, a Service by the name on its EndpointSlices. Control thread; cold. */
#include <stdio.h>
#include <stdlib.h>

#include "config/scalar.h"
#include "config/store.h"

enum { POOL_NAME_MAX = 600, ENDPOINT_NAME_MAX = 300, ENDPOINTS_MAX = 100000 };

static uint32_t pool_add(struct loading *l, struct config_pool pool)
{
	struct config *c = l->config;
	if (c->pool_count == c->pool_room) {
		uint32_t room = c->pool_room ? c->pool_room * 2 : 8;
		struct config_pool *more = arena_array(&c->arena, struct config_pool, room);
		if (!more) {
			l->no_memory = true;
			return CONFIG_POOL_NONE;
		}
		if (c->pool_count)
			memcpy(more, c->pools, c->pool_count * sizeof *more);
		c->pools = more;
		c->pool_room = room;
	}
	c->pools[c->pool_count] = pool;
	return c->pool_count++;
}

static struct span pool_name(struct loading *l, const struct config_meta *m, uint16_t port)
{
	char text[POOL_NAME_MAX], suffix[8] = "";
	if (port)
		(void)snprintf(suffix, sizeof suffix, ":%u", port);
	(void)snprintf(text, sizeof text, "%.*s/%.*s%s", SPAN_ARG(m->namespace), SPAN_ARG(m->name), suffix);
	struct span s = arena_dup(&l->config->arena, span_str(text));
	l->no_memory |= !s.p;
	return s;
}

static uint32_t service_pool(struct loading *l, const struct config_service *s, uint16_t port)
{
	const struct config *c = l->config;
	for (uint32_t i = 0; i < c->pool_count; i++)
		if (c->pools[i].service == s && c->pools[i].port == port)
			return i;
	return pool_add(l, (struct config_pool){ pool_name(l, &s->meta, port), NULL, s, port, l->base->pool });
}

/* ReferenceGrant: the backend's namespace lets HTTPRoutes of the route's namespace refer to it. */
static bool granted(const struct config *c, const struct config_http_route *route, const struct config_ref *ref)
{
	for (uint32_t i = 0; i < config_count(c, CONFIG_REFERENCE_GRANT); i++) {
		const struct config_reference_grant *g = config_at(c, CONFIG_REFERENCE_GRANT, i);
		bool from = false, to = false;
		if (!span_eq(g->meta.namespace, ref->namespace))
			continue;
		for (uint32_t k = 0; k < g->from_count; k++)
			from |= span_eq(g->from[k].group, SPAN("gateway.networking.k8s.io")) &&
				span_eq(g->from[k].kind, SPAN("HTTPRoute")) &&
				span_eq(g->from[k].namespace, route->meta.namespace);
		for (uint32_t k = 0; k < g->to_count; k++)
			to |= span_eq(g->to[k].group, ref->group) && span_eq(g->to[k].kind, ref->kind) &&
			      (!g->to[k].name.n || span_eq(g->to[k].name, ref->name));
		if (from && to)
			return true;
	}
	return false;
}

static const struct config_service_port *service_port(const struct config_service *s, uint16_t port)
{
	for (uint32_t i = 0; i < s->port_count; i++)
		if (s->ports[i].port == port)
			return &s->ports[i];
	return NULL;
}

static uint32_t resolve_service(struct loading *l, const struct config_ref *ref, const struct config_service *s,
				const char *path)
{
	if (!ref->port)
		report_add(l->report, &ref->at, path, "a backend of kind Service has no port; wanted port");
	else if (!service_port(s, ref->port))
		report_add(l->report, &ref->at, path, "the Service \"%.*s\" has no port %u; wanted one of its ports",
			   SPAN_ARG(ref->name), ref->port);
	else
		return service_pool(l, s, ref->port);
	return CONFIG_POOL_NONE;
}

uint32_t pools_resolve(struct loading *l, const struct config_http_route *route, const struct config_backend_ref *b,
		       const char *path)
{
	const struct config_ref *ref = &b->ref;
	bool service = span_eq(ref->kind, SPAN("Service")) && !ref->group.n;
	bool pool = span_eq(ref->kind, SPAN("InferencePool")) &&
		    span_eq(ref->group, SPAN("inference.networking.k8s.io"));
	if (!service && !pool) {
		report_add(l->report, &ref->at, path,
			   "kind \"%.*s\" of group \"%.*s\" is no backend; wanted InferencePool of "
			   "inference.networking.k8s.io, or Service",
			   SPAN_ARG(ref->kind), SPAN_ARG(ref->group));
		return CONFIG_POOL_NONE;
	}
	if (!span_eq(ref->namespace, route->meta.namespace) && !granted(l->config, route, ref)) {
		if (!l->dangling_ok)
			report_add(l->report, &ref->at, path,
				   "no ReferenceGrant lets this route use \"%.*s\" in namespace %.*s; wanted one there",
				   SPAN_ARG(ref->name), SPAN_ARG(ref->namespace));
		return CONFIG_POOL_NONE;
	}
	enum config_kind kind = pool ? CONFIG_INFERENCE_POOL : CONFIG_SERVICE;
	const void *object = config_find(l->config, kind, ref->namespace, ref->name);
	if (!object)
		return CONFIG_POOL_NONE;
	/* the InferencePools are the first pools, in their own order */
	return pool ? ((const struct config_meta *)object)->number : resolve_service(l, ref, object, path);
}

void pools_make(struct loading *l)
{
	for (uint32_t i = 0; i < config_count(l->config, CONFIG_INFERENCE_POOL); i++) {
		const struct config_inference_pool *p = config_at(l->config, CONFIG_INFERENCE_POOL, i);
		struct config_pool pool = { pool_name(l, &p->meta, 0), p, NULL, 0, l->base->pool };
		policies_apply(l->config, CONFIG_INFERENCE_POLICY, &p->meta, SPAN_NONE, &pool.options);
		(void)pool_add(l, pool);
	}
}

uint32_t config_pool_count(const struct config *c)
{
	return c->pool_count;
}

const struct config_pool *config_pool_at(const struct config *c, uint32_t i)
{
	return i < c->pool_count ? &c->pools[i] : NULL;
}

/* ---- replicas ---- */

/* The endpoints of one pool as they are found; the same address and port is told once. */
struct finding {
	const struct config *config;
	const struct config_pool *pool;
	int (*each)(void *arg, const struct config_endpoint *ep);
	void *arg;
	struct arena names;
	struct map seen;
};

static int found(struct finding *f, struct span host, bool is_name, uint16_t port, bool draining,
		 const struct config_position *at)
{
	char text[ENDPOINT_NAME_MAX];
	bool v6 = !is_name && span_find(host, ':') >= 0;
	(void)snprintf(text, sizeof text, v6 ? "[%.*s]:%u" : "%.*s:%u", SPAN_ARG(host), port);
	if (map_find(&f->seen, span_str(text)))
		return 0;
	struct span name = arena_dup(&f->names, span_str(text));
	int r = name.p ? map_put(&f->seen, name, f) : -PS_ENOMEM;
	if (r)
		return r;
	struct config_endpoint ep = { name, host, port, is_name, draining, *at };
	return f->each(f->arg, &ep);
}

/* Whether a port of a slice is meant: a Service's by its name, a pool's all. */
static bool port_fits(const struct config_pool *p, const struct config_slice_port *port)
{
	if (!p->service)
		return true;
	const struct config_service_port *sp = service_port(p->service, p->port);
	return sp && span_eq(sp->name, port->name);
}

static int endpoint_found(struct finding *f, const struct config_endpoint_slice *s,
			  const struct config_slice_endpoint *e)
{
	bool draining = e->terminating, is_name = s->address_type == CONFIG_ADDRESS_FQDN;
	int r = 0;
	if (!(e->ready || (draining && e->serving)) || !e->address_count)
		return 0;
	for (uint32_t i = 0; i < s->port_count && !r; i++)
		if (port_fits(f->pool, &s->ports[i]))
			r = found(f, e->addresses[0].text, is_name, s->ports[i].port, draining, &e->at);
	for (uint32_t i = 0; !s->port_count && f->pool->inference && i < f->pool->inference->target_port_count && !r;
	     i++)
		r = found(f, e->addresses[0].text, is_name, f->pool->inference->target_ports[i].number, draining,
			  &e->at);
	return r;
}

static int slice_found(struct finding *f, const struct config_endpoint_slice *s)
{
	const struct config_meta *m = f->pool->inference ? &f->pool->inference->meta : &f->pool->service->meta;
	bool mine = f->pool->inference
			    ? config_labels_match(&f->pool->inference->selector, &s->meta.labels)
			    : span_eq(config_label_find(&s->meta.labels, SPAN("kubernetes.io/service-name")), m->name);
	if (!mine || !span_eq(s->meta.namespace, m->namespace))
		return 0;
	int r = 0;
	for (uint32_t i = 0; i < s->endpoint_count && !r; i++)
		r = endpoint_found(f, s, &s->endpoints[i]);
	return r;
}

static int pod_found(struct finding *f, const struct config_pod *p)
{
	const struct config_inference_pool *pool = f->pool->inference;
	bool draining = p->meta.deleted != CONFIG_NO_TIME;
	if (!pool || !p->ip.n || !(p->ready || draining) || !span_eq(p->meta.namespace, pool->meta.namespace) ||
	    !config_labels_match(&pool->selector, &p->meta.labels))
		return 0;
	int r = 0;
	for (uint32_t i = 0; i < pool->target_port_count && !r; i++)
		r = found(f, p->ip, false, pool->target_ports[i].number, draining, &p->meta.at);
	return r;
}

int config_pool_endpoints(const struct config *c, uint32_t pool,
			  int (*each)(void *arg, const struct config_endpoint *ep), void *arg)
{
	struct finding f = { .config = c, .pool = config_pool_at(c, pool), .each = each, .arg = arg };
	int r = 0;
	if (!f.pool)
		return 0;
	arena_init(&f.names, CONFIG_ARENA_BYTES_MAX);
	map_init(&f.seen, ENDPOINTS_MAX);
	for (uint32_t i = 0; i < config_count(c, CONFIG_ENDPOINT_SLICE) && !r; i++)
		r = slice_found(&f, config_at(c, CONFIG_ENDPOINT_SLICE, i));
	for (uint32_t i = 0; i < config_count(c, CONFIG_POD) && !r; i++)
		r = pod_found(&f, config_at(c, CONFIG_POD, i));
	map_free(&f.seen);
	arena_free(&f.names);
	return r;
}
