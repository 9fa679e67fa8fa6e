/* Listeners: the Gateways' sections in one row, the sockets they need, and the policies laid over options. Control
 * thread; cold, but for config_socket_listener, which a worker may call per request (a walk over one socket's
 * listeners). */
#include <stdio.h>
#include <stdlib.h>

#include "config/store.h"

/* ---- policies ---- */

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

/* ---- sockets ---- */

static uint32_t socket_add(struct loading *l, const struct address *a, uint32_t listeners)
{
	struct config *c = l->config;
	struct config_socket *s = &c->sockets[c->socket_count];
	s->address = *a;
	s->listeners = arena_array(&c->arena, uint32_t, listeners);
	if (!s->listeners) {
		l->no_memory = true;
		return UINT32_MAX;
	}
	return c->socket_count++;
}

/* Port 0 means "any free one", so two of them are two sockets. */
static uint32_t socket_of(struct loading *l, const struct address *a, uint32_t listeners)
{
	const struct config *c = l->config;
	for (uint32_t i = 0; address_port(a) && i < c->socket_count; i++)
		if (address_eq(&c->sockets[i].address, a))
			return i;
	return socket_add(l, a, listeners);
}

static void check_neighbour(struct loading *l, const struct config_listener *x, const struct config_listener *y)
{
	if (x->protocol != y->protocol)
		report_add(l->report, &y->at, "spec.listeners",
			   "listener \"%.*s\" has another protocol than listener \"%.*s\" on port %u; wanted the same",
			   SPAN_ARG(y->name), SPAN_ARG(x->name), y->port);
	else if (span_eq(x->hostname, y->hostname))
		report_add(l->report, &y->at, "spec.listeners",
			   "listener \"%.*s\" has the port and hostname of listener \"%.*s\"; wanted another port or "
			   "hostname",
			   SPAN_ARG(y->name), SPAN_ARG(x->name));
}

static void share_socket(struct loading *l, uint32_t number, uint32_t listener)
{
	struct config *c = l->config;
	struct config_socket *s = &c->sockets[number];
	for (uint32_t i = 0; i < s->listener_count; i++)
		check_neighbour(l, c->listeners[s->listeners[i]].listener, c->listeners[listener].listener);
	if (!s->listener_count)
		s->first_listener = listener;
	s->listeners[s->listener_count++] = listener;
}

static void listener_place(struct loading *l, uint32_t number, struct span host, uint32_t listeners)
{
	struct config_listener_entry *e = &l->config->listeners[number];
	struct address a;
	struct err err = { 0 };
	char text[ADDRESS_TEXT_MAX];
	(void)snprintf(text, sizeof text, span_find(host, ':') >= 0 ? "[%.*s]:%u" : "%.*s:%u", SPAN_ARG(host),
		       e->listener->port);
	if (address_parse(&a, span_str(text), &err)) {
		report_add(l->report, &e->listener->at, "spec.addresses", "%s; wanted an IP address", err.text);
		return;
	}
	uint32_t socket = socket_of(l, &a, listeners);
	if (socket == UINT32_MAX)
		return;
	if (e->socket == UINT32_MAX)
		e->socket = socket;
	share_socket(l, socket, number);
}

static void listener_add(struct loading *l, const struct config_gateway *g, const struct config_listener *li,
			 uint32_t listeners)
{
	struct config *c = l->config;
	struct config_listener_entry e = { g, li, l->base->listener, UINT32_MAX };
	policies_apply(c, CONFIG_LISTENER_POLICY, &g->meta, li->name, &e.options);
	c->listeners[c->listener_count] = e;
	if (!g->address_count)
		listener_place(l, c->listener_count, SPAN_NONE, listeners);
	for (uint32_t i = 0; i < g->address_count; i++)
		listener_place(l, c->listener_count, g->addresses[i].value, listeners);
	c->listener_count++;
}

void listeners_make(struct loading *l)
{
	struct config *c = l->config;
	uint32_t listeners = 0, sockets = 0;
	for (uint32_t i = 0; i < config_count(c, CONFIG_GATEWAY); i++) {
		const struct config_gateway *g = config_at(c, CONFIG_GATEWAY, i);
		listeners += g->listener_count;
		sockets += g->listener_count * (g->address_count ? g->address_count : 1);
	}
	c->listeners = arena_array(&c->arena, struct config_listener_entry, listeners + 1);
	c->sockets = arena_array(&c->arena, struct config_socket, sockets + 1);
	if (!c->listeners || !c->sockets) {
		l->no_memory = true;
		return;
	}
	for (uint32_t i = 0; i < config_count(c, CONFIG_GATEWAY); i++) {
		const struct config_gateway *g = config_at(c, CONFIG_GATEWAY, i);
		for (uint32_t k = 0; k < g->listener_count; k++)
			listener_add(l, g, &g->listeners[k], listeners);
	}
}

uint32_t config_listener_count(const struct config *c)
{
	return c->listener_count;
}

const struct config_listener_entry *config_listener_at(const struct config *c, uint32_t i)
{
	return i < c->listener_count ? &c->listeners[i] : NULL;
}

uint32_t config_socket_count(const struct config *c)
{
	return c->socket_count;
}

const struct config_socket *config_socket_at(const struct config *c, uint32_t i)
{
	return i < c->socket_count ? &c->sockets[i] : NULL;
}

/* How well a host fits a listener's hostname: 0 not, 1 any host, more the longer the wildcard, most an exact name. */
static size_t host_rank(struct span hostname, struct span host)
{
	if (!hostname.n)
		return 1;
	if (span_eq_nocase(hostname, host))
		return SIZE_MAX;
	struct span suffix = span_skip(hostname, 1); /* ".example.com" of "*.example.com" */
	bool wild = hostname.p[0] == '*' && host.n > suffix.n;
	return wild && span_eq_nocase(span_skip(host, host.n - suffix.n), suffix) ? 1 + suffix.n : 0;
}

uint32_t config_socket_listener(const struct config *c, uint32_t socket, struct span host)
{
	const struct config_socket *s = config_socket_at(c, socket);
	uint32_t best = UINT32_MAX;
	size_t best_rank = 0;
	for (uint32_t i = 0; s && i < s->listener_count; i++) {
		size_t rank = host_rank(c->listeners[s->listeners[i]].listener->hostname, host);
		if (rank > best_rank) {
			best_rank = rank;
			best = s->listeners[i];
		}
	}
	return best;
}
