/* The door of flow: the order of held requests. First come, first served now; bands and shares come behind the same
 * functions. Pure: everything under the pool's lock. */
#ifndef PS_FLOW_FLOW_H
#define PS_FLOW_FLOW_H

#include "base/base.h"

/* Embedded in what is held. Owner: whoever embeds it; it must stay where it is while queued. */
struct flow_item {
	struct list node;	 /* flow's: by arrival */
	struct list by_deadline; /* flow's */
	uint64_t arrived_ns;
	uint64_t deadline_ns; /* refused when it passes */
	uint64_t bytes;	      /* of its body, for the queue's total */
};

/* Embedded in the gate of a pool. */
struct flow_queue {
	struct list items; /* by arrival */
	struct list by_deadline;
	uint32_t count;
	uint64_t bytes;
	uint32_t max; /* requests; may be changed at any time */
};

void flow_queue_init(struct flow_queue *q, uint32_t max);
/* In order of arrival (a retry keeps its first arrival and so goes to the front); equal arrivals in order of pushing.
 * -PS_EQUEUEFULL. */
int flow_queue_push(struct flow_queue *q, struct flow_item *it) MUST_CHECK;
/* As flow_queue_push, past the bound: for what had its place in the queue before and comes back. */
void flow_queue_push_back_in(struct flow_queue *q, struct flow_item *it);
/* It must be in the queue. */
void flow_queue_remove(struct flow_queue *q, struct flow_item *it);
/* The next in order, or NULL; stays in the queue. */
struct flow_item *flow_queue_head(const struct flow_queue *q);
/* The next after `it`, or NULL. */
struct flow_item *flow_queue_after(const struct flow_queue *q, const struct flow_item *it);
/* The one whose deadline passed first (deadline_ns <= now), or NULL. */
struct flow_item *flow_queue_expired(const struct flow_queue *q, uint64_t now);

#endif
