/* The door of route: which rule a request falls under (Gateway API v1 HTTPRoute semantics and precedence). Immutable once made. */
#ifndef PS_ROUTE_ROUTE_H
#define PS_ROUTE_ROUTE_H

#include "base/base.h"
#include "wire/wire.h"

struct route_table;

/* One backendRef: a pool of the snapshot, with its weight. */
struct route_backend {
	uint32_t pool;   /* index into snapshot.pools; UINT32_MAX: the reference cannot be resolved (500, as Gateway API says) */
	uint32_t weight;
};

enum header_change_kind { HEADER_SET, HEADER_ADD, HEADER_REMOVE };
struct header_change {
	enum header_change_kind kind;
	struct span name, value;
};

struct route_rule {
	struct span route_name; /* "namespace/name" of its HTTPRoute */
	uint32_t number;        /* of the rule inside it, from 0 */
	struct route_backend *backends;
	uint32_t backend_count;
	struct header_change *request_changes, *response_changes;
	uint32_t request_change_count, response_change_count;
	uint64_t request_timeout_ns;  /* timeouts.request; 0: none */
	uint64_t backend_timeout_ns;  /* timeouts.backendRequest */
};

struct route_request {
	uint32_t listener;
	struct span host;  /* authority without its port */
	const struct h1_head *head;
	struct span model; /* matched by `X-Gateway-Model-Name` header matches; .p NULL while the body has not been read */
};

enum route_answer { ROUTE_FOUND, ROUTE_NEEDS_MODEL /* *ret is the rule if no model rule should match */, ROUTE_NONE };

/* The most specific rule (host, exact path, longest prefix, method, most headers, most query parameters; then older object, then name). */
enum route_answer route_match(const struct route_table *t, const struct route_request *rq, const struct route_rule **ret);
void route_table_free(struct route_table *t);

#endif
