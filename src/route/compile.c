/* From the routes of a store to the table: which route hangs on which listener, under which hosts, in which order.
 * Control thread, at each change; cold. Order: Gateway API v1, HTTPRouteRule.matches and HTTPRouteSpec.hostnames. */
#include <stdlib.h>

#include "config/config.h"
#include "route/table.h"

enum { TABLE_BYTES_MAX = 512 << 20 };

/* The work of one compilation. */
struct compiler {
	struct route_table *table;
	const struct config *config;
	uint32_t order; /* of the next candidate */
	bool no_memory;
};

static void *take(struct compiler *c, size_t size, uint32_t n)
{
	void *p = arena_alloc(&c->table->arena, size * (n ? n : 1));
	c->no_memory |= !p;
	return p;
}

/* ---- rules ---- */

static void take_changes(struct compiler *c, const struct config_header_modifier *m, struct header_change **changes,
			 uint32_t *count)
{
	uint32_t n = m->set_count + m->add_count + m->remove_count;
	struct header_change *all = take(c, sizeof *all, *count + n);
	if (!n || !all)
		return;
	uint32_t at = *count;
	if (at)
		memcpy(all, *changes, at * sizeof *all);
	for (uint32_t i = 0; i < m->set_count; i++)
		all[at++] = (struct header_change){ HEADER_SET, m->set[i].name, m->set[i].value };
	for (uint32_t i = 0; i < m->add_count; i++)
		all[at++] = (struct header_change){ HEADER_ADD, m->add[i].name, m->add[i].value };
	for (uint32_t i = 0; i < m->remove_count; i++)
		all[at++] = (struct header_change){ HEADER_REMOVE, m->remove[i].text, SPAN_NONE };
	*changes = all;
	*count = at;
}

static struct span full_name(struct compiler *c, const struct config_meta *m)
{
	size_t n = m->namespace.n + 1 + m->name.n;
	char *p = take(c, 1, (uint32_t)n);
	if (!p)
		return SPAN_NONE;
	memcpy(p, m->namespace.p, m->namespace.n);
	p[m->namespace.n] = '/';
	memcpy(p + m->namespace.n + 1, m->name.p, m->name.n);
	return span_of(p, n);
}

static void rule_init(struct compiler *c, struct route_rule *out, struct span route_name, uint32_t number,
		      const struct config_rule *in)
{
	*out = (struct route_rule){ .route_name = route_name,
				    .number = number,
				    .backend_count = in->backend_count,
				    .request_timeout_ns = in->request_timeout_ns,
				    .backend_timeout_ns = in->backend_timeout_ns };
	out->backends = take(c, sizeof *out->backends, in->backend_count);
	for (uint32_t i = 0; out->backends && i < in->backend_count; i++)
		out->backends[i] = (struct route_backend){ in->backends[i].pool, in->backends[i].weight };
	for (uint32_t i = 0; i < in->filter_count; i++) {
		take_changes(c, &in->filters[i].request, &out->request_changes, &out->request_change_count);
		take_changes(c, &in->filters[i].response, &out->response_changes, &out->response_change_count);
	}
}

/* ---- hosts and paths ---- */

static struct host *host_new(struct compiler *c, struct span name)
{
	struct host *h = take(c, sizeof *h, 1);
	if (!h)
		return NULL;
	h->name = name;
	map_init(&h->exact, ROUTE_KEYS_MAX);
	map_init(&h->prefixes, ROUTE_KEYS_MAX);
	h->next = c->table->hosts;
	c->table->hosts = h;
	return h;
}

/* The part of the listener for a hostname: "" any, "*.x" by its suffix, else by itself. */
static struct host *host_of(struct compiler *c, struct listener *l, struct span hostname)
{
	if (!hostname.n) {
		if (!l->any)
			l->any = host_new(c, hostname);
		return l->any;
	}
	bool wild = hostname.p[0] == '*';
	struct map *m = wild ? &l->wild : &l->exact;
	struct span key = wild ? span_skip(hostname, 1) : hostname;
	struct host *h = map_find(m, key);
	if (h)
		return h;
	h = host_new(c, key);
	c->no_memory |= h && map_put(m, key, h) != 0;
	return h;
}

/* "/v1/" is the prefix "/v1", and "/" is "". */
static struct span prefix_key(struct span path)
{
	while (span_ends(path, SPAN("/")))
		path = span_head(path, path.n - 1);
	return path;
}

static struct run *run_of(struct compiler *c, struct host *h, const struct config_match *m)
{
	char scratch[ROUTE_PATH_MAX];
	struct span path = m->path.n <= sizeof scratch ? path_decode(m->path, scratch) : m->path;
	bool prefix = m->path_type == CONFIG_PATH_PREFIX;
	struct map *runs = prefix ? &h->prefixes : &h->exact;
	path = prefix ? prefix_key(path) : path;
	struct run *run = map_find(runs, path);
	if (run)
		return run;
	run = take(c, sizeof *run, 1);
	if (!run)
		return NULL;
	run->path = arena_dup(&c->table->arena, path);
	run->next = h->runs;
	h->runs = run;
	if (prefix && path.n > h->longest_prefix)
		h->longest_prefix = path.n;
	if (prefix)
		h->prefix_lengths |= UINT64_C(1) << (path.n < 63 ? path.n : 63);
	c->no_memory |= !run->path.p || map_put(runs, run->path, run) != 0;
	return run;
}

static struct candidate *candidate_add(struct compiler *c, struct run *run)
{
	if (run->count == run->room) {
		uint32_t room = run->room ? run->room * 2 : 2;
		struct candidate *items = take(c, sizeof *items, room);
		if (!items)
			return NULL;
		if (run->count)
			memcpy(items, run->items, run->count * sizeof *items);
		run->items = items;
		run->room = room;
	}
	return &run->items[run->count++];
}

/* Of matches with equivalent names only the first counts (Gateway API). */
static bool named_before(const struct config_value_match *all, uint32_t i, bool nocase)
{
	for (uint32_t k = 0; k < i; k++)
		if (nocase ? span_eq_nocase(all[k].name, all[i].name) : span_eq(all[k].name, all[i].name))
			return true;
	return false;
}

static void take_conditions(struct compiler *c, struct candidate *out, const struct config_match *m)
{
	out->headers = take(c, sizeof *out->headers, m->header_count);
	out->query = take(c, sizeof *out->query, m->query_count);
	if (!out->headers || !out->query)
		return;
	for (uint32_t i = 0; i < m->header_count; i++) {
		const struct config_value_match *h = &m->headers[i];
		if (named_before(m->headers, i, true))
			continue;
		out->specific++;
		if (span_eq_nocase(h->name, SPAN("x-gateway-model-name")))
			out->model = h->value;
		else
			out->headers[out->header_count++] = (struct value_match){ h->name, h->value };
	}
	for (uint32_t i = 0; i < m->query_count; i++)
		if (!named_before(m->query, i, false))
			out->query[out->query_count++] = (struct value_match){ m->query[i].name, m->query[i].value };
}

static void match_add(struct compiler *c, struct host *h, const struct route_rule *rule, const struct config_match *m,
		      int64_t created)
{
	struct run *run = h ? run_of(c, h, m) : NULL;
	struct candidate *out = run ? candidate_add(c, run) : NULL;
	if (!out)
		return;
	*out = (struct candidate){ .rule = rule, .method = m->method, .created = created, .order = c->order++ };
	take_conditions(c, out, m);
}

/* ---- which routes hang where ---- */

static bool attaches(const struct config_http_route *r, const struct config_listener_entry *e)
{
	for (uint32_t i = 0; i < r->parent_count; i++)
		if (config_route_attaches(r, i, e))
			return true;
	return false;
}

static void route_add_host(struct compiler *c, struct listener *l, struct span hostname,
			   const struct config_http_route *r, const struct route_rule *rules)
{
	struct host *h = host_of(c, l, hostname);
	for (uint32_t i = 0; h && i < r->rule_count; i++)
		for (uint32_t k = 0; k < r->rules[i].match_count; k++)
			match_add(c, h, &rules[i], &r->rules[i].matches[k], r->meta.created);
}

/* A hostname may come twice by intersecting; the second adds nothing that wins. */
static void route_add(struct compiler *c, const struct config_http_route *r)
{
	struct route_rule *rules = take(c, sizeof *rules, r->rule_count);
	struct span name = full_name(c, &r->meta), host;
	for (uint32_t i = 0; rules && i < r->rule_count; i++)
		rule_init(c, &rules[i], name, i, &r->rules[i]);
	for (uint32_t i = 0; rules && i < c->table->listener_count; i++) {
		const struct config_listener_entry *e = config_listener_at(c->config, i);
		if (!attaches(r, e))
			continue;
		struct listener *l = &c->table->listeners[i];
		if (!r->hostname_count)
			route_add_host(c, l, e->listener->hostname, r, rules);
		for (uint32_t k = 0; k < r->hostname_count; k++)
			if (config_hostnames_intersect(e->listener->hostname, r->hostnames[k].text, &host))
				route_add_host(c, l, host, r, rules);
	}
}

/* ---- order ---- */

/* Candidates were added in the order of the routes' names. */
static int candidate_cmp(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if ((x->method.n != 0) != (y->method.n != 0))
		return x->method.n ? -1 : 1;
	if (x->specific != y->specific)
		return x->specific > y->specific ? -1 : 1;
	if (x->query_count != y->query_count)
		return x->query_count > y->query_count ? -1 : 1;
	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int span_cmp(struct span a, struct span b)
{
	int r = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return r ? r : a.n < b.n ? -1 : a.n > b.n;
}

static int route_cmp(const void *a, const void *b)
{
	const struct config_http_route *x = *(const struct config_http_route *const *)a;
	const struct config_http_route *y = *(const struct config_http_route *const *)b;
	int r = span_cmp(x->meta.namespace, y->meta.namespace);
	return r ? r : span_cmp(x->meta.name, y->meta.name);
}

static void sort_runs(struct route_table *t)
{
	for (struct host *h = t->hosts; h; h = h->next)
		for (struct run *run = h->runs; run; run = run->next)
			qsort(run->items, run->count, sizeof run->items[0], candidate_cmp);
}

static void compile(struct compiler *c)
{
	uint32_t n = config_count(c->config, CONFIG_HTTP_ROUTE);
	const struct config_http_route **routes = take(c, sizeof(const struct config_http_route *), n);
	for (uint32_t i = 0; routes && i < n; i++)
		routes[i] = config_at(c->config, CONFIG_HTTP_ROUTE, i);
	if (!routes)
		return;
	qsort(routes, n, sizeof(const struct config_http_route *), route_cmp);
	for (uint32_t i = 0; i < n; i++)
		route_add(c, routes[i]);
	sort_runs(c->table);
}

struct route_table *route_table_new(const struct config *config)
{
	struct route_table *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	arena_init(&t->arena, TABLE_BYTES_MAX);
	t->config = config_ref(config);
	struct compiler c = { .table = t, .config = config };
	t->listeners = take(&c, sizeof *t->listeners, config_listener_count(config));
	t->listener_count = t->listeners ? config_listener_count(config) : 0;
	for (uint32_t i = 0; i < t->listener_count; i++) {
		map_init(&t->listeners[i].exact, ROUTE_KEYS_MAX);
		map_init(&t->listeners[i].wild, ROUTE_KEYS_MAX);
	}
	compile(&c);
	if (!c.no_memory)
		return t;
	route_table_free(t);
	return NULL;
}

void route_table_free(struct route_table *t)
{
	if (!t)
		return;
	for (struct host *h = t->hosts; h; h = h->next) {
		map_free(&h->exact);
		map_free(&h->prefixes);
	}
	for (uint32_t i = 0; i < t->listener_count; i++) {
		map_free(&t->listeners[i].exact);
		map_free(&t->listeners[i].wild);
	}
	config_unref(t->config);
	arena_free(&t->arena);
	free(t);
}
