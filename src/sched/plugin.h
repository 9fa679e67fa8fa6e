/* What a scorer sees and must keep to. Private to sched: a plugin is one file, one const struct scorer, one line in
 * plugins.def. */
#ifndef PS_SCHED_PLUGIN_H
#define PS_SCHED_PLUGIN_H

#include "sched/sched.h"

/* The candidates of one pick, as columns: a scorer runs down one or two of them. Gathered once per pick from the
 * replicas, with our own requests in flight charged on top of what a replica says, so that neither an old nor a lying
 * "idle" looks idle. Owner: the scheduler, reused by every pick. */
struct view {
	const struct facts *facts;
	const struct prefix_hits *hits;	  /* may be NULL */
	const struct pool_model *adapter; /* the row of the asked adapter; NULL: none asked, or nobody knows it */
	uint32_t n;
	uint16_t slot[POOL_REPLICAS_MAX];
	float in_flight[POOL_REPLICAS_MAX];
	float queued[POOL_REPLICAS_MAX]; /* at least what of ours must be waiting there */
	float running[POOL_REPLICAS_MAX];
	float kv_used[POOL_REPLICAS_MAX]; /* 0..1, at least what our prompts there need */
	float lora_named[POOL_REPLICAS_MAX];
	float lora_max[POOL_REPLICAS_MAX];
	/* 0..1, how far each is believed; 0: nothing is known and the value means nothing */
	bool queued_known, kv_known, lora_known; /* of every candidate, fully */
	float queued_trust[POOL_REPLICAS_MAX];
	float kv_trust[POOL_REPLICAS_MAX];
	float lora_trust[POOL_REPLICAS_MAX];
	float weight[POOL_REPLICAS_MAX];   /* 0..1 of slow start; multiplies the sum of the scores */
	uint16_t place[POOL_REPLICAS_MAX]; /* by slot: its row here plus one; 0: no candidate */
};

/* What a scorer knows of the candidates of one pick. */
enum knowledge {
	KNOWS_NOTHING, /* it has nothing to say on such a request: the arrays are not read */
	KNOWS_SOME,    /* trust says how much of each */
	KNOWS_ALL,     /* trust is not read */
};

struct scorer {
	/* The reference picker's name for it, where it has one. */
	const char *name;
	/* Fills score[0..n-1] with 0 (bad) to 1 (good) and trust[0..n-1] with 0 (no idea) to 1 (known); where trust is
	 * 0 the score is not read. Better by its own measure must never score less. One call per pick; no state, no
	 * allocation; under the pool's lock. */
	enum knowledge (*score)(const struct view *v, float *score, float *trust);
};

#define SCHED_PLUGIN(id) extern const struct scorer scorer_##id;
#include "sched/plugins.def"
#undef SCHED_PLUGIN

struct range {
	float min, max;
};

/* Of the values with trust; `trust` NULL: of all. Empty: min > max. */
struct range range_of(const float *value, const float *trust, uint32_t n);
/* (max - value) / (max - min) by what is known; all equal: 1. Copies the view's trust in queued and running, and says
 * how far it goes. */
enum knowledge score_load(const struct view *v, const float *value, float *score, float *trust);

#endif
