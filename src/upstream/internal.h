/* What the files of upstream share. Not for other rooms. */
#ifndef PS_UPSTREAM_INTERNAL_H
#define PS_UPSTREAM_INTERNAL_H

#include "upstream/upstream.h"

enum { INTERIM_MAX = 8 /* 1xx answers before the real one */, BODY_PIECES = 16, TRAILER_MAX = 4096 };

/* How a request and its answer are framed on a connection. HTTP/2 is to be the second. */
struct protocol {
	/* Writes the request's head and what there is of its body; called again by more(). */
	void (*start)(struct upstream_call *c, const struct upstream_request *rq);
	/* Writes on: the socket has room again, or more body is there. */
	void (*more)(struct upstream_call *c);
	/* Bytes arrived. They may be changed in place. */
	void (*receive)(struct upstream_call *c, char *p, size_t n);
	/* The peer's end. */
	void (*eof)(struct upstream_call *c);
};

enum receive_state { RECEIVE_HEAD, RECEIVE_BODY, RECEIVE_DONE };

/* A connection and the call on it, which are one object because HTTP/1.1 carries one at a time.
 *
 *   connecting ──▶ busy ──▶ idle ──▶ busy …        any of them ──▶ gone (closed; freed when no callback of ours is on
 * the stack)
 */
struct upstream_call {
	struct upstream *up;
	struct io *io;
	const struct protocol *protocol;
	const struct upstream_ops *ops; /* NULL while idle */
	void *owner;
	struct list node;   /* of the replica's idle connections, or of the busy ones */
	struct timer timer; /* connecting, idle or draining: never two at once */
	uint64_t replica;
	uint64_t kept_at;  /* the turn in which it became idle */
	uint32_t requests; /* calls begun on this connection */
	uint8_t depth;	   /* callbacks on the stack */
	bool connecting, gone, paused, keep;
	/* sending */
	struct buf out;	     /* framing and head bytes the socket did not take yet */
	uint64_t chunk_left; /* payload announced by a chunk size line and not yet written */
	bool chunked, body_done, sent, broken;
	/* receiving */
	enum receive_state state;
	enum h1_method method;
	uint8_t interim;
	bool answered; /* a byte of the answer has come */
	enum h1_framing framing;
	uint64_t left;
	struct h1_chunked chunk;
	struct buf rest; /* an incomplete head */
	size_t rest_seen;
	struct buf trailers;
};

struct upstream {
	struct loop *loop;
	struct upstream_options options;
	struct map idle; /* replica id -> struct idle_list */
	struct list busy;
	struct buf head; /* where heads are composed; empty between calls */
	struct upstream_stats stats;
};

extern const struct protocol upstream_http1;

/* Ends the call; the connection is kept when it may carry another one. */
void call_end(struct upstream_call *c);
/* Ends the call with a failure and closes the connection. */
void call_fail(struct upstream_call *c, int code, const struct err *e);

#endif
