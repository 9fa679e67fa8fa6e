/* The door of loop: threads with an event loop each, mailboxes between them, timers, sockets.
 *
 * One loop per thread. Everything here but loop_post, loop_stop and the descriptor counters is called on the loop's own
 * thread. libuv does the waiting; sockets are our own accept4, recv and sendmsg (docs/design/loop.md). */
#ifndef PS_LOOP_LOOP_H
#define PS_LOOP_LOOP_H

#include <sys/uio.h>

#include "base/base.h"

enum { LOOP_SCRATCH_BYTES = 64 * 1024 };

/* ---- loops ---- */

struct loop;

/* `name` is the thread's name in logs and ps; `shard` its telemetry shard. NULL without memory or descriptors. */
struct loop *loop_new(const char *name, unsigned shard);
/* Runs on the calling thread until loop_stop. */
void loop_run(struct loop *l);
/* Starts a thread that runs it; loop_join waits for its end. */
int loop_start(struct loop *l) MUST_CHECK;
void loop_join(struct loop *l);
/* Any thread. The loop ends after the turn in progress. */
void loop_stop(struct loop *l);
/* After it has ended: frees what is left. */
void loop_free(struct loop *l);
/* Monotonic time, taken once a turn (and after loop_refresh_now, for work that took long). */
uint64_t loop_now(struct loop *l);
uint64_t loop_refresh_now(struct loop *l);
/* LOOP_SCRATCH_BYTES for the reader whose turn it is: nothing in it outlives the callback. */
char *loop_scratch(struct loop *l);
struct rng *loop_rng(struct loop *l);
/* Called at the end of every turn in which something happened, before waiting again. One per loop. */
void loop_on_turn_end(struct loop *l, void (*fn)(void *arg), void *arg);

/* The libuv loop below, for what has no interface here (file watching, name resolution) on service threads. */
struct uv_loop_s *loop_uv(struct loop *l);

/* ---- mailboxes: the only way from one thread to another ---- */

/* A message: embedded in what it carries, which it owns until delivered. Never posted twice before its delivery. */
struct mail {
	struct mail *next;
	void (*deliver)(struct mail *m); /* on the receiving loop's thread */
};
/* Any thread, any number of senders. A wake-up is sent only when the box was empty. */
void loop_post(struct loop *l, struct mail *m);

/* ---- timers: one hashed hierarchical wheel per loop (Varghese and Lauck 1987), 4 ms a tick ---- */

struct timer {
	struct list node;
	uint64_t at_ns; /* 0: not set */
	void (*fire)(struct timer *t, uint64_t now);
};
void timer_init(struct timer *t, void (*fire)(struct timer *t, uint64_t now));
/* Sets or moves it; fires once, at or up to a tick after at_ns. */
void timer_set(struct loop *l, struct timer *t, uint64_t at_ns);
void timer_clear(struct timer *t);

/* ---- sockets ---- */

struct io;

/* What happens on a socket. Any of these may call io_close. */
struct io_ops {
	void (*on_connected)(void *owner, int result); /* after io_connect: 0 or -PS_ECONNECT */
	void (*on_readable)(void *owner); /* level-triggered while reading is on: io_read until it is short */
	void (*on_writable)(void *owner); /* once, after io_want_write */
	void (*on_hangup)(void *owner); /* while reading is off: the peer sent FIN or RST (also behind unread bytes) */
};

/* Takes over a connected, non-blocking socket (closed by io_close). Reading is on. NULL without memory: fd is then
 * closed. */
struct io *io_open(struct loop *l, int fd, const struct io_ops *ops, void *owner);
/* Begins to connect; on_connected tells, never from within this call. */
struct io *io_connect(struct loop *l, const struct address *to, const struct io_ops *ops, void *owner);
/* > 0 bytes, 0 the peer's end, -PS_EAGAIN nothing now, -PS_EIO broken. */
ptrdiff_t io_read(struct io *io, char *p, size_t n) MUST_CHECK;
/* Bytes taken (0 when the socket is full), or -PS_EIO. Does not arm anything. */
ptrdiff_t io_writev(struct io *io, const struct iovec *iov, int n) MUST_CHECK;
/* Turns reading on or off. Off: only on_hangup is heard of (pass hangup = false to hear nothing: a tolerated
 * half-close). */
void io_want_read(struct io *io, bool on, bool hangup);
void io_want_write(struct io *io);
/* No callback comes after it; the memory goes later. abort: RST instead of FIN. */
void io_close(struct io *io, bool abort);
int io_fd(const struct io *io);
/* No more bytes will be written: FIN. */
void io_shutdown(struct io *io);

/* ---- listeners ---- */

struct listener;

struct listener_ops {
	/* A new connection, counted; `fd` is the callee's. */
	void (*on_accept)(void *owner, int fd, const struct address *peer);
};

/* Binds and listens (SO_REUSEPORT, so that each worker has its own), or takes over `fd` when it is >= 0. NULL: see e.
 */
struct listener *listener_open(struct loop *l, const struct address *at, int fd, const struct listener_ops *ops,
			       void *owner, struct err *e);
void listener_close(struct listener *ln);
/* The address it is bound to (the port that 0 became). */
const struct address *listener_address(const struct listener *ln);
int listener_fd(const struct listener *ln);

/* ---- descriptors: 16 are kept back, accepting stops at 96 % of the rest (9,500 streams
 * are 19,000 sockets, 95.1 % of what a hard limit of 20,000 leaves) ---- */

enum { DESCRIPTORS_RESERVED = 16, DESCRIPTORS_ACCEPT_PERMILLE = 960 };
/* Raises the soft limit to the hard one; returns how many sockets there may be. Once, at start. */
unsigned descriptors_init(void);
/* Sockets open now and the bound. Any thread. */
unsigned descriptors_in_use(void);
unsigned descriptors_limit(void);

#endif
