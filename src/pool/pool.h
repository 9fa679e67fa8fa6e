/* The door of pool: the replicas of one pool and what is known of each. No sockets, no clock: `now` is given.
 *
 * One lock per pool (pool_lock). Functions ending in _locked want it held; the others take it. Replicas live in slots; a slot is
 * reused only when its replica was removed and nothing is in flight there. */
#ifndef PS_POOL_POOL_H
#define PS_POOL_POOL_H

#include "base/base.h"

enum { POOL_REPLICAS_MAX = 4096, REPLICA_MODELS_MAX = 256, REPLICA_NAME_MAX = 64 };

struct pool;

/* What a replica says of itself, as scraped. NAN: not said. Impossible values are set to NAN by pool_on_scrape, which counts them. */
struct signals {
	double queued, running;      /* requests */
	double kv_used;              /* 0..1 */
	double kv_blocks, block_tokens;
	double max_lora;             /* adapters that fit; 0 or NAN: no LoRA */
	/* adapters, comma-separated, as of the newest series; borrowed during the call */
	struct span lora_running, lora_waiting;
};

enum replica_state {
	REPLICA_NEW,      /* added, not yet known to be healthy: serves, as nothing speaks against it */
	REPLICA_UP,
	REPLICA_PROBATION, /* was ejected; one request may try it */
	REPLICA_EJECTED,  /* takes nothing until its time is over */
	REPLICA_DRAINING, /* removed from the configuration: finishes what it has */
};

enum engine_kind {
	ENGINE_UNKNOWN, /* not asked yet */
	ENGINE_NONE,    /* exports nothing we can read */
	ENGINE_VLLM,
	ENGINE_SGLANG,
};

struct replica_lora {
	struct map running, waiting; /* names -> the name's heap copy */
};

/* One replica. Guarded by the pool's lock, except id, name and address, which do not change. */
struct replica {
	uint64_t id;      /* never reused in this process */
	uint32_t slot;
	char name[REPLICA_NAME_MAX]; /* "10.0.0.1:8000" or the object's name */
	struct address address;
	bool live;        /* false: the slot is free */
	enum replica_state state;
	enum engine_kind engine;
	/* what we know at once */
	uint32_t in_flight;        /* requests decided for it and not yet done */
	uint64_t in_flight_tokens; /* their estimated uncached prompt tokens */
	uint32_t capacity;         /* requests it takes at a time; 0: no bound */
	uint32_t weight_permille;  /* 1000; less during slow start */
	/* what it says; each value with its age */
	struct signals signals;
	uint64_t signals_at;       /* 0: never scraped */
	uint32_t scrape_errors;    /* in a row */
	/* health */
	uint32_t failures;         /* in a row, passive */
	uint32_t ejections;        /* in a row: the next one lasts 1, 2, 4 … 30 s */
	uint64_t ejected_until, up_since;
	bool trial;                /* the one request of its probation is under way */
	/* models and adapters: names -> struct replica_model; empty: not known, so anything may be asked */
	struct map models;
	struct replica_lora lora;
};

/* Of one pool; from InferencePolicy and flags. Changed by pool_configure without forgetting anything. */
struct pool_options {
	char name[128];             /* "namespace/name" */
	uint32_t requests_per_replica; /* the bound of holding; 0: from the engine, or unbounded where it says nothing */
	uint32_t queue_requests;    /* held at most, default 5000: above it 429 */
	uint64_t queue_ns;          /* a request waits at most, default 60 s */
	uint64_t signal_stale_ns;   /* signals older than this are not used, default three scrape intervals */
	uint64_t slow_start_ns;     /* default 10 s */
	uint32_t eject_after;       /* failures in a row, default 3 */
	uint64_t eject_min_ns, eject_max_ns; /* 1 s, 30 s */
	uint32_t eject_permille;    /* never more of the pool than this, default 500 */
};

struct pool_options pool_options_default(void);
struct pool *pool_new(const struct pool_options *o);
/* Nothing may be in flight or held. */
void pool_free(struct pool *p);
void pool_configure(struct pool *p, const struct pool_options *o);
const struct pool_options *pool_options_of(const struct pool *p);
void pool_lock(struct pool *p);
void pool_unlock(struct pool *p);

/* ---- membership ---- */

/* Adds a replica; the id is returned in *ret_id. -PS_EEXIST when the address is there already (its draining is then undone and its id returned). */
int pool_added(struct pool *p, struct span name, const struct address *a, uint32_t capacity, uint64_t now,
	       uint64_t *ret_id) MUST_CHECK;
/* No new requests; gone when nothing is in flight. -PS_ENOTFOUND. */
int pool_removed(struct pool *p, uint64_t id, uint64_t now) MUST_CHECK;
/* Borrowed, or NULL. */
struct replica *pool_replica_locked(struct pool *p, uint64_t id);
/* Slots 0 … n-1; look at `live`. */
struct replica *pool_replicas_locked(struct pool *p, uint32_t *ret_n);

/* ---- what replicas say ---- */

void pool_on_scrape(struct pool *p, uint64_t id, enum engine_kind engine, const struct signals *s, uint64_t now);
void pool_on_scrape_failed(struct pool *p, uint64_t id, uint64_t now);
/* Active health: the result of a probe of its health path. */
void pool_on_health(struct pool *p, uint64_t id, bool ok, uint64_t now);
/* Its model list (replaces the last one). `parent` is empty for base models. */
struct replica_model {
	char *id, *parent;
	uint32_t max_len;
	uint64_t created;
};
int pool_on_models(struct pool *p, uint64_t id, const struct replica_model *m, size_t n, uint64_t now) MUST_CHECK;

/* ---- what the gateway saw (called under the lock by sched and gate) ---- */

void pool_dispatched_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now);
/* Every dispatch ends in exactly one of these. Success resets failures and ends a probation; a failure may eject. */
void pool_done_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now);
void pool_failed_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now);
/* Ended without telling anything of the replica (client gone, decision given back). */
void pool_gone_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now);
/* Moves states that wait for time: ejections that end, slow starts. */
void pool_tick_locked(struct pool *p, uint64_t now);
/* True when r may be given a request now (state, and when more than half of the pool is bad, the least bad). */
bool pool_usable_locked(const struct pool *p, const struct replica *r, uint64_t now);
/* True when every replica of the pool has a model list and none has this model (as base or adapter). */
bool pool_lacks_model(struct pool *p, struct span model);
/* True when the name is an adapter on some replica. */
bool pool_is_adapter(struct pool *p, struct span model);

/* ---- bytes per token, learned per model from usage.prompt_tokens; starts at 4 ---- */

uint32_t pool_tokens_of(struct pool *p, struct span model, uint64_t bytes);
void pool_learn_tokens(struct pool *p, struct span model, uint64_t bytes, uint32_t tokens);

/* ---- prefix index: chained block hashes -> replicas; its own lock, never taken under the pool's ---- */

struct prefix_hits {
	uint32_t n;                            /* slots with at least one block */
	uint32_t slot[64];
	uint32_t blocks[64];                   /* leading blocks of the chain held there */
};
/* The replicas with the longest known prefixes, best first. */
void pool_prefix_find(struct pool *p, const uint64_t *chain, uint32_t n, struct prefix_hits *ret);
/* Dispatched there: the blocks will be cached. LRU per replica at its real size. */
void pool_prefix_add(struct pool *p, uint32_t slot, const uint64_t *chain, uint32_t n);
void pool_prefix_drop(struct pool *p, uint32_t slot);
uint64_t pool_prefix_blocks(struct pool *p);

#endif
