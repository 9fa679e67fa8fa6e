/* The door of engine: a model of an LLM engine of vLLM's kind, made of nothing but a clock that the caller holds.
 *
 * Continuous batching with chunked prefill, a paged KV cache with prefix reuse, preemption, adapter slots, and a
 * formula for how long a step takes (docs/design/engine.md). For the mock server and the simulator; the scheduler
 * must never look into it. One thread per engine; the same calls give the same results. Times are nanoseconds of any
 * monotonic clock, real or simulated. */
#ifndef PS_ENGINE_ENGINE_H
#define PS_ENGINE_ENGINE_H

#include "base/base.h"

#define ENGINE_IDLE UINT64_MAX

enum {
	ENGINE_ADAPTERS_MAX = 1024,	/* adapter numbers are 1 to this; 0 is the base model */
	ENGINE_SEQUENCE_MAX = 16777216, /* tokens of one prompt and of one answer */
};

/* Constants of one model on one accelerator, in seconds and tokens (profiles.def). A step with p prefill tokens in
 * chunks of n_i behind ctx_i others, and B sequences in decode with contexts ctx_j, takes
 *     o + max(W, b (p + B)) + c SUM n_i (ctx_i + n_i / 2) + e SUM ctx_j + s B */
struct engine_profile {
	const char *name;
	double o, w, b, c, e, s;
	uint32_t kv_tokens;
};

/* The row of a name ("h100-8b"), or NULL. */
const struct engine_profile *engine_profile_find(struct span name);
/* All rows; *n is how many. */
const struct engine_profile *engine_profiles(size_t *n);

/* Zero fields take the value beside them (vLLM's defaults, except adapters). */
struct engine_options {
	uint32_t block_tokens; /* 16 */
	uint32_t blocks;       /* the profile's kv_tokens / block_tokens */
	uint32_t batch_tokens; /* max_num_batched_tokens, 8192 */
	uint32_t sequences;    /* max_num_seqs, 256 */
	uint32_t adapters;     /* max_loras: adapters running at a time; 0: none may */
	uint32_t queue;	       /* requests that may be inside at all, 65536 */
	double slow;	       /* factor on every step: 1.0 */
	double jitter;	       /* each step's time is scaled by a factor uniform in 1 ± jitter: 0 */
	bool no_prefix_caching;
};

struct engine_request {
	void *user;		/* handed back in events; not looked at */
	uint32_t prompt_tokens; /* at least 1 */
	uint32_t output_tokens; /* how many will be generated; 0: none, as for embeddings */
	uint32_t adapter;	/* 0: the base model */
	uint32_t hash_count;
	/* Chained hashes of the full blocks of the prompt and of what will be generated, as far as they are known:
	 * blocks with equal hashes hold equal prefixes. Copied. 0 is no hash. */
	const uint64_t *hashes;
};

struct engine;
/* A request inside the engine. Valid until engine_abort, or until the engine_step after its event with `finished`. */
struct engine_job;

/* What one step did for one request. */
struct engine_event {
	struct engine_job *job; /* NULL: aborted after the step; skip it */
	void *user;
	uint32_t generated;	/* tokens so far: each step adds one to a sequence in decode */
	uint32_t cached_tokens; /* of the prompt, found in the cache when it was first admitted */
	bool finished;		/* the last event; the job can be looked at until the next step */
};

/* NULL without memory or with options out of range: see e. `options` may be NULL. `seed` is for jitter alone. */
struct engine *engine_new(const struct engine_profile *profile, const struct engine_options *options, uint64_t seed,
			  struct err *e);
/* Frees it with all jobs. */
void engine_free(struct engine *g);

/* Puts a request at the end of the queue; an idle engine wakes at `now` (engine_next says so), and begins its first
 * step when engine_step is called for it, with all that was submitted until then. 0, -PS_EINVAL (no prompt,
 * unknown adapter number), -PS_ETOOBIG (could never fit the cache), -PS_EQUEUEFULL or -PS_ENOMEM. */
int engine_submit(struct engine *g, const struct engine_request *rq, uint64_t now, struct engine_job **ret) MUST_CHECK;
/* Takes a request out at once, wherever it is; its blocks are free from now on. No event follows. */
void engine_abort(struct engine *g, struct engine_job *job);
/* When the step in progress ends (or an idle engine was woken), or ENGINE_IDLE. */
uint64_t engine_next(const struct engine *g);
/* Ends the step in progress if its time has come and begins the next one at that very time (not at `now`, so that a
 * late caller catches up): call it while engine_next() <= now. *ret_events holds what happened, valid until the next
 * engine_step or engine_free. Returns how many. */
size_t engine_step(struct engine *g, uint64_t now, const struct engine_event **ret_events);

/* How many leading blocks of a prompt are in the cache now. */
uint32_t engine_prefix_match(const struct engine *g, const uint64_t *hashes, uint32_t n);
/* Forgets every cached block nobody uses (vLLM's /reset_prefix_cache). */
void engine_prefix_reset(struct engine *g);

/* The state now, and counters since the beginning. Tokens and blocks. */
struct engine_metrics {
	uint32_t running;
	uint32_t waiting_capacity; /* for blocks, tokens or a seat */
	uint32_t waiting_deferred; /* for an adapter slot */
	uint32_t blocks;
	uint32_t blocks_used; /* held by running requests; the others are free, cached or not */
	uint32_t block_tokens;
	uint32_t context_tokens; /* of all sequences in decode */
	uint64_t prefix_queries; /* prompt tokens looked up, once per request */
	uint64_t prefix_hits;	 /* of these, found */
	uint64_t prompt_tokens;	 /* prompt tokens of requests whose prefill is over, cached ones included */
	uint64_t prompt_cached;	 /* of these, not computed */
	uint64_t generation_tokens;
	uint64_t preemptions;
	uint64_t submitted, finished, aborted;
	uint64_t steps;
	uint64_t busy_ns; /* of all steps ended */
	uint32_t last_step_tokens;
};
void engine_metrics(const struct engine *g, struct engine_metrics *ret);
/* Requests of an adapter running and waiting now. */
void engine_adapter_counts(const struct engine *g, uint32_t adapter, uint32_t *ret_running, uint32_t *ret_waiting);
/* What this request has been through. Times are 0 until they come. */
struct engine_times {
	uint64_t submitted_ns;
	uint64_t scheduled_ns; /* first admitted to a batch */
	uint64_t first_token_ns;
	uint32_t preemptions;
};
void engine_job_times(const struct engine_job *job, struct engine_times *ret);

#endif
