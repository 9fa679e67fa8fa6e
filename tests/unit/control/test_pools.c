/* Live pools: replicas follow the configuration by difference, against a naive model under random changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "control/pools.h"

enum { HOSTS = 24, ROUNDS = 300 };

static struct loop *loop;
static struct names *names;
static struct pools pools;

static void on_names(void *arg)
{
	(void)arg;
}

static int make(void **state)
{
	(void)state;
	loop = loop_new("test", 0);
	names = names_new(loop, on_names, NULL);
	pools_init(&pools, names, NULL, NULL);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	pools_free(&pools);
	names_free(names);
	loop_free(loop);
	return 0;
}

/* A pool whose endpoints are 10.0.0.k for the bits of `hosts`; `more` is further text. */
static struct config *configuration(const char *pool, uint32_t hosts, const char *more)
{
	struct buf text;
	struct config_errors errors;
	struct config *c = NULL;
	buf_init(&text, 1 << 20);
	(void)buf_printf(&text,
			 "apiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: {name: %s}\n"
			 "spec: {selector: {matchLabels: {app: %s}}, targetPorts: [{number: 8000}]}\n%s",
			 pool, pool, more);
	for (uint32_t k = 0; k < HOSTS; k++) {
		if (hosts >> k & 1)
			(void)buf_printf(&text,
					 "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
					 "metadata: {name: s%u, labels: {app: %s}}\naddressType: IPv4\n"
					 "ports: [{port: 8000}]\nendpoints: [{addresses: [10.0.0.%u]}]\n",
					 k, pool, k + 1);
	}
	struct config_source source = { SPAN("test.yaml"), buf_span(&text) };
	config_errors_init(&errors);
	if (config_load(&source, 1, NULL, CONFIG_STRICT, &errors, &c) < 0)
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	buf_free(&text);
	return c;
}

static struct pool *apply(const struct config *c, uint64_t generation)
{
	struct snapshot_live live[4] = { { NULL, NULL } };
	assert_int_equal(pools_prepare(&pools, c, live, NULL), 0);
	pools_apply(&pools, c, generation, generation * NS_PER_S);
	return live[0].pool;
}

/* The bits of the hosts that may be given requests. */
static uint32_t members(struct pool *p)
{
	uint32_t n, bits = 0;
	pool_lock(p);
	const struct replica *r = pool_replicas_locked(p, &n);
	for (uint32_t i = 0; i < n; i++) {
		unsigned k;
		if (r[i].live && r[i].state != REPLICA_DRAINING && sscanf(r[i].name, "10.0.0.%u:8000", &k) == 1)
			bits |= 1U << (k - 1);
	}
	pool_unlock(p);
	return bits;
}

static void replicas_follow_random_changes(void **state)
{
	(void)state;
	struct rng random;
	struct pool *first = NULL;
	rng_seed(&random, 2);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		uint32_t wanted = (uint32_t)rng_next(&random) & ((1U << HOSTS) - 1);
		struct config *c = configuration("p", wanted, "");
		struct pool *p = apply(c, round);
		first = first ? first : p;
		assert_ptr_equal(p, first);
		if (members(p) != wanted)
			fail_msg("round %u (seed 2): %x wanted, %x there", (unsigned)round, wanted, members(p));
		config_unref(c);
	}
}

static uint64_t charge(struct pool *p, uint32_t *in_flight, bool more)
{
	uint32_t n;
	pool_lock(p);
	struct replica *r = pool_replicas_locked(p, &n);
	assert_true(n >= 1 && r[0].live);
	if (more)
		(void)pool_dispatched_locked(p, &r[0], 10, 1);
	*in_flight = r[0].in_flight;
	uint64_t id = r[0].id;
	pool_unlock(p);
	return id;
}

static void a_reload_keeps_what_a_pool_knows(void **state)
{
	(void)state;
	uint32_t before, after;
	struct config *one = configuration("p", 1, ""), *two = configuration("p", 3, "");
	struct pool *p = apply(one, 1);
	uint64_t id = charge(p, &before, true);
	assert_int_equal(before, 1);
	assert_ptr_equal(apply(two, 2), p);
	assert_int_equal(charge(p, &after, false), id);
	assert_int_equal(after, 1);
	config_unref(one);
	config_unref(two);
}

static void options_change_in_place(void **state)
{
	(void)state;
	static const char policy[] =
		"---\napiVersion: penstock.dev/v1alpha1\nkind: InferencePolicy\nmetadata: {name: x}\n"
		"spec: {targetRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: p}], queue: "
		"{queueRequests: 17}}\n";
	struct config *plain = configuration("p", 1, ""), *with = configuration("p", 1, policy);
	struct pool *p = apply(plain, 1);
	uint32_t usual = pool_options_of(p)->queue_requests;
	assert_ptr_equal(apply(with, 2), p);
	assert_int_equal(pool_options_of(p)->queue_requests, 17);
	(void)apply(plain, 3);
	assert_int_equal(pool_options_of(p)->queue_requests, usual);
	config_unref(plain);
	config_unref(with);
}

static void a_pool_stays_until_no_configuration_names_it(void **state)
{
	(void)state;
	struct config *p = configuration("p", 1, ""), *q = configuration("q", 1, "");
	struct pool *first = apply(p, 1);
	(void)apply(q, 2);
	pools_sweep(&pools, 1); /* somebody still runs on generation 1 */
	assert_ptr_equal(apply(p, 3), first);
	(void)apply(q, 4);
	pools_sweep(&pools, 4);
	assert_int_equal(pools.all.count, 1);
	config_unref(p);
	config_unref(q);
}

static void names_become_replicas_when_they_are_known(void **state)
{
	(void)state;
	static const char slice[] =
		"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: named, labels: {app: p}}\n"
		"addressType: FQDN\nports: [{port: 8000}]\nendpoints: [{addresses: [localhost]}]\n";
	struct config *c = configuration("p", 0, slice);
	struct pool *p = apply(c, 1);
	pool_lock(p);
	assert_int_equal(pool_size_locked(p), 0);
	pool_unlock(p);
	while (names_waiting(names))
		(void)uv_run(loop_uv(loop), UV_RUN_ONCE);
	pools_refresh(&pools, c, NS_PER_S);
	pool_lock(p);
	uint32_t n;
	const struct replica *r = pool_replicas_locked(p, &n);
	assert_int_equal(n, 1);
	assert_string_equal(r[0].name, "localhost:8000");
	assert_int_equal(address_port(&r[0].address), 8000);
	pool_unlock(p);
	config_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replicas_follow_random_changes, make, unmake),
		cmocka_unit_test_setup_teardown(a_reload_keeps_what_a_pool_knows, make, unmake),
		cmocka_unit_test_setup_teardown(options_change_in_place, make, unmake),
		cmocka_unit_test_setup_teardown(a_pool_stays_until_no_configuration_names_it, make, unmake),
		cmocka_unit_test_setup_teardown(names_become_replicas_when_they_are_known, make, unmake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
