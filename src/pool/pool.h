/* The door of pool: the replicas of one pool and what is known of each. No sockets, no clock: `now` is given.
 *
 * One lock per pool (pool_lock). Functions ending in _locked want it held; the others take it. Replicas live in slots;
 * a slot is reused only when its replica was removed and nothing is in flight there. */
#ifndef PS_POOL_POOL_H
#define PS_POOL_POOL_H

#include <math.h>

#include "base/base.h"

enum {
	POOL_REPLICAS_MAX = 4096,
	POOL_MODELS_MAX = 2048, /* distinct model and adapter names known in one pool; further ones are not learned */
	REPLICA_MODELS_MAX = 256,
	REPLICA_NAME_MAX = 64,
};

struct pool;

/* What a replica says of itself, as scraped. NAN: not said. Impossible values are set to NAN by pool_on_scrape, which
 * counts them. */
struct signals {
	double queued, running; /* requests */
	double kv_used;		/* 0..1 */
	double kv_blocks, block_tokens;
	double max_lora; /* adapters that fit; 0 or NAN: no LoRA */
	/* adapters, comma-separated, as of the newest series; borrowed during the call */
	struct span lora_running, lora_waiting;
};

enum replica_state {
	REPLICA_NEW, /* added, not yet known to be healthy: serves, as nothing speaks against it */
	REPLICA_UP,
	REPLICA_PROBATION, /* was ejected; one request may try it */
	REPLICA_EJECTED,   /* takes nothing until its time is over */
	REPLICA_DRAINING,  /* removed from the configuration: finishes what it has */
};

enum engine_kind {
	ENGINE_UNKNOWN, /* not asked yet */
	ENGINE_NONE,	/* exports nothing we can read */
	ENGINE_VLLM,
	ENGINE_SGLANG,
};

/* One number a replica says, each with an age of its own. */
enum signal {
	SIGNAL_QUEUED,
	SIGNAL_RUNNING,
	SIGNAL_KV_USED,
	SIGNAL_KV_BLOCKS,
	SIGNAL_BLOCK_TOKENS,
	SIGNAL_MAX_LORA,
	SIGNAL_COUNT
};

/* Why a number was not believed; the last good one is kept until it is stale. */
enum signal_fault {
	SIGNAL_MISSING,	   /* said before, NaN or absent now */
	SIGNAL_NOT_FINITE, /* Inf */
	SIGNAL_NEGATIVE,
	SIGNAL_TOO_LARGE, /* above what any engine can mean, such as 1e308 requests */
	SIGNAL_OVER_ONE,  /* more than all of the KV memory; up to 1.05 is rounding and taken as 1 */
	SIGNAL_FAULTS
};

/* One replica. Lives in a slot of its pool and never moves. Guarded by the pool's lock, except id, name and address,
 * which do not change while anything is in flight there. What a pick reads stands first, so that it is in the first two
 * cache lines. */
struct replica {
	uint64_t id; /* never used again for another replica of this pool; the low 12 bits are the slot */
	uint32_t slot;
	bool live;	   /* false: the slot is free, or waits for its prefix blocks to be dropped */
	bool retired;	   /* removed; the slot is reused once its prefix blocks are dropped */
	bool trial;	   /* the one request of its probation is under way */
	bool pressed;	   /* bad, but serves: too few others are left */
	bool models_known; /* a model list was read */
	enum replica_state state;
	/* what we know at once */
	uint32_t in_flight;	   /* requests decided for it and not yet done */
	uint64_t in_flight_tokens; /* their estimated uncached prompt tokens */
	uint64_t waiting_tokens;   /* of those, of requests without a first token */
	uint64_t busy_until;	   /* it answered 429 or 503: others first until then; 0: it did not */
	uint32_t capacity; /* requests it takes at a time, as configured for it; 0: not given (see pool_bound_locked) */
	uint32_t learned_capacity; /* what it ran while others waited in its own queue; 0: never seen full */
	uint32_t weight_permille;  /* 1000; less during slow start and while pressed */
	uint32_t lora_named;	   /* adapters running or waiting there */
	/* what it says: the last believed values */
	struct signals signals;
	uint64_t signals_at;		  /* of the last good scrape; 0: never scraped */
	uint64_t signal_at[SIGNAL_COUNT]; /* when each was last believed; 0: never */
	/* ---- colder ---- */
	char name[REPLICA_NAME_MAX]; /* "10.0.0.1:8000" or the object's name */
	struct address address;
	enum engine_kind engine;
	uint32_t scrape_errors;	 /* in a row */
	uint32_t queued_scrapes; /* in a row, with requests waiting in its own queue */
	/* health */
	uint32_t failures;	  /* in a row, passive */
	uint32_t health_failures; /* in a row, active */
	uint32_t ejections;	  /* in a row: the next one lasts 1, 2, 4 … 30 s */
	bool health_ejected;	  /* its health path spoke against it: a good answer there ends the ejection early */
	uint64_t ejected_at, ejected_until, up_since;
	uint32_t busy_in_a_row;	 /* answers of 429 and 503 */
	double first_token_pace; /* ns per token in front of a first token, as seen; 0: nothing seen */
	uint32_t first_token_samples;
	struct map models; /* names -> struct replica_model; empty: not known, so anything may be asked */
};

/* Of one pool; from InferencePolicy and flags. Changed by pool_configure without forgetting anything. */
struct pool_options {
	char name[128]; /* "namespace/name" */
	uint32_t
		requests_per_replica; /* the bound of holding; 0: from the engine, or unbounded where it says nothing */
	uint32_t queue_requests;      /* held at most, default 5000: above it 429 */
	uint64_t queue_ns;	      /* a request is held at most, default 60 s */
	uint64_t signal_stale_ns;     /* signals older than this are not used, default three scrape intervals */
	uint64_t slow_start_ns;	      /* default 10 s */
	uint32_t eject_after;	      /* failures in a row, default 3 */
	uint32_t health_after;	      /* failed probes in a row, default 2 */
	uint64_t eject_min_ns, eject_max_ns; /* 1 s, 30 s */
	uint32_t eject_permille;	     /* never more of the pool than this, default 500 */
};

struct pool_options pool_options_default(void);
struct pool *pool_new(const struct pool_options *o);
/* Nothing may be in flight or held. */
void pool_free(struct pool *p);
void pool_configure(struct pool *p, const struct pool_options *o);
/* Borrowed. Read it under the lock, or where no pool_configure can run. */
const struct pool_options *pool_options_of(const struct pool *p);
void pool_lock(struct pool *p);
void pool_unlock(struct pool *p);

/* ---- membership ---- */

/* Adds a replica; the id is returned in *ret_id. -PS_EEXIST when the address is there already (its draining is then
 * undone, its capacity replaced and its id returned). -PS_ETOOBIG above POOL_REPLICAS_MAX. Control's thread: may drop
 * many prefix blocks of replicas gone before. */
int pool_added(struct pool *p, struct span name, const struct address *a, uint32_t capacity, uint64_t now,
	       uint64_t *ret_id) MUST_CHECK;
/* No new requests; gone when nothing is in flight. -PS_ENOTFOUND. Control's thread, as pool_added. */
int pool_removed(struct pool *p, uint64_t id, uint64_t now) MUST_CHECK;
/* Borrowed, or NULL. */
struct replica *pool_replica_locked(struct pool *p, uint64_t id);
/* Slots 0 … n-1; look at `live`. */
struct replica *pool_replicas_locked(struct pool *p, uint32_t *ret_n);
/* Replicas that are not draining. */
uint32_t pool_size_locked(const struct pool *p);
/* Grows whenever a replica may have become open that was not: a request ended, a replica came, recovered or took a
 * larger bound. */
uint64_t pool_openings_locked(const struct pool *p);

/* ---- what replicas say ---- */

/* One good scrape. Values that cannot be are counted (pool_counters) and the last believed ones kept. Signals thread.
 */
void pool_on_scrape(struct pool *p, uint64_t id, enum engine_kind engine, const struct signals *s, uint64_t now);
/* Counts towards ejection together with failed health probes, never alone: an engine may serve well without metrics. */
void pool_on_scrape_failed(struct pool *p, uint64_t id, uint64_t now);
/* Active health: the result of a probe of its health path. `health_after` failures in a row (or one, when scrapes fail
 * as well) eject; one good answer ends such an ejection early and lets a trial request in. */
void pool_on_health(struct pool *p, uint64_t id, bool ok, uint64_t now);
/* Its model list (replaces the last one). `parent` is empty for base models. */
struct replica_model {
	char *id, *parent;
	uint32_t max_len;
	uint64_t created;
};
/* -PS_ENOTFOUND, -PS_ENOMEM; models over REPLICA_MODELS_MAX are left out. */
int pool_on_models(struct pool *p, uint64_t id, const struct replica_model *m, size_t n, uint64_t now) MUST_CHECK;

struct pool_counters {
	uint64_t faults[SIGNAL_FAULTS]; /* values not believed */
	uint64_t ejections;
	uint64_t readmissions;
};
void pool_counters(struct pool *p, struct pool_counters *ret);
const char *signal_fault_name(enum signal_fault f);

/* How far a value believed at `at` is trusted now: 1 up to half of stale_ns, then less, 0 from stale_ns on or when at
 * is 0. Inline, as are the next two of their kind, because a pick asks for every replica. */
static inline float signal_trust(uint64_t stale_ns, uint64_t at, uint64_t now)
{
	uint64_t age = now > at ? now - at : 0;
	if (at == 0 || age >= stale_ns)
		return 0;
	if (age <= stale_ns / 2)
		return 1;
	return (float)(stale_ns - age) * 2 / (float)stale_ns;
}

/* ---- what the gateway saw (called under the lock by sched and gate) ---- */

/* One request's share of a replica. */
struct pool_charge {
	uint32_t tokens; /* estimated uncached prompt tokens */
	uint32_t ahead;	 /* those of requests sent there before and not answered then */
	bool trial;	 /* it is the one request of a probation */
	bool answered;	 /* its tokens no longer wait */
};

/* Charges r with one more request. */
struct pool_charge pool_dispatched_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now);
/* The replica began to answer: as far as health goes that is a success. At most once per charge. */
void pool_answered_locked(struct pool *p, struct replica *r, struct pool_charge *c, uint64_t now);
/* A streamed answer began `took_ns` after its dispatch. Before pool_answered_locked. */
void pool_first_token_locked(struct replica *r, const struct pool_charge *c, uint64_t took_ns);
/* How long a stream charged so should take to its first token; 0 while too little was seen. */
uint64_t pool_predict_first_token_ns(const struct replica *r, const struct pool_charge *c);
/* It answered 429 or 503: for a while, twice as long each time in a row, others are asked first. */
void pool_busy_locked(struct replica *r, uint64_t now);
/* Every dispatch ends in exactly one of these, after which r may be gone. Success resets failures and ends a probation;
 * a failure may eject. */
void pool_done_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now);
void pool_failed_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now);
/* Ended without telling anything of the replica (client gone, decision given back). */
void pool_gone_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now);
/* Moves states that wait for time: ejections that end, slow starts. One comparison unless something is due. */
void pool_tick_locked(struct pool *p, uint64_t now);
/* True when r may be given a request now (state, and when more than half of the pool is bad, the least bad). */
static inline bool pool_usable_locked(const struct pool *p, const struct replica *r, uint64_t now)
{
	(void)p;
	switch (r->state) {
	case REPLICA_NEW:
	case REPLICA_UP:
		return r->live;
	case REPLICA_PROBATION:
		return r->live && (r->pressed || !r->trial);
	case REPLICA_EJECTED:
		return r->live && (r->pressed || now >= r->ejected_until);
	case REPLICA_DRAINING:
		break;
	}
	return false;
}

/* Requests r takes at a time, 0 for no bound: as given for it, or for the pool, or learned from an engine that has
 * requests waiting (README, "The bound"); less during slow start. */
static inline uint32_t replica_bound(const struct replica *r, const struct pool_options *o, uint64_t now)
{
	uint32_t bound = r->capacity;
	if (bound == 0)
		bound = o->requests_per_replica;
	if (bound == 0 && signal_trust(o->signal_stale_ns, r->signal_at[SIGNAL_QUEUED], now) > 0)
		bound = r->learned_capacity;
	if (bound == 0 || r->weight_permille >= 1000)
		return bound;
	bound = (uint32_t)((uint64_t)bound * r->weight_permille / 1000);
	return bound ? bound : 1;
}
static inline uint32_t pool_bound_locked(const struct pool *p, const struct replica *r, uint64_t now)
{
	return replica_bound(r, pool_options_of(p), now);
}
/* When the first ejected replica may be tried again; 0 when none is ejected. */
uint64_t pool_next_readmission_locked(const struct pool *p);
/* True when every replica of the pool has a model list and none has this model (as base or adapter). */
bool pool_lacks_model(struct pool *p, struct span model);
/* True when the name is an adapter on some replica. */
bool pool_is_adapter(struct pool *p, struct span model);

/* ---- names: one row per model or adapter, with a set of slots for each thing that can be so; guarded by the pool's
 * lock ---- */

struct slot_set {
	uint64_t bits[POOL_REPLICAS_MAX / 64];
};

static inline bool slot_set_has(const struct slot_set *s, uint32_t slot)
{
	return s->bits[slot / 64] >> (slot % 64) & 1;
}

/* Owner: the pool. A row keeps its place; one that nothing refers to and nothing was learned of may be given to another
 * name. */
struct pool_model {
	char *name;
	uint32_t index;		      /* its place in the table */
	uint32_t refs;		      /* bits set in the four sets */
	struct slot_set serves;	      /* stands in the replica's model list */
	struct slot_set adapter;      /* and there as a child of another model */
	struct slot_set lora_running; /* by its newest scrape, or because we have sent it a request since */
	struct slot_set lora_waiting;
	double bytes_per_token; /* 0: nothing learned */
};

/* NULL when nobody ever named it. */
const struct pool_model *pool_model_find_locked(const struct pool *p, struct span name);
/* A request for this adapter was sent to r: it will be running there. */
void pool_lora_sent_locked(struct pool *p, struct replica *r, const struct pool_model *m);

/* ---- bytes per token, learned per model from usage.prompt_tokens; starts at 4 ---- */

/* An estimate; rounds up, at least 1 for any text. Takes the lock for a look-up. */
uint32_t pool_tokens_of(struct pool *p, struct span model, uint64_t bytes);
/* A moving average over requests, of ratios between 1 and 16. Nothing is learned from 0 bytes or 0 or UINT32_MAX
 * tokens. */
void pool_learn_tokens(struct pool *p, struct span model, uint64_t bytes, uint32_t tokens);

/* ---- prefix index: chained block hashes -> replicas; its own lock, never taken under the pool's ---- */

enum {
	PREFIX_BLOCK_TOKENS = 64,      /* tokens of one block of a chain */
	PREFIX_REPLICA_BLOCKS = 31250, /* per replica until it says how much it has (the reference picker's default) */
	PREFIX_REPLICA_BLOCKS_MAX = 1000000,
	PREFIX_POOL_BLOCKS_MAX = 10000000, /* of all replicas together: about 1 GiB */
};

/* Which replicas hold leading blocks of a chain, and how many. 16 KiB; only the first n entries mean anything. */
struct prefix_hits {
	uint32_t n; /* slots with at least one block */
	uint16_t slot[POOL_REPLICAS_MAX];
	uint16_t blocks[POOL_REPLICAS_MAX]; /* leading blocks held there: at least 1 */
};
/* In no particular order. Blocks behind UINT16_MAX are not looked at. Any thread, pool lock not held; neither for the
 * next five. */
void pool_prefix_find(struct pool *p, const uint64_t *chain, uint32_t n, struct prefix_hits *ret);
/* Dispatched there: the blocks will be cached. LRU per replica at its real size. A hint: without memory it is left out.
 * The caller has a request in flight there, so that the slot cannot change hands. */
void pool_prefix_add(struct pool *p, uint32_t slot, const uint64_t *chain, uint32_t n);
/* Forgets all of a replica's blocks. Not on a worker: takes time in proportion to them. */
void pool_prefix_drop(struct pool *p, uint32_t slot);
/* Blocks of all replicas, each counted once per replica. */
uint64_t pool_prefix_blocks(struct pool *p);
/* Bytes of memory the index holds. */
uint64_t pool_prefix_bytes(struct pool *p);

#endif
