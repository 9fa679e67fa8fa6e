/* What the files of httpd share. Not for other rooms. */
#ifndef PS_HTTPD_CONN_H
#define PS_HTTPD_CONN_H

#include "httpd/httpd.h"

struct httpd {
	struct loop *loop;
	struct listener *listener; /* NULL while it does not listen */
	struct address address;
	struct httpd_options options;
	struct h1_limits limits;
	httpd_handler *handler;
	void *arg;
	bool (*wanted)(void *arg);
	void *wanted_arg;
	struct list conns;
	unsigned conn_count;
};

/*             bytes          head ok           body ok            answered       nothing unsent
 *   (accept) -------> HEAD ---------> BODY ------------> HANDLING --------> FLUSH ---+---> HEAD (keep-alive)
 *                      ^  \______________________________/                            +---> LINGER -> closed
 *                      |     (no body)
 *   errors found by httpd itself go from HEAD or BODY straight to FLUSH and LINGER. */
enum conn_state { CONN_HEAD, CONN_BODY, CONN_HANDLING, CONN_FLUSH, CONN_LINGER };

/* One connection. Owner: its server, until `dead`; then whichever call stands lowest on the stack frees it. */
struct conn {
	struct list node;
	struct httpd *server;
	struct io *io;
	struct timer timer; /* one limit at a time, by state */
	struct address peer;
	enum conn_state state;
	unsigned entered; /* calls of ours on the stack that will still touch it */
	bool dead;
	bool parsing;	/* conn_parse is on the stack and will go on with the next request itself */
	bool keep;	/* another request may follow */
	bool head_only; /* the answer to HEAD: no body bytes */
	bool chunked;	/* an answer of unknown length is sent in chunks */
	bool thirsty;	/* httpd_send said 0 and on_drain is owed */
	bool mute;	/* FIN was sent, or is to be sent after the flush: nothing may be added */
	bool broken;	/* a write failed */
	size_t seen;	/* bytes of `in` already looked at in vain */
	uint64_t body_left;
	struct h1_chunked decoder;
	struct buf in; /* not yet parsed */
	struct buf head_bytes;
	struct buf body;
	struct buf out; /* not yet taken by the socket */
	struct h1_head head;
	struct httpd_request rq;
};

/* ---- conn.c: bytes in ---- */

/* Takes over an accepted socket. */
void conn_open(struct httpd *h, int fd, const struct address *peer);
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
/* Ends it, telling nobody. */
void conn_close(struct conn *c, bool abort);
/* The same, after on_gone if a request is open. */
void conn_lose(struct conn *c);
/* The answer is complete: flush, then the next request or the end. */
void conn_answered(struct conn *c);
void conn_set_limit(struct conn *c, uint64_t ns);

/* ---- answer.c: bytes out ---- */

/* Writes what it can; false when the connection was lost by it. */
bool conn_flush(struct conn *c);
void conn_refuse(struct conn *c, int code, const char *why);

#endif
