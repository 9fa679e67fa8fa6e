/* Which rule a request falls under: cases of the Gateway API's own conformance tests and documentation, then the
 * corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "config/config.h"
#include "route/route.h"

#define GATEWAY                                                                                                        \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: g }\n"                             \
	"spec: { gatewayClassName: c, listeners: [{ name: http, port: 80, protocol: HTTP }] }\n---\n"
#define ROUTE(name, spec)                                                                                              \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: " name " }\n"                    \
	"spec: { parentRefs: [{ name: g }], " spec " }\n---\n"

static struct route_table *table_of(const char *text)
{
	struct config *c = NULL;
	struct config_errors errors;
	struct config_source src = { SPAN("t"), span_str(text) };
	config_errors_init(&errors);
	if (config_load(&src, 1, NULL, CONFIG_LENIENT, &errors, &c))
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	struct route_table *t = route_table_new(c);
	assert_non_null(t);
	config_unref(c); /* the table keeps it */
	return t;
}

struct request {
	const char *host, *target; /* target: path and query */
	const char *method;	   /* NULL: GET */
	const char *headers;	   /* "name=value name=value" */
	const char *model;	   /* NULL: body not read */
};

static void add_headers(struct h1_head *h, const char *text)
{
	struct span rest = span_str(text);
	while (rest.n) {
		struct span value, name = span_cut(span_cut(rest, ' ', &rest), '=', &value);
		h->fields[h->field_count++] = (struct h1_field){ name, value, H1_OTHER };
	}
}

static enum route_answer match(const struct route_table *t, const struct request *q, const struct route_rule **ret)
{
	static struct h1_head h;
	h = (struct h1_head){ .method_text = span_str(q->method ? q->method : "GET") };
	h.path = span_cut(span_str(q->target), '?', &h.query);
	add_headers(&h, q->headers);
	struct route_request rq = { 0, span_str(q->host), &h, span_str(q->model) };
	return route_match(t, &rq, ret);
}

/* Asserts that the request goes to rule `number` of the route, "route/number"; NULL: to none. */
static void goes_to(const struct route_table *t, struct request q, const char *want)
{
	const struct route_rule *rule = NULL;
	char got[128] = "nothing";
	if (match(t, &q, &rule) == ROUTE_FOUND)
		(void)snprintf(got, sizeof got, "%.*s/%u", SPAN_ARG(span_skip(rule->route_name, strlen("default/"))),
			       rule->number);
	else
		assert_null(rule);
	if (strcmp(got, want ? want : "nothing") != 0)
		fail_msg("%s %s%s %s: goes to %s, wanted %s", q.method ? q.method : "GET", q.host ? q.host : "",
			 q.target, q.headers ? q.headers : "", got, want ? want : "nothing");
}

struct row {
	struct request request;
	const char *want;
};

static void all_go(const char *text, const struct row *rows, size_t n)
{
	struct route_table *t = table_of(text);
	for (size_t i = 0; i < n; i++)
		goes_to(t, rows[i].request, rows[i].want);
	route_table_free(t);
}
#define ALL_GO(text, rows) all_go(text, rows, sizeof(rows) / sizeof((rows)[0]))

/* conformance/tests/httproute-matching.yaml */
static void conformance_matching(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE("part1", "rules: [{ matches: [{ path: { type: PathPrefix, value: / } "
							  "}, { headers: [{ name: version, value: one }] }] },\n"
							  "{ matches: [{ path: { type: PathPrefix, value: /v2 } }, { "
							  "headers: [{ name: version, value: two }] }] }]");
	static const struct row rows[] = {
		{ { .target = "/" }, "part1/0" },
		{ { .target = "/example" }, "part1/0" },
		{ { .target = "/", .headers = "Version=one" }, "part1/0" },
		{ { .target = "/v2" }, "part1/1" },
		{ { .target = "/v2/example" }, "part1/1" },
		{ { .target = "/", .headers = "Version=two" }, "part1/1" },
		{ { .target = "/v2/" }, "part1/1" },
		{ { .target = "/v2example" }, "part1/0" },
		{ { .target = "/foo/v2/example" }, "part1/0" },
	};
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-exact-path-matching.yaml */
static void conformance_exact_path(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE("e", "rules: [{ matches: [{ path: { type: Exact, value: /one } }] }, "
						      "{ matches: [{ path: { type: Exact, value: /two } }] }]");
	static const struct row rows[] = {
		{ { .target = "/one" }, "e/0" },	{ { .target = "/two" }, "e/1" }, { { .target = "/" }, NULL },
		{ { .target = "/one/example" }, NULL }, { { .target = "/two/" }, NULL }, { { .target = "/Two" }, NULL },
		{ { .target = "/one?x=y" }, "e/0" },
	};
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-path-match-order.yaml */
static void conformance_path_order(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"p", "rules: [{ matches: [{ path: { type: Exact, value: /match/exact/one } }] },\n"
		     "{ matches: [{ path: { type: Exact, value: /match/exact } }] },\n"
		     "{ matches: [{ path: { type: Exact, value: /match } }] },\n"
		     "{ matches: [{ path: { value: /match/prefix/one } }] },\n"
		     "{ matches: [{ path: { value: /match/prefix/ } }] },\n"
		     "{ matches: [{ path: { value: /match/ } }] }]");
	static const struct row rows[] = {
		{ { .target = "/match/exact/one" }, "p/0" },
		{ { .target = "/match/exact" }, "p/1" },
		{ { .target = "/match" }, "p/2" },
		{ { .target = "/match/prefix/one/any" }, "p/3" },
		{ { .target = "/match/prefix/any" }, "p/4" },
		{ { .target = "/match/any" }, "p/5" },
		{ { .target = "/match/" }, "p/5" },
		{ { .target = "/match/prefix" }, "p/4" },
	};
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-header-matching.yaml */
static void conformance_headers(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"h", "rules: [{ matches: [{ headers: [{ name: version, value: one }] }] },\n"
		     "{ matches: [{ headers: [{ name: version, value: two }] }] },\n"
		     "{ matches: [{ headers: [{ name: version, value: two }, { name: color, value: orange }] }] },\n"
		     "{ matches: [{ headers: [{ name: color, value: blue }] }, { headers: [{ name: color, value: green "
		     "}] }] },\n"
		     "{ matches: [{ headers: [{ name: color, value: red }] }, { headers: [{ name: color, value: yellow "
		     "}] }] }]");
	static const struct row rows[] = {
		{ { .target = "/", .headers = "version=one" }, "h/0" },
		{ { .target = "/", .headers = "version=two" }, "h/1" },
		{ { .target = "/", .headers = "version=two color=orange" }, "h/2" },
		{ { .target = "/", .headers = "version=two color=blue" }, "h/1" }, /* a tie: the earlier rule */
		{ { .target = "/", .headers = "color=blue" }, "h/3" },
		{ { .target = "/", .headers = "color=yellow" }, "h/4" },
		{ { .target = "/", .headers = "color=purple" }, NULL },
		{ { .target = "/", .headers = "COLOR=blue" }, "h/3" },
		{ { .target = "/", .headers = "color=BLUE" }, NULL },
		{ { .target = "/", .headers = "colour=blue" }, NULL },
		{ { .target = "/" }, NULL },
	};
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-query-param-matching.yaml */
static void conformance_query(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"q",
		"rules: [{ matches: [{ queryParams: [{ name: animal, value: whale }] }] },\n"
		"{ matches: [{ queryParams: [{ name: animal, value: dolphin }] }] },\n"
		"{ matches: [{ queryParams: [{ name: animal, value: dolphin }, { name: color, value: blue }] }] },\n"
		"{ matches: [{ queryParams: [{ name: q, value: \"a b&\" }] }] }]");
	static const struct row rows[] = {
		{ { .target = "/?animal=whale" }, "q/0" },
		{ { .target = "/?animal=dolphin" }, "q/1" },
		{ { .target = "/?animal=dolphin&color=blue" }, "q/2" },
		{ { .target = "/?color=blue&animal=dolphin" }, "q/2" },
		{ { .target = "/?animal=shark" }, NULL },
		{ { .target = "/?Animal=whale" }, NULL },
		{ { .target = "/?animal=whale&animal=dolphin" }, "q/0" }, /* of a repeated parameter the first */
		{ { .target = "/?animal=dolphi" }, NULL },
		{ { .target = "/?animal=dolphins" }, NULL },
		{ { .target = "/?q=a+b%26" }, "q/3" },
		{ { .target = "/?q=a%20b%26" }, "q/3" },
		{ { .target = "/?" }, NULL },
		{ { .target = "/" }, NULL },
	};
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-method-matching.yaml */
static void conformance_methods(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"m", "rules: [{ matches: [{ method: POST }, { method: GET }] }, { matches: [{ path: { value: /path1 }, "
		     "method: GET }] },\n"
		     "{ matches: [{ headers: [{ name: version, value: one }], method: PUT }] },\n"
		     "{ matches: [{ path: { value: /path3 }, method: PATCH }, { path: { value: /path4 }, headers: [{ "
		     "name: version, value: three }], method: DELETE }] },\n"
		     "{ matches: [{ path: { value: /path1 } }, { path: { value: /path5 } }] },\n"
		     "{ matches: [{ path: { value: /path5 }, headers: [{ name: version, value: five }] }] }]");
	static const struct row rows[] = {
		{ { .target = "/", .method = "POST" }, "m/0" },
		{ { .target = "/", .method = "GET" }, "m/0" },
		{ { .target = "/", .method = "HEAD" }, NULL },
		{ { .target = "/path1", .method = "GET" }, "m/1" },
		{ { .target = "/path1", .method = "PUT" }, "m/4" },
		{ { .target = "/x", .method = "PUT", .headers = "version=one" }, "m/2" },
		{ { .target = "/path3", .method = "PATCH" }, "m/3" },
		{ { .target = "/path4", .method = "DELETE", .headers = "version=three" }, "m/3" },
		{ { .target = "/path4", .method = "DELETE" }, NULL },
		{ { .target = "/path5", .method = "PATCH", .headers = "version=five" }, "m/5" },
		{ { .target = "/path5", .method = "PATCH" }, "m/4" },
		{ { .target = "/", .method = "get" }, NULL },
	};
	ALL_GO(text, rows);
}

/* Precedence, one criterion after the other (HTTPRouteRule.matches). */
static void each_criterion_decides_before_the_next(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"host", "hostnames: [a.example.com], rules: [{ matches: [{ path: { value: / } }] }]")
		ROUTE("path", "rules: [{ matches: [{ path: { value: /long/prefix } }] }]")
			ROUTE("method", "rules: [{ matches: [{ path: { value: /long }, method: GET }] }]") ROUTE(
				"headers", "rules: [{ matches: [{ path: { value: /long }, headers: [{ name: a, "
					   "value: b }, { name: c, value: d }] }] }]")
				ROUTE("query", "rules: [{ matches: [{ path: { value: /long }, headers: [{ name: a, "
					       "value: b }], queryParams: [{ name: q, value: \"w\" }] }] }]")
					ROUTE("header", "rules: [{ matches: [{ path: { value: /long }, headers: [{ "
							"name: a, value: b }] }] }]");
	static const struct row rows[] = {
		{ { .host = "a.example.com", .target = "/long/prefix" }, "host/0" },
		{ { .host = "b.example.com", .target = "/long/prefix", .headers = "a=b c=d" }, "path/0" },
		{ { .target = "/long", .headers = "a=b c=d" }, "method/0" },
		{ { .target = "/long?q=w", .method = "POST", .headers = "a=b c=d" }, "headers/0" },
		{ { .target = "/long?q=w", .method = "POST", .headers = "a=b" }, "query/0" },
		{ { .target = "/long", .method = "POST", .headers = "a=b" }, "header/0" },
	};
	ALL_GO(text, rows);
}

static void older_objects_then_names_break_ties(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"b", "rules: [{ matches: [{ path: { value: /x } }] }, { matches: [{ path: { value: /x } }] }]")
		ROUTE("a", "rules: [{ matches: [{ path: { value: /x } }] }, { matches: [{ path: { value: /y } }] }]")
			ROUTE("z, creationTimestamp: 2026-01-01T00:00:00Z",
			      "rules: [{ matches: [{ path: { value: /y } }] }]")
				ROUTE("w, creationTimestamp: 2026-01-02T00:00:00Z",
				      "rules: [{ matches: [{ path: { value: /y } }] }]");
	static const struct row rows[] = { { { .target = "/x" }, "a/0" }, { { .target = "/y" }, "z/0" } };
	ALL_GO(text, rows);
}

/* conformance/tests/httproute-hostname-intersection.yaml, on one listener at a time. */
static void hosts_of_listener_and_route_intersect(void **state)
{
	(void)state;
	static const struct {
		const char *listener, *route, *host;
		bool found;
	} rows[] = {
		{ "very.specific.com", "very.specific.com", "very.specific.com", true },
		{ "very.specific.com", "\"*.specific.com\"", "very.specific.com", true },
		{ "very.specific.com", "\"*.specific.com\"", "non.matching.com", false },
		{ "very.specific.com", "other.specific.com", "other.specific.com", false },
		{ "\"*.wildcard.io\"", "non.matching.io, first.wildcard.io", "first.wildcard.io", true },
		{ "\"*.wildcard.io\"", "first.wildcard.io", "second.wildcard.io", false },
		{ "\"*.wildcard.io\"", "wildcard.io", "wildcard.io", false },
		{ "\"*.anotherwildcard.io\"", "\"*.anotherwildcard.io\"", "one.anotherwildcard.io", true },
		{ "\"*.anotherwildcard.io\"", "\"*.anotherwildcard.io\"", "one.two.three.anotherwildcard.io", true },
		{ "\"*.anotherwildcard.io\"", "\"*.anotherwildcard.io\"", "anotherwildcard.io", false },
		{ "\"*.io\"", "\"*.b.io\"", "a.b.io", true },
		{ "\"*.io\"", "\"*.b.io\"", "b.io", false },
		{ "\"*.b.io\"", "\"*.io\"", "a.b.io", true },
		{ "\"*.b.io\"", "\"*.io\"", "c.io", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[1024];
		(void)snprintf(text, sizeof text,
			       "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: g }\n"
			       "spec: { gatewayClassName: c, listeners: [{ name: l, port: 80, protocol: HTTP, "
			       "hostname: %s }] }\n---\n" ROUTE("r", "hostnames: [%s], rules: [{}]"),
			       rows[i].listener, rows[i].route);
		struct route_table *t = table_of(text);
		goes_to(t, (struct request){ .host = rows[i].host, .target = "/" }, rows[i].found ? "r/0" : NULL);
		route_table_free(t);
	}
}

static void the_most_specific_host_goes_first_and_the_others_still_count(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE("any", "rules: [{}]")
		ROUTE("wild", "hostnames: [\"*.example.com\"], rules: [{ matches: [{ path: { value: /w } }] }]") ROUTE(
			"wilder", "hostnames: [\"*.a.example.com\"], rules: [{ matches: [{ path: { value: /w } }] }]")
			ROUTE("exact", "hostnames: [x.a.example.com], rules: [{ matches: [{ path: { value: /e } }] }]");
	static const struct row rows[] = {
		{ { .host = "x.a.example.com", .target = "/e" }, "exact/0" },
		{ { .host = "X.A.Example.COM", .target = "/e" }, "exact/0" },
		{ { .host = "x.a.example.com", .target = "/w" }, "wilder/0" },
		{ { .host = "x.a.example.com", .target = "/" }, "any/0" },
		{ { .host = "y.example.com", .target = "/w" }, "wild/0" },
		{ { .host = "a.example.com", .target = "/w" }, "wild/0" },
		{ { .host = "example.com", .target = "/w" }, "any/0" },
		{ { .host = "", .target = "/w" }, "any/0" },
	};
	ALL_GO(text, rows);
}

static void paths_are_normalised_and_dot_segments_match_nothing(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE("any", "rules: [{}]")
		ROUTE("v1", "rules: [{ matches: [{ path: { value: /v1/chat } }] }, { matches: [{ path: { type: Exact, "
			    "value: /caf%c3%a9/~x } }] }]");
	static const struct row rows[] = {
		{ { .target = "/v1/chat" }, "v1/0" },
		{ { .target = "/v1/%63hat/x" }, "v1/0" },
		{ { .target = "/v1%2Fchat" }, "any/0" },
		{ { .target = "/v1//chat" }, "any/0" },
		{ { .target = "/caf%C3%A9/%7ex" }, "v1/1" },
		{ { .target = "/caf%c3%a9/~x" }, "v1/1" },
		{ { .target = "/v1/./chat" }, NULL },
		{ { .target = "/x/../v1/chat" }, NULL },
		{ { .target = "/x/%2e%2E/v1" }, NULL },
		{ { .target = "/v1/chat/.." }, NULL },
		{ { .target = "/." }, NULL },
		{ { .target = "/.hidden" }, "any/0" },
		{ { .target = "/..." }, "any/0" },
		{ { .target = "/a..b/c." }, "any/0" },
		{ { .target = "/v1/chat%" }, "any/0" },
		{ { .target = "/v1/chat%zz" }, "any/0" },
		{ { .target = "*", .method = "OPTIONS" }, "any/0" },
	};
	ALL_GO(text, rows);
}

static void repeated_headers_are_joined(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"h", "rules: [{ matches: [{ headers: [{ name: a, value: \"x,y\" }] }] }, { matches: [{ headers: [{ "
		     "name: a, value: x }, { name: A, value: z }] }] }]");
	static const struct row rows[] = {
		{ { .target = "/", .headers = "a=x A=y" }, "h/0" },
		{ { .target = "/", .headers = "a=x,y" }, "h/0" },
		{ { .target = "/", .headers = "a=y a=x" }, NULL },
		{ { .target = "/", .headers = "a=x" }, "h/1" }, /* the second of a name does not count */
		{ { .target = "/", .headers = "a=x a=y a=z" }, NULL },
	};
	ALL_GO(text, rows);
}

static void routes_attach_as_listeners_allow(void **state)
{
	(void)state;
	static const char text[] =
		"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: g, namespace: edge }\n"
		"spec: { gatewayClassName: c, listeners: [{ name: same, port: 80, protocol: HTTP },\n"
		"{ name: all, port: 81, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } },\n"
		"{ name: some, port: 82, protocol: HTTP, allowedRoutes: { namespaces: { from: Selector, selector: { "
		"matchLabels: { a: b } } } } }] }\n---\n"
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: near, namespace: edge }\n"
		"spec: { parentRefs: [{ name: g, sectionName: same }], rules: [{}] }\n---\n"
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: far }\n"
		"spec: { parentRefs: [{ name: g, namespace: edge }], rules: [{}] }\n---\n"
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: port, namespace: edge }\n"
		"spec: { parentRefs: [{ name: g, port: 81 }], rules: [{ matches: [{ path: { value: /p } }] }] }\n---\n"
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: none, namespace: edge "
		"}\nspec: { rules: [{}] }\n";
	static const struct {
		uint32_t listener;
		const char *path, *want;
	} rows[] = { { 0, "/p", "edge/near" }, { 1, "/p", "edge/port" }, { 1, "/", "default/far" },
		     { 2, "/", NULL },	       { 3, "/", NULL },	 { UINT32_MAX, "/", NULL } };
	struct route_table *t = table_of(text);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		static struct h1_head h;
		const struct route_rule *rule;
		h = (struct h1_head){ .method_text = SPAN("GET"), .path = span_str(rows[i].path) };
		struct route_request rq = { rows[i].listener, SPAN("h"), &h, SPAN_NONE };
		assert_int_equal(route_match(t, &rq, &rule), rows[i].want ? ROUTE_FOUND : ROUTE_NONE);
		if (rows[i].want)
			assert_true(span_eq(rule->route_name, span_str(rows[i].want)));
	}
	route_table_free(t);
}

static void rules_for_a_model_wait_for_the_body(void **state)
{
	(void)state;
	static const char text[] = GATEWAY ROUTE(
		"m",
		"rules: [{ matches: [{ path: { value: /v1 }, headers: [{ name: X-Gateway-Model-Name, value: big }] }] "
		"},\n"
		"{ matches: [{ path: { value: /v1 } }] },\n"
		"{ matches: [{ path: { value: /only }, headers: [{ name: x-gateway-model-name, value: big }] }] }]");
	static const struct {
		const char *path, *model;
		enum route_answer answer;
		int rule; /* -1: none */
	} rows[] = {
		{ "/v1/x", NULL, ROUTE_NEEDS_MODEL, 1 },  { "/v1/x", "big", ROUTE_FOUND, 0 },
		{ "/v1/x", "small", ROUTE_FOUND, 1 },	  { "/v1/x", "", ROUTE_FOUND, 1 },
		{ "/only", NULL, ROUTE_NEEDS_MODEL, -1 }, { "/only", "big", ROUTE_FOUND, 2 },
		{ "/only", "x", ROUTE_NONE, -1 },	  { "/none", NULL, ROUTE_NONE, -1 },
	};
	struct route_table *t = table_of(text);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct route_rule *rule;
		/* what a client sends under that name has no say */
		struct request q = { .target = rows[i].path,
				     .model = rows[i].model,
				     .headers = "x-gateway-model-name=big" };
		assert_int_equal(match(t, &q, &rule), rows[i].answer);
		assert_int_equal(rule ? (int)rule->number : -1, rows[i].rule);
	}
	route_table_free(t);
}

static void a_rule_carries_changes_timeouts_and_backends(void **state)
{
	(void)state;
	static const char text[] = GATEWAY
		"apiVersion: inference.networking.k8s.io/v1\nkind: InferencePool\nmetadata: { name: p }\n"
		"spec: { selector: { matchLabels: { a: b } }, targetPorts: [{ number: 1 }] }\n---\n" ROUTE(
			"r", "rules: [{ timeouts: { request: 5s, backendRequest: 2s }, filters: [\n"
			     "{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }], "
			     "add: [{ name: c, value: d }], remove: [e] } },\n"
			     "{ type: ResponseHeaderModifier, responseHeaderModifier: { remove: [f] } },\n"
			     "{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [g] } }],\n"
			     "backendRefs: [{ group: inference.networking.k8s.io, kind: InferencePool, name: p, "
			     "weight: 3 },\n"
			     "{ group: inference.networking.k8s.io, kind: InferencePool, name: gone }] }]");
	struct route_table *t = table_of(text);
	const struct route_rule *rule;
	assert_int_equal(match(t, &(struct request){ .target = "/" }, &rule), ROUTE_FOUND);
	assert_true(rule->request_timeout_ns == 5 * NS_PER_S && rule->backend_timeout_ns == 2 * NS_PER_S);
	assert_int_equal(rule->request_change_count, 4);
	assert_int_equal(rule->request_changes[0].kind, HEADER_SET);
	assert_int_equal(rule->request_changes[1].kind, HEADER_ADD);
	assert_true(span_eq(rule->request_changes[1].value, SPAN("d")));
	assert_int_equal(rule->request_changes[3].kind, HEADER_REMOVE);
	assert_true(span_eq(rule->request_changes[3].name, SPAN("g")));
	assert_int_equal(rule->response_change_count, 1);
	assert_int_equal(rule->backend_count, 2);
	assert_int_equal(rule->backends[0].pool, 0);
	assert_int_equal(rule->backends[0].weight, 3);
	assert_int_equal(rule->backends[1].pool, UINT32_MAX); /* keeps its share: 500, as the Gateway API says */
	assert_int_equal(rule->backends[1].weight, 1);
	route_table_free(t);
}

static void backends_are_picked_by_weight(void **state)
{
	(void)state;
	struct route_backend three[] = { { 0, 70 }, { 1, 0 }, { 2, 30 } }, zero[] = { { 0, 0 } };
	struct route_rule rule = { .backends = three, .backend_count = 3 };
	struct route_rule none = { .backends = zero, .backend_count = 1 };
	uint32_t counts[3] = { 0 };
	for (uint64_t i = 0; i < 1000; i++)
		counts[route_backend_pick(&rule, i)]++;
	assert_int_equal(counts[0], 700);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 300);
	assert_int_equal(route_backend_pick(&none, 5), UINT32_MAX);
	assert_int_equal(route_backend_pick(&(struct route_rule){ 0 }, 5), UINT32_MAX);
}

static void the_single_default_rule_is_found_at_once(void **state)
{
	(void)state;
	enum { TIMES = 200000 };
	struct route_table *t = table_of(GATEWAY ROUTE("r", "rules: [{}]"));
	static struct h1_head h;
	h = (struct h1_head){ .method_text = SPAN("POST"), .path = SPAN("/v1/chat/completions") };
	struct route_request rq = { 0, SPAN("llm.example.com:8080"), &h, SPAN_NONE };
	const struct route_rule *rule = NULL;
	uint64_t before = clock_now_ns();
	for (int i = 0; i < TIMES; i++)
		assert_true(route_match(t, &rq, &rule) == ROUTE_FOUND);
	print_message("%.1f ns a match\n", (double)(clock_now_ns() - before) / TIMES);
	assert_non_null(rule);
	route_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conformance_matching),
		cmocka_unit_test(conformance_exact_path),
		cmocka_unit_test(conformance_path_order),
		cmocka_unit_test(conformance_headers),
		cmocka_unit_test(conformance_query),
		cmocka_unit_test(conformance_methods),
		cmocka_unit_test(each_criterion_decides_before_the_next),
		cmocka_unit_test(older_objects_then_names_break_ties),
		cmocka_unit_test(hosts_of_listener_and_route_intersect),
		cmocka_unit_test(the_most_specific_host_goes_first_and_the_others_still_count),
		cmocka_unit_test(paths_are_normalised_and_dot_segments_match_nothing),
		cmocka_unit_test(repeated_headers_are_joined),
		cmocka_unit_test(routes_attach_as_listeners_allow),
		cmocka_unit_test(rules_for_a_model_wait_for_the_body),
		cmocka_unit_test(a_rule_carries_changes_timeouts_and_backends),
		cmocka_unit_test(backends_are_picked_by_weight),
		cmocka_unit_test(the_single_default_rule_is_found_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
