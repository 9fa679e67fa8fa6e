/* Listeners: the Gateways' sections in one row, the sockets they need, and which routes may hang on them. Control
 * thread; cold, but for config_socket_listener, which a worker may call per request (a walk over one socket's
 * listeners). */
#include <stdio.h>
#include <stdlib.h>

#include "config/store.h"

/* ---- sockets ---- */

/* Port 0 means "any free one", so two of them are two sockets. */
static struct config_socket *socket_of(const struct loading *l, const struct address *a)
{
	struct config *c = l->config;
	for (uint32_t i = 0; address_port(a) && i < c->socket_count; i++)
		if (address_eq(&c->sockets[i].address, a))
			return &c->sockets[i];
	c->sockets[c->socket_count].address = *a;
	return &c->sockets[c->socket_count++];
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

/* Room doubles at the powers of two. */
static bool listener_room(struct loading *l, struct config_socket *s)
{
	uint32_t n = s->listener_count;
	if (n & (n - 1))
		return true;
	uint32_t *more = arena_array(&l->config->arena, uint32_t, n ? 2 * n : 1);
	l->no_memory |= !more;
	if (more && n)
		memcpy(more, s->listeners, n * sizeof *more);
	s->listeners = more ? more : s->listeners;
	return more;
}

static void share_socket(struct loading *l, struct config_socket *s, uint32_t listener)
{
	const struct config *c = l->config;
	for (uint32_t i = 0; i < s->listener_count && !report_is_full(l->report); i++)
		check_neighbour(l, c->listeners[s->listeners[i]].listener, c->listeners[listener].listener);
	if (!s->listener_count)
		s->first_listener = listener;
	if (listener_room(l, s))
		s->listeners[s->listener_count++] = listener;
}

static void listener_place(struct loading *l, uint32_t number, struct span host)
{
	struct config_listener_entry *e = &l->config->listeners[number];
	struct address a;
	struct err err = { 0 };
	/* "::" is every address of the machine, both families */
	if (address_from_host(&a, host.n ? host : SPAN("::"), e->listener->port, &err)) {
		report_add(l->report, &e->listener->at, "spec.addresses", "%s; wanted an IP address", err.text);
		return;
	}
	struct config_socket *s = socket_of(l, &a);
	if (e->socket == UINT32_MAX)
		e->socket = (uint32_t)(s - l->config->sockets);
	share_socket(l, s, number);
}

/* TLS is not built. A listener that asks for it is never served in the clear: files are refused, and in a cluster it
 * gets no socket. */
static bool can_serve(struct loading *l, const struct config_gateway *g, const struct config_listener *li)
{
	if (li->protocol == CONFIG_PROTOCOL_HTTP)
		return true;
	char path[48];
	(void)snprintf(path, sizeof path, "spec.listeners[%u].protocol", (unsigned)(li - g->listeners));
	if (l->strict)
		report_add(l->report, &li->at, path, "HTTPS is not supported yet; wanted HTTP");
	return l->strict;
}

static void listener_add(struct loading *l, const struct config_gateway *g, const struct config_listener *li)
{
	struct config *c = l->config;
	struct config_listener_entry e = { g, li, l->base->listener, UINT32_MAX };
	policies_apply(c, CONFIG_LISTENER_POLICY, &g->meta, li->name, &e.options);
	c->listeners[c->listener_count] = e;
	bool served = can_serve(l, g, li);
	if (served && !g->address_count)
		listener_place(l, c->listener_count, SPAN_NONE);
	for (uint32_t i = 0; served && i < g->address_count; i++)
		listener_place(l, c->listener_count, g->addresses[i].value);
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
			listener_add(l, g, &g->listeners[k]);
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

/* ---- which routes may hang on a listener ---- */

static bool parent_means(const struct config_ref *p, const struct config_listener_entry *e)
{
	const struct config_meta *g = &e->gateway->meta;
	return span_eq(p->kind, SPAN("Gateway")) && span_eq(p->name, g->name) && span_eq(p->namespace, g->namespace) &&
	       (!p->section_name.n || span_eq(p->section_name, e->listener->name)) &&
	       (!p->port || p->port == e->listener->port);
}

bool config_route_attaches(const struct config_http_route *r, uint32_t parent, const struct config_listener_entry *e)
{
	uint32_t from = e->listener->allowed_from;
	bool near = span_eq(r->meta.namespace, e->gateway->meta.namespace);
	return (from == CONFIG_FROM_ALL || (from == CONFIG_FROM_SAME && near)) && parent_means(&r->parents[parent], e);
}

/* "a.b.c" and "*.b.c" are within "*.c". */
static bool within(struct span name, struct span wild)
{
	struct span suffix = span_skip(wild, 1);
	return wild.n && wild.p[0] == '*' && name.n > suffix.n && span_ends(name, suffix);
}

bool config_hostnames_intersect(struct span listener, struct span route, struct span *ret)
{
	bool route_narrower = route.n && (!listener.n || span_eq(listener, route) || within(route, listener));
	if (route.n && !route_narrower && !within(listener, route))
		return false;
	*ret = route_narrower ? route : listener;
	return true;
}
