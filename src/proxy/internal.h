/* What the files of proxy share: a worker, a client connection, an exchange. Not for other rooms.
 *
 *     client ──has at most one──▶ exchange ──has at most one──▶ upstream_call (its leg under way)
 *
 * An exchange goes through the states of steps[] (exchange.c). Until its commit point it keeps what a repetition needs:
 * head, body, facts (all in `arena` and `body`); at the commit point it shrinks to its record. Everything here lives on
 * one worker's thread. */
#ifndef PS_PROXY_INTERNAL_H
#define PS_PROXY_INTERNAL_H

#include <netinet/in.h>

#include "guard/guard.h"
#include "openai/openai.h"
#include "proxy/proxy.h"
#include "telemetry/telemetry.h"
#include "upstream/upstream.h"

/* Not under AddressSanitizer: it is to see who touches an exchange after its end. */
#ifdef __has_feature
#define KEEP_SPARES !__has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define KEEP_SPARES 0
#else
#define KEEP_SPARES 1
#endif

enum {
	REQUEST_ID_MAX = 128, /* bytes of an x-request-id that is taken over */
	EXCHANGE_ARENA_MAX = 1 << 20,
	CLIENT_IN_MAX = 128 * 1024, /* unparsed bytes: a head being read, or requests sent ahead */
	CLIENT_OUT_MAX = 3 << 20,   /* answer bytes the socket did not take: the longest event that is edited, a read
				       behind it, framing */
	STREAM_WINDOW_BYTES = 256 * 1024, /* of a body that is not held whole */
	SPARE_EXCHANGES_MAX = KEEP_SPARES ? 64 : 0,
	UNCOMMITTED_MAX = 64 * 1024 /* answer bytes kept back while waiting for the first content */
};

/* A snapshot and how many of this worker's exchanges use it. */
struct snapshot_use {
	struct list node;
	struct snapshot *snapshot;
	unsigned users;
};

struct proxy_listener {
	struct list node;
	struct proxy *proxy;
	struct listener *listener;
	uint32_t number; /* in the newest snapshot; UINT32_MAX: gone from it */
	struct tm_series *accepted, *open;
	unsigned connections;
};

struct proxy {
	struct loop *loop;
	struct upstream *upstream;
	struct snapshot_use *use; /* the newest */
	struct list uses;	  /* all that are still used */
	struct list listeners, clients, dead_clients, dead_exchanges;
	struct list spare_exchanges; /* at most SPARE_EXCHANGES_MAX, for the next requests */
	unsigned spare_count;
	struct timer tick; /* home worker: the pools' clock */
	struct timer drain_timer;
	unsigned ticks;
	bool home, draining;
	void (*drained)(void *arg);
	void *drained_arg;
	unsigned exchange_count, connection_count;
	struct buf compose; /* heads for clients; empty between uses */
	struct buf edited;  /* output of relay filters; empty between uses */
	char date[32];	    /* of answers made here */
	uint64_t date_second;
	struct series_cache *series;
	unsigned told_exchanges;
	struct upstream_stats told;	     /* what the metrics know of the upstream's */
	uint64_t received_bytes, sent_bytes; /* from and to clients, not yet told */
};

/* ---- bodies (body.c) ---- */

struct chunk {
	struct chunk *next;
	uint32_t len, cap;
	char data[];
};

/* A replacement in a body: `len` bytes at `at` become `text`. */
struct splice {
	size_t at, len;
	struct span text;
};

enum { SPLICES_MAX = 2 + OPENAI_NEVER_MAX };

/* A request body as it arrived. Chunks before `freed` have been let go. Positions are counted in the body as received
 * (`at`) or as sent, after splices. */
struct body {
	struct chunk *first, *last;
	uint64_t received, freed;
	uint64_t taken; /* bytes of the output handed to the leg under way */
	struct splice splice[SPLICES_MAX];
	unsigned splice_count;
	bool complete;
};

/* Room to receive into: at least one byte, `hint` bytes are expected. NULL: no memory (-PS_EBODYMEMORY). */
char *body_room(struct body *b, uint64_t hint, size_t *ret_room);
void body_received(struct body *b, size_t n);
int body_add(struct body *b, struct span s, uint64_t hint) MUST_CHECK;
/* Bytes held now. */
uint64_t body_held(const struct body *b);
/* Length after splices; needs a complete body. */
uint64_t body_output_length(const struct body *b, uint64_t received);
/* Pieces of the output from `taken` on. Sets *last when they reach the end of a complete body. */
int body_pieces(const struct body *b, struct iovec *iov, int max, bool *last);
void body_took(struct body *b, size_t n);
/* Lets go of chunks that were taken: the body cannot be sent again. */
void body_free_taken(struct body *b);
void body_free(struct body *b);
/* Process-wide: the bound, and whether it is reached. */
void body_memory_limit(uint64_t bytes);
bool body_memory_short(void);
uint64_t body_memory_used(void);

/* ---- exchanges ---- */

enum exchange_state {
	ST_HEAD,   /* route and guard by head */
	ST_BODY,   /* the body arrives, facts are taken */
	ST_ADMIT,  /* route by model, submit */
	ST_HELD,   /* waiting for a replica */
	ST_SEND,   /* open a leg */
	ST_WAIT,   /* the leg is under way, nothing was given to the client */
	ST_RELAY,  /* behind the commit point */
	ST_TUNNEL, /* bytes both ways after an upgrade: no route asks for it yet, so requests for it are refused */
	ST_SETTLE, /* the answer is complete, or never will be */
	ST_COUNT
};

/* What is written into metrics and the access log at the end. */
struct record {
	uint64_t arrived, decided, sent, first_token, last_token;
	uint64_t bytes_in, bytes_out;
	uint32_t tokens; /* content events seen */
	uint32_t blocks; /* of its prefix chain */
	uint16_t status;
	int code; /* PS_E… of what went wrong, 0 */
	uint8_t tries;
	bool stream, held;
	char *model, *target_model; /* heap copies, the second NULL when the same */
	char *path;		    /* of the request, cut */
	char replica[REPLICA_NAME_MAX];
	struct openai_usage usage;
};

/* What a repetition needs, let go at the commit point (once the request has been sent, should the answer come first).
 */
struct pending {
	struct arena arena;
	struct h1_chunked chunked;
	struct body body;
	struct model_route route;
	uint64_t excluded[SCHED_EXCLUDED_MAX];
	struct buf kept; /* the answer's head and first bytes, not yet given */
};

struct exchange {
	struct proxy *proxy;
	struct client *client; /* NULL: the client left and only a mail is awaited */
	struct snapshot_use *use;
	enum exchange_state state;
	enum openai_api api;
	uint32_t pool;	   /* number in the snapshot; UINT32_MAX before it is chosen */
	uint32_t listener; /* likewise */
	/* from the request */
	enum h1_method method;
	uint8_t minor;
	bool keep_alive, client_chunked, expects;
	bool streaming_body; /* not held whole: cannot be repeated once bytes were let go */
	bool body_stopped;   /* reading the body rests for back-pressure */
	bool counted;	     /* among the running requests of its model */
	uint64_t body_left;  /* Content-Length bytes still to come */
	char request_id[REQUEST_ID_MAX + 1];
	struct trace trace;
	bool body_complete; /* the whole request has been received */
	bool stale_met;	    /* a kept connection was found dead: one free repetition, on a new one */
	bool repeat;	    /* this attempt follows one that the retry budget counts */
	bool injected;	    /* we asked for usage, the client did not */
	const struct route_rule *rule;
	/* until the commit point; then NULL */
	struct pending *pending;
	struct h1_head *head; /* only the fields that are there */
	struct openai_scan *scan;
	struct facts *facts;
	/* the leg */
	struct ticket *ticket;
	struct decision decision;
	struct upstream_call *call;
	struct openai_answer *answer;
	uint32_t tokens_unreported;
	uint64_t tokens_reported_at;
	bool answer_finished; /* the API's own end was seen */
	bool answer_chunked, answer_stream, answer_close, answer_begun, commit_on_content, edits;
	uint64_t progress; /* when the replica last said something */
	struct timer timer;
	struct mail mail; /* of a decision made on another thread */
	struct list node; /* of proxy.dead_exchanges */
	struct record record;
};

/* A client connection. */
struct client {
	struct list node;
	struct proxy *proxy;
	struct proxy_listener *listener;
	struct io *io;
	struct exchange *x;
	struct timer timer; /* head, idle, lingering */
	struct buf in, out;
	size_t in_seen; /* bytes of `in` the head parser knows */
	uint32_t requests;
	bool ended;	 /* its FIN was seen and is tolerated */
	bool parsing;	 /* a head is being turned into an exchange further up the stack */
	bool head_begun; /* the time for the head in progress is running */
	bool expect_proxy_header, closing, lingering, dead, writing;
	uint64_t stalled_since; /* 0: the socket takes all */
	uint32_t linger_bytes;
	char host[INET6_ADDRSTRLEN]; /* the peer's address as text: every log line and forwarded head has it */
	struct sockaddr_in6 peer;    /* or sockaddr_in in its place: smaller than a sockaddr_storage per stream */
};

/* client.c */
void client_accept(struct proxy_listener *pl, int fd, const struct address *peer);
const struct listener_policy *client_policy(const struct client *c);
void client_address(const struct client *c, struct address *ret);
struct span client_host(const struct client *c);
/* Gives bytes to the client: written now as far as the socket takes them, the rest is kept. False: the client is
 * broken. */
bool client_write(struct client *c, const struct iovec *iov, int n);
bool client_blocked(const struct client *c);
/* The exchange is over: the next request, or the end. `linger`: the request was not read to its end. */
void client_next(struct client *c, bool keep, bool linger);
/* Closes at once; an exchange under way is aborted. */
void client_close(struct client *c, bool abort);
/* A connection without a request is closed unless one comes within this time. */
void client_hurry(struct client *c, uint64_t within_ns);
/* True when the connection ends after the answer that is begun now, which should then say so. */
bool client_ends(const struct client *c);
/* Stops and goes on reading request bytes. */
void client_read(struct client *c, bool on);

/* exchange.c */
void exchange_begin(struct client *c, const struct h1_head *h, const char *head, size_t head_bytes);
/* Body bytes of the request arrived at p (may be changed in place). Returns how many belong to it; -1: refused, the
 * exchange is over. */
ptrdiff_t exchange_body(struct exchange *x, char *p, size_t n);
/* Bytes of this request's body that may be held. */
uint64_t exchange_hold_bytes(const struct exchange *x);
bool exchange_wants_body(const struct exchange *x);
/* Where body bytes can be received straight into, or NULL to use the scratch. */
char *exchange_body_room(struct exchange *x, size_t *ret_room);
bool exchange_body_arrived(struct exchange *x, size_t n);
/* The client is gone. */
void exchange_abort(struct exchange *x, int code);
/* The client's socket has room again. */
void exchange_drained(struct exchange *x);
/* Runs steps until one waits. */
void exchange_run(struct exchange *x);
void exchange_go(struct exchange *x, enum exchange_state st);
/* The pool, NULL before it is chosen (ADMIT). */
const struct snapshot_pool *exchange_pool(const struct exchange *x);
/* The same where it is chosen. */
static inline const struct snapshot_pool *exchange_chosen(const struct exchange *x)
{
	return &x->use->snapshot->pools[x->pool];
}
void exchange_decided_mail(struct mail *m);
/* What ended in this turn is kept for the next requests, or freed. */
void exchange_free_dead(struct proxy *p);
void exchange_free_spare(struct proxy *p);
/* The name of the state it is in: head, body, held, prefill, decode … */
const char *exchange_phase(const struct exchange *x);
/* Sets the timer for what the state in force waits for (deadline.c). */
void exchange_deadline(struct exchange *x);
void exchange_on_timer(struct timer *t, uint64_t now);

/* leg.c */
int leg_open(struct exchange *x) MUST_CHECK;
/* Closes or drains the leg under way without a word to the gate. */
void leg_drop(struct exchange *x);
/* The replica did not begin to answer: another one, or an error. */
void leg_timed_out(struct exchange *x, const struct err *e);
/* True when the attempt may be repeated elsewhere; it then has been set going. `code` PS_E…. */
bool leg_retry(struct exchange *x, int code, bool reused) MUST_CHECK;

/* relay.c */
void relay_head(struct exchange *x, const struct h1_head *h);
void relay_body(struct exchange *x, char *p, size_t n);
void relay_flush(struct exchange *x);
void relay_end(struct exchange *x, struct span trailers);
/* The answer broke off behind the commit point: make it visible. */
void relay_cut(struct exchange *x, int code, const struct err *e);

/* head.c */
/* Fields for a replica. Returns their number. */
uint32_t head_for_replica(struct exchange *x, struct upstream_field *out, uint32_t max, struct buf *text);
/* The head of a relayed answer, into proxy->compose. */
int head_for_client(struct exchange *x, const struct h1_head *h) MUST_CHECK;
void head_request_id(struct exchange *x, const struct h1_head *h);

/* respond.c */
/* Answers with an error object and ends the exchange (before the commit point only). */
void respond_error(struct exchange *x, int code, uint64_t retry_after_ns, const struct err *e);
/* For bytes that never became a request. */
void respond_bad_request(struct client *c, int code, const struct err *e);
void respond_body(struct exchange *x, int status, struct span type, struct span body);
const char *respond_date(struct proxy *p);

/* models.c */
/* Answers GET /v1/models from what the pools know. False: nothing is known, ask a replica. */
bool models_respond(struct exchange *x);

/* settle.c */
void settle(struct exchange *x);
/* An attempt at a replica ended: 0 or PS_E…. */
void settle_attempt(struct proxy *p, int code);
/* Adds to the metrics what was gathered since the last time; at the tick. */
void settle_counts(struct proxy *p);
/* The model is known: counted as running until settle. */
void settle_admitted(struct exchange *x);
void settle_decision(struct exchange *x, bool success);
/* A decision took this long. */
void settle_pick(struct proxy *p, uint64_t ns);
struct series_cache *series_new(void);
void settle_abort_phase(const struct exchange *x);
void settle_bad_request(const struct client *c, int code, int status);
/* Writes the metrics' cached series handles. */
void series_free(struct series_cache *s);

#endif
