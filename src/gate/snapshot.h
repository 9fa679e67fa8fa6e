/* A compiled configuration: immutable, counted by reference. Replicas are not in it (design §2): they live in their
 * pool and survive a change. Workers own one reference each and count requests on it without atomics; control makes and
 * retires snapshots. */
#ifndef PS_GATE_SNAPSHOT_H
#define PS_GATE_SNAPSHOT_H

#include "openai/openai.h"
#include "pool/pool.h"
#include "route/route.h"
#include "wire/wire.h"

struct gate;
struct config; /* config/config.h: the typed objects it was compiled from */

enum half_close {
	HALF_CLOSE_ABORT,    /* a client's FIN means it left */
	HALF_CLOSE_TOLERATE, /* a client may shut its sending side and still read */
};

/* ListenerPolicy, compiled. Each field has a flag and a manifest field of the same name; defaults in brackets. */
struct listener_policy {
	struct h1_limits limits;
	uint64_t body_bytes;		  /* [32 MiB] 413 */
	uint64_t head_timeout_ns;	  /* [10 s] 408 */
	uint64_t idle_timeout_ns;	  /* [75 s] keep-alive */
	uint64_t body_grace_ns;		  /* [10 s] before body_rate counts */
	uint64_t body_rate_bytes;	  /* [1 KiB/s] 408 below it */
	uint64_t write_stall_ns;	  /* [60 s] a client that does not read */
	uint32_t requests_per_connection; /* [10,000] */
	uint32_t connections;		  /* [10,000] */
	uint64_t drain_ns;		  /* [600 s] after SIGTERM */
	enum half_close half_close;	  /* [abort] */
	bool proxy_protocol;		  /* [false] v1 or v2 must come first */
	bool client_hints;		  /* [true] honour objective, fairness, SLO, rewrite headers */
	uint32_t trusted_hops; /* [0] entries of X-Forwarded-For believed, counted from the right; 0: it is replaced by
				  the peer */
};

enum on_abort { ON_ABORT_CLOSE, ON_ABORT_DRAIN };
enum usage_policy { USAGE_POLICY_INJECT, USAGE_POLICY_OBSERVE, USAGE_POLICY_OFF };

/* The driver's part of InferencePolicy. */
struct pool_policy {
	uint64_t connect_timeout_ns;	/* [1 s] */
	uint64_t first_byte_timeout_ns; /* [300 s] */
	uint64_t between_timeout_ns;	/* [60 s] between chunks */
	uint64_t total_timeout_ns;	/* [0: none] */
	uint64_t body_hold_bytes;	/* [4 MiB] */
	uint32_t tries;			/* [3] */
	enum on_abort on_abort;		/* [close] */
	uint64_t abort_drain_ns;	/* [30 s] with drain */
	enum usage_policy usage;	/* [inject] */
};

struct snapshot_listener {
	char name[64];
	struct address address;
	struct listener_policy policy;
	uint32_t route_listener; /* how route_match knows it when it has its port alone; else ask
				    snapshot_route_listener */
};

struct model_rewrites; /* the InferenceModelRewrites of a pool; NULL: none */

struct snapshot_pool {
	char name[128]; /* "namespace/name" */
	struct gate *gate;
	struct pool *pool;
	struct pool_policy policy;
	struct model_rewrites *rewrites;
	struct map objectives; /* names -> struct config_objective */
};

struct snapshot {
	_Atomic unsigned refs;
	uint64_t generation;
	const struct config *config;
	struct route_table *routes;
	uint32_t listener_count;
	struct snapshot_listener *listeners;
	uint32_t pool_count; /* index = the pool numbers in route_backend */
	struct snapshot_pool *pools;
	uint64_t body_memory_bytes; /* [a quarter of the memory limit] for the process */
	struct arena memory;	    /* of all that hangs on it */
};

/* The live objects of one pool, by its number in the configuration. Control owns them; they outlive every snapshot that
 * names them. */
struct snapshot_live {
	struct pool *pool;
	struct gate *gate;
};

/* Compiles a store: `live` has config_pool_count rows. Takes a reference of the configuration. One reference, the
 * caller's; NULL: see e. Listeners are the sockets of the configuration, in its order. Control's thread. */
struct snapshot *snapshot_new(const struct config *c, const struct snapshot_live *live, uint64_t generation,
			      uint64_t body_memory_bytes, struct err *e) MUST_CHECK;

/* Any thread. The last one frees it (never its pools and gates, which control owns). */
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
/* References now; 1 told to the only owner stays 1, as nobody else is left to take one. */
unsigned snapshot_refs(const struct snapshot *s);

/* Which listener of a socket a host (without its port) belongs to, for route_request.listener: several Gateway
 * listeners may share a port and be told apart by hostname. UINT32_MAX: none, so no route matches. Any thread. */
uint32_t snapshot_route_listener(const struct snapshot *s, uint32_t listener, struct span host);

/* After the facts: which pool, and under which name the model is asked for there. `rewritten` is empty when the name
 * stays. 0, -PS_ENOMODEL or -PS_ENOREPLICA. */
struct model_route {
	uint32_t pool;
	struct span rewritten;	  /* borrowed from the snapshot or from `asked` */
	struct span rewrite_name; /* the InferenceModelRewrite object, for metrics */
};
int snapshot_route_model(const struct snapshot *s, const struct route_rule *rule, struct span model, uint64_t random,
			 struct model_route *ret, struct err *e) MUST_CHECK;
/* Calls `each` for every model name that a rewrite of the pool knows by name: what clients may ask for besides the
 * replicas' own. */
void snapshot_rewritten_models(const struct snapshot *s, uint32_t pool, void (*each)(void *arg, struct span model),
			       void *arg);
/* Priority of an InferenceObjective by name in a pool; 0 when there is none of that name. */
int32_t snapshot_objective(const struct snapshot *s, uint32_t pool, struct span name);

#endif
