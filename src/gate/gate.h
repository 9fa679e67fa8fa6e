/* The door of gate: the seam between drivers (proxy, extproc, sim) and the core (design §4).
 *
 * A driver submits what is asked, is told a replica now or later, and reports what happened. Nothing else goes in. */
#ifndef PS_GATE_GATE_H
#define PS_GATE_GATE_H

#include "gate/snapshot.h"
#include "sched/sched.h"

enum gate_verdict {
	GATE_DECIDED, /* *ret names a replica, which is charged already */
	GATE_HELD,    /* no replica is open: gate_advance's sink will hear of it */
	GATE_REFUSED, /* *ret says why and when to come again; there is no ticket */
	GATE_GONE,    /* gate_collect only: the owner had given it up */
};

/* One request under way: HELD → DECIDED | REFUSED | GONE, only under the pool's lock. Memory: the gate's. */
struct ticket;

/* Queue and scheduler over one pool. Thread-safe. */
struct gate;

/* `profile` as in sched_new. */
struct gate *gate_new(struct pool *p, const struct sched_weight *profile, uint64_t seed, struct err *e);
/* Nothing may be held or in flight. */
void gate_free(struct gate *g);
struct pool *gate_pool(struct gate *g);

/* Asks for a replica of gate_pool(g), which f->pool names. `f` is borrowed until the ticket is no longer held; `owner`
 * comes back through the sink. *ret_ticket is NULL when refused. Returns a gate_verdict, or -PS_ENOMEM. */
int gate_submit(struct gate *g, const struct facts *f, void *owner, uint64_t now, struct decision *ret,
		struct ticket **ret_ticket) MUST_CHECK;

/* Where decisions on held tickets go. Called with the pool's lock held, on whichever thread advanced: post to the
 * owner's mailbox and return. Each held ticket gets at most one call between its submission and its gate_collect. */
struct gate_sink {
	void (*decided)(void *arg, void *owner, struct ticket *t);
	void (*flush)(void *arg); /* after a batch, still under the lock; may be NULL */
	void *arg;
};

/* Runs what an event or the clock made possible: held tickets are decided in order, or refused when their time is over;
 * each goes to `sink`. Drivers call it after gate_on_* events that free a replica, probe and control after theirs, the
 * pool's home worker every 50 ms. Costs one atomic load while nothing is held. Returns how many were decided or
 * refused. */
unsigned gate_advance(struct gate *g, uint64_t now, const struct gate_sink *sink);

/* On the owner's thread, after the sink was called: GATE_DECIDED, GATE_REFUSED or GATE_GONE (with the last two the
 * ticket is gone). A decision over 100 ms old was given back: another is made on the spot when it can be, else
 * GATE_HELD once more (the facts must still be there). */
int gate_collect(struct ticket *t, struct decision *ret, uint64_t now);

/* What happened to a decided ticket. Each takes the pool's lock for a moment. */
void gate_on_dispatched(struct ticket *t, uint64_t now);
void gate_on_first_token(struct ticket *t, uint64_t now);
/* Gathered by the driver: every 20 ms at most, lock-free. */
void gate_on_tokens(struct ticket *t, uint32_t tokens, uint64_t now);
/* The answer is complete; the ticket is gone. Counts as the engine gave them, UINT32_MAX where it did not say. */
void gate_on_done(struct ticket *t, uint32_t prompt_tokens, uint32_t cached_tokens, uint64_t now);
/* The replica failed; the ticket is gone. `code` PS_E…: PS_EQUEUEFULL and PS_ENOREPLICA stand for its own 429 and 503,
 * which do not count against its health. */
void gate_on_failed(struct ticket *t, int code, uint64_t now);
/* The client left or the decision was not used, in any phase. False: the ticket is gone. True: the sink was called
 * already and the owner's mail is under way; gate_collect will say GATE_GONE and end it. */
bool gate_on_gone(struct ticket *t, uint64_t now) MUST_CHECK;

/* May an exchange whose attempt failed with `code` be tried again? Connects that failed and replicas that died are
 * free; after 429, 503 and resets the budget decides: 20 % of the requests of the last 10 s, at least 10. Counts it
 * when yes. */
bool gate_may_retry(struct gate *g, int code, uint64_t now);

struct gate_stats {
	uint32_t held;
	uint64_t held_bytes;
	uint64_t picks;	     /* decisions, given-back ones included */
	uint64_t held_total; /* requests that were ever held */
	uint64_t given_back; /* decisions their owner did not collect in time */
	uint64_t retries;    /* allowed by gate_may_retry */
	uint64_t retries_refused;
	uint64_t refused; /* at submission or while held */
	uint64_t tokens;  /* as told by gate_on_tokens */
};
void gate_stats(struct gate *g, struct gate_stats *ret);

#endif
