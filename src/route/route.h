/* The door of route: which rule a request falls under (Gateway API v1 HTTPRoute semantics and precedence). Immutable
 * once made. */
#ifndef PS_ROUTE_ROUTE_H
#define PS_ROUTE_ROUTE_H

#include "base/base.h"
#include "wire/wire.h"

struct route_table;

/* One backendRef: a pool of the snapshot, with its weight. */
struct route_backend {
	uint32_t pool; /* index into snapshot.pools; UINT32_MAX: the reference cannot be resolved (500, as Gateway API
			  says) */
	uint32_t weight;
};

enum header_change_kind { HEADER_SET, HEADER_ADD, HEADER_REMOVE };
struct header_change {
	enum header_change_kind kind;
	struct span name, value;
};

struct route_rule {
	struct span route_name; /* "namespace/name" of its HTTPRoute */
	uint32_t number;	/* of the rule inside it, from 0 */
	struct route_backend *backends;
	uint32_t backend_count;
	struct header_change *request_changes, *response_changes;
	uint32_t request_change_count, response_change_count;
	uint64_t request_timeout_ns; /* timeouts.request; 0: none */
	uint64_t backend_timeout_ns; /* timeouts.backendRequest */
};

struct route_request {
	uint32_t listener;
	struct span host; /* authority without its port */
	const struct h1_head *head;
	struct span
		model; /* matched by `X-Gateway-Model-Name` header matches; .p NULL while the body has not been read */
};

enum route_answer { ROUTE_FOUND, ROUTE_NEEDS_MODEL /* *ret is the rule if no model rule should match */, ROUTE_NONE };

struct config; /* config/config.h */

/* Compiles the routes of a store: listeners have the numbers of config_listener_at, pools those of config_pool_at.
 * Takes a reference of the store and gives it back when freed. NULL without memory. Control thread. */
struct route_table *route_table_new(const struct config *c) MUST_CHECK;
void route_table_free(struct route_table *t);

/* How route_match decides.
 * Precedence, as in the Gateway API v1: host (exact, then the longest wildcard, then none), path (exact, then the
 * longest prefix, by whole elements), method, number of header matches, number of query matches; then the older object,
 * the name, the order in it. A rule under a less specific host or path still counts when none of the more specific ones
 * matches.
 *
 * Paths are compared as RFC 3986 §6.2.2 normalises them (escaped unreserved characters decoded, hex digits in upper
 * case); an escaped slash stays one, double slashes stay. A path with a dot segment ("/./", "/../", also escaped)
 * matches nothing: it is forwarded as it was sent, so the replica could take it for another path than the one matched
 * here. Repeated header fields are compared joined by ","; of a repeated query parameter the first counts. */

/* The first rule in that order, borrowed from the table. ROUTE_NONE: *ret is NULL. Any thread; no allocation. */
enum route_answer route_match(const struct route_table *t, const struct route_request *rq,
			      const struct route_rule **ret);
/* Which backend a request goes to, by weight: a place in rule->backends, or UINT32_MAX when there is none with a weight
 * (500). `random`: 64 uniform bits. Any thread. */
uint32_t route_backend_pick(const struct route_rule *rule, uint64_t random);

#endif
