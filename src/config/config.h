/* The door of config: manifests (Kubernetes objects as YAML or JSON) to an immutable store of typed objects. No files,
 * no clock: texts come in as bytes. Decoding is by tables over a tree that keeps positions, so that every error says
 * `FILE:LINE:COLUMN: PATH: what is wrong, what was wanted`. Cold path: runs on the control thread, at start and at each
 * change. */
#ifndef PS_CONFIG_CONFIG_H
#define PS_CONFIG_CONFIG_H

#include "base/base.h"
#include "config/objects.h"
#include "config/options.h"

enum {
	CONFIG_FILE_BYTES_MAX = 16 << 20, /* one source */
	CONFIG_DEPTH_MAX = 64,		  /* nesting of one document */
	CONFIG_OBJECTS_MAX = 100000,	  /* in one store */
	CONFIG_ERRORS_MAX = 100,	  /* reported; the rest are counted */
};

/* An immutable store. Counted by reference; any thread may read it. */
struct config;

/* One text: a file's name and its bytes. Both are borrowed during the call only. */
struct config_source {
	struct span name;
	struct span bytes;
};

/* What was wrong, all of it: one line each, ended by '\n'. Owner: the caller. */
struct config_errors {
	struct buf text;
	uint32_t count; /* also those beyond CONFIG_ERRORS_MAX, which have no line */
};
void config_errors_init(struct config_errors *e);
void config_errors_free(struct config_errors *e);
/* Adds "FILE:LINE:COLUMN: PATH: words" ("PATH: " is left out when path is ""). For rooms that find something wrong
 * later, e.g. a protocol that is not built. */
void config_complain(struct config_errors *e, const struct config_position *at, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

enum config_strictness {
	CONFIG_STRICT,	/* files: a reference to a missing object is an error */
	CONFIG_LENIENT, /* a cluster, where objects come in any order: such a reference stays unresolved */
};

/* What the flags of `serve` say, laid under what policies say. config_base_default() gives the defaults. */
struct config_base {
	struct config_listener_options listener;
	struct config_pool_options pool;
};
struct config_base config_base_default(void);

/* Makes a store of all sources, or reports in `errors` and returns -PS_ECONFIG (or -PS_ENOMEM). `base` NULL: the
 * defaults. The new store has one reference, the caller's. */
int config_load(const struct config_source *sources, size_t n, const struct config_base *base,
		enum config_strictness how, struct config_errors *errors, struct config **ret) MUST_CHECK;
const struct config *config_ref(const struct config *c);
void config_unref(const struct config *c);

/* ---- the objects ---- */

/* Objects of a kind, in the order of the sources. The pointer is to the kind's struct (config_gateway, …), which begins
 * with config_meta. */
uint32_t config_count(const struct config *c, enum config_kind kind);
const void *config_at(const struct config *c, enum config_kind kind, uint32_t i);
/* NULL: there is none. */
const void *config_find(const struct config *c, enum config_kind kind, struct span namespace, struct span name);
const char *config_kind_name(enum config_kind kind);
/* True when `labels` has every pair of `selector`; an empty selector matches nothing (as InferencePool and Service
 * want). */
bool config_labels_match(const struct config_labels *selector, const struct config_labels *labels);
/* The value of a label, or SPAN_NONE. */
struct span config_label_find(const struct config_labels *labels, struct span key);

/* ---- what they amount to ---- */

/* A listener of some Gateway, with its policy applied. Its number is `route_request.listener`. Several may share a port
 * (and are told apart by hostname): listeners of the same address and port are one socket. */
struct config_listener_entry {
	const struct config_gateway *gateway;
	const struct config_listener *listener;
	struct config_listener_options options;
	uint32_t socket; /* the number of its (first) address and port among config_socket_at; UINT32_MAX: not served
			    (HTTPS) */
};
uint32_t config_listener_count(const struct config *c);
const struct config_listener_entry *config_listener_at(const struct config *c, uint32_t i);

/* An address and port to listen on. Listeners on one socket have the same protocol; the options of the first one hold
 * for what is decided before a host is known (limits of heads, PROXY protocol). */
struct config_socket {
	struct address address;
	uint32_t first_listener;
	uint32_t listener_count; /* how many share it */
	uint32_t *listeners;	 /* their numbers; the first is first_listener */
};
uint32_t config_socket_count(const struct config *c);
const struct config_socket *config_socket_at(const struct config *c, uint32_t i);
/* Which listener of a socket a host (without port) belongs to: exact, then the longest wildcard, then none; UINT32_MAX:
 * no listener. */
uint32_t config_socket_listener(const struct config *c, uint32_t socket, struct span host);

/* Whether a parentRef of a route (its place among r->parents) means this listener and the listener lets routes of that
 * namespace attach. Without Namespace objects nothing is known of their labels: a listener with `from: Selector` takes
 * no route. */
bool config_route_attaches(const struct config_http_route *r, uint32_t parent, const struct config_listener_entry *e);
/* The hosts that a listener's and a route's hostname both take ("" takes any), as a hostname borrowed from one of them;
 * false: none. */
bool config_hostnames_intersect(struct span listener, struct span route, struct span *ret);

/* A pool: every InferencePool, and every Service that a route sends to (per port). Its number is what
 * config_backend_ref.pool and route_backend.pool hold, and the place in snapshot.pools. */
struct config_pool {
	struct span name;			       /* "namespace/name"; a Service's is "namespace/name:port" */
	const struct config_inference_pool *inference; /* or NULL */
	const struct config_service *service;	       /* or NULL */
	uint16_t port;				       /* of the Service */
	struct config_pool_options options;	       /* policies applied */
};
uint32_t config_pool_count(const struct config *c);
const struct config_pool *config_pool_at(const struct config *c, uint32_t i);

/* One replica of a pool, as the objects say: endpoints of EndpointSlices (for an InferencePool: slices whose labels
 * match the selector, or those of a Service with that selector; for a Service: label kubernetes.io/service-name) and
 * Pods that match the selector. */
struct config_endpoint {
	struct span name; /* "host:port"; two of one pool never have the same */
	struct span host; /* an IP address, or a DNS name when `is_name` */
	uint16_t port;
	bool is_name;
	bool draining; /* terminating: finish what it has, give it nothing new */
	struct config_position at;
};
/* Calls `each` for every one that is ready or draining. Stops and returns its result when that is not 0. -PS_ENOMEM. */
int config_pool_endpoints(const struct config *c, uint32_t pool,
			  int (*each)(void *arg, const struct config_endpoint *ep), void *arg) MUST_CHECK;

/* ---- for `--backend` and `--listen` ---- */

/* The objects that flags stand for, as manifest text to be given to config_load beside the files: for each `listen`
 * ("HOST:PORT") a Gateway "flags", "flags-2" …; for all `backends` ("http://HOST:PORT") an InferencePool "flags" with
 * an EndpointSlice each, and an HTTPRoute from the one to the other. -PS_EINVAL: a text is not valid (`e` names it). */
int config_flags_text(const struct span *listen, size_t listen_n, const struct span *backends, size_t backend_n,
		      struct buf *out, struct err *e) MUST_CHECK;

/* A canonical text of the whole store, for /debug/config and tests: equal stores give equal texts. Secrets are left
 * out. */
int config_dump(const struct config *c, struct buf *out) MUST_CHECK;
/* The reference page of kinds, fields and options in Markdown (docs/reference/objects.md), from the decoder's tables.
 */
int config_reference(struct buf *out) MUST_CHECK;

#endif
