/* A compiled configuration: made once by control from the typed objects, read by every worker, freed by the last one
 * that lets go of it. What a worker looks up for a request is an array index or one map look-up here; the texts stay in
 * the store it was compiled from. The choice of a pool by the body's model is in model_route.c. */
#include "gate/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "config/config.h"
#include "gate/rewrites.h"

enum {
	SNAPSHOT_MEMORY_MAX = 256 << 20, /* a bound against runaway configurations */
	OBJECTIVES_MAX = CONFIG_OBJECTS_MAX,
};

_Static_assert((int)HALF_CLOSE_TOLERATE == (int)CONFIG_HALF_CLOSE_TOLERATE, "the words of halfClose");
_Static_assert((int)ON_ABORT_DRAIN == (int)CONFIG_ON_ABORT_DRAIN, "the words of onAbort");
_Static_assert((int)USAGE_POLICY_OBSERVE == (int)CONFIG_USAGE_OBSERVE, "the words of usage");
_Static_assert((int)USAGE_POLICY_OFF == (int)CONFIG_USAGE_OFF, "the words of usage");

static struct listener_policy listener_policy_of(const struct config_listener_options *o)
{
	return (struct listener_policy){
		.limits = {
			.line_bytes = o->line_bytes,
			.head_bytes = o->head_bytes,
			.fields = o->fields,
			.value_bytes = o->value_bytes,
			.trailer_bytes = o->trailer_bytes,
			.chunk_ext_bytes = o->chunk_ext_bytes,
			.chunk_ext_total_bytes = o->chunk_ext_total_bytes,
		},
		.body_bytes = o->body_bytes,
		.head_timeout_ns = o->head_timeout_ns,
		.idle_timeout_ns = o->idle_timeout_ns,
		.body_grace_ns = o->body_grace_ns,
		.body_rate_bytes = o->body_rate_bytes,
		.write_stall_ns = o->write_stall_ns,
		.requests_per_connection = o->requests_per_connection,
		.connections = o->connections,
		.drain_ns = o->drain_ns,
		.half_close = (enum half_close)o->half_close,
		.proxy_protocol = o->proxy_protocol,
		.client_hints = o->client_hints,
		.trusted_hops = o->trusted_hops,
	};
}

static struct pool_policy pool_policy_of(const struct config_pool_options *o)
{
	return (struct pool_policy){
		.connect_timeout_ns = o->connect_timeout_ns,
		.first_byte_timeout_ns = o->first_byte_timeout_ns,
		.between_timeout_ns = o->between_timeout_ns,
		.total_timeout_ns = o->total_timeout_ns,
		.body_hold_bytes = o->body_hold_bytes,
		.tries = o->tries,
		.on_abort = (enum on_abort)o->on_abort,
		.abort_drain_ns = o->abort_drain_ns,
		.usage = (enum usage_policy)o->usage,
	};
}

/* ---- compiling ---- */

static void listener_compile(struct snapshot_listener *l, const struct config *c, uint32_t number)
{
	const struct config_socket *socket = config_socket_at(c, number);
	const struct config_listener_entry *entry = config_listener_at(c, socket->first_listener);
	l->address = socket->address;
	l->policy = listener_policy_of(&entry->options);
	l->route_listener = socket->first_listener;
	span_copy(l->name, sizeof l->name, entry->listener->name);
}

/* Names are looked up in the pool's own namespace; an objective without a poolRef cannot exist. */
static int objectives_compile(struct snapshot_pool *p, const struct config *c, const struct config_pool *from)
{
	map_init(&p->objectives, OBJECTIVES_MAX);
	if (!from->inference)
		return 0;
	const struct config_meta *meta = &from->inference->meta;
	for (uint32_t i = 0; i < config_count(c, CONFIG_INFERENCE_OBJECTIVE); i++) {
		const struct config_objective *o = config_at(c, CONFIG_INFERENCE_OBJECTIVE, i);
		if (!span_eq(o->pool_ref.name, meta->name) || !span_eq(o->pool_ref.namespace, meta->namespace))
			continue;
		/* a map hands out what it was given, so it wants a pointer that is not const; nobody writes through it
		 */
		union {
			const void *read;
			void *kept;
		} value = { .read = o };
		if (map_put(&p->objectives, o->meta.name, value.kept) < 0)
			return -PS_ENOMEM;
	}
	return 0;
}

static int pool_compile(struct snapshot *s, uint32_t number, const struct snapshot_live *live)
{
	const struct config_pool *from = config_pool_at(s->config, number);
	struct snapshot_pool *p = &s->pools[number];
	span_copy(p->name, sizeof p->name, from->name);
	p->pool = live->pool;
	p->gate = live->gate;
	p->policy = pool_policy_of(&from->options);
	int r = objectives_compile(p, s->config, from);
	return r < 0 ? r : rewrites_compile(&s->memory, s->config, from, &p->rewrites);
}

static int compile(struct snapshot *s, const struct snapshot_live *live)
{
	s->listener_count = config_socket_count(s->config);
	s->listeners = arena_array(&s->memory, struct snapshot_listener, s->listener_count);
	s->pools = arena_array(&s->memory, struct snapshot_pool, config_pool_count(s->config));
	if (!s->listeners || !s->pools)
		return -PS_ENOMEM;
	for (uint32_t i = 0; i < s->listener_count; i++)
		listener_compile(&s->listeners[i], s->config, i);
	for (uint32_t i = 0; i < config_pool_count(s->config); i++) {
		s->pool_count++;
		if (pool_compile(s, i, &live[i]) < 0)
			return -PS_ENOMEM;
	}
	return 0;
}

static void snapshot_free(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->pool_count; i++) {
		rewrites_done(s->pools[i].rewrites);
		map_free(&s->pools[i].objectives);
	}
	route_table_free(s->routes);
	arena_free(&s->memory);
	config_unref(s->config);
	free(s);
}

struct snapshot *snapshot_new(const struct config *c, const struct snapshot_live *live, uint64_t generation,
			      uint64_t body_memory_bytes, struct err *e)
{
	struct snapshot *s = calloc(1, sizeof *s);
	if (!s) {
		err_set(e, PS_ENOMEM, "no memory for a configuration");
		return NULL;
	}
	s->config = config_ref(c);
	s->generation = generation;
	s->body_memory_bytes = body_memory_bytes;
	atomic_init(&s->refs, 1);
	arena_init(&s->memory, SNAPSHOT_MEMORY_MAX);
	s->routes = route_table_new(c);
	if (s->routes && compile(s, live) == 0)
		return s;
	err_set(e, PS_ENOMEM, "no memory for a configuration");
	snapshot_free(s);
	return NULL;
}

/* ---- references ---- */

struct snapshot *snapshot_ref(struct snapshot *s)
{
	/* Who takes one holds one, so nothing needs to be ordered. */
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	/* Release: our reads are over before the last owner, who acquires, frees. */
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		snapshot_free(s);
}

unsigned snapshot_refs(const struct snapshot *s)
{
	/* Partner of the release in snapshot_unref: who sees 1 sees what the others did before. */
	return atomic_load_explicit(&s->refs, memory_order_acquire);
}

/* ---- looking up ---- */

uint32_t snapshot_route_listener(const struct snapshot *s, uint32_t listener, struct span host)
{
	return config_socket_listener(s->config, listener, host);
}

int32_t snapshot_objective(const struct snapshot *s, uint32_t pool, struct span name)
{
	const struct config_objective *o = pool < s->pool_count ? map_find(&s->pools[pool].objectives, name) : NULL;
	return o ? o->priority : 0;
}
