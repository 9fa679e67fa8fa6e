/* Which replicas are candidates at all. Private to sched. */
#ifndef PS_SCHED_FILTER_H
#define PS_SCHED_FILTER_H

#include "sched/sched.h"

/* Writes the slots of the candidates to `slots` (POOL_REPLICAS_MAX of them) and returns how many: 0 when none is open
 * now; -PS_ENOREPLICA, -PS_ENOMODEL. */
int filter_candidates(struct pool *p, const struct facts *f, uint64_t now, uint16_t *slots);

#endif
