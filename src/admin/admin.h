/* The door of admin: the operators' HTTP server: /healthz, /readyz, /metrics, /debug/pools, /debug/config. On the
 * control loop's thread.
 *
 * It reads snapshots and pools and changes nothing. Secrets are never shown. */
#ifndef PS_ADMIN_ADMIN_H
#define PS_ADMIN_ADMIN_H

#include "gate/gate.h"
#include "loop/loop.h"

enum { ADMIN_PAGE_BYTES_MAX = 64 * 1024 * 1024 /* of one answer: above it 500 */ };

struct admin;

/* Whether this process should be sent traffic. True, or false with the reasons added to `why` as lines of text. On the
 * control thread. */
typedef bool admin_ready(void *arg, struct buf *why);

/* Listens at `at` (port 0: any). `ready` NULL: ready as soon as a snapshot is there. NULL: see e. */
struct admin *admin_new(struct loop *l, const struct address *at, admin_ready *ready, void *arg, struct err *e);
/* The configuration in force: takes a reference, gives back the last one's. NULL: none. */
void admin_publish(struct admin *a, struct snapshot *s);
/* The address it listens at. */
const struct address *admin_address(const struct admin *a);
void admin_free(struct admin *a);

#endif
