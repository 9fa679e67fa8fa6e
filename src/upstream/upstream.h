/* The door of upstream: requests to replicas over pooled connections. Used by proxy and probe alike.
 * A call is one request and its answer; how it is framed (HTTP/1.1 now, HTTP/2 later) is the protocol's business,
 * what carries it (plain now, TLS later) the transport's. All of it on one loop's thread. */
#ifndef PS_UPSTREAM_UPSTREAM_H
#define PS_UPSTREAM_UPSTREAM_H

#include "loop/loop.h"
#include "wire/wire.h"

struct upstream;      /* one per loop: idle connections by replica */
struct upstream_call; /* one attempt */

/* Where to. `id` never names two different addresses in one process. */
struct upstream_target {
	uint64_t id;
	struct address address;
	uint64_t connect_ns; /* 0: as upstream_options says */
	bool fresh;	     /* only on a new connection: the last one kept was found dead */
};

struct upstream_options {
	uint64_t connect_ns;	 /* connecting, default 1 s */
	uint64_t idle_ns;	 /* how long an unused connection is kept, default 4 s: engines close theirs after 5 */
	uint32_t idle_max;	 /* unused connections kept per replica, default 256 */
	struct h1_limits limits; /* of answers */
};

struct upstream_options upstream_options_default(void);

struct upstream_field {
	struct span name, value;
};

/* A request head, protocol-neutral. Borrowed during upstream_open only. */
struct upstream_request {
	struct span method, target, authority;
	const struct upstream_field *fields;
	uint32_t field_count;
	enum h1_framing framing; /* H1_BODY_NONE, _LENGTH or _CHUNKED */
	uint64_t length;
};

/* What a call tells its owner. Exactly one of on_end and on_fail is the last; the call is then gone. upstream_abort may
 * be called from any of them, and then nothing follows. */
struct upstream_ops {
	/* The next pieces of the request body, up to `max`; sets *last when nothing follows them. 0 and not *last: none
	 * yet, upstream_body_ready will be called. */
	int (*body)(void *owner, struct iovec *iov, int max, bool *last);
	/* n bytes of those have been taken; they need not be kept for this call. */
	void (*body_taken)(void *owner, size_t n);
	/* The answer's head (1xx excepted; those are dropped, at most 8). Valid during the call. */
	void (*on_head)(void *owner, const struct h1_head *h);
	/* Payload bytes, without framing; may be changed in place; gone after the call. */
	void (*on_body)(void *owner, char *p, size_t n);
	/* All that was there to read for now has been given: a good time to flush. */
	void (*on_pause)(void *owner);
	/* The answer is complete. `trailers`: checked lines "name: value\r\n". */
	void (*on_end)(void *owner, struct span trailers);
	/* The call failed: -PS_ECONNECT, _ECONNTIMEOUT, _ERESET (before the head), _EUPPROTO, _ECUT (after it).
	 * `reused`: on a connection that had served before and without one byte of an answer, so most likely closed
	 * while idle. */
	void (*on_fail)(void *owner, int code, bool reused, const struct err *e);
};

/* What happened since the start, and connections now. */
struct upstream_stats {
	uint64_t connects, connects_failed;
	uint64_t received_bytes, sent_bytes;
	uint32_t idle, busy;
};
void upstream_stats(const struct upstream *u, struct upstream_stats *ret);

struct upstream *upstream_new(struct loop *l, const struct upstream_options *o);
void upstream_free(struct upstream *u);
/* Starts a call on an idle connection or a new one. NULL without memory or descriptors (-PS_ECONNLIMIT is the reason).
 * Only `body` and `body_taken` are called from within. */
struct upstream_call *upstream_open(struct upstream *u, const struct upstream_target *to,
				    const struct upstream_request *rq, const struct upstream_ops *ops, void *owner);
/* More body is there. */
void upstream_body_ready(struct upstream_call *c);
/* Back-pressure: stop and go on reading the answer. */
void upstream_pause(struct upstream_call *c);
void upstream_resume(struct upstream_call *c);
/* Ends a call and closes its connection now. */
void upstream_abort(struct upstream_call *c);
/* Lets go of the owner but reads the answer to its end, dropping it, at most for drain_ns: for engines that crash on
 * aborts. */
void upstream_drain(struct upstream_call *c, uint64_t drain_ns);
/* True once every byte of the request has been handed to the socket. */
bool upstream_sent(const struct upstream_call *c);

#endif
