/* The compiled table against a naive reading of the Gateway API: random routes, random requests; the reference looks at
 * every match of every route and compares them by the criteria in the order the specification lists them. The seed is
 * printed when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "config/config.h"
#include "route/route.h"

enum { CONFIGS = 1000, REQUESTS = 200, TEXT_MAX = 1 << 16 };

static const char *const hosts[] = { "a.x.io", "b.x.io", "x.io", "a.b.x.io", "c.io" };
static const char *const host_rules[] = { "a.x.io", "\"*.x.io\"", "\"*.b.x.io\"", "\"*.io\"", "x.io" };
static const char *const listener_hosts[] = { "", ", hostname: \"*.x.io\"", ", hostname: a.x.io",
					      ", hostname: \"*.io\"" };
static const char *const paths[] = { "/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/a%62", "/b" };
static const char *const path_rules[] = { "/", "/a", "/a/", "/a/b", "/ab", "/a/b/c" };
static const char *const methods[] = { "GET", "POST" };
static const char *const names[] = { "h", "k" };
static const char *const values[] = { "u", "v" };
static const char *const models[] = { "m1", "m2" };
#define PICK(array) array[rng_below(rng, sizeof(array) / sizeof((array)[0]))]

/* ---- random routes ---- */

static void add(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct buf *b, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	assert_int_equal(buf_add(b, span_str(text)), 0);
}

static bool chance(struct rng *rng, uint64_t one_in)
{
	return rng_below(rng, one_in) == 0;
}

static void add_match(struct rng *rng, struct buf *b)
{
	add(b, "{ path: { type: %s, value: %s }", chance(rng, 3) ? "Exact" : "PathPrefix", PICK(path_rules));
	if (chance(rng, 4))
		add(b, ", method: %s", PICK(methods));
	add(b, ", headers: [");
	if (chance(rng, 3))
		add(b, "{ name: %s, value: %s }, ", PICK(names), PICK(values));
	if (chance(rng, 4))
		add(b, "{ name: X-Gateway-Model-Name, value: %s }, ", PICK(models));
	add(b, "], queryParams: [");
	if (chance(rng, 3))
		add(b, "{ name: %s, value: %s }, ", PICK(names), PICK(values));
	if (chance(rng, 6))
		add(b, "{ name: %s, value: %s }, ", PICK(names), PICK(values));
	add(b, "] }, ");
}

static void add_route(struct rng *rng, struct buf *b, uint64_t i)
{
	add(b, "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: r%d",
	    (int)rng_below(rng, 1000) * 100 + (int)i);
	if (chance(rng, 2))
		add(b, ", creationTimestamp: 2026-01-0%dT00:00:00Z", 1 + (int)rng_below(rng, 3));
	add(b, " }\nspec:\n  parentRefs: [{ name: g }]\n  hostnames: [");
	for (uint64_t n = rng_below(rng, 3); n; n--)
		add(b, "%s, ", PICK(host_rules));
	add(b, "]\n  rules: [");
	for (uint64_t n = 1 + rng_below(rng, 3); n; n--) {
		add(b, "{ matches: [");
		for (uint64_t k = rng_below(rng, 3); k; k--)
			add_match(rng, b);
		add(b, "] }, ");
	}
	add(b, "]\n");
}

static struct config *random_config(struct rng *rng)
{
	struct buf b;
	struct config *c = NULL;
	struct config_errors errors;
	buf_init(&b, TEXT_MAX);
	config_errors_init(&errors);
	add(&b, "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: g }\nspec:\n  "
		"gatewayClassName: c\n");
	add(&b, "  listeners: [{ name: l, port: 80, protocol: HTTP%s }]\n", PICK(listener_hosts));
	for (uint64_t i = 0, n = 1 + rng_below(rng, 8); i < n; i++)
		add_route(rng, &b, i);
	struct config_source src = { SPAN("t"), buf_span(&b) };
	if (config_load(&src, 1, NULL, CONFIG_LENIENT, &errors, &c))
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	buf_free(&b);
	return c;
}

/* ---- the reference ---- */

/* A rule that matched, by what decides between two. */
struct score {
	bool found;
	uint64_t host, exact, prefix, method, headers, query;
	int64_t created;
	struct span name;
	uint32_t rule;
};

/* 1000: exact; 1 + length: wildcard or none; 0: does not match. */
static uint64_t score_host(struct span rule, struct span host)
{
	if (!rule.n)
		return 1;
	if (rule.p[0] != '*')
		return span_eq(rule, host) ? 1000 : 0;
	struct span suffix = span_skip(rule, 1);
	return host.n > suffix.n && span_ends(host, suffix) ? 1 + rule.n : 0;
}

/* The best of the route's hosts that the listener also takes. */
static uint64_t score_hosts(const struct config_listener *l, const struct config_http_route *r, struct span host)
{
	uint64_t listener = score_host(l->hostname, host), best = r->hostname_count ? 0 : 1;
	for (uint32_t i = 0; i < r->hostname_count; i++) {
		uint64_t s = score_host(r->hostnames[i].text, host);
		best = s > best ? s : best;
	}
	return !listener || !best ? 0 : listener > best ? listener : best;
}

static bool path_fits(const struct config_match *m, struct span path)
{
	struct span p = m->path;
	if (m->path_type == CONFIG_PATH_EXACT)
		return span_eq(p, path);
	if (p.p[p.n - 1] == '/')
		p.n--;
	return span_starts(path, p) && (path.n == p.n || path.p[p.n] == '/');
}

static bool value_in(const struct config_value_match *want, const struct config_value_match *have, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (span_eq(want->name, have[i].name))
			return span_eq(want->value, have[i].value);
	return false;
}

struct asked {
	struct span host, path, method, model;
	struct config_value_match headers[2], query[2];
	uint32_t header_count, query_count;
};

/* Whether the match holds; counts only the first of each name. */
static bool fits(const struct config_match *m, const struct asked *q, struct score *s)
{
	if (!path_fits(m, q->path) || (m->method.n && !span_eq(m->method, q->method)))
		return false;
	for (uint32_t i = 0; i < m->header_count; i++) {
		bool model = span_eq(m->headers[i].name, SPAN("X-Gateway-Model-Name"));
		if (model ? !span_eq(m->headers[i].value, q->model)
			  : !value_in(&m->headers[i], q->headers, q->header_count))
			return false;
		s->headers++;
	}
	for (uint32_t i = 0; i < m->query_count; i++) {
		if (i && span_eq(m->query[0].name, m->query[i].name))
			continue;
		if (!value_in(&m->query[i], q->query, q->query_count))
			return false;
		s->query++;
	}
	s->method = m->method.n != 0;
	s->exact = m->path_type == CONFIG_PATH_EXACT;
	s->prefix = s->exact ? 0 : m->path.p[m->path.n - 1] == '/' ? m->path.n - 1 : m->path.n;
	return true;
}

static bool better(const struct score *a, const struct score *b)
{
	const uint64_t pairs[][2] = { { a->host, b->host },	{ a->exact, b->exact },	    { a->prefix, b->prefix },
				      { a->method, b->method }, { a->headers, b->headers }, { a->query, b->query } };
	if (!b->found)
		return true;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] > pairs[i][1];
	if (a->created != b->created)
		return a->created < b->created;
	size_t shorter = a->name.n < b->name.n ? a->name.n : b->name.n;
	int order = memcmp(a->name.p, b->name.p, shorter);
	if (order || a->name.n != b->name.n)
		return order ? order < 0 : a->name.n < b->name.n;
	return a->rule < b->rule;
}

static struct score reference(const struct config *c, const struct asked *q)
{
	struct score best = { 0 };
	const struct config_listener *l = config_listener_at(c, 0)->listener;
	for (uint32_t i = 0; i < config_count(c, CONFIG_HTTP_ROUTE); i++) {
		const struct config_http_route *r = config_at(c, CONFIG_HTTP_ROUTE, i);
		for (uint32_t k = 0; k < r->rule_count; k++) {
			for (uint32_t m = 0; m < r->rules[k].match_count; m++) {
				struct score s = {
					.found = true, .created = r->meta.created, .name = r->meta.name, .rule = k
				};
				s.host = score_hosts(l, r, q->host);
				if (s.host && fits(&r->rules[k].matches[m], q, &s) && better(&s, &best))
					best = s;
			}
		}
	}
	return best;
}

/* ---- the comparison ---- */

static struct asked random_request(struct rng *rng, struct h1_head *h, char query[32])
{
	struct asked q = { .host = span_str(PICK(hosts)),
			   .path = span_str(PICK(paths)),
			   .method = span_str(PICK(methods)) };
	*h = (struct h1_head){ .method_text = q.method, .path = q.path };
	if (span_eq(q.path, SPAN("/a%62")))
		q.path = SPAN("/ab");
	q.model = chance(rng, 3) ? SPAN("other") : span_str(PICK(models));
	if (chance(rng, 2))
		q.headers[q.header_count++] = (struct config_value_match){ .name = SPAN("h"),
									   .value = span_str(PICK(values)) };
	if (chance(rng, 2))
		q.headers[q.header_count++] = (struct config_value_match){ .name = SPAN("k"),
									   .value = span_str(PICK(values)) };
	for (uint32_t i = 0; i < q.header_count; i++)
		h->fields[h->field_count++] = (struct h1_field){ q.headers[i].name, q.headers[i].value, H1_OTHER };
	query[0] = 0;
	for (uint64_t n = rng_below(rng, 3); n; n--) {
		struct config_value_match *v = &q.query[q.query_count++];
		*v = (struct config_value_match){ .name = span_str(PICK(names)), .value = span_str(PICK(values)) };
		size_t used = strlen(query);
		(void)snprintf(query + used, 32 - used, "%.*s=%.*s&", SPAN_ARG(v->name), SPAN_ARG(v->value));
	}
	h->query = span_str(query);
	return q;
}

static bool same(const struct route_rule *rule, const struct score *want)
{
	if (!rule || !want->found)
		return !rule && !want->found;
	return rule->number == want->rule && span_eq(span_skip(rule->route_name, strlen("default/")), want->name);
}

/* With the model known the table and the reference agree. Before, a rule that is told as final is final for every
 * model, and one told as fallback is the answer for a model nobody asks for. */
static void check_one(struct rng *rng, const struct config *c, const struct route_table *t, uint64_t seed)
{
	static struct h1_head h;
	char query[32];
	struct asked q = random_request(rng, &h, query);
	const struct route_rule *rule, *early;
	struct route_request rq = { 0, q.host, &h, q.model };
	enum route_answer answer = route_match(t, &rq, &rule);
	struct score want = reference(c, &q);
	assert_true(answer == (rule ? ROUTE_FOUND : ROUTE_NONE));
	if (!same(rule, &want))
		fail_msg("seed %llu: %.*s %.*s: table %.*s/%u, reference %.*s/%u", (unsigned long long)seed,
			 SPAN_ARG(q.host), SPAN_ARG(h.path), SPAN_ARG(rule ? rule->route_name : SPAN("none")),
			 rule ? rule->number : 0, SPAN_ARG(want.found ? want.name : SPAN("none")), want.rule);
	rq.model = SPAN_NONE;
	answer = route_match(t, &rq, &early);
	if (answer != ROUTE_NEEDS_MODEL)
		assert_ptr_equal(early, rule);
	q.model = SPAN("other");
	want = reference(c, &q);
	assert_true(same(early, &want));
}

static void the_table_agrees_with_the_specification_read_naively(void **state)
{
	(void)state;
	uint64_t first = 1;
	for (uint64_t seed = first; seed < first + CONFIGS; seed++) {
		struct rng rng;
		rng_seed(&rng, seed);
		struct config *c = random_config(&rng);
		struct route_table *t = route_table_new(c);
		assert_non_null(t);
		for (int i = 0; i < REQUESTS; i++)
			check_one(&rng, c, t, seed);
		route_table_free(t);
		config_unref(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_table_agrees_with_the_specification_read_naively) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
