/* The live pools of the process: a pool and its gate live as long as a configuration names them, and keep everything
 * they know while configurations change around them. Replicas are added and removed by difference. Control's thread. */
#ifndef PS_CONTROL_POOLS_H
#define PS_CONTROL_POOLS_H

#include "config/config.h"
#include "control/names.h"
#include "gate/gate.h"
#include "probe/probe.h"

enum { POOLS_MAX = 10000 };

/* One pool and what it is made of. Owner: the register. */
struct live_pool {
	char name[128]; /* "namespace/name" */
	struct pool *pool;
	struct gate *gate;
	struct map members;  /* address text -> struct member: the replicas it was given */
	uint64_t generation; /* of the newest configuration that names it */
	uint64_t rounds;     /* comparisons of its replicas so far */
};

/* Names and sink are borrowed; probe too. */
struct pools {
	struct map all; /* name -> struct live_pool */
	struct names *names;
	const struct gate_sink *sink; /* for held requests that a new replica lets go; NULL: nothing is ever held */
	struct probe *probe;	      /* is told of every pool; NULL: no replica is asked anything */
};

void pools_init(struct pools *r, struct names *names, const struct gate_sink *sink, struct probe *probe);
/* Makes the pools of a configuration that are not there yet and fills `live`, one row per pool of it. Existing ones are
 * not touched, so that a configuration refused later has changed nothing. 0 or -PS_ENOMEM. */
int pools_prepare(struct pools *r, const struct config *c, struct snapshot_live *live, struct err *e) MUST_CHECK;
/* The configuration is in force: options and replicas of its pools become what it says. */
void pools_apply(struct pools *r, const struct config *c, uint64_t generation, uint64_t now);
/* Replicas once more: some name has other addresses. */
void pools_refresh(struct pools *r, const struct config *c, uint64_t now);
/* Replicas of which nobody knows yet what they are and which models they have: until then a pick may send a request for
 * an adapter anywhere. One that did not answer counts as known; so does every one where there is no prober. */
uint32_t pools_unheard(struct pools *r, const struct config *c);
/* Lets go of the pools that no configuration from `oldest` on names; they are freed when the prober has forgotten them.
 */
void pools_sweep(struct pools *r, uint64_t oldest);
void pools_free(struct pools *r);

#endif
