/* What the files of probe share.
 *
 *     probe ─┬─ probe_pool (a gate's pool) ─┬─ target (a replica) ─┬─ question metrics
 *            │                              │                      ├─ question health
 *            …                              …                      └─ question models
 *
 * Everything belongs to the loop's thread, except what `lock` guards: the list of pools and, in each, `gate` and
 * `given`. The loop's thread holds it whenever it uses a gate or pool, so that probe_pool_remove can take them away.
 * Order: probe's lock, then the pool's. */
#ifndef PS_PROBE_INTERNAL_H
#define PS_PROBE_INTERNAL_H

#include <pthread.h>

#include "probe/metrics_text.h"
#include "probe/probe.h"
#include "upstream/upstream.h"

enum ask { ASK_METRICS, ASK_HEALTH, ASK_MODELS, ASK_COUNT };

/* How a question ended. The words are labels of penstock_scrapes_total. */
enum outcome {
	OUTCOME_ANSWER, /* an HTTP answer of any status, complete */
	OUTCOME_TIMEOUT,
	OUTCOME_CONNECT, /* no connection */
	OUTCOME_BROKEN,	 /* reset, cut, or no HTTP */
	OUTCOME_TOO_BIG,
	OUTCOME_LOCAL, /* we lacked memory or descriptors: says nothing of the replica */
	OUTCOME_COUNT
};

/* One question put again and again to one replica. Idle: call is NULL and the timer says when to ask. Under way: call
 * is set and the timer is the time limit. */
struct question {
	struct target *target;
	enum ask ask;
	struct timer timer;
	struct upstream_call *call;
	uint64_t asked_at;
	int status;
	bool again;   /* the kept connection it was sent on had been closed: sent once more */
	bool speaks;  /* an answer below 300 was got last time */
	bool failing; /* the last one failed; it was logged */
	size_t received;
	struct metrics_text page; /* ASK_METRICS */
	struct buf body;	  /* ASK_MODELS */
};

struct target {
	struct probe_pool *pool;
	uint64_t id;	/* in its pool */
	uint64_t key;	/* in upstream: pools number their replicas independently */
	uint64_t round; /* of the comparison that saw it last */
	struct address address;
	char name[ADDRESS_TEXT_MAX];
	enum engine_kind engine;
	double started; /* of the engine's process */
	struct question question[ASK_COUNT];
};

struct probe_pool {
	struct probe *probe;
	struct list node;
	char name[128];
	struct gate *gate;	       /* NULL: removed; freed at the next comparison */
	struct probe_policy given;     /* the newest policy */
	struct probe_policy policy;    /* the one in force, taken over at each comparison: the loop's thread reads it
					  without the lock */
	struct map targets;	       /* replica id -> struct target */
	struct pool_counters counters; /* as of the last report */
};

struct probe {
	struct loop *loop;
	const struct gate_sink *sink;
	struct upstream *upstream;
	struct timer compare;
	pthread_mutex_t lock;
	struct list pools;
	uint64_t round;
	uint64_t last_key;
};

/* ---- question.c ---- */

void question_init(struct question *q, struct target *t, enum ask ask);
/* Asks at a random moment of the next tenth of a second. */
void question_soon(struct question *q);
/* Ends what is under way and the timer. */
void question_stop(struct question *q);

/* ---- answers.c: what each question is about ---- */

struct ask_row {
	const char *name;
	size_t path;	 /* offset of the path in the policy */
	size_t interval; /* and of the interval */
	size_t bytes_max;
	/* Takes bytes of a 200 answer; 0 or -PS_E…. */
	int (*feed)(struct question *q, struct span bytes);
	/* The question ended; probe's lock is held and the pool is there. Returns when to ask again, counted from
	 * asking: 0 means the interval. */
	uint64_t (*finish)(struct question *q, enum outcome o, uint64_t now);
};
extern const struct ask_row ask_rows[ASK_COUNT];

#endif
