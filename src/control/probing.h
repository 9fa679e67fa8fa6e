/* Control's errands to the prober: what is asked of which replicas. The prober lives on the signals loop, control on
 * its own; every call here posts a message, and messages keep their order. Control's thread. */
#ifndef PS_CONTROL_PROBING_H
#define PS_CONTROL_PROBING_H

#include "config/config.h"
#include "loop/loop.h"
#include "probe/probe.h"

/* The questions of one pool. Embedded in what control knows of the pool; it must stay until `left` has been delivered.
 */
struct probed {
	struct loop *signals; /* where `probe` lives; NULL: nobody is asked */
	struct probe *probe;
	struct gate *gate;
	struct probe_pool *questions; /* signals thread only */
	struct loop *home;	      /* control's loop */
	struct mail leave, left;
};

/* The prober does not know of the pool before its first probed_configure. */
void probed_configure(struct probed *p, const struct config_pool_options *o);
void probed_replica_added(struct probed *p, uint64_t id, const struct address *a);
void probed_replica_removed(struct probed *p, uint64_t id);
/* Posts `left` to `home` once the prober has forgotten the pool: its `deliver` is the caller's. */
void probed_leave(struct probed *p, void (*left)(struct mail *m));

#endif
