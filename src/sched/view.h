/* How the columns of a pick are filled. Private to sched. */
#ifndef PS_SCHED_VIEW_H
#define PS_SCHED_VIEW_H

#include "sched/plugin.h"

/* Fills the columns from n replicas, given by slot; v->facts is set and v->place zeroed before. */
void view_gather(struct view *v, const struct pool *p, const struct replica *replicas, const uint16_t *slots,
		 uint32_t n, uint64_t now);

#endif
