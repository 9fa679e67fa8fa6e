/* Ejection, probation, readmission and slow start as timelines: rows of (time, event, what must then be so). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pool/pool.h"

#define S NS_PER_S
#define MS NS_PER_MS

enum { MEMBERS_MAX = 16 };

struct fixture {
	struct pool *p;
	uint64_t id[MEMBERS_MAX];
};

static struct fixture pool_of(uint32_t n)
{
	struct fixture f;
	struct pool_options o = pool_options_default();
	f.p = pool_new(&o);
	for (uint32_t i = 0; i < n; i++) {
		char text[32];
		struct address a;
		(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
		assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
		assert_int_equal(pool_added(f.p, span_str(text), &a, 0, 1, &f.id[i]), 0);
	}
	return f;
}

static struct replica *member(struct fixture *f, uint32_t i)
{
	return pool_replica_locked(f->p, f->id[i]);
}

enum event {
	TICK,
	FAIL,	/* a request is sent and fails */
	OK,	/* a request is sent and succeeds */
	SEND,	/* a request is sent and stays */
	END_OK, /* the one that stayed succeeds */
	END_FAIL,
	END_GONE,
	HEALTH_BAD,
	HEALTH_OK,
	SCRAPE_BAD,
	SCRAPE_OK,
};

struct step {
	uint64_t at;
	enum event event;
	enum replica_state state;
	bool usable;
	uint32_t weight;
};

static void do_event(struct fixture *f, uint32_t i, enum event e, uint64_t at, struct pool_charge *stays)
{
	static const struct signals unsaid = { NAN, NAN, NAN, NAN, NAN, NAN, { NULL, 0 }, { NULL, 0 } };
	struct pool_charge c;
	switch (e) {
	case TICK:
		break;
	case FAIL:
		c = pool_dispatched_locked(f->p, member(f, i), 5, at);
		pool_failed_locked(f->p, member(f, i), c, at);
		break;
	case OK:
		c = pool_dispatched_locked(f->p, member(f, i), 5, at);
		pool_done_locked(f->p, member(f, i), c, at);
		break;
	case SEND:
		*stays = pool_dispatched_locked(f->p, member(f, i), 5, at);
		break;
	case END_OK:
		pool_done_locked(f->p, member(f, i), *stays, at);
		break;
	case END_FAIL:
		pool_failed_locked(f->p, member(f, i), *stays, at);
		break;
	case END_GONE:
		pool_gone_locked(f->p, member(f, i), *stays, at);
		break;
	case HEALTH_BAD:
	case HEALTH_OK:
		pool_on_health(f->p, f->id[i], e == HEALTH_OK, at);
		break;
	case SCRAPE_BAD:
		pool_on_scrape_failed(f->p, f->id[i], at);
		break;
	case SCRAPE_OK:
		pool_on_scrape(f->p, f->id[i], ENGINE_VLLM, &unsaid, at);
		break;
	}
}

/* Plays the steps on the first of four replicas. */
static void play(const struct step *steps, size_t n)
{
	struct fixture f = pool_of(4);
	struct pool_charge stays = { 0 };
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		pool_tick_locked(f.p, s->at);
		do_event(&f, 0, s->event, s->at, &stays);
		struct replica *r = member(&f, 0);
		if (r->state != s->state || pool_usable_locked(f.p, r, s->at) != s->usable ||
		    r->weight_permille != s->weight)
			fail_msg("step %zu: state %d usable %d weight %u", i, (int)r->state,
				 (int)pool_usable_locked(f.p, r, s->at), r->weight_permille);
	}
	pool_free(f.p);
}

#define PLAY(steps) play(steps, sizeof(steps) / sizeof(steps)[0])

static void three_failures_in_a_row_eject_for_one_second_then_one_request_may_try(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, OK, REPLICA_UP, true, 1000 }, /* not in a row */
		{ 10 * S, FAIL, REPLICA_UP, true, 1000 },
		{ 10 * S, FAIL, REPLICA_UP, true, 1000 },
		{ 10 * S, FAIL, REPLICA_EJECTED, false, 1000 },
		{ 11 * S - 1, TICK, REPLICA_EJECTED, false, 1000 },
		{ 11 * S, TICK, REPLICA_PROBATION, true, 1000 },
		{ 11 * S, SEND, REPLICA_PROBATION, false, 1000 }, /* one, no second */
		{ 12 * S, END_OK, REPLICA_UP, true, 100 },
		{ 17 * S, TICK, REPLICA_UP, true, 550 }, /* half of the slow start */
		{ 22 * S, TICK, REPLICA_UP, true, 1000 },
	};
	PLAY(steps);
}

static void each_ejection_in_a_row_lasts_twice_as_long_up_to_thirty_seconds(void **state)
{
	(void)state;
	static const uint64_t lasts[] = { 1, 2, 4, 8, 16, 30, 30 };
	struct fixture f = pool_of(4);
	uint64_t now = 100 * S;
	struct pool_charge stays;
	for (int k = 0; k < 3; k++)
		do_event(&f, 0, FAIL, now, &stays);
	for (size_t i = 0; i < sizeof lasts / sizeof lasts[0]; i++) {
		assert_int_equal(member(&f, 0)->ejected_until - now, lasts[i] * S);
		assert_int_equal(pool_next_readmission_locked(f.p), member(&f, 0)->ejected_until);
		now = member(&f, 0)->ejected_until;
		pool_tick_locked(f.p, now);
		do_event(&f, 0, FAIL, now, &stays); /* the trial */
		assert_int_equal(member(&f, 0)->state, REPLICA_EJECTED);
	}
	/* Well for thirty seconds: the next one is short again. */
	now = member(&f, 0)->ejected_until;
	do_event(&f, 0, OK, now, &stays);
	do_event(&f, 0, OK, now + 30 * S, &stays);
	for (int k = 0; k < 3; k++)
		do_event(&f, 0, FAIL, now + 31 * S, &stays);
	assert_int_equal(member(&f, 0)->ejected_until, now + 32 * S);
	pool_free(f.p);
}

static void a_trial_that_tells_nothing_lets_another_try(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },	     { 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_EJECTED, false, 1000 },	     { 12 * S, SEND, REPLICA_PROBATION, false, 1000 },
		{ 12 * S, END_GONE, REPLICA_PROBATION, true, 1000 },
	};
	PLAY(steps);
}

static void what_was_sent_before_the_ejection_does_not_end_the_probation(void **state)
{
	(void)state;
	static const struct step ends_well[] = {
		{ 9 * S, SEND, REPLICA_NEW, true, 1000 },	   { 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },	   { 10 * S, FAIL, REPLICA_EJECTED, false, 1000 },
		{ 11 * S, END_OK, REPLICA_PROBATION, true, 1000 },
	};
	static const struct step ends_badly[] = {
		{ 9 * S, SEND, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_NEW, true, 1000 },
		{ 10 * S, FAIL, REPLICA_EJECTED, false, 1000 },
		{ 11 * S, END_FAIL, REPLICA_PROBATION, true, 1000 },
	};
	PLAY(ends_well);
	PLAY(ends_badly);
}

static void failed_probes_eject_and_a_good_one_ends_it_early(void **state)
{
	(void)state;
	static const struct step steps[] = {
		{ 10 * S, HEALTH_OK, REPLICA_UP, true, 1000 },
		{ 11 * S, HEALTH_BAD, REPLICA_UP, true, 1000 },
		{ 12 * S, HEALTH_OK, REPLICA_UP, true, 1000 },
		{ 13 * S, HEALTH_BAD, REPLICA_UP, true, 1000 },
		{ 14 * S, HEALTH_BAD, REPLICA_EJECTED, false, 1000 },
		{ 14 * S + 900 * MS, HEALTH_BAD, REPLICA_EJECTED, false, 1000 },
		{ 15 * S + 500 * MS, TICK, REPLICA_EJECTED, false, 1000 }, /* put off by the probe before */
		{ 15 * S + 600 * MS, HEALTH_OK, REPLICA_PROBATION, true, 1000 },
		{ 15 * S + 700 * MS, OK, REPLICA_UP, true, 100 },
	};
	PLAY(steps);
}

static void a_scrape_and_a_probe_that_fail_together_are_enough(void **state)
{
	(void)state;
	static const struct step probe_last[] = {
		{ 10 * S, SCRAPE_OK, REPLICA_NEW, true, 1000 },
		{ 11 * S, SCRAPE_BAD, REPLICA_NEW, true, 1000 },
		{ 11 * S, HEALTH_BAD, REPLICA_EJECTED, false, 1000 },
	};
	static const struct step scrape_last[] = {
		{ 10 * S, SCRAPE_OK, REPLICA_NEW, true, 1000 },
		{ 11 * S, HEALTH_BAD, REPLICA_NEW, true, 1000 },
		{ 11 * S, SCRAPE_BAD, REPLICA_EJECTED, false, 1000 },
	};
	static const struct step never_had_metrics[] = {
		{ 11 * S, SCRAPE_BAD, REPLICA_NEW, true, 1000 },
		{ 11 * S, HEALTH_BAD, REPLICA_NEW, true, 1000 },
		{ 12 * S, SCRAPE_BAD, REPLICA_NEW, true, 1000 },
	};
	PLAY(probe_last);
	PLAY(scrape_last);
	PLAY(never_had_metrics);
}

static uint32_t usable_members(struct fixture *f, uint32_t n, uint64_t now)
{
	uint32_t usable = 0;
	for (uint32_t i = 0; i < n; i++)
		usable += pool_usable_locked(f->p, member(f, i), now);
	return usable;
}

static void eject_member(struct fixture *f, uint32_t i, uint64_t now)
{
	struct pool_charge stays;
	for (int k = 0; k < 3; k++)
		do_event(f, i, FAIL, now, &stays);
}

static void never_more_than_half_is_out_and_the_least_bad_serve(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= MEMBERS_MAX; n++) {
		struct fixture f = pool_of(n);
		for (uint32_t bad = 1; bad <= n; bad++) {
			eject_member(&f, bad - 1, (10 + bad) * S / 10);
			uint32_t out = bad < n / 2 ? bad : n / 2;
			assert_int_equal(usable_members(&f, n, 2 * S / 10), n - out);
		}
		/* The first to go is the first to come back: it is the least bad. */
		assert_true(member(&f, 0)->pressed);
		assert_int_equal(member(&f, 0)->weight_permille, 100);
		pool_free(f.p);
	}
}

static void a_pressed_replica_that_fails_makes_way_for_another(void **state)
{
	(void)state;
	struct fixture f = pool_of(3);
	struct pool_charge stays;
	for (uint32_t i = 0; i < 3; i++)
		eject_member(&f, i, 10 * S);
	assert_true(member(&f, 0)->pressed && member(&f, 1)->pressed && !member(&f, 2)->pressed);
	do_event(&f, 0, FAIL, 10 * S, &stays);
	assert_true(!member(&f, 0)->pressed && member(&f, 1)->pressed && member(&f, 2)->pressed);
	do_event(&f, 1, OK, 10 * S, &stays);
	assert_int_equal(member(&f, 1)->state, REPLICA_UP);
	assert_true(!member(&f, 0)->pressed && member(&f, 2)->pressed);
	pool_free(f.p);
}

static void removal_waits_for_what_is_in_flight(void **state)
{
	(void)state;
	struct fixture f = pool_of(2);
	struct pool_charge stays;
	do_event(&f, 0, SEND, S, &stays);
	assert_int_equal(pool_removed(f.p, f.id[0], S), 0);
	assert_int_equal(member(&f, 0)->state, REPLICA_DRAINING);
	assert_false(pool_usable_locked(f.p, member(&f, 0), S));
	assert_int_equal(pool_size_locked(f.p), 1);
	do_event(&f, 0, END_FAIL, 2 * S, &stays);
	assert_null(member(&f, 0));
	pool_free(f.p);
}

static void a_trial_that_succeeds_after_the_removal_does_not_bring_it_back(void **state)
{
	(void)state;
	struct fixture f = pool_of(2);
	struct pool_charge stays, old;
	do_event(&f, 0, SEND, 10 * S, &old);
	eject_member(&f, 0, 10 * S);
	do_event(&f, 0, SEND, 11 * S, &stays);
	assert_true(stays.trial);
	assert_int_equal(pool_removed(f.p, f.id[0], 11 * S), 0);
	do_event(&f, 0, END_OK, 12 * S, &stays);
	assert_int_equal(member(&f, 0)->state, REPLICA_DRAINING);
	do_event(&f, 0, END_OK, 12 * S, &old);
	assert_null(member(&f, 0));
	assert_int_equal(pool_size_locked(f.p), 1);
	pool_free(f.p);
}

static void an_address_that_comes_back_undoes_its_draining(void **state)
{
	(void)state;
	struct fixture f = pool_of(1);
	struct pool_charge stays;
	struct address a = member(&f, 0)->address;
	uint64_t id;
	do_event(&f, 0, SEND, S, &stays);
	assert_int_equal(pool_removed(f.p, f.id[0], S), 0);
	assert_int_equal(pool_added(f.p, SPAN("again"), &a, 9, 2 * S, &id), -PS_EEXIST);
	assert_int_equal(id, f.id[0]);
	assert_int_equal(member(&f, 0)->state, REPLICA_NEW);
	assert_int_equal(member(&f, 0)->capacity, 9);
	assert_int_equal(member(&f, 0)->in_flight, 1);
	do_event(&f, 0, END_OK, 3 * S, &stays);
	assert_non_null(member(&f, 0));
	pool_free(f.p);
}

static void an_identity_is_never_used_again(void **state)
{
	(void)state;
	struct fixture f = pool_of(1);
	struct address a = member(&f, 0)->address;
	uint64_t before = f.id[0];
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pool_removed(f.p, f.id[0], S), 0);
		assert_int_equal(pool_added(f.p, SPAN("x"), &a, 0, S, &f.id[0]), 0);
		assert_true(f.id[0] > before);
		before = f.id[0];
	}
	uint32_t slots;
	(void)pool_replicas_locked(f.p, &slots);
	assert_int_equal(slots, 1);
	pool_free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_failures_in_a_row_eject_for_one_second_then_one_request_may_try),
		cmocka_unit_test(each_ejection_in_a_row_lasts_twice_as_long_up_to_thirty_seconds),
		cmocka_unit_test(a_trial_that_tells_nothing_lets_another_try),
		cmocka_unit_test(what_was_sent_before_the_ejection_does_not_end_the_probation),
		cmocka_unit_test(failed_probes_eject_and_a_good_one_ends_it_early),
		cmocka_unit_test(a_scrape_and_a_probe_that_fail_together_are_enough),
		cmocka_unit_test(never_more_than_half_is_out_and_the_least_bad_serve),
		cmocka_unit_test(a_pressed_replica_that_fails_makes_way_for_another),
		cmocka_unit_test(removal_waits_for_what_is_in_flight),
		cmocka_unit_test(a_trial_that_succeeds_after_the_removal_does_not_bring_it_back),
		cmocka_unit_test(an_address_that_comes_back_undoes_its_draining),
		cmocka_unit_test(an_identity_is_never_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
