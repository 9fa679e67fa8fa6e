/* What the files of admin share. All of it on the control loop's thread. */
#ifndef PS_ADMIN_INTERNAL_H
#define PS_ADMIN_INTERNAL_H

#include "admin/admin.h"
#include "admin/page.h"
#include "httpd/httpd.h"

/* That something was exported on /metrics: a replica's gauges, or a pool's. */
struct exported {
	struct list node;
	struct span key;	   /* its place in the map: pool, NUL, replica */
	struct span pool, replica; /* parts of the key; replica is empty for a pool itself */
	uint64_t scrape;	   /* the number of the last scrape that exported it */
	char text[];
};

struct admin {
	struct loop *loop;
	struct httpd *server;
	struct snapshot *snapshot; /* one reference; NULL: none yet */
	admin_ready *ready;
	void *arg;
	struct list exported;	    /* everything exported, … */
	struct map exported_by_key; /* … and found again */
	uint64_t scrapes;
};

/* One replica as it was when its pool was looked at. */
struct replica_row {
	uint64_t id;
	char name[REPLICA_NAME_MAX];
	enum replica_state state;
	enum engine_kind engine;
	bool usable, pressed, models_known;
	uint32_t in_flight, bound, learned_capacity, weight_permille, lora_named;
	uint32_t failures, health_failures, ejections, scrape_errors;
	uint64_t in_flight_tokens, signals_at, ejected_until;
	struct signals signals; /* without the texts */
	uint64_t signal_at[SIGNAL_COUNT];
};

/* ---- rows.c ---- */

/* A heap copy of what is known of the pool's replicas, taken in slices so that the pool's lock is never held long.
 * *ret_n rows; NULL: none, or no memory. The caller frees it. */
struct replica_row *rows_take(struct pool *p, uint64_t now, uint32_t *ret_n);
const char *state_name(enum replica_state s);
const char *engine_name(enum engine_kind e);

/* ---- pages: body into b; 0 or buf_add's errors ---- */

int pools_page(struct admin *a, struct buf *b);
int config_page(struct admin *a, struct buf *b);

/* Sets the gauges that are read out of pools and gates; called by tm_write. */
void gauges_refresh(void *admin);
void gauges_init(struct admin *a);
/* Forgets all that was exported. */
void gauges_done(struct admin *a);

#endif
