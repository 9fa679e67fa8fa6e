/* Snapshots: what a configuration compiles to, and which pool and name a model goes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "gate/gate.h"

enum { POOLS_MAX = 4, DRAWS = 4000 };

static const char manifest[] =
	"kind: Gateway\napiVersion: gateway.networking.k8s.io/v1\nmetadata: {name: front}\n"
	"spec: {gatewayClassName: penstock, listeners: [{name: http, port: 8080, protocol: HTTP, hostname: "
	"a.example},\n"
	"  {name: other, port: 8080, protocol: HTTP, hostname: '*.example'}, {name: more, port: 8081, protocol: "
	"HTTP}]}\n"
	"---\nkind: ListenerPolicy\napiVersion: penstock.dev/v1alpha1\nmetadata: {name: short}\n"
	"spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}], timeouts: {headTimeout: "
	"3s},\n"
	"  client: {halfClose: tolerate}}\n"
	"---\nkind: InferencePolicy\napiVersion: penstock.dev/v1alpha1\nmetadata: {name: patient}\n"
	"spec: {targetRefs: [{group: inference.networking.k8s.io, kind: InferencePool, name: a}],\n"
	"  timeouts: {firstByteTimeout: 7s}}\n"
	"---\nkind: InferencePool\napiVersion: inference.networking.k8s.io/v1\nmetadata: {name: a}\n"
	"spec: {selector: {matchLabels: {app: a}}, targetPorts: [{number: 1}]}\n"
	"---\nkind: InferencePool\napiVersion: inference.networking.k8s.io/v1\nmetadata: {name: b}\n"
	"spec: {selector: {matchLabels: {app: b}}, targetPorts: [{number: 1}]}\n"
	"---\nkind: InferenceObjective\napiVersion: llm-d.ai/v1alpha2\nmetadata: {name: urgent}\n"
	"spec: {priority: 7, poolRef: {name: a}}\n"
	"---\nkind: InferenceObjective\napiVersion: inference.networking.x-k8s.io/v1alpha2\nmetadata: {name: "
	"whenever}\n"
	"spec: {priority: -3, poolRef: {name: b}}\n"
	/* the younger one stands first and loses where both name a model */
	"---\nkind: InferenceModelRewrite\napiVersion: llm-d.ai/v1alpha2\n"
	"metadata: {name: young, creationTimestamp: '2026-02-01T00:00:00Z'}\n"
	"spec: {poolRef: {name: a}, rules: [{matches: [{model: {value: twice}}], targets: [{modelRewrite: "
	"from-young}]},\n"
	"  {targets: [{modelRewrite: fallback}]}]}\n"
	"---\nkind: InferenceModelRewrite\napiVersion: llm-d.ai/v1alpha2\n"
	"metadata: {name: old, creationTimestamp: '2026-01-01T00:00:00Z'}\n"
	"spec: {poolRef: {name: a}, rules: [{matches: [{model: {value: twice}}, {model: {value: alias}}],\n"
	"  targets: [{modelRewrite: from-old}]},\n"
	"  {matches: [{model: {value: canary}}], targets: [{modelRewrite: stable, weight: 90}, {modelRewrite: next, "
	"weight: 10}]},\n"
	"  {matches: [{model: {value: itself}}], targets: [{modelRewrite: itself}]}]}\n";

struct world {
	struct config *config;
	struct snapshot *snapshot;
	struct snapshot_live live[POOLS_MAX];
	uint64_t replica[POOLS_MAX]; /* one in each pool */
	uint32_t a, b;		     /* pool numbers */
};

static int make(void **state)
{
	static struct world w;
	struct config_source source = { SPAN("test.yaml"), span_str(manifest) };
	struct config_errors errors;
	struct err e = { 0 };
	config_errors_init(&errors);
	if (config_load(&source, 1, NULL, CONFIG_STRICT, &errors, &w.config) < 0) {
		print_error("%.*s", SPAN_ARG(buf_span(&errors.text)));
		return -1;
	}
	config_errors_free(&errors);
	for (uint32_t i = 0; i < config_pool_count(w.config); i++) {
		struct pool_options o = pool_options_default();
		struct address at;
		w.live[i].pool = pool_new(&o);
		if (address_parse(&at, SPAN("10.0.0.1:80"), &e) < 0 ||
		    pool_added(w.live[i].pool, SPAN("r"), &at, 0, 1, &w.replica[i]) < 0)
			return -1;
		if (span_eq(config_pool_at(w.config, i)->name, SPAN("default/a")))
			w.a = i;
		else
			w.b = i;
	}
	w.snapshot = snapshot_new(w.config, w.live, 5, 1 << 20, &e);
	*state = &w;
	return w.snapshot ? 0 : -1;
}

static int unmake(void **state)
{
	struct world *w = *state;
	snapshot_unref(w->snapshot);
	for (uint32_t i = 0; i < config_pool_count(w->config); i++)
		pool_free(w->live[i].pool);
	config_unref(w->config);
	return 0;
}

/* The pool's replica says that it has this model, and no other. */
static void serves(struct world *w, uint32_t pool, char *model)
{
	struct replica_model m = { .id = model };
	assert_int_equal(pool_on_models(w->live[pool].pool, w->replica[pool], &m, 1, 2), 0);
}

static void policies_reach_listeners_and_pools(void **state)
{
	struct world *w = *state;
	const struct snapshot *s = w->snapshot;
	assert_int_equal(s->generation, 5);
	assert_int_equal(s->listener_count, 2);
	assert_int_equal(address_port(&s->listeners[0].address), 8080);
	assert_int_equal(s->listeners[0].policy.head_timeout_ns, 3 * NS_PER_S);
	assert_int_equal(s->listeners[0].policy.half_close, HALF_CLOSE_TOLERATE);
	assert_int_equal(s->listeners[0].policy.limits.fields, config_listener_options_default().fields);
	assert_int_equal(s->pool_count, 2);
	assert_string_equal(s->pools[w->a].name, "default/a");
	assert_int_equal(s->pools[w->a].policy.first_byte_timeout_ns, 7 * NS_PER_S);
	assert_int_equal(s->pools[w->b].policy.first_byte_timeout_ns,
			 config_pool_options_default().first_byte_timeout_ns);
}

static void hosts_choose_among_listeners_of_one_socket(void **state)
{
	const struct snapshot *s = ((struct world *)*state)->snapshot;
	uint32_t exact = snapshot_route_listener(s, 0, SPAN("a.example")),
		 wild = snapshot_route_listener(s, 0, SPAN("b.example"));
	assert_int_not_equal(exact, wild);
	assert_int_equal(snapshot_route_listener(s, 0, SPAN("elsewhere")), UINT32_MAX);
	assert_int_equal(snapshot_route_listener(s, 1, SPAN("elsewhere")), s->listeners[1].route_listener);
}

static void objectives_belong_to_their_pool(void **state)
{
	struct world *w = *state;
	assert_int_equal(snapshot_objective(w->snapshot, w->a, SPAN("urgent")), 7);
	assert_int_equal(snapshot_objective(w->snapshot, w->b, SPAN("urgent")), 0);
	assert_int_equal(snapshot_objective(w->snapshot, w->b, SPAN("whenever")), -3);
	assert_int_equal(snapshot_objective(w->snapshot, 99, SPAN("urgent")), 0);
}

static void rewrites_follow_their_precedence(void **state)
{
	static const struct {
		const char *model, *rewritten, *object;
	} cases[] = {
		{ "alias", "from-old", "old" },
		{ "twice", "from-old", "old" },
		{ "itself", "", "old" },
		{ "anything", "fallback", "young" },
		{ "", "", "" },
	};
	struct world *w = *state;
	struct route_backend only = { w->a, 1 };
	const struct route_rule rule = { .backends = &only, .backend_count = 1 };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct model_route r;
		assert_int_equal(snapshot_route_model(w->snapshot, &rule, span_str(cases[i].model), 12345, &r, NULL),
				 0);
		assert_int_equal(r.pool, w->a);
		if (!span_eq(r.rewritten, span_str(cases[i].rewritten)) ||
		    !span_eq(r.rewrite_name, span_str(cases[i].object)))
			fail_msg("%s: %.*s by %.*s", cases[i].model, SPAN_ARG(r.rewritten), SPAN_ARG(r.rewrite_name));
	}
}

static void canary_targets_share_by_weight(void **state)
{
	struct world *w = *state;
	struct route_backend only = { w->a, 1 };
	const struct route_rule rule = { .backends = &only, .backend_count = 1 };
	struct rng random;
	unsigned next = 0;
	rng_seed(&random, 42);
	for (int i = 0; i < DRAWS; i++) {
		struct model_route r;
		assert_int_equal(snapshot_route_model(w->snapshot, &rule, SPAN("canary"), rng_next(&random), &r, NULL),
				 0);
		next += span_eq(r.rewritten, SPAN("next"));
	}
	assert_in_range(next, DRAWS / 10 - 80, DRAWS / 10 + 80); /* four standard deviations */
}

/* How often pool `a` is chosen among `a` and `b`. */
static unsigned drawn_a(struct world *w, const char *model, uint32_t weight_a, uint32_t weight_b)
{
	struct route_backend both[] = { { w->a, weight_a }, { w->b, weight_b } };
	const struct route_rule rule = { .backends = both, .backend_count = 2 };
	struct rng random;
	unsigned n = 0;
	rng_seed(&random, 7);
	for (int i = 0; i < DRAWS; i++) {
		struct model_route r;
		assert_int_equal(snapshot_route_model(w->snapshot, &rule, span_str(model), rng_next(&random), &r, NULL),
				 0);
		n += r.pool == w->a;
	}
	return n;
}

static void the_pool_that_knows_the_model_is_chosen(void **state)
{
	struct world *w = *state;
	static char here[] = "here", there[] = "there";
	/* nobody has told anything: any pool, by weight */
	assert_in_range(drawn_a(w, "here", 1, 3), DRAWS / 4 - 120, DRAWS / 4 + 120);
	serves(w, w->a, here);
	assert_int_equal(drawn_a(w, "here", 1, 99), DRAWS);
	/* what `a` lacks may be in `b`, which has not told yet; that `a` rewrites every model counts for less */
	assert_int_equal(drawn_a(w, "there", 99, 1), 0);
	serves(w, w->b, there);
	assert_int_equal(drawn_a(w, "there", 99, 1), 0);
	assert_int_equal(drawn_a(w, "alias", 1, 99), DRAWS);				 /* a rewrite that names it */
	assert_in_range(drawn_a(w, "", 3, 1), DRAWS * 3 / 4 - 120, DRAWS * 3 / 4 + 120); /* no model is named */
	assert_int_equal(drawn_a(w, "nobody-has-it", 1, 99), DRAWS); /* the rewrite of every model */
}

static void a_model_nobody_has_is_not_found(void **state)
{
	struct world *w = *state;
	static char there[] = "there";
	struct route_backend twice[] = { { w->b, 1 }, { w->b, 1 } };
	const struct route_rule rule = { .backends = twice, .backend_count = 2 };
	struct model_route r;
	struct err e = { 0 };
	serves(w, w->b, there);
	assert_int_equal(snapshot_route_model(w->snapshot, &rule, SPAN("nobody-has-it"), 1, &r, &e), -PS_ENOMODEL);
	assert_non_null(strstr(e.text, "nobody-has-it"));
	assert_int_equal(snapshot_route_model(w->snapshot, &rule, SPAN("there"), 1, &r, &e), 0);
}

static void backends_that_cannot_be_used_are_no_replica(void **state)
{
	struct world *w = *state;
	struct route_backend cases[][2] = { { { UINT32_MAX, 1 }, { UINT32_MAX, 1 } },
					    { { w->a, 0 }, { w->b, 0 } },
					    { { UINT32_MAX, 1 }, { w->a, 0 } } };
	struct model_route r;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (uint32_t n = 0; n <= 2; n++) {
			const struct route_rule rule = { .backends = cases[i], .backend_count = n };
			assert_int_equal(snapshot_route_model(w->snapshot, &rule, SPAN("m"), 3, &r, NULL),
					 -PS_ENOREPLICA);
		}
	}
}

static void an_unresolved_backend_keeps_its_share(void **state)
{
	struct world *w = *state;
	struct route_backend half[] = { { w->a, 1 }, { UINT32_MAX, 1 } };
	const struct route_rule rule = { .backends = half, .backend_count = 2 };
	struct rng random;
	int refused = 0;
	rng_seed(&random, 9);
	for (int i = 0; i < DRAWS; i++) {
		struct model_route r;
		refused += snapshot_route_model(w->snapshot, &rule, SPAN("m"), rng_next(&random), &r, NULL) ==
			   -PS_ENOREPLICA;
	}
	assert_in_range(refused, DRAWS / 2 - 130, DRAWS / 2 + 130);
}

static void references_are_counted(void **state)
{
	struct snapshot *s = ((struct world *)*state)->snapshot;
	assert_int_equal(snapshot_refs(s), 1);
	assert_ptr_equal(snapshot_ref(s), s);
	assert_int_equal(snapshot_refs(s), 2);
	snapshot_unref(s);
	assert_int_equal(snapshot_refs(s), 1);
	snapshot_unref(NULL);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(policies_reach_listeners_and_pools),	 IN_WORLD(hosts_choose_among_listeners_of_one_socket),
		IN_WORLD(objectives_belong_to_their_pool),	 IN_WORLD(rewrites_follow_their_precedence),
		IN_WORLD(canary_targets_share_by_weight),	 IN_WORLD(the_pool_that_knows_the_model_is_chosen),
		IN_WORLD(a_model_nobody_has_is_not_found),	 IN_WORLD(backends_that_cannot_be_used_are_no_replica),
		IN_WORLD(an_unresolved_backend_keeps_its_share), IN_WORLD(references_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
