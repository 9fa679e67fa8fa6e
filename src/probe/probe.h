/* The door of probe: asks replicas how they are and tells the pool: metrics, health, models. Everything on one loop's thread (signals).
 *
 * Each replica has three independent questions (metrics, health, models) with a timer each, so one that hangs delays neither the others nor
 * its neighbours. What is answered goes to pool_on_scrape, pool_on_health and pool_on_models; after each that may open a replica the pool's gate is
 * advanced. An engine is recognised by what it exports; a replica that exports nothing, has no health path and lists no models serves all the same. */
#ifndef PS_PROBE_PROBE_H
#define PS_PROBE_PROBE_H

#include "gate/gate.h"
#include "loop/loop.h"

enum {
	PROBE_PATH_MAX = 256,                    /* bytes of a path */
	PROBE_PAGE_BYTES_MAX = 8 * 1024 * 1024,  /* of a metrics page: the rest is not read, the scrape counts as failed */
	PROBE_MODELS_BYTES_MAX = 1024 * 1024,    /* of a model list */
};
#define PROBE_INTERVAL_MIN_NS (200 * NS_PER_MS)

/* What is asked of the replicas of one pool; from InferencePolicy `probes`. Defaults in brackets. */
struct probe_policy {
	uint64_t metrics_interval_ns;  /* [1 s] at least PROBE_INTERVAL_MIN_NS; 0: never asked */
	uint64_t health_interval_ns;   /* [1 s] likewise */
	uint64_t models_interval_ns;   /* [30 s] besides at the beginning and whenever the engine has started anew; 0: never asked */
	uint64_t timeout_ns;           /* [1 s] per question, connecting included */
	char metrics_path[PROBE_PATH_MAX]; /* ["/metrics"]; empty: never asked. NUL-terminated, begins with '/' */
	char health_path[PROBE_PATH_MAX];  /* ["/health"] */
	char models_path[PROBE_PATH_MAX];  /* ["/v1/models"] */
};

struct probe_policy probe_policy_default(void);

struct probe;      /* one per process, on the signals loop */
struct probe_pool; /* the questions of one pool */

/* `sink`: where gate_advance's decisions go; NULL: gates are not advanced (tests). Borrowed. NULL without memory. */
struct probe *probe_new(struct loop *l, const struct gate_sink *sink);
/* Forgets every pool and replica, ends what is under way. On the loop's thread, or when the loop has ended. */
void probe_free(struct probe *p);

/* `gate` is borrowed until probe_pool_remove. NULL without memory. */
struct probe_pool *probe_pool_add(struct probe *p, struct gate *gate, const struct probe_policy *policy);
/* A new policy: intervals and paths count from the next question on. */
void probe_pool_configure(struct probe_pool *pp, const struct probe_policy *policy);
/* Ends the questions of its replicas; the handle is gone. */
void probe_pool_remove(struct probe_pool *pp);

/* A replica of the pool, by the id pool_added gave. Asked first at a random moment of the first tenth of a second, so that many do not answer at
 * once. 0, -PS_EEXIST or -PS_ENOMEM. */
int probe_replica_added(struct probe_pool *pp, uint64_t id, const struct address *a) MUST_CHECK;
/* Unknown ids are ignored. */
void probe_replica_removed(struct probe_pool *pp, uint64_t id);

#endif
