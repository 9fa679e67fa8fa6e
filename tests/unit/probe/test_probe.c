/* Questions to scripted replicas over real sockets: what the pool comes to know, and what a bad replica costs others.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replica.h"

#include "probe/probe.h"

enum { METRICS, HEALTH, MODELS, REPLICAS_MAX = 3, PATIENCE_MS = 5000 };

static const char *const model_list = "{\"object\":\"list\",\"data\":[{\"id\":\"base\",\"object\":\"model\","
				      "\"created\":1,\"max_model_len\":512,\"parent\":null},"
				      "{\"id\":\"ada\",\"object\":\"model\",\"created\":1,\"parent\":\"base\"}]}";

/* One pool, its replicas and the signals thread. */
static struct {
	struct loop *loop;
	struct pool *pool;
	struct gate *gate;
	struct probe *probe;
	struct replica_server server[REPLICAS_MAX];
	uint64_t id[REPLICAS_MAX];
	unsigned servers;
	char *page;
	size_t page_bytes;
} fx;

static struct probe_policy quick(void)
{
	struct probe_policy p = probe_policy_default();
	p.metrics_interval_ns = p.health_interval_ns = 200 * NS_PER_MS;
	p.timeout_ns = 300 * NS_PER_MS;
	return p;
}

static void read_page(void)
{
	FILE *f = fopen("tests/data/vllm-0.32/metrics.prom", "re");
	assert_non_null(f);
	fx.page = calloc(1, 1 << 20);
	assert_non_null(fx.page);
	fx.page_bytes = fread(fx.page, 1, (1 << 20) - 1, f);
	(void)fclose(f);
}

static void on_decided(void *arg, void *owner, struct ticket *t)
{
	(void)arg, (void)t;
	atomic_store((_Atomic bool *)owner, true);
}

static const struct gate_sink sink = { .decided = on_decided };

static int setup(void **state)
{
	(void)state;
	struct pool_options o = pool_options_default();
	struct probe_policy policy = quick();
	memset(&fx, 0, sizeof fx);
	read_page();
	(void)span_copy(o.name, sizeof o.name, SPAN("ns/pool"));
	fx.loop = loop_new("signals", 1);
	fx.pool = pool_new(&o);
	fx.gate = gate_new(fx.pool, NULL, 1, NULL);
	fx.probe = probe_new(fx.loop, &sink);
	assert_true(fx.loop && fx.pool && fx.gate && fx.probe);
	assert_int_equal(probe_pool_set(fx.probe, fx.gate, &policy), 0);
	return loop_start(fx.loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_stop(fx.loop);
	loop_join(fx.loop);
	probe_free(fx.probe);
	loop_free(fx.loop);
	gate_free(fx.gate);
	pool_free(fx.pool);
	for (unsigned i = 0; i < fx.servers; i++)
		replica_server_stop(&fx.server[i]);
	free(fx.page);
	return 0;
}

/* A healthy vLLM, changed afterwards by what a test wants. */
static unsigned add_replica(void)
{
	unsigned i = fx.servers++;
	struct replica_server *r = &fx.server[i];
	replica_server_start(r);
	replica_script(r, METRICS, (struct script){ "/metrics", 200, fx.page, fx.page_bytes, WHOLE });
	replica_script(r, HEALTH, (struct script){ "/health", 200, "", 0, WHOLE });
	replica_script(r, MODELS, (struct script){ "/v1/models", 200, model_list, 0, WHOLE });
	return i;
}

static void put_into_pool(unsigned i)
{
	char name[ADDRESS_TEXT_MAX];
	address_format(&fx.server[i].address, name);
	assert_int_equal(pool_added(fx.pool, span_str(name), &fx.server[i].address, 0, clock_now_ns(), &fx.id[i]), 0);
}

/* A copy; its pointers are not to be followed. */
static struct replica look(unsigned i)
{
	struct replica copy = { .live = false };
	pool_lock(fx.pool);
	const struct replica *r = pool_replica_locked(fx.pool, fx.id[i]);
	if (r)
		copy = *r;
	pool_unlock(fx.pool);
	return copy;
}

#define WAIT_UNTIL(condition)                                                                                          \
	do {                                                                                                           \
		uint64_t until_ = clock_now_ns() + PATIENCE_MS * NS_PER_MS;                                            \
		while (!(condition) && clock_now_ns() < until_)                                                        \
			usleep(2000);                                                                                  \
		assert_true(condition);                                                                                \
	} while (0)

static bool usable(unsigned i)
{
	pool_lock(fx.pool);
	struct replica *r = pool_replica_locked(fx.pool, fx.id[i]);
	bool yes = r && pool_usable_locked(fx.pool, r, clock_now_ns());
	pool_unlock(fx.pool);
	return yes;
}

static void a_vllm_is_recognised_and_its_signals_and_models_read(void **state)
{
	(void)state;
	put_into_pool(add_replica());
	WAIT_UNTIL(look(0).models_known && look(0).signals_at);
	struct replica r = look(0);
	assert_int_equal(r.engine, ENGINE_VLLM);
	assert_true(r.signals.running > 0.9 && r.signals.running < 1.1);
	assert_true(r.signals.kv_blocks > 79 && r.signals.kv_blocks < 81);
	assert_true(pool_is_adapter(fx.pool, SPAN("ada")));
	assert_false(pool_is_adapter(fx.pool, SPAN("base")));
	assert_true(pool_lacks_model(fx.pool, SPAN("nobody's")));
}

static void connections_are_kept_between_questions(void **state)
{
	(void)state;
	put_into_pool(add_replica());
	WAIT_UNTIL(replica_asked(&fx.server[0], METRICS) >= 8);
	assert_true(atomic_load(&fx.server[0].connections) <= 4);
}

static void a_kept_connection_that_the_engine_closed_is_no_failure(void **state)
{
	(void)state;
	unsigned i = add_replica();
	replica_script(&fx.server[i], METRICS, (struct script){ "/metrics", 200, fx.page, fx.page_bytes, LAST_ANSWER });
	replica_script(&fx.server[i], HEALTH, (struct script){ "/health", 200, "", 0, LAST_ANSWER });
	put_into_pool(i);
	WAIT_UNTIL(replica_asked(&fx.server[i], HEALTH) >= 6);
	assert_int_equal(look(i).health_failures, 0);
	assert_int_equal(look(i).scrape_errors, 0);
}

static void a_replica_that_knows_none_of_the_paths_serves(void **state)
{
	(void)state;
	unsigned i = add_replica();
	for (unsigned s = 0; s < 3; s++)
		replica_script(&fx.server[i], s, (struct script){ .path = NULL });
	put_into_pool(i);
	WAIT_UNTIL(look(i).engine == ENGINE_NONE);
	usleep(500000);
	assert_true(usable(i));
	assert_int_equal(look(i).ejections, 0);
	assert_false(look(i).models_known);
	assert_false(pool_lacks_model(fx.pool, SPAN("anything")));
}

static void a_replica_that_refuses_connections_is_taken_out(void **state)
{
	(void)state;
	unsigned dead = add_replica(), well = add_replica();
	(void)shutdown(fx.server[dead].listen_fd, SHUT_RDWR);
	put_into_pool(dead);
	put_into_pool(well);
	WAIT_UNTIL(look(dead).state == REPLICA_EJECTED);
	assert_true(usable(well));
}

static const struct {
	const char *name;
	struct script health;
	bool alive;
} health_answers[] = {
	{ "200", { "/health", 200, "", 0, WHOLE }, true },
	{ "204", { "/health", 204, "", 0, WHOLE }, true },
	{ "404", { "/health", 404, "none", 0, WHOLE }, true },
	{ "405", { "/health", 405, "none", 0, WHOLE }, true },
	{ "501", { "/health", 501, "none", 0, WHOLE }, true },
	{ "401", { "/health", 401, "who", 0, WHOLE }, true },
	{ "503", { "/health", 503, "dead", 0, WHOLE }, false },
	{ "500", { "/health", 500, "dead", 0, WHOLE }, false },
	{ "hangs", { "/health", 200, "", 0, HANG }, false },
	{ "closes", { "/health", 200, "", 0, CLOSE }, false },
	{ "drips", { "/health", 200, "not in time, whatever it says in the end", 0, DRIP }, false },
	{ "no HTTP", { "/health", 200, "", 0, NO_HTTP }, false },
};

static void health_is_an_answer_below_500_in_time(void **state)
{
	(void)state;
	put_into_pool(add_replica());
	put_into_pool(add_replica());
	for (size_t c = 0; c < sizeof health_answers / sizeof *health_answers; c++) {
		print_message("%s\n", health_answers[c].name);
		replica_script(&fx.server[0], HEALTH, (struct script){ "/health", 200, "", 0, WHOLE });
		WAIT_UNTIL(replica_asked(&fx.server[0], HEALTH) && look(0).health_failures == 0);
		replica_script(&fx.server[0], HEALTH, health_answers[c].health);
		if (health_answers[c].alive) {
			WAIT_UNTIL(replica_asked(&fx.server[0], HEALTH) >= 3);
			assert_int_equal(look(0).health_failures, 0);
		} else {
			WAIT_UNTIL(look(0).health_failures >= 2);
			WAIT_UNTIL(look(0).state == REPLICA_EJECTED);
		}
		assert_true(usable(1));
	}
}

static void what_is_ejected_comes_back_when_it_answers(void **state)
{
	(void)state;
	put_into_pool(add_replica());
	put_into_pool(add_replica());
	WAIT_UNTIL(look(0).models_known);
	replica_script(&fx.server[0], HEALTH, (struct script){ "/health", 503, "", 0, WHOLE });
	WAIT_UNTIL(look(0).state == REPLICA_EJECTED);
	replica_script(&fx.server[0], MODELS, (struct script){ "/v1/models", 200, model_list, 0, WHOLE });
	replica_script(&fx.server[0], HEALTH, (struct script){ "/health", 200, "", 0, WHOLE });
	WAIT_UNTIL(look(0).state != REPLICA_EJECTED);
	WAIT_UNTIL(replica_asked(&fx.server[0], MODELS) >= 1); /* it may serve something else now */
}

static void a_slow_page_delays_nobody_and_is_a_failed_scrape(void **state)
{
	(void)state;
	static const enum how_to_answer bad[] = { HANG, DRIP, CLOSE, CUT, NO_HTTP };
	put_into_pool(add_replica());
	put_into_pool(add_replica());
	for (size_t c = 0; c < sizeof bad / sizeof *bad; c++) {
		replica_script(&fx.server[0], METRICS,
			       (struct script){ "/metrics", 200, fx.page, fx.page_bytes, bad[c] });
		WAIT_UNTIL(look(0).scrape_errors >= 2);
		uint64_t age = clock_now_ns() - look(1).signals_at;
		assert_true(age < 600 * NS_PER_MS);
		assert_true(usable(0)); /* it is alive, by its health path */
		replica_script(&fx.server[0], METRICS,
			       (struct script){ "/metrics", 200, fx.page, fx.page_bytes, WHOLE });
		WAIT_UNTIL(look(0).scrape_errors == 0 && replica_asked(&fx.server[0], METRICS));
	}
}

static void a_page_without_end_is_cut_off(void **state)
{
	(void)state;
	unsigned i = add_replica();
	char *endless = malloc(PROBE_PAGE_BYTES_MAX + 100000);
	assert_non_null(endless);
	memset(endless, 'v', PROBE_PAGE_BYTES_MAX + 100000);
	replica_script(&fx.server[i], METRICS,
		       (struct script){ "/metrics", 200, endless, PROBE_PAGE_BYTES_MAX + 100000, WHOLE });
	replica_script(&fx.server[i], MODELS,
		       (struct script){ "/v1/models", 200, endless, PROBE_MODELS_BYTES_MAX + 1, WHOLE });
	put_into_pool(i);
	WAIT_UNTIL(look(i).scrape_errors >= 2);
	assert_true(usable(i));
	assert_false(look(i).models_known);
	replica_server_stop(&fx.server[i]);
	fx.servers--;
	free(endless);
}

static const struct {
	const char *name, *page;
} lies[] = {
	{ "NaN", "vllm:num_requests_waiting NaN\nvllm:kv_cache_usage_perc NaN\n" },
	{ "Inf", "vllm:num_requests_waiting +Inf\nvllm:kv_cache_usage_perc Inf\n" },
	{ "1e308", "vllm:num_requests_waiting 1e308\nvllm:kv_cache_usage_perc 1e308\n" },
	{ "negative", "vllm:num_requests_waiting -1\nvllm:kv_cache_usage_perc -0.5\n" },
	{ "empty", "" },
	{ "garbage", "vllm:num_requests_waiting {{{\nvllm:kv_cache_usage_perc x\n\x80\xff\n" },
	{ "duplicate that would add up", "vllm:num_requests_waiting 3\nvllm:num_requests_waiting 3\n" },
};

static void no_lie_changes_what_is_believed(void **state)
{
	(void)state;
	unsigned i = add_replica();
	const char *truth = "vllm:num_requests_waiting 3\nvllm:kv_cache_usage_perc 0.5\n";
	struct script page = { "/metrics", 200, truth, 0, WHOLE };
	replica_script(&fx.server[i], METRICS, page);
	put_into_pool(i);
	for (size_t c = 0; c < sizeof lies / sizeof *lies; c++) {
		print_message("%s\n", lies[c].name);
		page.body = truth;
		replica_script(&fx.server[i], METRICS, page);
		WAIT_UNTIL(replica_asked(&fx.server[i], METRICS) >= 1);
		page.body = lies[c].page;
		replica_script(&fx.server[i], METRICS, page);
		WAIT_UNTIL(replica_asked(&fx.server[i], METRICS) >= 2);
		struct replica r = look(i);
		assert_true(r.signals.queued > 2.9 && r.signals.queued < 3.1);
		assert_true(r.signals.kv_used > 0.49 && r.signals.kv_used < 0.51);
		assert_true(usable(i));
	}
}

static void a_new_process_is_asked_for_its_models_again(void **state)
{
	(void)state;
	unsigned i = add_replica();
	struct script page = { "/metrics", 200, "vllm:num_requests_waiting 0\nprocess_start_time_seconds 1000\n", 0,
			       WHOLE };
	replica_script(&fx.server[i], METRICS, page);
	put_into_pool(i);
	WAIT_UNTIL(look(i).models_known && replica_asked(&fx.server[i], METRICS) >= 3);
	assert_int_equal(replica_asked(&fx.server[i], MODELS), 1);
	page.body = "vllm:num_requests_waiting 0\nprocess_start_time_seconds 2000\n";
	replica_script(&fx.server[i], METRICS, page);
	WAIT_UNTIL(replica_asked(&fx.server[i], MODELS) == 2);
}

static void a_list_that_is_not_there_yet_is_asked_for_again(void **state)
{
	(void)state;
	unsigned i = add_replica();
	replica_script(&fx.server[i], MODELS, (struct script){ "/v1/models", 503, "loading", 0, WHOLE });
	put_into_pool(i);
	WAIT_UNTIL(replica_asked(&fx.server[i], MODELS) >= 2);
	replica_script(&fx.server[i], MODELS, (struct script){ "/v1/models", 200, "{\"data\":7}", 0, WHOLE });
	WAIT_UNTIL(replica_asked(&fx.server[i], MODELS) >= 1);
	assert_false(look(i).models_known);
	replica_script(&fx.server[i], MODELS, (struct script){ "/v1/models", 200, model_list, 0, WHOLE });
	WAIT_UNTIL(look(i).models_known);
}

static void what_has_left_is_asked_no_more(void **state)
{
	(void)state;
	put_into_pool(add_replica());
	put_into_pool(add_replica());
	WAIT_UNTIL(replica_asked(&fx.server[0], HEALTH) && replica_asked(&fx.server[1], HEALTH));
	assert_int_equal(pool_removed(fx.pool, fx.id[0], clock_now_ns()), 0);
	usleep(250000); /* a comparison, and what was under way */
	unsigned before = replica_asked(&fx.server[0], HEALTH), others = replica_asked(&fx.server[1], HEALTH);
	WAIT_UNTIL(replica_asked(&fx.server[1], HEALTH) >= others + 3);
	assert_int_equal(replica_asked(&fx.server[0], HEALTH), before);
	/* The whole pool: when probe_pool_remove has returned, pool and gate are not used any more. */
	probe_pool_remove(fx.probe, fx.gate);
	uint64_t seen = look(1).signals_at;
	usleep(500000);
	assert_int_equal(look(1).signals_at, seen);
}

/* ---- what is held ---- */

/* Nobody but the prober advances this gate: a ticket whose time is over is told so by the next answer of any replica.
 */
static void an_answer_advances_the_gate(void **state)
{
	(void)state;
	struct pool_options o = *pool_options_of(fx.pool);
	struct decision d;
	struct ticket *first, *held;
	_Atomic bool told = false, unused = false;
	struct facts f = { .pool = fx.pool, .model = SPAN("base"), .arrived_ns = clock_now_ns() };
	o.requests_per_replica = 1;
	o.queue_ns = 300 * NS_PER_MS;
	pool_configure(fx.pool, &o);
	put_into_pool(add_replica());
	assert_int_equal(gate_submit(fx.gate, &f, &unused, clock_now_ns(), &d, &first), GATE_DECIDED);
	assert_int_equal(gate_submit(fx.gate, &f, &told, clock_now_ns(), &d, &held), GATE_HELD);
	WAIT_UNTIL(atomic_load(&told));
	assert_int_equal(gate_collect(held, &d, clock_now_ns()), GATE_REFUSED);
	assert_false(gate_on_gone(first, clock_now_ns()));
	assert_false(atomic_load(&unused));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vllm_is_recognised_and_its_signals_and_models_read),
		TEST(connections_are_kept_between_questions),
		TEST(a_kept_connection_that_the_engine_closed_is_no_failure),
		TEST(a_replica_that_knows_none_of_the_paths_serves),
		TEST(a_replica_that_refuses_connections_is_taken_out),
		TEST(health_is_an_answer_below_500_in_time),
		TEST(what_is_ejected_comes_back_when_it_answers),
		TEST(a_slow_page_delays_nobody_and_is_a_failed_scrape),
		TEST(a_page_without_end_is_cut_off),
		TEST(no_lie_changes_what_is_believed),
		TEST(a_new_process_is_asked_for_its_models_again),
		TEST(a_list_that_is_not_there_yet_is_asked_for_again),
		TEST(what_has_left_is_asked_no_more),
		TEST(an_answer_advances_the_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
