/* A million random steps of decide, hold, collect, abort, fail, remove, add, scrape and time; after each of them what
 * the pool counts in flight must equal the truth, kept here by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate/gate.h"

enum {
	STEPS = 1000000,
	REQUESTS = 64, /* alive at a time */
	ADDRESSES = 8,
	MAIL_MAX = REQUESTS * 2,
	QUEUE = 24,
};

enum phase { IDLE, HELD, MAILED, LEFT, DECIDED };

struct request {
	struct facts facts;
	struct decision decision;
	struct ticket *ticket;
	uint64_t chain[8];
	enum phase phase;
	uint32_t tokens; /* charged; of a decision in our hands */
	bool answered;
};

struct world {
	struct pool *pool;
	struct gate *gate;
	struct rng rng;
	uint64_t now;
	struct request requests[REQUESTS];
	struct request *mail[MAIL_MAX];
	uint32_t mails;
	uint32_t charged_mails; /* decided through the sink, not collected, not given back */
	uint64_t given_back;	/* as of the last look at the gate's statistics */
	uint64_t id[ADDRESSES]; /* 0: not in the pool now */
	uint64_t every_id[1024];
	uint32_t ids;
	uint64_t decided, held, refused, repeated;
};

static struct world w;

static uint64_t below(uint64_t n)
{
	return rng_below(&w.rng, n);
}

/* ---- the truth ---- */

static void count_given_back(void)
{
	struct gate_stats s;
	gate_stats(w.gate, &s);
	w.charged_mails -= (uint32_t)(s.given_back - w.given_back);
	w.given_back = s.given_back;
}

/* Every replica holds at least what we know it holds, and all together exactly that and what is in the mail. */
static void check(void)
{
	uint32_t n, total = 0, known = 0;
	pool_lock(w.pool);
	const struct replica *r = pool_replicas_locked(w.pool, &n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t count = 0;
		uint64_t tokens = 0;
		if (!r[i].live)
			continue;
		for (const struct request *q = w.requests; q < w.requests + REQUESTS; q++) {
			if (q->phase == DECIDED && q->decision.replica == r[i].id) {
				count++;
				tokens += q->tokens;
			}
		}
		assert_true(r[i].in_flight >= count);
		assert_true(w.charged_mails || (r[i].in_flight == count && r[i].in_flight_tokens == tokens));
		total += r[i].in_flight;
		known += count;
	}
	pool_unlock(w.pool);
	for (const struct request *q = w.requests; q < w.requests + REQUESTS; q++)
		known -= q->phase == DECIDED;
	assert_int_equal(known, 0); /* nobody in flight on a replica that is gone */
	for (const struct request *q = w.requests; q < w.requests + REQUESTS; q++)
		total -= q->phase == DECIDED;
	assert_int_equal(total, w.charged_mails);
}

/* ---- the steps ---- */

static void on_mail(void *arg, void *owner, struct ticket *t)
{
	(void)arg;
	struct request *q = owner;
	assert_ptr_equal(q->ticket, t);
	assert_int_equal(q->phase, HELD);
	assert_true(w.mails < MAIL_MAX);
	q->phase = MAILED;
	w.mail[w.mails++] = q;
}

static const struct gate_sink sink = { on_mail, NULL, NULL };

static uint64_t picks(void)
{
	struct gate_stats s;
	gate_stats(w.gate, &s);
	return s.picks;
}

static void advance(void)
{
	uint64_t before = picks();
	(void)gate_advance(w.gate, w.now, &sink);
	w.charged_mails += (uint32_t)(picks() - before);
	count_given_back();
}

static void take_verdict(struct request *q, int verdict)
{
	switch (verdict) {
	case GATE_DECIDED:
		q->phase = DECIDED;
		q->tokens = q->decision.charge.tokens;
		q->answered = false;
		w.decided++;
		break;
	case GATE_HELD:
		q->phase = HELD;
		w.held++;
		break;
	default:
		assert_true(verdict == GATE_GONE || q->decision.refused > 0);
		w.refused += verdict == GATE_REFUSED;
		q->phase = IDLE;
	}
}

static void submit(struct request *q)
{
	uint64_t h = below(3), excluded = q->facts.excluded[0];
	bool repeat = q->facts.repeat;
	q->facts = (struct facts){ .pool = w.pool, .chain = q->chain, .chain_len = 1 + (uint32_t)below(8) };
	q->facts.repeat = repeat;
	q->facts.excluded[0] = excluded;
	for (uint32_t i = 0; i < 8; i++)
		q->chain[i] = h = hash_mix(h, i + below(2));
	q->facts.prompt_tokens = (uint32_t)below(1000);
	q->facts.text_bytes = 4 * q->facts.prompt_tokens;
	q->facts.model = below(4) ? SPAN("base") : SPAN("tuned");
	q->facts.adapter = q->facts.model.n == 5 ? q->facts.model : SPAN_NONE;
	q->facts.arrived_ns = w.now - below(NS_PER_S);
	take_verdict(q, gate_submit(w.gate, &q->facts, q, w.now, &q->decision, &q->ticket));
	q->facts.repeat = false;
	q->facts.excluded[0] = 0;
}

static void collect(void)
{
	if (w.mails == 0)
		return;
	uint32_t i = (uint32_t)below(w.mails);
	struct request *q = w.mail[i];
	w.mail[i] = w.mail[--w.mails];
	bool left = q->phase == LEFT;
	uint64_t before = picks();
	int verdict = gate_collect(q->ticket, &q->decision, w.now);
	count_given_back();
	assert_int_equal(left, verdict == GATE_GONE);
	if (verdict == GATE_DECIDED && picks() == before)
		w.charged_mails--; /* ours now; one made anew had been given back before, and was taken off then */
	take_verdict(q, verdict);
}

static void leave(struct request *q)
{
	uint32_t before = 0, after = 0, n;
	const struct replica *r = pool_replicas_locked(w.pool, &n);
	for (uint32_t i = 0; i < n; i++)
		before += r[i].live ? r[i].in_flight : 0;
	bool mailed = gate_on_gone(q->ticket, w.now);
	for (uint32_t i = 0; i < n; i++)
		after += r[i].live ? r[i].in_flight : 0;
	assert_int_equal(mailed, q->phase == MAILED || q->phase == LEFT);
	if (mailed) /* a decision under way gives its charge back; a refusal, or one given back before, had none */
		w.charged_mails -= before - after;
	q->phase = mailed ? LEFT : IDLE;
}

static void finish(struct request *q)
{
	static const int codes[] = { PS_ERESET, PS_ECONNECT, PS_EQUEUEFULL, PS_EFIRSTBYTE, PS_ETOTAL };
	uint64_t dice = below(10);
	if (dice < 3 && !q->answered) {
		gate_on_dispatched(q->ticket, w.now);
		gate_on_first_token(q->ticket, w.now);
		q->answered = true;
		return;
	}
	q->phase = IDLE;
	if (dice < 7) {
		gate_on_done(q->ticket, (uint32_t)below(1000), 0, w.now);
		return;
	}
	int code = codes[below(sizeof codes / sizeof codes[0])];
	uint64_t failed = q->decision.replica;
	gate_on_failed(q->ticket, code, w.now);
	if (gate_may_retry(w.gate, code, w.now)) {
		q->facts.excluded[0] = failed;
		q->facts.repeat = true;
		w.repeated++;
		submit(q);
	}
}

static void move_request(void)
{
	struct request *q = &w.requests[below(REQUESTS)];
	switch (q->phase) {
	case IDLE:
		submit(q);
		break;
	case HELD:
	case MAILED:
		if (below(4) == 0)
			leave(q);
		break;
	case DECIDED:
		if (below(8) == 0)
			leave(q);
		else
			finish(q);
		break;
	case LEFT:
		break;
	}
}

static void add_or_remove(void)
{
	uint32_t i = (uint32_t)below(ADDRESSES);
	struct address a;
	char text[32];
	(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
	assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
	if (w.id[i]) {
		assert_int_equal(pool_removed(w.pool, w.id[i], w.now), 0);
		w.id[i] = 0;
		return;
	}
	int r = pool_added(w.pool, span_str(text), &a, (uint32_t)below(4), w.now, &w.id[i]);
	assert_true(r == 0 || r == -PS_EEXIST);
	for (uint32_t k = 0; r == 0 && k < w.ids; k++)
		assert_true(w.every_id[k] != w.id[i]);
	if (r == 0 && w.ids < 1024)
		w.every_id[w.ids++] = w.id[i];
}

static void say(void)
{
	char base[] = "base", tuned[] = "tuned", none[] = "";
	struct replica_model list[] = { { base, none, 0, 0 }, { tuned, base, 0, 0 } };
	static const double lies[] = { NAN, INFINITY, -1, 1e308, 0, 3, 0.5, 1.01 };
	double v[6];
	uint64_t id = w.id[below(ADDRESSES)];
	for (int i = 0; i < 6; i++)
		v[i] = lies[below(8)];
	struct signals s = { v[0], v[1], v[2], v[3], v[4], v[5], SPAN("tuned"), SPAN_NONE };
	switch (below(5)) {
	case 0:
		pool_on_health(w.pool, id, below(2), w.now);
		break;
	case 1:
		pool_on_scrape_failed(w.pool, id, w.now);
		break;
	case 2:
		(void)!pool_on_models(w.pool, id, list, below(3), w.now);
		break;
	default:
		pool_on_scrape(w.pool, id, ENGINE_VLLM, &s, w.now);
	}
}

static void step(void)
{
	uint64_t dice = below(1000);
	w.now += below(2000) ? below(2 * NS_PER_MS) : below(90 * NS_PER_S);
	if (dice < 700)
		move_request();
	else if (dice < 840)
		advance();
	else if (dice < 960)
		collect();
	else if (dice < 990)
		say();
	else
		add_or_remove();
	check();
}

static void settle_all(void)
{
	for (struct request *q = w.requests; q < w.requests + REQUESTS; q++)
		if (q->phase != IDLE && q->phase != LEFT)
			leave(q);
	while (w.mails)
		collect();
	check();
	assert_int_equal(w.charged_mails, 0);
	for (uint32_t i = 0; i < ADDRESSES; i++)
		if (w.id[i])
			assert_int_equal(pool_removed(w.pool, w.id[i], w.now), 0);
	assert_int_equal(pool_size_locked(w.pool), 0);
	assert_int_equal(pool_prefix_blocks(w.pool), 0);
}

static void counts_in_flight_equal_the_truth(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : rng_entropy();
	print_message("SEED=%llu\n", (unsigned long long)seed);
	rng_seed(&w.rng, seed);
	struct pool_options o = pool_options_default();
	o.queue_requests = QUEUE;
	o.requests_per_replica = 3;
	w.now = 1000 * NS_PER_S;
	w.pool = pool_new(&o);
	w.gate = gate_new(w.pool, NULL, seed, NULL);
	for (int i = 0; i < STEPS; i++)
		step();
	settle_all();
	print_message("%llu decided, %llu held, %llu refused, %llu repeated, %llu given back\n",
		      (unsigned long long)w.decided, (unsigned long long)w.held, (unsigned long long)w.refused,
		      (unsigned long long)w.repeated, (unsigned long long)w.given_back);
	assert_true(w.decided > STEPS / 100 && w.held > STEPS / 100 && w.refused > 100 && w.repeated > 100);
	gate_free(w.gate);
	pool_free(w.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_in_flight_equal_the_truth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
