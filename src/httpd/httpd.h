/* The door of httpd: a small HTTP/1 server for the control side and the mock. One handler is given each request
 * whole (head and body) and answers it at once or later, whole or in pieces.
 *
 * Everything here is called on the thread of the loop the server was made on. Requests of one connection are handed
 * out one at a time and in order: a pipelined one waits until the one before it has been answered. What is malformed
 * is answered by the server itself with a small JSON error (`{"error":{"message","type","param","code"}}`) and a close.
 *
 * Life of a request: `handler` gets it; it is alive until httpd_respond, httpd_end or httpd_break is called on it, or
 * until its client has gone (on_gone was called). After that the pointer must not be used. */
#ifndef PS_HTTPD_HTTPD_H
#define PS_HTTPD_HTTPD_H

#include "base/base.h"
#include "loop/loop.h"
#include "wire/wire.h"

struct httpd;

/* Bounds and habits of one server. Zero fields take the default named beside them (httpd_options_default). */
struct httpd_options {
	const char *server;	  /* value of `server:`; NULL: the field is left out. Borrowed */
	const char *fields;	  /* further "name: value\r\n" lines of every answer; NULL: none. Borrowed */
	size_t body_max_bytes;	  /* a longer body gets 413: 8 MiB */
	size_t out_max_bytes;	  /* unsent bytes after which httpd_send asks for a pause: 256 KiB */
	unsigned connections_max; /* further ones are closed at once: 1024 */
	uint64_t head_timeout_ns; /* from the first byte of a head to its end: 10 s, then 408 */
	uint64_t body_timeout_ns; /* without any progress of a body: 30 s, then 408 */
	uint64_t idle_timeout_ns; /* between two requests, and before the first: 60 s, then a quiet close */
	uint64_t send_timeout_ns; /* unsent bytes and a client that takes none of them: 60 s, then gone */
};
struct httpd_options httpd_options_default(void);

/* One request and the right to answer it. */
struct httpd_request {
	const struct h1_head *head; /* borrowed; valid as long as the request */
	struct span body;	    /* whole, chunks removed; as long as the request */
	const struct address *peer;
	struct httpd *server;
	/* To be set by the handler when it answers later; both may stay NULL. */
	void *user;
	void (*on_gone)(struct httpd_request *rq);  /* the client left before the answer was complete; the last call */
	void (*on_drain)(struct httpd_request *rq); /* httpd_send said 0 and more may be given now */
};

typedef void httpd_handler(struct httpd_request *rq, void *arg);

/* What stands in front of a body. */
struct httpd_answer {
	int status;
	const char *content_type; /* NULL: left out */
	struct span fields;	  /* further "name: value\r\n" lines, or SPAN_NONE; copied */
};

/* How a connection is ended in the middle. */
enum httpd_end_how {
	HTTPD_FIN, /* what was given so far is sent, then FIN */
	HTTPD_RST, /* at once */
};

/* Listens at `at` (port 0: any; see httpd_address) and answers with `handler`. `options` may be NULL and is copied.
 * NULL: see e. */
struct httpd *httpd_new(struct loop *l, const struct address *at, const struct httpd_options *options,
			httpd_handler *handler, void *arg, struct err *e);
/* Closes the listener and every connection; on_gone is called for requests still open. Not from within a callback of
 * this server. */
void httpd_free(struct httpd *h);
/* The address listened at. */
const struct address *httpd_address(const struct httpd *h);
/* false: the listener is closed, so that connecting is refused; true: it is opened again at the same address. 0 or
 * -PS_E…. For faults on purpose. */
int httpd_listen(struct httpd *h, bool on, struct err *e) MUST_CHECK;
/* Asked about every new connection: false resets it. For faults on purpose; NULL takes it away. */
void httpd_on_connection(struct httpd *h, bool (*wanted)(void *arg), void *arg);

/* Answers whole: head with content-length, body (copied; left out for HEAD, 204 and 304). The request is over. */
void httpd_respond(struct httpd_request *rq, const struct httpd_answer *a, struct span body);
/* The same with a JSON error body made of status, its reason phrase as type, and a message. */
void httpd_respond_error(struct httpd_request *rq, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Begins an answer of unknown length: chunked for HTTP/1.1, until close for 1.0. The head leaves at once. */
void httpd_begin(struct httpd_request *rq, const struct httpd_answer *a);
/* One piece, sent as one chunk as soon as the socket takes it. 1: more may be given; 0: given and kept, but wait for
 * on_drain; -PS_ENOMEM: not taken, and the answer can only be broken off. */
int httpd_send(struct httpd_request *rq, struct span piece) MUST_CHECK;
/* Ends a begun answer. The request is over. */
void httpd_end(struct httpd_request *rq);

/* Bytes exactly as given, without any framing: faults on purpose. As httpd_send. */
int httpd_send_raw(struct httpd_request *rq, struct span bytes) MUST_CHECK;
/* FIN to the client, while its request stays open: a half-closed connection. For faults on purpose. */
void httpd_half_close(struct httpd_request *rq);
/* Ends the connection in the middle. The request is over; on_gone is not called. */
void httpd_break(struct httpd_request *rq, enum httpd_end_how how);

/* ---- helpers for handlers ---- */

/* True when the request's path is exactly that. */
bool httpd_path_is(const struct httpd_request *rq, const char *path);

#endif
