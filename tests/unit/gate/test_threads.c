/* Held on one worker, opened by events on others: one thread submits and collects everything, three others end requests
 * and advance the gate. Real threads and a plain mailbox in the place of loop's; to be run under TSan as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include <cmocka.h>

#include "desk.h"

enum {
	WORKERS = 3,
	REQUESTS = 20000,
	OUTSTANDING = 256, /* at a time */
	REPLICAS = 4,
	BOUND = 3,
	CHAIN = 32,
};

struct request {
	struct facts facts;
	struct decision decision;
	struct ticket *ticket;
	uint64_t chain[CHAIN];
	bool waits; /* for mail */
	bool left;  /* gave up while its mail was under way */
	struct request *next;
};

/* A list of requests that changes hands. `lock` guards it; nothing else is locked while it is held. */
struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct request *first, **last;
	bool closed;
};

static void mailbox_init(struct mailbox *m)
{
	*m = (struct mailbox){ .last = NULL };
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_cond_init(&m->filled, NULL);
	m->last = &m->first;
}

static void mailbox_post(struct mailbox *m, struct request *q)
{
	(void)pthread_mutex_lock(&m->lock);
	q->next = NULL;
	*m->last = q;
	m->last = &q->next;
	(void)pthread_cond_signal(&m->filled);
	(void)pthread_mutex_unlock(&m->lock);
}

/* NULL when there is none, or, with `wait`, when the box was closed. */
static struct request *mailbox_take(struct mailbox *m, bool wait)
{
	(void)pthread_mutex_lock(&m->lock);
	while (wait && !m->first && !m->closed)
		(void)pthread_cond_wait(&m->filled, &m->lock);
	struct request *q = m->first;
	if (q && !(m->first = q->next))
		m->last = &m->first;
	(void)pthread_mutex_unlock(&m->lock);
	return q;
}

static void mailbox_close(struct mailbox *m)
{
	(void)pthread_mutex_lock(&m->lock);
	m->closed = true;
	(void)pthread_cond_broadcast(&m->filled);
	(void)pthread_mutex_unlock(&m->lock);
}

static struct desk desk;
static struct mailbox decided;	/* to the workers: dispatched requests */
static struct mailbox finished; /* to the owner: requests that ended, to be used again */
static struct mailbox mail;	/* to the owner: what the sink was told */
static struct mailbox kept;	/* decided while the owner still submits: no event comes until it has held many */
static bool submitting;

static void on_decided(void *arg, void *owner, struct ticket *t)
{
	(void)arg;
	(void)t;
	mailbox_post(&mail, owner);
}

static const struct gate_sink sink = { on_decided, NULL, NULL };

/* ---- the three workers: everything that happens to a decided request ---- */

static void end_request(struct request *q, struct rng *r)
{
	uint64_t now = clock_now_ns();
	gate_on_dispatched(q->ticket, now);
	switch (rng_below(r, 8)) {
	case 0:
		gate_on_failed(q->ticket, PS_ERESET, now);
		break;
	case 1:
		assert_false(gate_on_gone(q->ticket, now));
		break;
	default:
		gate_on_first_token(q->ticket, now);
		gate_on_tokens(q->ticket, 3, now);
		gate_on_done(q->ticket, 10, 0, now);
	}
	(void)gate_advance(desk.gate, now, &sink);
}

static void say_something(struct rng *r)
{
	struct signals s = {
		(double)rng_below(r, 4), (double)rng_below(r, 9), rng_unit(r), 1000, 16, 2, SPAN("a,b"), SPAN("c")
	};
	uint64_t id = desk.id[rng_below(r, REPLICAS)], now = clock_now_ns();
	pool_on_scrape(desk.pool, id, ENGINE_VLLM, &s, now);
	pool_on_health(desk.pool, id, rng_below(r, 3) != 0, now);
	(void)gate_advance(desk.gate, now, &sink);
}

static void *work(void *arg)
{
	struct rng r;
	struct request *q;
	rng_seed(&r, *(uint64_t *)arg);
	while ((q = mailbox_take(&decided, true))) {
		end_request(q, &r);
		mailbox_post(&finished, q);
		if (rng_below(&r, 16) == 0)
			say_something(&r);
	}
	return NULL;
}

/* ---- the owner ---- */

struct tally {
	uint32_t submitted, ended, held, refused;
	uint32_t outstanding;
};

static void settle(struct request *q, int verdict, struct tally *t)
{
	q->waits = verdict == GATE_HELD;
	t->held += q->waits;
	if (verdict == GATE_DECIDED) {
		mailbox_post(submitting ? &kept : &decided, q);
	} else if (!q->waits) {
		t->refused += verdict == GATE_REFUSED;
		t->ended++;
		t->outstanding--;
	}
}

static void submit(struct request *q, struct rng *r, struct tally *t)
{
	uint64_t h = rng_below(r, 5);
	*q = (struct request){ .facts = {
				       .pool = desk.pool, .chain = q->chain, .chain_len = CHAIN, .model = SPAN("m") } };
	for (int i = 0; i < CHAIN; i++)
		q->chain[i] = h = hash_mix(h, i < 20 ? 1 : rng_below(r, 3));
	q->facts.prompt_tokens = 100;
	q->facts.text_bytes = 400;
	q->facts.arrived_ns = clock_now_ns();
	t->submitted++;
	t->outstanding++;
	settle(q, gate_submit(desk.gate, &q->facts, q, q->facts.arrived_ns, &q->decision, &q->ticket), t);
}

/* Some clients do not wait. */
static void leave(struct request *q, struct tally *t)
{
	if (gate_on_gone(q->ticket, clock_now_ns())) {
		q->left = true;
		return;
	}
	q->waits = false;
	t->ended++;
	t->outstanding--;
}

static void read_mail(struct tally *t)
{
	for (struct request *q; (q = mailbox_take(&mail, false));) {
		int verdict = gate_collect(q->ticket, &q->decision, clock_now_ns());
		assert_int_equal(q->left, verdict == GATE_GONE);
		settle(q, verdict, t);
	}
	for (struct request *q; (q = mailbox_take(&finished, false));) {
		t->ended++;
		t->outstanding--;
	}
}

/* In rounds: as many as may be outstanding are submitted, far more than the replicas take, so that most are held; then
 * the workers get what was decided, and their events open the rest. */
static void own(struct rng *r, struct tally *t)
{
	static struct request requests[REQUESTS];
	while (t->ended < REQUESTS) {
		submitting = true;
		while (t->submitted < REQUESTS && t->outstanding < OUTSTANDING) {
			submit(&requests[t->submitted], r, t);
			struct request *q = &requests[rng_below(r, t->submitted)];
			if (q->waits && !q->left && rng_below(r, 16) == 0)
				leave(q, t);
		}
		submitting = false;
		for (struct request *q; (q = mailbox_take(&kept, false));)
			mailbox_post(&decided, q);
		while (t->outstanding > 0) {
			(void)gate_advance(desk.gate, clock_now_ns(), &sink); /* the home worker's tick */
			read_mail(t);
		}
	}
}

static void requests_held_by_one_worker_are_opened_by_events_on_three_others(void **state)
{
	(void)state;
	struct tally t = { 0 };
	struct rng r;
	pthread_t workers[WORKERS];
	uint64_t seeds[WORKERS], seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	desk_open(&desk, REPLICAS, BOUND);
	mailbox_init(&decided);
	mailbox_init(&finished);
	mailbox_init(&mail);
	mailbox_init(&kept);
	for (int i = 0; i < WORKERS; i++) {
		seeds[i] = rng_next(&r);
		assert_int_equal(pthread_create(&workers[i], NULL, work, &seeds[i]), 0);
	}
	own(&r, &t);
	mailbox_close(&decided);
	for (int i = 0; i < WORKERS; i++)
		(void)pthread_join(workers[i], NULL);
	struct gate_stats s;
	gate_stats(desk.gate, &s);
	assert_int_equal(t.outstanding, 0);
	assert_true(t.held > REQUESTS / 10); /* else nothing was tried */
	assert_int_equal(s.held, 0);
	for (uint32_t i = 0; i < REPLICAS; i++)
		assert_int_equal(desk_in_flight(&desk, i), 0);
	print_message("%u held, %llu given back\n", t.held, (unsigned long long)s.given_back);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_held_by_one_worker_are_opened_by_events_on_three_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
