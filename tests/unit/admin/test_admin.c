/* The operators' server over HTTP on loopback: every path, what it says of pools and configuration, and what it keeps
 * to itself. */
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/admin.h"
#include "config/config.h"
#include "telemetry/telemetry.h"

enum { ANSWER_MAX = 4 * 1024 * 1024 };

static const char manifest[] =
	"kind: Gateway\napiVersion: gateway.networking.k8s.io/v1\nmetadata: {name: front}\n"
	"spec: {gatewayClassName: penstock, listeners: [{name: http, port: 8080, protocol: HTTP}]}\n"
	"---\nkind: ListenerPolicy\napiVersion: penstock.dev/v1alpha1\nmetadata: {name: short}\n"
	"spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}], timeouts: {headTimeout: "
	"3s}}\n"
	"---\nkind: InferencePool\napiVersion: inference.networking.k8s.io/v1\nmetadata: {name: a}\n"
	"spec: {selector: {matchLabels: {app: a}}, targetPorts: [{number: 1}]}\n"
	"---\nkind: Secret\napiVersion: v1\nmetadata: {name: keys}\nstringData: {token: s3cr3t-t0k3n}\n";

static struct {
	struct loop *loop;
	struct admin *admin;
	struct config *config;
	struct snapshot_live live;
	struct snapshot *snapshot;
	uint64_t replica;
	_Atomic bool ready;
} fx;

static bool is_ready(void *arg, struct buf *why)
{
	(void)arg;
	if (!fx.ready)
		assert_int_equal(buf_add(why, SPAN("names are being resolved\n")), 0);
	return fx.ready;
}

static void make_pool(void)
{
	struct pool_options o = pool_options_default();
	struct address at;
	struct signals s = { .queued = 3,
			     .running = 2,
			     .kv_used = 0.25,
			     .kv_blocks = (double)NAN,
			     .block_tokens = (double)NAN,
			     .max_lora = (double)NAN };
	char id[] = "base", parent[] = "";
	struct replica_model m = { .id = id, .parent = parent };
	(void)span_copy(o.name, sizeof o.name, SPAN("default/a"));
	fx.live.pool = pool_new(&o);
	fx.live.gate = gate_new(fx.live.pool, NULL, 1, NULL);
	assert_int_equal(address_parse(&at, SPAN("10.0.0.1:8000"), NULL), 0);
	assert_int_equal(pool_added(fx.live.pool, SPAN("10.0.0.1:8000"), &at, 7, clock_now_ns(), &fx.replica), 0);
	pool_on_scrape(fx.live.pool, fx.replica, ENGINE_VLLM, &s, clock_now_ns());
	assert_int_equal(pool_on_models(fx.live.pool, fx.replica, &m, 1, clock_now_ns()), 0);
}

static int setup(void **state)
{
	(void)state;
	struct config_source source = { SPAN("test.yaml"), span_str(manifest) };
	struct config_errors errors;
	struct address at;
	struct err e = { 0 };
	memset(&fx, 0, sizeof fx);
	config_errors_init(&errors);
	if (config_load(&source, 1, NULL, CONFIG_STRICT, &errors, &fx.config) < 0)
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	make_pool();
	fx.snapshot = snapshot_new(fx.config, &fx.live, 5, 1 << 20, &e);
	fx.loop = loop_new("control", 2);
	assert_int_equal(address_parse(&at, SPAN("127.0.0.1:0"), &e), 0);
	fx.admin = admin_new(fx.loop, &at, is_ready, NULL, &e);
	if (!fx.admin || !fx.snapshot)
		fail_msg("%s", e.text);
	fx.ready = true;
	return 0;
}

/* Publishing belongs to the loop's thread: tests do it before they start it. */
static void start(bool published)
{
	if (published)
		admin_publish(fx.admin, fx.snapshot);
	assert_int_equal(loop_start(fx.loop), 0);
}

static int teardown(void **state)
{
	(void)state;
	loop_stop(fx.loop);
	loop_join(fx.loop);
	admin_free(fx.admin);
	loop_free(fx.loop);
	snapshot_unref(fx.snapshot);
	config_unref(fx.config);
	gate_free(fx.live.gate);
	pool_free(fx.live.pool);
	return 0;
}

/* The whole answer to one request, NUL-terminated; the caller frees it. */
static char *ask_with(const char *method, const char *path)
{
	const struct address *at = admin_address(fx.admin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&at->sa, at->len), 0);
	char request[256], *text = malloc(ANSWER_MAX);
	int n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", method,
			 path);
	assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
	size_t got = 0;
	for (ssize_t k; (k = recv(fd, text + got, ANSWER_MAX - 1 - got, 0)) > 0;)
		got += (size_t)k;
	text[got] = '\0';
	(void)close(fd);
	return text;
}

static int status_of(const char *answer)
{
	int status = 0;
	assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
	return status;
}

static const char *body_of(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");
	assert_non_null(end);
	return end + 4;
}

static const struct {
	const char *method, *path;
	int status;
	const char *type, *body; /* of the body: some text in it */
} paths[] = {
	{ "GET", "/", 200, "text/plain", "/debug/pools" },
	{ "GET", "/healthz", 200, "text/plain", "ok\n" },
	{ "GET", "/readyz", 200, "text/plain", "ready\n" },
	{ "GET", "/metrics", 200, "text/plain; version=0.0.4", "# TYPE llm_d_epp_ready_endpoints gauge\n" },
	{ "GET", "/metrics?x=y", 200, "text/plain; version=0.0.4",
	  "llm_d_epp_ready_endpoints{name=\"default/a\"} 1\n" },
	{ "GET", "/debug/pools", 200, "application/json", "10.0.0.1:8000" },
	{ "GET", "/debug/config", 200, "application/json", "headTimeout" },
	{ "HEAD", "/healthz", 200, "text/plain", "" },
	{ "GET", "/nothing", 404, "text/plain", "/metrics" },
	{ "GET", "/healthz/", 404, "text/plain", "/metrics" },
	{ "POST", "/healthz", 405, "text/plain", "Only GET" },
	{ "DELETE", "/debug/pools", 405, "text/plain", "Only GET" },
};

static void every_path_answers_as_its_row_says(void **state)
{
	(void)state;
	start(true);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char *answer = ask_with(paths[i].method, paths[i].path);
		print_message("%s %s\n", paths[i].method, paths[i].path);
		assert_int_equal(status_of(answer), paths[i].status);
		assert_non_null(strstr(answer, paths[i].type));
		assert_non_null(strstr(body_of(answer), paths[i].body));
		free(answer);
	}
}

static void readiness_says_why_not(void **state)
{
	(void)state;
	fx.ready = false;
	start(true);
	char *answer = ask_with("GET", "/readyz");
	assert_int_equal(status_of(answer), 503);
	assert_string_equal(body_of(answer), "names are being resolved\n");
	free(answer);
	fx.ready = true;
	answer = ask_with("GET", "/readyz");
	assert_int_equal(status_of(answer), 200);
	free(answer);
}

static void without_a_configuration_it_is_alive_and_not_ready(void **state)
{
	(void)state;
	start(false);
	char *answer = ask_with("GET", "/readyz");
	assert_int_equal(status_of(answer), 503);
	assert_string_equal(body_of(answer), "no configuration is in force\n");
	free(answer);
	static const char *const others[] = { "/healthz", "/metrics", "/debug/pools", "/debug/config" };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		answer = ask_with("GET", others[i]);
		assert_int_equal(status_of(answer), 200);
		free(answer);
	}
}

static json_t *ask_json(const char *path)
{
	char *answer = ask_with("GET", path);
	json_t *page = json_loads(body_of(answer), JSON_REJECT_DUPLICATES, NULL);
	if (!page)
		print_error("%s\n", answer);
	assert_non_null(page);
	free(answer);
	return page;
}

static void pools_show_what_is_known_of_each_replica(void **state)
{
	(void)state;
	start(true);
	json_t *page = ask_json("/debug/pools");
	assert_int_equal(json_integer_value(json_object_get(page, "generation")), 5);
	json_t *pool = json_array_get(json_object_get(page, "pools"), 0);
	assert_string_equal(json_string_value(json_object_get(pool, "name")), "default/a");
	assert_int_equal(json_integer_value(json_object_get(pool, "held")), 0);
	json_t *replica = json_array_get(json_object_get(pool, "replicas"), 0);
	assert_string_equal(json_string_value(json_object_get(replica, "name")), "10.0.0.1:8000");
	assert_string_equal(json_string_value(json_object_get(replica, "engine")), "vllm");
	assert_true(json_is_true(json_object_get(replica, "usable")));
	assert_int_equal(json_integer_value(json_object_get(replica, "capacity")), 7);
	assert_string_equal(json_string_value(json_array_get(json_object_get(replica, "models"), 0)), "base");
	json_t *signals = json_object_get(replica, "signals"), *kv = json_object_get(signals, "kv_used");
	assert_true(json_number_value(json_object_get(kv, "value")) > 0.24);
	double age = json_number_value(json_object_get(kv, "age_ms"));
	assert_true(age >= 0 && age < 60000);
	assert_null(json_object_get(signals, "kv_blocks")); /* never said */
	json_decref(page);
}

static void configuration_shows_options_in_force_and_no_secret(void **state)
{
	(void)state;
	start(true);
	json_t *page = ask_json("/debug/config");
	json_t *listener = json_array_get(json_object_get(page, "listeners"), 0);
	assert_string_equal(json_string_value(json_object_get(listener, "gateway")), "front");
	json_t *options = json_object_get(listener, "options");
	assert_string_equal(json_string_value(json_object_get(options, "headTimeout")), "3s");
	json_t *pool = json_array_get(json_object_get(page, "pools"), 0);
	assert_string_equal(json_string_value(json_object_get(pool, "name")), "default/a");
	assert_non_null(json_object_get(json_object_get(pool, "options"), "scrapeInterval"));
	assert_true(json_array_size(json_object_get(page, "objects")) > 10);
	char *text = json_dumps(page, 0);
	assert_non_null(strstr(text, "keys"));
	assert_null(strstr(text, "s3cr3t"));
	free(text);
	json_decref(page);
}

static bool metrics_hold(const char *what)
{
	char *answer = ask_with("GET", "/metrics");
	bool found = strstr(answer, what) != NULL;
	free(answer);
	return found;
}

static void gauges_follow_the_pool_and_end_with_the_replica(void **state)
{
	(void)state;
	start(true);
	assert_true(metrics_hold("llm_d_epp_average_queue_size{name=\"default/a\"} 3\n"));
	assert_true(metrics_hold("llm_d_epp_average_kv_cache_utilization{name=\"default/a\"} 0.25\n"));
	assert_true(metrics_hold("penstock_replicas{pool=\"default/a\",state=\"ejected\"} 0\n"));
	assert_true(metrics_hold("penstock_config_generation 5\n"));
	const char *queue =
		"llm_d_epp_per_endpoint_queue_size{name=\"default/a\",model_server_endpoint=\"10.0.0.1:8000\"} 3\n";
	assert_true(metrics_hold(queue));
	assert_int_equal(pool_removed(fx.live.pool, fx.replica, clock_now_ns()), 0);
	assert_false(metrics_hold(queue));
	assert_true(metrics_hold("llm_d_epp_ready_endpoints{name=\"default/a\"} 0\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_path_answers_as_its_row_says),
		TEST(readiness_says_why_not),
		TEST(without_a_configuration_it_is_alive_and_not_ready),
		TEST(pools_show_what_is_known_of_each_replica),
		TEST(configuration_shows_options_in_force_and_no_secret),
		TEST(gauges_follow_the_pool_and_end_with_the_replica),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
