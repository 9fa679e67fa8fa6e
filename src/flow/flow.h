/* The door of flow: the order of held requests. First come, first served now; bands and shares come behind the same functions.
 * Pure: everything under the pool's lock. */
#ifndef PS_FLOW_FLOW_H
#define PS_FLOW_FLOW_H

#include "base/base.h"

/* Embedded in what is held. */
struct flow_item {
	struct list node;
	uint64_t arrived_ns;
	uint64_t deadline_ns; /* refused when it passes */
	uint64_t bytes;
};

struct flow_queue {
	struct list items;
	uint32_t count;
	uint64_t bytes;
	uint32_t max; /* requests */
};

void flow_queue_init(struct flow_queue *q, uint32_t max);
/* In order of arrival (a retry keeps its first arrival and so goes to the front). -PS_EQUEUEFULL. */
int flow_queue_push(struct flow_queue *q, struct flow_item *it) MUST_CHECK;
void flow_queue_remove(struct flow_queue *q, struct flow_item *it);
/* The next in order, or NULL; stays in the queue. */
struct flow_item *flow_queue_head(const struct flow_queue *q);
/* The next after `it`, or NULL. */
struct flow_item *flow_queue_after(const struct flow_queue *q, const struct flow_item *it);
/* One whose deadline has passed, or NULL. */
struct flow_item *flow_queue_expired(const struct flow_queue *q, uint64_t now);

#endif
