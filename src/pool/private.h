/* What the files of pool share. Not for other rooms. */
#ifndef PS_POOL_PRIVATE_H
#define PS_POOL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pool/pool.h"

struct prefix_index;

/* Owner: control. Everything but `prefix` is guarded by `lock`. */
struct pool {
	/* Guards replicas, models, options and, by convention, the gate over this pool: queue, tickets, scheduler.
	 * Order: nothing else is locked while it is held. */
	pthread_mutex_t lock;
	struct pool_options options;
	struct replica *replicas; /* POOL_REPLICAS_MAX; memory is touched only as slots are used */
	uint32_t slots;		  /* how many were ever used */
	uint32_t size;		  /* live and not draining */
	uint32_t retired;	  /* slots that wait for their prefix blocks to be dropped */
	bool reaping;		  /* a thread is dropping them */
	uint64_t last_id;	  /* without the slot bits */
	uint64_t openings;
	uint64_t next_tick; /* when pool_tick_locked has something to do; UINT64_MAX: never */
	struct pool_counters counters;
	struct map models; /* name -> struct pool_model */
	struct pool_model *model_at[POOL_MODELS_MAX];
	uint32_t model_count;
	uint16_t bad[POOL_REPLICAS_MAX]; /* scratch of the choice of the least bad */
	struct prefix_index *prefix;	 /* has locks of its own, never taken under `lock` */
};

/* ---- pool.c ---- */

/* The last request of a removed replica has ended: the slot waits for its prefix blocks to be dropped. */
void replica_retire_locked(struct pool *p, struct replica *r);

/* ---- health.c ---- */

/* Chooses anew which bad replicas serve, after any change of states or membership. */
void health_press_locked(struct pool *p);
/* Enough failed probes and scrapes together eject. */
void health_weigh_probes_locked(struct pool *p, struct replica *r, uint64_t now);

/* ---- models.c ---- */

/* The row of a name, made when there is none; NULL when the name is unusable, the table full or memory short. */
struct pool_model *model_intern_locked(struct pool *p, struct span name);
void model_set_locked(struct pool_model *m, struct slot_set *s, uint32_t slot);
/* Takes the slot out of the sets of adapters of every row. */
void models_clear_lora_locked(struct pool *p, struct replica *r);
/* Forgets the replica's model list. */
void models_clear_list_locked(struct pool *p, struct replica *r);
/* Replaces what the replica says of its adapters: two comma-separated lists. */
void models_on_lora_locked(struct pool *p, struct replica *r, struct span running, struct span waiting);
void models_free(struct pool *p);

/* ---- prefix.c ---- */

/* NULL without memory. */
struct prefix_index *prefix_new(void);
void prefix_free(struct prefix_index *x);
/* How many blocks the replica in this slot holds from now on; the oldest above it go with the next additions. */
void prefix_set_capacity(struct prefix_index *x, uint32_t slot, uint32_t blocks);

#endif
