/* The door of proxy: the driver that moves the bytes itself. One per worker; all of it on that worker's loop. */
#ifndef PS_PROXY_PROXY_H
#define PS_PROXY_PROXY_H

#include "gate/gate.h"
#include "loop/loop.h"

struct proxy;

/* Serves as `s` says; takes a reference of its own. `home`: this worker runs the tick of the pools (one worker of the
 * process does). NULL without memory. */
struct proxy *proxy_new(struct loop *l, struct snapshot *s, bool home);
/* Listens for listener number `listener` of the snapshot, on `fd` when >= 0 (handed over, or bound by control), else on
 * a socket of its own. */
int proxy_listen(struct proxy *p, uint32_t listener, int fd, struct err *e) MUST_CHECK;
/* The listening sockets of this worker, for a hand-over: up to `max` descriptors with the numbers of their listeners.
 * Returns how many. */
unsigned proxy_listener_fds(const struct proxy *p, int *fds, uint32_t *listeners, unsigned max);
/* A new configuration: requests under way keep the old one. Listeners keep their sockets where the address is the same;
 * others are closed, new ones opened. */
void proxy_apply(struct proxy *p, struct snapshot *s);
/* Stops accepting; connections are closed after the request they are in (idle ones after their next request or
 * idle_timeout), all of them at `until` (loop_now time). `drained` is called once when none is left. */
void proxy_drain(struct proxy *p, uint64_t until, void (*drained)(void *arg), void *arg);
/* With a drain that has no successor: connections that have no request under way get a second to send one, then they
 * are closed. Without it (a hand-over) they are kept until their next request or idle_timeout, so that no client meets
 * a closed door. */
void proxy_close_idle(struct proxy *p);
void proxy_free(struct proxy *p);

/* Where gate_advance's decisions go when proxies own the tickets: each is posted to its owner's loop. Any thread. */
const struct gate_sink *proxy_sink(void);

#endif
