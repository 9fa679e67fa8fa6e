/* What a store amounts to: pools and their replicas, listeners and sockets, policies, references, the objects of flags.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

enum { TEXT_MAX = 1 << 16 };

#define POOL                                                                                                           \
	"apiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: { name: p }\n"                     \
	"spec: { selector: { matchLabels: { app: a, tier: t } }, targetPorts: [{ number: 8000 }, { number: 8001 }] "   \
	"}\n---\n"
#define GATEWAY(name, spec)                                                                                            \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: " name                             \
	" }\nspec: { gatewayClassName: c, " spec " }\n---\n"
#define LABELS "labels: { app: a, tier: t, more: m }"

static struct config *load_how(const char *text, enum config_strictness how)
{
	struct config *c = NULL;
	struct config_errors errors;
	struct config_source src = { SPAN("t"), span_str(text) };
	config_errors_init(&errors);
	if (config_load(&src, 1, NULL, how, &errors, &c))
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	return c;
}

static struct config *load(const char *text)
{
	return load_how(text, CONFIG_STRICT);
}

static int note_endpoint(void *arg, const struct config_endpoint *ep)
{
	char *out = arg;
	size_t used = strlen(out);
	(void)snprintf(out + used, TEXT_MAX - used, "%.*s%s%s ", SPAN_ARG(ep->name), ep->is_name ? "(name)" : "",
		       ep->draining ? "(draining)" : "");
	return 0;
}

static void assert_endpoints(const char *text, const char *want)
{
	static char got[TEXT_MAX];
	struct config *c = load(text);
	got[0] = 0;
	assert_int_equal(config_pool_endpoints(c, 0, note_endpoint, got), 0);
	assert_string_equal(got, want);
	config_unref(c);
}

static void slices_with_the_pools_labels_are_its_replicas(void **state)
{
	(void)state;
	assert_endpoints(
		POOL "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s, " LABELS
		     " }\naddressType: IPv4\n"
		     "endpoints: [{ addresses: [10.0.0.1] }, { addresses: [10.0.0.2], conditions: { ready: false } },\n"
		     "  { addresses: [10.0.0.3], conditions: { ready: false, serving: true, terminating: true } }]\n"
		     "ports: [{ port: 9000 }]\n",
		"10.0.0.1:9000 10.0.0.3:9000(draining) ");
}

static void a_slice_without_ports_has_the_pools(void **state)
{
	(void)state;
	assert_endpoints(POOL "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s, " LABELS
			      " }\naddressType: IPv6\n"
			      "endpoints: [{ addresses: [\"fd00::1\"] }]\n",
			 "[fd00::1]:8000 [fd00::1]:8001 ");
}

static void slices_of_other_labels_or_namespaces_are_not_its_replicas(void **state)
{
	(void)state;
	assert_endpoints(
		POOL
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s, labels: { app: a } }\n"
		"addressType: IPv4\nendpoints: [{ addresses: [10.0.0.1] }]\n---\n"
		"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s, namespace: other, " LABELS
		" }\n"
		"addressType: IPv4\nendpoints: [{ addresses: [10.0.0.1] }]\n",
		"");
}

static void the_same_address_and_port_counts_once(void **state)
{
	(void)state;
	assert_endpoints(POOL "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s, " LABELS
			      " }\naddressType: FQDN\n"
			      "endpoints: [{ addresses: [a.example] }, { addresses: [a.example] }]\nports: [{ port: 1 "
			      "}, { port: 1 }]\n",
			 "a.example:1(name) ");
}

static void ready_pods_with_the_labels_are_replicas_at_every_port(void **state)
{
	(void)state;
	assert_endpoints(
		POOL "apiVersion: v1\nkind: Pod\nmetadata: { name: a, " LABELS " }\nstatus: { podIP: 10.0.0.1 }\n---\n"
		     "apiVersion: v1\nkind: Pod\nmetadata: { name: b, " LABELS " }\n"
		     "status: { podIPs: [{ ip: 10.0.0.2 }], conditions: [{ type: Ready, status: \"False\" }] }\n---\n"
		     "apiVersion: v1\nkind: Pod\nmetadata: { name: c, deletionTimestamp: 2026-01-01T00:00:00Z, " LABELS
		     " }\n"
		     "status: { podIPs: [{ ip: 10.0.0.3 }] }\n---\n"
		     "apiVersion: v1\nkind: Pod\nmetadata: { name: d, " LABELS " }\nstatus: {}\n",
		"10.0.0.1:8000 10.0.0.1:8001 10.0.0.3:8000(draining) 10.0.0.3:8001(draining) ");
}

#define WEB_SERVICE                                                                                                    \
	"apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ name: a, port: 80 }, { name: b, "   \
	"port: 81 }] }\n---\n"
#define WEB_ROUTE(port)                                                                                                \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r }\n"                           \
	"spec: { rules: [{ backendRefs: [{ name: web, port: " port " }, { name: web, port: " port " }] }] }\n---\n"

static void a_service_has_the_endpoints_of_the_named_port(void **state)
{
	(void)state;
	assert_endpoints(WEB_SERVICE WEB_ROUTE("81") "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
						     "metadata: { name: web-1, labels: { kubernetes.io/service-name: "
						     "web } }\naddressType: IPv4\n"
						     "endpoints: [{ addresses: [10.0.0.1] }]\nports: [{ name: a, port: "
						     "9000 }, { name: b, port: 9001 }]\n",
			 "10.0.0.1:9001 ");
}

static void a_service_becomes_a_pool_when_a_route_sends_to_it(void **state)
{
	(void)state;
	struct config *c = load(WEB_SERVICE POOL WEB_ROUTE("80"));
	assert_int_equal(config_pool_count(c), 2);
	assert_true(span_eq(config_pool_at(c, 0)->name, SPAN("default/p")));
	assert_true(span_eq(config_pool_at(c, 1)->name, SPAN("default/web:80")));
	const struct config_http_route *r = config_at(c, CONFIG_HTTP_ROUTE, 0);
	assert_int_equal(r->rules[0].backends[0].pool, 1);
	assert_int_equal(r->rules[0].backends[1].pool, 1);
	assert_int_equal(r->rules[0].match_count, 1);
	assert_true(span_eq(r->rules[0].matches[0].path, SPAN("/")));
	config_unref(c);
}

static void lenient_loading_leaves_dangling_references_unresolved(void **state)
{
	(void)state;
	struct config *c = load_how(
		WEB_ROUTE("80") "apiVersion: llm-d.ai/v1alpha2\nkind: InferenceObjective\nmetadata: { name: o }\n"
				"spec: { poolRef: { name: gone } }\n",
		CONFIG_LENIENT);
	const struct config_http_route *r = config_at(c, CONFIG_HTTP_ROUTE, 0);
	assert_int_equal(r->rules[0].backends[0].pool, CONFIG_POOL_NONE);
	assert_int_equal(config_pool_count(c), 0);
	config_unref(c);
}

static void listeners_share_a_socket_and_are_told_apart_by_host(void **state)
{
	(void)state;
	static const char text[] = GATEWAY(
		"a", "listeners: [{ name: any, port: 80, protocol: HTTP },\n"
		     "{ name: x, port: 80, protocol: HTTP, hostname: x.example.com },\n"
		     "{ name: wild, port: 80, protocol: HTTP, hostname: \"*.example.com\" },\n"
		     "{ name: wilder, port: 80, protocol: HTTP, hostname: \"*.a.example.com\" },\n"
		     "{ name: other, port: 81, protocol: HTTP, hostname: y.example.com }]");
	static const struct {
		const char *host;
		uint32_t listener;
	} rows[] = { { "x.example.com", 1 },   { "X.Example.Com", 1 }, { "y.example.com", 2 },
		     { "b.a.example.com", 3 }, { "example.com", 0 },   { "", 0 },
		     { "a.example.com", 2 } };
	struct config *c = load(text);
	assert_int_equal(config_listener_count(c), 5);
	assert_int_equal(config_socket_count(c), 2);
	assert_int_equal(config_socket_at(c, 0)->listener_count, 4);
	assert_int_equal(address_port(&config_socket_at(c, 1)->address), 81);
	assert_int_equal(config_listener_at(c, 4)->socket, 1);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(config_socket_listener(c, 0, span_str(rows[i].host)), rows[i].listener);
	assert_int_equal(config_socket_listener(c, 1, SPAN("x.example.com")), UINT32_MAX);
	config_unref(c);
}

static void a_listener_with_tls_is_never_served_in_the_clear(void **state)
{
	(void)state;
	struct config *c = load_how(
		GATEWAY("a",
			"listeners: [{ name: s, port: 443, protocol: HTTPS }, { name: h, port: 80, protocol: HTTP }]"),
		CONFIG_LENIENT);
	assert_int_equal(config_listener_count(c), 2);
	assert_int_equal(config_listener_at(c, 0)->socket, UINT32_MAX);
	assert_int_equal(config_socket_count(c), 1);
	assert_int_equal(config_socket_at(c, 0)->first_listener, 1);
	config_unref(c);
}

static void a_gateway_listens_on_each_of_its_addresses(void **state)
{
	(void)state;
	struct config *c = load(
		GATEWAY("a", "addresses: [{ value: 127.0.0.1 }, { value: \"::1\" }], listeners: [{ "
			     "name: h, port: 80, protocol: HTTP }]")
			GATEWAY("b",
				"addresses: [{ value: 127.0.0.1 }], listeners: [{ name: h, port: 0, protocol: HTTP }, "
				"{ name: i, port: 0, protocol: HTTP }]"));
	char text[ADDRESS_TEXT_MAX];
	assert_int_equal(config_listener_count(c), 3);
	assert_int_equal(config_socket_count(c), 4); /* port 0 is a socket of its own each time */
	address_format(&config_socket_at(c, 0)->address, text);
	assert_string_equal(text, "127.0.0.1:80");
	address_format(&config_socket_at(c, 1)->address, text);
	assert_string_equal(text, "[::1]:80");
	config_unref(c);
}

#define LISTENER_POLICY(name, time, target, spec)                                                                      \
	"apiVersion: penstock.dev/v1alpha1\nkind: ListenerPolicy\nmetadata: { name: " name time " }\n"                 \
	"spec: { targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: g" target " }], " spec          \
	" }\n---\n"

static void policies_are_laid_over_flags_and_sections_over_gateways(void **state)
{
	(void)state;
	static const char text[] = GATEWAY(
		"g", "listeners: [{ name: a, port: 1, protocol: HTTP }, { name: b, port: 2, protocol: HTTP }]")
		LISTENER_POLICY("section", "", ", sectionName: b", "limits: { maxBody: 1Mi }")
			LISTENER_POLICY("whole", "", "", "limits: { maxBody: 2Mi, maxHeaders: 50 }");
	struct config_base base = config_base_default();
	struct config_source src = { SPAN("t"), SPAN_NONE };
	struct config_errors errors;
	struct config *c = NULL;
	base.listener.trusted_hops = 3;
	base.listener.fields = 60;
	src.bytes = span_str(text);
	config_errors_init(&errors);
	assert_int_equal(config_load(&src, 1, &base, CONFIG_STRICT, &errors, &c), 0);
	const struct config_listener_options *a = &config_listener_at(c, 0)->options,
					     *b = &config_listener_at(c, 1)->options;
	assert_true(a->body_bytes == 2 << 20 && a->fields == 50 && a->trusted_hops == 3);
	assert_true(b->body_bytes == 1 << 20 && b->fields == 50 && b->trusted_hops == 3);
	config_unref(c);
	config_errors_free(&errors);
}

static void of_two_policies_on_one_target_the_older_wins_then_the_name(void **state)
{
	(void)state;
	struct config *c = load(GATEWAY("g", "listeners: [{ name: a, port: 1, protocol: HTTP }]") LISTENER_POLICY(
		"b", "", "", "limits: { maxBody: 1Mi, maxHeaders: 10 }")
					LISTENER_POLICY("a", "", "", "limits: { maxHeaders: 20 }")
						LISTENER_POLICY("z", ", creationTimestamp: 2026-01-01T00:00:00Z", "",
								"limits: { maxBody: 3Mi }"));
	assert_true(config_listener_at(c, 0)->options.body_bytes == 3 << 20);
	assert_int_equal(config_listener_at(c, 0)->options.fields, 20);
	config_unref(c);
}

static void rewrites_without_weights_count_alike(void **state)
{
	(void)state;
	struct config *c = load(
		POOL "apiVersion: llm-d.ai/v1alpha2\nkind: InferenceModelRewrite\nmetadata: { name: w }\n"
		     "spec: { poolRef: { name: p }, rules: [{ targets: [{ modelRewrite: a }, { modelRewrite: b }] },\n"
		     "  { matches: [{ model: { value: m } }], targets: [{ modelRewrite: a, weight: 7 }] }] }\n");
	const struct config_model_rewrite *w = config_find(c, CONFIG_INFERENCE_MODEL_REWRITE, SPAN("default"),
							   SPAN("w"));
	assert_int_equal(w->rules[0].targets[0].weight, 1);
	assert_int_equal(w->rules[0].targets[1].weight, 1);
	assert_int_equal(w->rules[1].targets[0].weight, 7);
	assert_true(span_eq(w->rules[1].matches[0].model, SPAN("m")));
	assert_true(span_eq(w->pool_ref.namespace, SPAN("default")));
	config_unref(c);
}

static void secrets_are_decoded_and_never_dumped(void **state)
{
	(void)state;
	struct config *c = load("apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { a: aHVudGVyMg==, z: AAE= "
				"}\nstringData: { b: hunter3 }\n");
	const struct config_secret *s = config_at(c, CONFIG_SECRET, 0);
	assert_true(span_eq(config_label_find(&s->values, SPAN("a")), SPAN("hunter2")));
	assert_true(span_eq(config_label_find(&s->values, SPAN("z")), SPAN("\0\1")));
	assert_true(span_eq(config_label_find(&s->strings, SPAN("b")), SPAN("hunter3")));
	struct buf dump;
	buf_init(&dump, TEXT_MAX);
	assert_int_equal(config_dump(c, &dump), 0);
	assert_true(span_search(buf_span(&dump), SPAN("hunter")) < 0);
	assert_true(span_search(buf_span(&dump), SPAN("(not shown)")) >= 0);
	buf_free(&dump);
	config_unref(c);
}

static void an_empty_selector_matches_nothing(void **state)
{
	(void)state;
	struct config_label app = { SPAN("app"), SPAN("a") };
	struct config_labels none = { NULL, 0 }, one = { &app, 1 };
	assert_false(config_labels_match(&none, &one));
	assert_false(config_labels_match(&one, &none));
	assert_true(config_labels_match(&one, &one));
}

static void flags_make_a_gateway_a_pool_and_a_route(void **state)
{
	(void)state;
	const struct span listen[] = { SPAN("127.0.0.1:8080"), SPAN(":0"), SPAN("[::1]:81"), SPAN("localhost:82") };
	const struct span backends[] = { SPAN("http://10.0.0.1:8000"), SPAN("http://[::1]:8001/"),
					 SPAN("http://vllm.example"), SPAN("h:1") };
	static char got[TEXT_MAX];
	struct buf text;
	struct err e = { 0 };
	buf_init(&text, TEXT_MAX);
	assert_int_equal(config_flags_text(listen, 4, backends, 4, &text, &e), 0);
	char *z = span_dup(buf_span(&text));
	struct config *c = load(z);
	free(z);
	buf_free(&text);
	assert_int_equal(config_socket_count(c), 4);
	assert_int_equal(config_pool_count(c), 1);
	const struct config_http_route *r = config_at(c, CONFIG_HTTP_ROUTE, 0);
	assert_int_equal(r->parent_count, 4);
	got[0] = 0;
	assert_int_equal(config_pool_endpoints(c, 0, note_endpoint, got), 0);
	assert_string_equal(got, "10.0.0.1:8000 [::1]:8001 vllm.example:80(name) h:1(name) ");
	config_unref(c);
}

static void wrong_flags_are_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *backend, *words;
	} rows[] = {
		{ "8080", NULL, "\"8080\" is not valid; wanted HOST:PORT, an IPv6 address in brackets" },
		{ "::1:80", NULL, "\"::1:80\" is not valid; wanted HOST:PORT, an IPv6 address in brackets" },
		{ "127.0.0.1:70000", NULL,
		  "\"127.0.0.1:70000\" is not valid; wanted HOST:PORT, an IPv6 address in brackets" },
		{ "[::1]80", NULL, "\"[::1]80\" is not valid; wanted HOST:PORT, an IPv6 address in brackets" },
		{ "a.example:80", NULL,
		  "\"a.example:80\" is not valid; wanted an IP address before the port, or nothing for every address" },
		{ NULL, "https://a:1",
		  "\"https://a:1\" is not valid; wanted http://HOST:PORT (TLS to replicas is not supported)" },
		{ NULL, "http://a:0", "\"http://a:0\" is not valid; wanted http://HOST:PORT" },
		{ NULL, "http://a:1/v1", "\"http://a:1/v1\" is not valid; wanted http://HOST:PORT" },
		{ NULL, "http://",
		  "\"http://\" is not valid; wanted http://HOST:PORT with an IP address or a host name in lower case, "
		  "and no path" },
		{ NULL, "a\"b:1",
		  "\"a\"b:1\" is not valid; wanted http://HOST:PORT with an IP address or a host name in lower case, "
		  "and no path" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf text;
		struct err e = { 0 };
		struct span listen = span_str(rows[i].listen), backend = span_str(rows[i].backend);
		buf_init(&text, TEXT_MAX);
		assert_int_equal(config_flags_text(&listen, rows[i].listen != NULL, &backend, rows[i].backend != NULL,
						   &text, &e),
				 -PS_EINVAL);
		assert_string_equal(e.text, rows[i].words);
		buf_free(&text);
	}
}

static void references_keep_a_store_alive(void **state)
{
	(void)state;
	struct config *c = load(POOL);
	const struct config *again = config_ref(c);
	config_unref(c);
	assert_int_equal(config_count(again, CONFIG_INFERENCE_POOL), 1);
	config_unref(again);
	config_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_with_the_pools_labels_are_its_replicas),
		cmocka_unit_test(a_slice_without_ports_has_the_pools),
		cmocka_unit_test(slices_of_other_labels_or_namespaces_are_not_its_replicas),
		cmocka_unit_test(the_same_address_and_port_counts_once),
		cmocka_unit_test(ready_pods_with_the_labels_are_replicas_at_every_port),
		cmocka_unit_test(a_service_has_the_endpoints_of_the_named_port),
		cmocka_unit_test(a_service_becomes_a_pool_when_a_route_sends_to_it),
		cmocka_unit_test(lenient_loading_leaves_dangling_references_unresolved),
		cmocka_unit_test(listeners_share_a_socket_and_are_told_apart_by_host),
		cmocka_unit_test(a_listener_with_tls_is_never_served_in_the_clear),
		cmocka_unit_test(a_gateway_listens_on_each_of_its_addresses),
		cmocka_unit_test(policies_are_laid_over_flags_and_sections_over_gateways),
		cmocka_unit_test(of_two_policies_on_one_target_the_older_wins_then_the_name),
		cmocka_unit_test(rewrites_without_weights_count_alike),
		cmocka_unit_test(secrets_are_decoded_and_never_dumped),
		cmocka_unit_test(an_empty_selector_matches_nothing),
		cmocka_unit_test(flags_make_a_gateway_a_pool_and_a_route),
		cmocka_unit_test(wrong_flags_are_refused_by_name),
		cmocka_unit_test(references_keep_a_store_alive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
