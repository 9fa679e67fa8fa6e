/* The door of sched: which replica. Candidates → filters → scores → a replica, with the reasons.
 * Pure: no clock, no sockets, no globals; everything under the pool's lock. */
#ifndef PS_SCHED_SCHED_H
#define PS_SCHED_SCHED_H

#include "base/base.h"
#include "flow/flow.h"
#include "pool/pool.h"

enum { SCHED_PLUGINS_MAX = 16, SCHED_EXCLUDED_MAX = 4 };

/* What is asked. Borrowed by the ticket while it is held: the driver keeps it until the ticket is decided, refused or
 * given up. */
struct facts {
	struct pool *pool;
	struct span model;     /* what the replica is asked for, after rewriting */
	struct span adapter;   /* the model once more when it is a LoRA adapter; else empty */
	const uint64_t *chain; /* prefix block hashes, seeded with model, adapter and salt */
	uint32_t chain_len;
	uint32_t prompt_tokens; /* estimated */
	uint32_t max_tokens;	/* 0: not said */
	int32_t priority;	/* negative: sheddable */
	struct span tenant;
	uint64_t ttft_objective_ns, tpot_objective_ns; /* 0: none */
	uint64_t arrived_ns;			       /* of the exchange: kept over retries */
	uint64_t body_bytes;			       /* of the body; counted while held */
	uint64_t text_bytes; /* prompt text in it, what prompt_tokens was estimated from; 0: nothing is learned from the
				answer */
	bool stream;	     /* the answer is streamed: its first token will be seen */
	bool repeat;	     /* a retry after 429, 503 or a reset: charged to the retry budget */
	uint64_t excluded[SCHED_EXCLUDED_MAX]; /* replica ids already tried; 0: unused. Taken all the same when no other
						  is there */
};

/* Why this replica: one row per scorer, compact because it is kept until the log line is written. */
struct reason {
	uint8_t plugin; /* index into sched_plugin_name */
	uint8_t score;	/* 0..255 of 1.0 */
};

/* What is answered. */
struct decision {
	int refused;		 /* 0, or PS_E… */
	uint64_t retry_after_ns; /* with refused; 0: not known */
	uint64_t replica;	 /* id */
	uint32_t slot;
	const char *name;			       /* of the replica; lives until the ticket ends */
	const struct address *address;		       /* likewise */
	uint64_t predicted_ttft_ns, predicted_tpot_ns; /* 0: nothing is predicted */
	uint32_t prefix_blocks;			       /* of the chain, believed cached there */
	struct pool_charge charge;		       /* what it was charged; for whoever ends it */
	uint16_t candidates;			       /* replicas that were scored */
	uint8_t reason_count;
	struct reason reasons[SCHED_PLUGINS_MAX];
};

struct sched;

/* Which scorers with which weights: ordered rows, ended by a NULL name; a weight is finite and not negative. NULL: the
 * default profile: queue-scorer 2, kv-cache-utilization-scorer 2, prefix-cache-scorer 3, lora-affinity-scorer 1,
 * active-request-scorer 1 (requests in flight). The names are the reference picker's; running-requests-size-scorer
 * exists too. */
struct sched_weight {
	const char *name;
	double weight;
};
/* NULL, with the reason in *e: -PS_EINVAL (a name that is unknown or stands twice, a weight that is not valid) or
 * -PS_ENOMEM. */
struct sched *sched_new(const struct sched_weight *profile, uint64_t seed, struct err *e);
void sched_free(struct sched *s);
/* NULL when there is none of that number. */
const char *sched_plugin_name(unsigned plugin);
/* Picks among the replicas of the pool that are usable, fit the facts and are open (below their bound). 1: *ret filled
 * and the pick charged to the replica; 0: none is open now (hold it); -PS_ENOREPLICA: none is usable at all;
 * -PS_ENOMODEL: none serves the model. */
int sched_pick_locked(struct sched *s, const struct facts *f, const struct prefix_hits *hits, uint64_t now,
		      struct decision *ret) MUST_CHECK;
/* Is any replica of the pool usable and below its bound, whatever is asked of it? */
bool sched_any_open_locked(struct pool *p, uint64_t now);

#endif
