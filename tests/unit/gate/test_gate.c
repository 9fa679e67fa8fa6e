/* The seam: holding, order, late decisions, giving up, refusals; one thread plays every part, with its own clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "desk.h"

enum { MANY = 8 };

/* One request and what became of it. */
struct request {
	struct facts facts;
	struct decision decision;
	struct ticket *ticket;
};

static struct desk desk;

static int ask(struct request *q, uint64_t arrived, uint64_t now)
{
	q->facts.pool = desk.pool;
	q->facts.arrived_ns = arrived;
	q->facts.prompt_tokens = 100;
	return gate_submit(desk.gate, &q->facts, q, now, &q->decision, &q->ticket);
}

static int collect(struct request *q, uint64_t now)
{
	return gate_collect(q->ticket, &q->decision, now);
}

static void done(struct request *q, uint64_t now)
{
	gate_on_done(q->ticket, UINT32_MAX, UINT32_MAX, now);
}

static struct gate_stats stats(void)
{
	struct gate_stats s;
	gate_stats(desk.gate, &s);
	return s;
}

static void an_open_replica_is_given_at_once(void **state)
{
	(void)state;
	struct request q = { 0 };
	desk_open(&desk, 2, 1);
	assert_int_equal(ask(&q, T0, T0), GATE_DECIDED);
	assert_int_equal(q.decision.refused, 0);
	assert_non_null(q.decision.name);
	assert_non_null(q.decision.address);
	assert_int_equal(desk_in_flight(&desk, q.decision.slot), 1);
	gate_on_dispatched(q.ticket, T0);
	gate_on_first_token(q.ticket, T0 + MS);
	gate_on_tokens(q.ticket, 12, T0 + 2 * MS);
	done(&q, T0 + S);
	assert_int_equal(desk_in_flight(&desk, 0) + desk_in_flight(&desk, 1), 0);
	assert_int_equal(stats().tokens, 12);
	assert_int_equal(stats().picks, 1);
	assert_int_equal(desk.mails, 0);
	desk_close(&desk);
}

static void first_come_is_first_served(void **state)
{
	(void)state;
	struct request running = { 0 }, q[MANY] = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(ask(&q[i], T0 + i, T0 + i), GATE_HELD);
	assert_int_equal(stats().held, MANY);
	assert_int_equal(desk_advance(&desk, T0), 0); /* nothing opened */
	done(&running, T0 + S);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(desk_advance(&desk, T0 + S), 1);
		assert_int_equal(desk.mails, i + 1);
		assert_int_equal(desk.flushes, i + 1);
		assert_ptr_equal(desk.mail[i], q[i].ticket);
		assert_ptr_equal(desk.owner[i], &q[i]);
		assert_int_equal(desk_in_flight(&desk, 0), 1); /* charged before its owner knows */
		assert_int_equal(collect(&q[i], T0 + S), GATE_DECIDED);
		assert_int_equal(q[i].decision.replica, desk.id[0]);
		assert_string_equal(q[i].decision.name, "10.0.0.1:80");
		assert_int_equal(q[i].decision.reason_count, 3);
		done(&q[i], T0 + S);
	}
	assert_int_equal(stats().held, 0);
	assert_int_equal(stats().held_total, MANY);
	desk_close(&desk);
}

static void nobody_passes_those_who_wait_between_an_opening_and_its_advance(void **state)
{
	(void)state;
	struct request running = { 0 }, waits = { 0 }, late = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&waits, T0 + 1, T0 + 1), GATE_HELD);
	done(&running, T0 + S);
	assert_int_equal(ask(&late, T0 + S, T0 + S), GATE_HELD);
	assert_int_equal(desk_advance(&desk, T0 + S), 1);
	assert_ptr_equal(desk.owner[0], &waits);
	assert_int_equal(collect(&waits, T0 + S), GATE_DECIDED);
	assert_false(gate_on_gone(late.ticket, T0 + S));
	done(&waits, T0 + S);
	desk_close(&desk);
}

static void who_waits_for_one_model_does_not_stop_another(void **state)
{
	(void)state;
	char a[] = "a", b[] = "b", none[] = "";
	struct replica_model serves_a = { a, none, 0, 0 }, serves_b = { b, none, 0, 0 };
	struct request running = { .facts.model = SPAN("a") }, waits[3] = { 0 }, other = { .facts.model = SPAN("b") },
		       other2 = { .facts.model = SPAN("b") };
	desk_open(&desk, 2, 1);
	assert_int_equal(pool_on_models(desk.pool, desk.id[0], &serves_a, 1, T0), 0);
	assert_int_equal(pool_on_models(desk.pool, desk.id[1], &serves_b, 1, T0), 0);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	for (int i = 0; i < 3; i++) {
		waits[i].facts.model = SPAN("a");
		assert_int_equal(ask(&waits[i], T0, T0), GATE_HELD);
	}
	assert_int_equal(desk_advance(&desk, T0), 0); /* looked at: a is full, whatever b is */
	assert_int_equal(ask(&other, T0 + 1, T0 + 1), GATE_DECIDED);
	assert_int_equal(ask(&other2, T0 + 2, T0 + 2), GATE_HELD);
	done(&other, T0 + S);
	assert_int_equal(desk_advance(&desk, T0 + S), 1); /* passes over three who wait for a */
	assert_ptr_equal(desk.owner[0], &other2);
	assert_int_equal(collect(&other2, T0 + S), GATE_DECIDED);
	done(&other2, T0 + S);
	done(&running, T0 + S);
	for (int i = 0; i < 3; i++)
		assert_false(gate_on_gone(waits[i].ticket, T0 + S));
	desk_close(&desk);
}

static void a_repeat_keeps_its_arrival_and_goes_to_the_front(void **state)
{
	(void)state;
	struct request first = { 0 }, waits = { 0 }, again = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&first, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&waits, T0 + 1, T0 + 1), GATE_HELD);
	gate_on_failed(first.ticket, PS_ERESET, T0 + S);
	again.facts.excluded[0] = desk.id[0];
	again.facts.repeat = true;
	assert_int_equal(ask(&again, T0, T0 + S), GATE_HELD);
	assert_int_equal(desk_advance(&desk, T0 + S), 1);
	assert_ptr_equal(desk.owner[0], &again);
	assert_int_equal(collect(&again, T0 + S), GATE_DECIDED); /* tried before, but there is no other */
	done(&again, T0 + S);
	assert_false(gate_on_gone(waits.ticket, T0 + S));
	desk_close(&desk);
}

static void a_full_queue_refuses_with_a_time_from_the_drain_rate(void **state)
{
	(void)state;
	struct request q[12] = { 0 }, held[5] = { 0 }, more = { 0 };
	desk_open(&desk, 1, 1);
	struct pool_options o = *pool_options_of(desk.pool);
	o.queue_requests = 5;
	pool_configure(desk.pool, &o);
	/* Twelve in six seconds are two a second; six are before the next one. */
	for (uint64_t i = 0; i < 12; i++) {
		assert_int_equal(ask(&q[i], T0, T0 + i * S / 2), GATE_DECIDED);
		if (i < 11)
			done(&q[i], T0 + i * S / 2);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(&held[i], T0 + 6 * S, T0 + 6 * S), GATE_HELD);
	assert_int_equal(ask(&more, T0 + 6 * S, T0 + 6 * S), GATE_REFUSED);
	assert_null(more.ticket);
	assert_int_equal(more.decision.refused, PS_EQUEUEFULL);
	assert_in_range(more.decision.retry_after_ns, 3 * S, 4 * S);
	assert_int_equal(stats().refused, 1);
	for (int i = 0; i < 5; i++)
		assert_false(gate_on_gone(held[i].ticket, T0));
	done(&q[11], T0 + 7 * S);
	desk_close(&desk);
}

static void who_waits_too_long_is_refused_through_the_sink(void **state)
{
	(void)state;
	struct request running = { 0 }, early = { 0 }, late = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&early, T0, T0), GATE_HELD);
	assert_int_equal(ask(&late, T0, T0 + S), GATE_HELD);
	assert_int_equal(desk_advance(&desk, T0 + 60 * S - 1), 0);
	assert_int_equal(desk_advance(&desk, T0 + 60 * S), 1);
	assert_ptr_equal(desk.owner[0], &early);
	assert_int_equal(collect(&early, T0 + 60 * S), GATE_REFUSED);
	assert_int_equal(early.decision.refused, PS_EQUEUETIMEOUT);
	assert_int_equal(early.decision.retry_after_ns, 60 * S); /* nothing at all drained */
	done(&running, T0 + 60 * S);
	assert_int_equal(desk_advance(&desk, T0 + 60 * S), 1);
	assert_int_equal(collect(&late, T0 + 60 * S), GATE_DECIDED);
	done(&late, T0 + 61 * S);
	desk_close(&desk);
}

static void a_pool_without_replicas_refuses_newcomers_and_keeps_those_who_wait(void **state)
{
	(void)state;
	struct request running = { 0 }, waits = { 0 }, next = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&waits, T0, T0), GATE_HELD);
	assert_int_equal(pool_removed(desk.pool, desk.id[0], T0), 0);
	assert_int_equal(desk_advance(&desk, T0 + S), 0);
	assert_int_equal(ask(&next, T0, T0 + S), GATE_REFUSED);
	assert_int_equal(next.decision.refused, PS_ENOREPLICA);
	assert_in_range(next.decision.retry_after_ns, S, 60 * S);
	done(&running, T0 + S);
	uint64_t id = desk_add(&desk, T0 + 2 * S);
	assert_int_equal(desk_advance(&desk, T0 + 2 * S), 1);
	assert_int_equal(collect(&waits, T0 + 2 * S), GATE_DECIDED);
	assert_int_equal(waits.decision.replica, id);
	done(&waits, T0 + 2 * S);
	desk_close(&desk);
}

static void a_model_that_vanishes_refuses_those_who_wait_for_it(void **state)
{
	(void)state;
	char b[] = "b", none[] = "";
	struct replica_model serves_b = { b, none, 0, 0 };
	struct request running = { .facts.model = SPAN("a") }, waits = { .facts.model = SPAN("a") },
		       next = { .facts.model = SPAN("a") };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&waits, T0, T0), GATE_HELD);
	assert_int_equal(pool_on_models(desk.pool, desk.id[0], &serves_b, 1, T0), 0);
	assert_int_equal(desk_advance(&desk, T0), 1);
	assert_int_equal(collect(&waits, T0), GATE_REFUSED);
	assert_int_equal(waits.decision.refused, PS_ENOMODEL);
	assert_int_equal(ask(&next, T0, T0), GATE_REFUSED);
	assert_int_equal(next.decision.refused, PS_ENOMODEL);
	assert_int_equal(next.decision.retry_after_ns, 0);
	done(&running, T0);
	desk_close(&desk);
}

/* ---- late owners, and owners that leave ---- */

static void a_decision_not_collected_in_time_goes_to_another(void **state)
{
	(void)state;
	struct request running = { 0 }, sleeper = { 0 }, next = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&sleeper, T0, T0), GATE_HELD);
	assert_int_equal(ask(&next, T0 + 1, T0 + 1), GATE_HELD);
	done(&running, T0 + S);
	assert_int_equal(desk_advance(&desk, T0 + S), 1);
	assert_int_equal(desk_advance(&desk, T0 + S + 99 * MS), 0);
	assert_int_equal(desk_advance(&desk, T0 + S + 100 * MS), 1);
	assert_ptr_equal(desk.owner[1], &next);
	assert_int_equal(stats().given_back, 1);
	assert_int_equal(collect(&next, T0 + S + 100 * MS), GATE_DECIDED);
	assert_int_equal(collect(&sleeper, T0 + S + 150 * MS), GATE_HELD);
	assert_int_equal(desk_in_flight(&desk, 0), 1);
	done(&next, T0 + 2 * S);
	assert_int_equal(desk_advance(&desk, T0 + 2 * S), 1);
	assert_ptr_equal(desk.mail[2], sleeper.ticket);
	assert_int_equal(collect(&sleeper, T0 + 2 * S), GATE_DECIDED);
	done(&sleeper, T0 + 2 * S);
	assert_int_equal(desk_in_flight(&desk, 0), 0);
	desk_close(&desk);
}

static void a_late_owner_gets_a_fresh_decision_when_one_can_be_made(void **state)
{
	(void)state;
	struct request running = { 0 }, sleeper = { 0 };
	desk_open(&desk, 1, 1);
	assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&sleeper, T0, T0), GATE_HELD);
	done(&running, T0);
	assert_int_equal(desk_advance(&desk, T0), 1);
	assert_int_equal(collect(&sleeper, T0 + S), GATE_DECIDED);
	assert_int_equal(stats().given_back, 1);
	assert_int_equal(stats().picks, 3);
	assert_int_equal(desk_in_flight(&desk, 0), 1);
	done(&sleeper, T0 + S);
	desk_close(&desk);
}

static void leaving_in_any_phase_gives_back_what_was_charged(void **state)
{
	(void)state;
	enum { WHILE_HELD, WHILE_MAILED, WHILE_RETURNED, WHILE_REFUSED, WHILE_DECIDED, PHASES };
	for (int phase = 0; phase < PHASES; phase++) {
		struct request running = { 0 }, q = { 0 };
		uint64_t now = T0 + S;
		desk_open(&desk, 1, 1);
		assert_int_equal(ask(&running, T0, T0), GATE_DECIDED);
		assert_int_equal(ask(&q, T0, T0), GATE_HELD);
		if (phase == WHILE_REFUSED)
			assert_int_equal(desk_advance(&desk, now = T0 + 60 * S), 1);
		done(&running, now);
		if (phase == WHILE_MAILED || phase == WHILE_RETURNED || phase == WHILE_DECIDED)
			assert_int_equal(desk_advance(&desk, now), 1);
		if (phase == WHILE_RETURNED)
			assert_int_equal(desk_advance(&desk, now + S), 0);
		if (phase == WHILE_DECIDED)
			assert_int_equal(collect(&q, now), GATE_DECIDED);
		bool mail_coming = gate_on_gone(q.ticket, now);
		assert_int_equal(mail_coming, desk.mails > 0 && phase != WHILE_DECIDED);
		if (mail_coming)
			assert_int_equal(collect(&q, now), GATE_GONE);
		assert_int_equal(desk_in_flight(&desk, 0), 0);
		assert_int_equal(desk_advance(&desk, now + 120 * S), 0);
		assert_int_equal(stats().held, 0);
		desk_close(&desk);
	}
}

/* ---- what events teach ---- */

static void failures_of_the_replica_eject_it_and_its_refusals_do_not(void **state)
{
	(void)state;
	static const struct {
		int code;
		bool blamed;
	} rows[] = {
		{ PS_ECONNECT, true },	  { PS_ECONNTIMEOUT, true }, { PS_ERESET, true },
		{ PS_EUPPROTO, true },	  { PS_EFIRSTBYTE, true },   { PS_EBETWEEN, true },
		{ PS_ECUT, true },	  { -PS_ERESET, true },	     { PS_EQUEUEFULL, false },
		{ PS_ENOREPLICA, false }, { PS_ETOTAL, false },	     { PS_ECONNLIMIT, false },
		{ PS_ENOMEM, false },	  { PS_EWRITESTALL, false }, { PS_ECLIENTGONE, false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		desk_open(&desk, 2, 0);
		for (int k = 0; k < 5; k++) {
			struct request q = { .facts.excluded = { desk.id[1] } };
			assert_int_equal(ask(&q, T0, T0), GATE_DECIDED);
			gate_on_failed(q.ticket, rows[i].code, T0);
		}
		pool_lock(desk.pool);
		assert_int_equal(pool_replica_locked(desk.pool, desk.id[0])->state == REPLICA_EJECTED, rows[i].blamed);
		pool_unlock(desk.pool);
		assert_int_equal(desk_in_flight(&desk, 0), 0);
		desk_close(&desk);
	}
}

static void repeats_are_limited_to_a_share_of_the_last_ten_seconds(void **state)
{
	(void)state;
	desk_open(&desk, 1, 0);
	for (int i = 0; i < 10; i++)
		assert_true(gate_may_retry(desk.gate, PS_ERESET, T0));
	assert_false(gate_may_retry(desk.gate, PS_ERESET, T0));
	assert_false(gate_may_retry(desk.gate, -PS_EQUEUEFULL, T0));
	assert_true(gate_may_retry(desk.gate, PS_ECONNECT, T0)); /* nothing reached the replica */
	assert_true(gate_may_retry(desk.gate, PS_ECONNTIMEOUT, T0));
	assert_false(gate_may_retry(desk.gate, PS_EBADJSON, T0)); /* the same again is wrong again */
	for (int i = 0; i < 100; i++) {
		struct request q = { 0 };
		assert_int_equal(ask(&q, T0, T0 + 5 * S), GATE_DECIDED);
		done(&q, T0 + 5 * S);
	}
	for (int i = 10; i < 20; i++)
		assert_true(gate_may_retry(desk.gate, PS_ERESET, T0 + 9 * S));
	assert_false(gate_may_retry(desk.gate, PS_ERESET, T0 + 9 * S));
	assert_true(gate_may_retry(desk.gate, PS_ERESET, T0 + 10 * S)); /* the first ten are forgotten */
	assert_true(gate_may_retry(desk.gate, PS_ERESET, T0 + 100 * S));
	assert_int_equal(stats().retries_refused, 4);
	desk_close(&desk);
}

/* kill -9 with many in flight: every one of them may be tried again, however few requests there were and whoever is
 * left. */
static void the_orphans_of_a_dead_replica_are_not_charged(void **state)
{
	(void)state;
	enum { ORPHANS = 300 };
	static struct request q[ORPHANS];
	for (uint32_t replicas = 1; replicas <= 3; replicas++) {
		desk_open(&desk, replicas, 0);
		for (int i = 0; i < ORPHANS; i++) {
			q[i] = (struct request){ .facts.excluded = { desk.id[1], desk.id[2] } };
			q[i].facts.repeat = i > 0; /* so that their own number gives no budget */
			assert_int_equal(ask(&q[i], T0, T0), GATE_DECIDED);
		}
		for (int i = 0; i < ORPHANS; i++) {
			assert_true(gate_may_retry(desk.gate, PS_ERESET, T0 + S));
			gate_on_failed(q[i].ticket, PS_ERESET, T0 + S);
		}
		desk_close(&desk);
	}
}

/* When everything is broken there is nobody to blame it on: then repeats are limited. */
static void a_pool_that_fails_as_a_whole_does_not_multiply_its_load(void **state)
{
	(void)state;
	uint32_t allowed = 0;
	desk_open(&desk, 2, 0);
	for (int i = 0; i < 200; i++) {
		struct request q = { .facts.repeat = true };
		assert_int_equal(ask(&q, T0, T0), GATE_DECIDED);
		allowed += gate_may_retry(desk.gate, PS_ERESET, T0);
		gate_on_failed(q.ticket, PS_ERESET, T0);
	}
	assert_in_range(allowed, 10, 20);
	desk_close(&desk);
}

static void a_scan_that_must_stop_goes_on_where_it_stopped(void **state)
{
	(void)state;
	enum { BEFORE = 9000 };
	static struct request before[BEFORE];
	char a[] = "a", b[] = "b", none[] = "";
	struct replica_model serves_a = { a, none, 0, 0 }, serves_b = { b, none, 0, 0 };
	struct request on_a = { .facts.model = SPAN("a") }, on_b = { .facts.model = SPAN("b") },
		       last = { .facts.model = SPAN("b") };
	desk_open(&desk, 3, 1);
	struct pool_options o = *pool_options_of(desk.pool);
	o.queue_requests = BEFORE + 1;
	pool_configure(desk.pool, &o);
	assert_int_equal(pool_on_models(desk.pool, desk.id[0], &serves_a, 1, T0), 0);
	assert_int_equal(pool_on_models(desk.pool, desk.id[1], &serves_b, 1, T0), 0);
	assert_int_equal(pool_removed(desk.pool, desk.id[2], T0), 0);
	assert_int_equal(ask(&on_a, T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&on_b, T0, T0), GATE_DECIDED);
	for (int i = 0; i < BEFORE; i++) {
		before[i].facts.model = SPAN("a");
		assert_int_equal(ask(&before[i], T0, T0), GATE_HELD);
	}
	assert_int_equal(ask(&last, T0, T0), GATE_HELD);
	done(&on_b, T0 + S);
	assert_int_equal(desk_advance(&desk, T0 + S), 0);
	assert_false(gate_on_gone(before[8192].ticket, T0 + S)); /* where it stopped */
	assert_int_equal(desk_advance(&desk, T0 + S), 1);
	assert_ptr_equal(desk.owner[0], &last);
	assert_int_equal(collect(&last, T0 + S), GATE_DECIDED);
	done(&last, T0 + S);
	for (int i = 0; i < BEFORE; i++)
		if (i != 8192)
			assert_false(gate_on_gone(before[i].ticket, T0 + S));
	done(&on_a, T0 + S);
	desk_close(&desk);
}

static void tokens_per_byte_are_learned_from_answers(void **state)
{
	(void)state;
	desk_open(&desk, 1, 0);
	for (int i = 0; i < 400; i++) {
		struct request q = { .facts = { .model = SPAN("m"), .text_bytes = 3000, .body_bytes = 9000 } };
		assert_int_equal(ask(&q, T0, T0), GATE_DECIDED);
		gate_on_done(q.ticket, 1000, 0, T0);
	}
	assert_in_range(pool_tokens_of(desk.pool, SPAN("m"), 30000), 9990, 10001);
	desk_close(&desk);
}

static void a_held_request_remembers_who_had_its_prefix(void **state)
{
	(void)state;
	uint64_t chain[20];
	struct request warm = { 0 }, busy[3] = { 0 }, q = { 0 };
	for (uint64_t i = 0; i < 20; i++)
		chain[i] = hash_mix(77, i);
	desk_open(&desk, 3, 1);
	warm.facts.chain = q.facts.chain = chain;
	warm.facts.chain_len = q.facts.chain_len = 20;
	assert_int_equal(ask(&warm, T0, T0), GATE_DECIDED);
	uint32_t home = warm.decision.slot;
	assert_int_equal(warm.decision.prefix_blocks, 0);
	done(&warm, T0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(&busy[i], T0, T0), GATE_DECIDED);
	assert_int_equal(ask(&q, T0, T0), GATE_HELD);
	for (int i = 0; i < 3; i++)
		done(&busy[i], T0 + S);
	assert_int_equal(desk_advance(&desk, T0 + S), 1);
	assert_int_equal(collect(&q, T0 + S), GATE_DECIDED);
	assert_int_equal(q.decision.slot, home);
	assert_int_equal(q.decision.prefix_blocks, 20);
	done(&q, T0 + S);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_replica_is_given_at_once),
		cmocka_unit_test(first_come_is_first_served),
		cmocka_unit_test(nobody_passes_those_who_wait_between_an_opening_and_its_advance),
		cmocka_unit_test(who_waits_for_one_model_does_not_stop_another),
		cmocka_unit_test(a_repeat_keeps_its_arrival_and_goes_to_the_front),
		cmocka_unit_test(a_full_queue_refuses_with_a_time_from_the_drain_rate),
		cmocka_unit_test(who_waits_too_long_is_refused_through_the_sink),
		cmocka_unit_test(a_pool_without_replicas_refuses_newcomers_and_keeps_those_who_wait),
		cmocka_unit_test(a_model_that_vanishes_refuses_those_who_wait_for_it),
		cmocka_unit_test(a_decision_not_collected_in_time_goes_to_another),
		cmocka_unit_test(a_late_owner_gets_a_fresh_decision_when_one_can_be_made),
		cmocka_unit_test(leaving_in_any_phase_gives_back_what_was_charged),
		cmocka_unit_test(failures_of_the_replica_eject_it_and_its_refusals_do_not),
		cmocka_unit_test(repeats_are_limited_to_a_share_of_the_last_ten_seconds),
		cmocka_unit_test(the_orphans_of_a_dead_replica_are_not_charged),
		cmocka_unit_test(a_pool_that_fails_as_a_whole_does_not_multiply_its_load),
		cmocka_unit_test(a_scan_that_must_stop_goes_on_where_it_stopped),
		cmocka_unit_test(tokens_per_byte_are_learned_from_answers),
		cmocka_unit_test(a_held_request_remembers_who_had_its_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
