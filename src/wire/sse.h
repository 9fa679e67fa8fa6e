/* Server-sent events (WHATWG HTML §9.2): a stream of bytes cut into events, at any split. */
#ifndef PS_WIRE_SSE_H
#define PS_WIRE_SSE_H

#include "base/base.h"

/* One event, or one block of comments. Spans point into the bytes fed or into the reader's remainder and die at the
 * next call. All `raw` in a row are the stream, byte for byte: an LF that was split from its CR stands before the next
 * event. */
struct sse_event {
	struct span raw;  /* all bytes of the event, its final blank line included */
	struct span type; /* value of its last `event:` line; empty: "message" */
	struct span data; /* of its `data:` lines; several are joined by \n */
	bool has_data;	  /* it has a `data:` line; else it is for nobody to dispatch, only to pass on */
};

/* A reader. Owner: whoever embeds it. Memory only while an event is incomplete, bounded by max. */
struct sse {
	struct buf rest;   /* an event that has begun */
	struct buf joined; /* data of events with several data lines */
	bool started;	   /* a byte order mark can only stand at the very beginning */
	bool in_line;	   /* the last byte did not end a line */
	bool after_cr;	   /* the last byte was a CR: an LF now belongs to it */
	bool oversize;	   /* the event in progress is over max: its bytes are passed on as raw pieces with no data */
	bool spent;	   /* rest holds what the last call returned */
};

void sse_init(struct sse *s, size_t max);
void sse_free(struct sse *s);
/* Takes the next event from *in, moving *in past what was used: 1 an event, 0 no complete one (the remainder is kept),
 * -PS_ENOMEM. An event over `max` is delivered in raw pieces with has_data false, never lost. What lies whole in *in is
 * not copied, unless it has several data lines. UTF-8 is not checked. */
int sse_next(struct sse *s, struct span *in, struct sse_event *ret) MUST_CHECK;
/* At the end of the stream: an event without its final blank line, if there is one (a browser would not dispatch it).
 * 1 or 0, or -PS_ENOMEM. */
int sse_end(struct sse *s, struct sse_event *ret) MUST_CHECK;

#endif
