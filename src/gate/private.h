/* What the files of the gate over one pool share: tickets, queue, budgets. Not for other rooms. */
#ifndef PS_GATE_PRIVATE_H
#define PS_GATE_PRIVATE_H

#include <stdatomic.h>

#include "gate/gate.h"

enum {
	TICKET_REASONS = 8, /* scorers of a decision on a held ticket that are kept for its owner */
	TICKET_HITS = 8,    /* replicas with the longest prefixes that a held ticket remembers */
	WINDOW_SECONDS = 10,
};

/*               gate_advance                gate_collect
 *     HELD ───────────────────▶ MAILED ───────────────────────▶ DECIDED ──▶ done, failed, gone: freed
 *      ▲ │                       │  │ not collected for 100 ms
 *      │ └─ on_gone: freed       │  ▼
 *      │                         │ RETURNED ──┐
 *      └─────────────────────────┼────────────┘ gate_collect
 *                                ▼ on_gone
 *     HELD ──▶ REFUSED ──────▶ GONE ──▶ gate_collect: freed
 *
 * Only under the pool's lock. In MAILED, RETURNED, REFUSED and GONE the owner's mail is under way and the ticket waits
 * for it. */
enum ticket_state {
	TICKET_HELD,	 /* in the queue */
	TICKET_MAILED,	 /* decided, charged, in `uncollected` */
	TICKET_RETURNED, /* was mailed; its replica was given back */
	TICKET_REFUSED,
	TICKET_GONE,	/* the owner gave it up while its mail was under way */
	TICKET_DECIDED, /* charged, in its owner's hands */
};

struct ticket_hit {
	uint16_t slot, blocks;
};

/* One request. Made by gate_submit, freed by the event that ends it. 256 bytes at most, its model's name included where
 * that is short. */
struct ticket {
	struct flow_item item; /* in the queue while HELD; item.node in gate.uncollected while MAILED */
	struct gate *gate;
	const struct facts *facts; /* the owner's, valid until it has collected or given up */
	void *owner;
	uint64_t replica;
	uint64_t decided_at;
	uint64_t retry_after_ns;
	uint64_t text_bytes;
	struct pool_charge charge;
	uint32_t slot;
	uint32_t prefix_blocks;
	int refused; /* PS_E… when REFUSED */
	uint16_t candidates;
	uint8_t state; /* enum ticket_state */
	uint8_t reason_count, hit_count;
	bool answered, streams;
	uint16_t model_len;
	struct reason reasons[TICKET_REASONS];
	struct ticket_hit
		hits[TICKET_HITS]; /* as of its submission: the chain may not be looked up under the pool's lock */
	char model[];
};
_Static_assert(sizeof(struct ticket) <= 208, "a ticket with a name of 48 bytes fits 256");

/* What happened in one second. */
struct second {
	uint64_t number; /* since the clock's zero */
	uint32_t requests, completions, retries;
	uint32_t orphans; /* failures of replicas that are out: their repeats are nobody's fault */
};

/* Over one pool; everything but the atomics is guarded by that pool's lock. Owner: control. */
struct gate {
	struct pool *pool;
	struct sched *sched;
	struct flow_queue queue;
	struct list uncollected; /* MAILED tickets, oldest first */
	/* HELD and MAILED tickets. Written under the lock; read without it by gate_advance, where a count that is late
	 * by one event is made good by the next event or tick: relaxed is enough. */
	_Atomic uint32_t waiting;
	_Atomic uint64_t tokens; /* a statistic */
	uint64_t seen_openings;	 /* pool_openings when the whole queue was last found to fit nowhere */
	uint64_t scanned_at;
	struct flow_item *cursor; /* where an unfinished scan goes on; NULL: at the head */
	uint64_t started_at;	  /* of the first request; 0: none yet */
	struct second seconds[WINDOW_SECONDS];
	struct gate_stats stats;
};

/* ---- budget.c: what happened in the last seconds, and what follows. Under the lock ---- */

struct second *budget_second(struct gate *g, uint64_t now);
bool budget_allows(struct gate *g, int code, uint64_t now);
/* When a refused client may come again: from the drain rate, 1 to 60 s. */
uint64_t budget_retry_after(struct gate *g, int code, uint64_t now);

#endif
