/* Finding the rule of a request: host, then path, through hash maps; then the few candidates that share both, best
 * first. Step 2 of the request path (route by head) and, with the model known, step 5. Worker threads; reads an
 * immutable table, allocates nothing. */
#include "route/table.h"

enum { LONG_PREFIX_BIT = 63 };

/* ---- conditions ---- */

/* Fields of one name, joined by ',', against the wanted value (RFC 9110 §5.3). */
static bool header_matches(const struct h1_head *h, const struct value_match *want)
{
	struct span left = want->value;
	bool any = false;
	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct h1_field *f = &h->fields[i];
		if (!span_eq_nocase(f->name, want->name))
			continue;
		if (any && !span_starts(left, SPAN(",")))
			return false;
		left = any ? span_skip(left, 1) : left;
		if (!span_starts(left, f->value))
			return false;
		left = span_skip(left, f->value.n);
		any = true;
	}
	return any && !left.n;
}

static bool query_matches(struct span query, const struct value_match *want)
{
	while (query.n) {
		struct span value, name = span_cut(span_cut(query, '&', &query), '=', &value);
		if (query_text_eq(name, want->name))
			return query_text_eq(value, want->value);
	}
	return false;
}

/* All but the model. */
static bool candidate_matches(const struct candidate *c, const struct h1_head *h)
{
	if (c->method.n && !span_eq(c->method, h->method_text))
		return false;
	for (uint32_t i = 0; i < c->header_count; i++)
		if (!header_matches(h, &c->headers[i]))
			return false;
	for (uint32_t i = 0; i < c->query_count; i++)
		if (!query_matches(h->query, &c->query[i]))
			return false;
	return true;
}

/* ---- the walk ---- */

struct walk {
	const struct route_request *rq;
	struct span path; /* normalised */
	const struct route_rule *found;
	bool needs_model;
};

/* True when the walk is over. */
static bool walk_run(struct walk *w, const struct run *run)
{
	for (uint32_t i = 0; run && i < run->count; i++) {
		const struct candidate *c = &run->items[i];
		bool known = !c->model.p || w->rq->model.p;
		if ((c->model.p && known && !span_eq(c->model, w->rq->model)) || !candidate_matches(c, w->rq->head))
			continue;
		if (known) {
			w->found = c->rule;
			return true;
		}
		w->needs_model = true;
	}
	return false;
}

static bool has_length(const struct host *h, size_t n)
{
	return h->prefix_lengths >> (n < LONG_PREFIX_BIT ? n : LONG_PREFIX_BIT) & 1;
}

/* Exact, then the prefixes that end at an element's end, the longest first; the empty one takes any path, also "*". */
static bool walk_host(struct walk *w, const struct host *h)
{
	if (!h)
		return false;
	if (h->exact.count && walk_run(w, map_find(&h->exact, w->path)))
		return true;
	size_t longest = h->longest_prefix < w->path.n ? h->longest_prefix : w->path.n;
	for (size_t n = longest + 1; n-- > 0;) {
		if (!has_length(h, n) || (n && n < w->path.n && w->path.p[n] != '/'))
			continue;
		if (walk_run(w, map_find(&h->prefixes, span_head(w->path, n))))
			return true;
	}
	return false;
}

static bool walk_named_hosts(struct walk *w, const struct listener *l, struct span host)
{
	char lower[ROUTE_HOST_MAX];
	if (!host.n || host.n > sizeof lower)
		return false;
	for (size_t i = 0; i < host.n; i++)
		lower[i] = (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] + 32 : host.p[i]);
	host = span_of(lower, host.n);
	if (walk_host(w, map_find(&l->exact, host)))
		return true;
	for (size_t i = 1; l->wild.count && i < host.n; i++)
		if (host.p[i] == '.' && walk_host(w, map_find(&l->wild, span_skip(host, i))))
			return true;
	return false;
}

static enum route_answer match_path(const struct route_table *t, const struct route_request *rq, struct span path,
				    const struct route_rule **ret)
{
	struct walk w = { .rq = rq, .path = path };
	if (rq->listener >= t->listener_count || path_has_dot_segment(path))
		return ROUTE_NONE;
	const struct listener *l = &t->listeners[rq->listener];
	bool named = l->exact.count || l->wild.count;
	if (!(named && walk_named_hosts(&w, l, rq->host)))
		(void)walk_host(&w, l->any);
	*ret = w.found;
	return w.needs_model ? ROUTE_NEEDS_MODEL : w.found ? ROUTE_FOUND : ROUTE_NONE;
}

/* Apart, so that only paths with escapes pay for a scratch (the compiler clears and probes what is on the stack). */
static __attribute__((noinline)) enum route_answer
match_decoded(const struct route_table *t, const struct route_request *rq, const struct route_rule **ret)
{
	char scratch[ROUTE_PATH_MAX];
	struct span path = rq->head->path;
	return path.n > sizeof scratch ? ROUTE_NONE : match_path(t, rq, path_decode(path, scratch), ret);
}

enum route_answer route_match(const struct route_table *t, const struct route_request *rq,
			      const struct route_rule **ret)
{
	struct span path = rq->head->path;
	*ret = NULL;
	if (path.n && memchr(path.p, '%', path.n))
		return match_decoded(t, rq, ret);
	return match_path(t, rq, path, ret);
}

uint32_t route_backend_pick(const struct route_rule *rule, uint64_t random)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < rule->backend_count; i++)
		sum += rule->backends[i].weight;
	uint64_t left = sum ? random % sum : 0; /* at most 16 · 10^6: the bias of the remainder is below 10^-12 */
	for (uint32_t i = 0; sum && i < rule->backend_count; i++) {
		if (left < rule->backends[i].weight)
			return i;
		left -= rule->backends[i].weight;
	}
	return UINT32_MAX;
}
