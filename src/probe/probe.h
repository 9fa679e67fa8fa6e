/* The door of probe: asks replicas how they are and tells the pool: metrics, health, models. The questions run on one
 * loop's thread (signals).
 *
 * Each replica has three independent questions (metrics, health, models) with a timer each, so one that hangs delays
 * neither the others nor its neighbours. What is answered goes to pool_on_scrape, pool_on_health and pool_on_models;
 * after each that may open a replica the gate is advanced. An engine is recognised by what it exports; a replica that
 * exports nothing, has no health path and lists no models serves all the same.
 *
 * Which replicas there are, probe reads from the pool itself every tenth of a second: whoever adds or removes one need
 * not tell it. */
#ifndef PS_PROBE_PROBE_H
#define PS_PROBE_PROBE_H

#include "gate/gate.h"
#include "loop/loop.h"

enum {
	PROBE_PATH_MAX = 256,			/* bytes of a path with its NUL */
	PROBE_PAGE_BYTES_MAX = 8 * 1024 * 1024, /* of a metrics page; a longer one is a failed scrape */
	PROBE_MODELS_BYTES_MAX = 1024 * 1024,	/* of a model list */
};
#define PROBE_INTERVAL_MIN_NS (200 * NS_PER_MS)

/* What is asked of the replicas of one pool; from InferencePolicy. Defaults in brackets. */
struct probe_policy {
	enum engine_kind engine;      /* [ENGINE_UNKNOWN: recognised]; ENGINE_NONE: metrics are not asked */
	uint64_t metrics_interval_ns; /* [1 s] never less than PROBE_INTERVAL_MIN_NS */
	uint64_t health_interval_ns;  /* [500 ms] likewise */
	uint64_t models_interval_ns;  /* [30 s]; besides at the beginning and whenever the engine has started anew */
	uint64_t timeout_ns;	      /* [700 ms] for one answer, connecting included */
	char metrics_path[PROBE_PATH_MAX]; /* ["/metrics"] NUL-terminated; empty: not asked */
	char health_path[PROBE_PATH_MAX];  /* ["/health"] */
	char models_path[PROBE_PATH_MAX];  /* ["/v1/models"] */
};

struct probe_policy probe_policy_default(void);

struct probe; /* one per process, on the signals loop */

/* Before the loop runs, or on its thread. `sink`: where gate_advance's decisions go; NULL: gates are not advanced.
 * Borrowed. NULL without memory. */
struct probe *probe_new(struct loop *l, const struct gate_sink *sink);
/* Ends what is under way. On the loop's thread, or when the loop has ended. */
void probe_free(struct probe *p);

/* Asks the replicas of this gate's pool; told again, with a new policy. On the thread that configures the pool. 0 or
 * -PS_ENOMEM. */
int probe_pool_set(struct probe *p, struct gate *g, const struct probe_policy *policy) MUST_CHECK;
/* Stops asking. When it has returned, neither gate nor pool will be touched again. Any thread but not from within the
 * sink; may wait for the callback in progress. */
void probe_pool_remove(struct probe *p, struct gate *g);

#endif
