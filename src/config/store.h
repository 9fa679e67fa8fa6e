/* The inside of `struct config`. Written while it is loaded, by one thread; immutable from then on. Private to config.
 */
#ifndef PS_CONFIG_STORE_H
#define PS_CONFIG_STORE_H

#include "config/config.h"
#include "config/report.h"

enum { CONFIG_ARENA_BYTES_MAX = 512 << 20, CONFIG_KEY_MAX = 700 };

struct kind_list {
	struct config_meta **items; /* heap */
	uint32_t count, room;
};

struct config {
	_Atomic unsigned refs;
	struct arena arena;
	struct kind_list kinds[CONFIG_KIND_COUNT];
	struct map by_name;			 /* "kind/namespace/name" → struct config_meta */
	struct config_listener_entry *listeners; /* arena */
	uint32_t listener_count;
	struct config_socket *sockets;
	uint32_t socket_count, socket_room;
	struct config_pool *pools;
	uint32_t pool_count, pool_room;
};

/* What the steps after decoding work with. */
struct loading {
	struct config *config;
	struct report *report;
	const struct config_base *base;
	bool strict;	  /* CONFIG_STRICT */
	bool dangling_ok; /* a missing object is no error: lenient, or some object of the sources could not be read */
	bool no_memory;
};

/* The key of an object in by_name, written to `out`. */
struct span store_key(char out[CONFIG_KEY_MAX], enum config_kind kind, struct span namespace, struct span name);

/* Makes pools of InferencePools, then of the Services that routes send to; resolves references of routes. */
void pools_make(struct loading *l);
/* Number of the pool a backendRef means, or CONFIG_POOL_NONE with a complaint. */
uint32_t pools_resolve(struct loading *l, const struct config_http_route *route, const struct config_backend_ref *b,
		       const char *path);
/* Flattens the Gateways and finds their sockets. */
void listeners_make(struct loading *l);
/* References and what two objects say against each other. */
void references_check(struct loading *l);
/* Lays the policies of a kind that target an object (and its section) over `options`, the most specific and the oldest
 * last. */
void policies_apply(const struct config *c, enum config_kind policy_kind, const struct config_meta *target,
		    struct span section, void *options);

#endif
