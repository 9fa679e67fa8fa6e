/* Fault specifications: reading them, and drawing one for a request. Probability, count and window all have to agree;
 * the window counts from when the fault was put in force. */
#include "mock/fault.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[FAULT_KIND_COUNT] = {
#define FAULT(id, name, help) [FAULT_##id] = (name),
#include "mock/faults.def"
#undef FAULT
};

static const char *const lie_names[LIE_COUNT] = {
#define METRICS_LIE(id, name, help) [LIE_##id] = (name),
#include "mock/lies.def"
#undef METRICS_LIE
};

static const char *const scope_names[] = {
	[FAULT_ON_API] = "api", [FAULT_ON_HEALTH] = "health", [FAULT_ON_METRICS] = "metrics", [FAULT_ON_ALL] = "all"
};

/* Index of a name, or -PS_EINVAL with all names in e. */
static int one_of(struct span s, const char *const *names, size_t n, const char *what, struct err *e)
{
	char list[256] = "";
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		if (span_eq(s, span_str(names[i])))
			return (int)i;
		int k = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
		used += (size_t)k < sizeof list - used ? (size_t)k : 0;
	}
	return err_set(e, PS_EINVAL, "no %s is called '%.*s': there are %s", what, SPAN_ARG(s), list);
}

/* A number with an optional unit ("5s", "100ms", "2m", "1.5"): false when it is none. Seconds without a unit. */
static bool to_ns(struct span s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ms", 1e6 }, { "s", 1e9 }, { "m", 60e9 }, { "", 1e9 } };
	char text[32], *end;
	if (s.n == 0 || s.n >= sizeof text)
		return false;
	span_copy(text, sizeof text, s);
	double v = strtod(text, &end);
	if (end == text || !(v >= 0 && v < 1e6))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].unit) == 0) {
			*ret = (uint64_t)(v * units[i].ns);
			return true;
		}
	return false;
}

/* ---- keys ---- */

static bool set_p(struct fault *f, struct span v)
{
	char text[32], *end;
	span_copy(text, sizeof text, v);
	f->p = strtod(text, &end);
	return v.n && v.n < sizeof text && *end == '\0' && f->p >= 0 && f->p <= 1;
}

static bool set_count(struct fault *f, struct span v)
{
	return span_to_u64(v, &f->count) && f->count > 0;
}

static bool set_after(struct fault *f, struct span v)
{
	return to_ns(v, &f->after_ns);
}

static bool set_for(struct fault *f, struct span v)
{
	return to_ns(v, &f->for_ns) && f->for_ns > 0;
}

static bool set_at(struct fault *f, struct span v)
{
	uint64_t n;
	if (!span_to_u64(v, &n) || n > UINT32_MAX)
		return false;
	f->at = (uint32_t)n;
	return true;
}

static bool set_retry_after(struct fault *f, struct span v)
{
	uint64_t n;
	if (!span_to_u64(v, &n) || n > UINT32_MAX)
		return false;
	f->retry_after_s = (uint32_t)n;
	return true;
}

static bool set_scope(struct fault *f, struct span v)
{
	int i = one_of(v, scope_names, sizeof scope_names / sizeof scope_names[0], "", NULL);
	f->scope_given = i >= 0;
	f->scope = i >= 0 ? (enum fault_scope)i : f->scope;
	return i >= 0;
}

static const struct key {
	const char *name, *wanted;
	bool (*set)(struct fault *f, struct span v);
} keys[] = {
	{ "p", "a probability from 0 to 1", set_p },	      { "count", "a number of times, at least 1", set_count },
	{ "after", "a time such as 5s or 200ms", set_after }, { "for", "a time such as 5s or 200ms", set_for },
	{ "at", "a number of stream events", set_at },	      { "retry-after", "a number of seconds", set_retry_after },
	{ "on", "api, health, metrics or all", set_scope },
};

static int set_key(struct fault *f, struct span pair, struct err *e)
{
	struct span value = SPAN_NONE, name = span_cut(pair, '=', &value);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (!span_eq(name, span_str(keys[i].name)))
			continue;
		if (keys[i].set(f, value))
			return 0;
		return err_set(e, PS_EINVAL, "'%s' wants %s, not '%.*s'", keys[i].name, keys[i].wanted,
			       SPAN_ARG(value));
	}
	return err_set(e, PS_EINVAL, "no key is called '%.*s': there are p, count, after, for, at, retry-after, on",
		       SPAN_ARG(name));
}

/* The VALUE of KIND=VALUE. */
static int set_value(struct fault *f, struct span value, struct err *e)
{
	uint64_t status = 0;
	if (f->kind == FAULT_METRICS) {
		int lie = one_of(value, lie_names, LIE_COUNT, "lie of metrics", e);
		f->lie = lie < 0 ? LIE_NONE : (enum metrics_lie)lie;
		return lie < 0 ? lie : 0;
	}
	if (f->kind != FAULT_STATUS)
		return value.n ? err_set(e, PS_EINVAL, "'%s' takes no value", kind_names[f->kind]) : 0;
	if (!span_to_u64(value, &status) || status < 400 || status > 599)
		return err_set(e, PS_EINVAL, "'status' wants a number from 400 to 599, not '%.*s'", SPAN_ARG(value));
	f->status = (int)status;
	return 0;
}

int fault_parse(struct fault *f, struct span spec, uint64_t now, struct err *e)
{
	struct fault g = { .lie = LIE_NONE, .retry_after_s = 1, .at = 2, .p = -1, .since_ns = now };
	struct span rest, value = SPAN_NONE, head = span_cut(spec, ':', &rest);
	struct span name = span_cut(head, '=', &value);
	if (spec.n >= FAULT_SPEC_MAX)
		return err_set(e, PS_EINVAL, "a fault is at most %d bytes long", FAULT_SPEC_MAX - 1);
	int kind = one_of(name, kind_names, FAULT_KIND_COUNT, "fault", e);
	if (kind < 0)
		return kind;
	g.kind = (enum fault_kind)kind;
	g.scope = g.kind == FAULT_METRICS ? FAULT_ON_METRICS : FAULT_ON_API;
	int r = set_value(&g, value, e);
	/* Pairs may be separated by commas or by colons: both are natural to write. */
	while (r == 0 && rest.n) {
		size_t n = 0;
		while (n < rest.n && rest.p[n] != ',' && rest.p[n] != ':')
			n++;
		r = set_key(&g, span_head(rest, n), e);
		rest = span_skip(rest, n + 1);
	}
	if (r < 0)
		return r;
	span_copy(g.spec, sizeof g.spec, spec);
	*f = g;
	return 0;
}

/* ---- drawing ---- */

bool fault_is_open(const struct fault *f, uint64_t now)
{
	uint64_t age = now - f->since_ns;
	if (f->count && f->hits >= f->count)
		return false;
	return age >= f->after_ns && (!f->for_ns || age < f->after_ns + f->for_ns);
}

static bool hits(struct fault *f, uint64_t now, struct rng *rng)
{
	if (!fault_is_open(f, now) || (f->p >= 0 && rng_unit(rng) >= f->p))
		return false;
	f->hits++;
	return true;
}

struct fault *faults_draw(struct faults *fs, enum fault_scope scope, uint64_t now, struct rng *rng)
{
	for (size_t i = 0; i < fs->n; i++) {
		struct fault *f = &fs->all[i];
		bool meant = f->kind != FAULT_REFUSE && (f->scope == scope || f->scope == FAULT_ON_ALL);
		if (meant && hits(f, now, rng))
			return f;
	}
	return NULL;
}

struct fault *faults_draw_refusal(struct faults *fs, uint64_t now, struct rng *rng)
{
	for (size_t i = 0; i < fs->n; i++)
		if (fs->all[i].kind == FAULT_REFUSE && hits(&fs->all[i], now, rng))
			return &fs->all[i];
	return NULL;
}

static bool refuses_all(const struct fault *f)
{
	return f->kind == FAULT_REFUSE && f->p < 0 && !f->count;
}

bool faults_refuse_all(const struct faults *fs, uint64_t now)
{
	for (size_t i = 0; i < fs->n; i++)
		if (refuses_all(&fs->all[i]) && fault_is_open(&fs->all[i], now))
			return true;
	return false;
}

uint64_t faults_next_change(const struct faults *fs, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	for (size_t i = 0; i < fs->n; i++) {
		const struct fault *f = &fs->all[i];
		uint64_t begin = f->since_ns + f->after_ns, end = f->for_ns ? begin + f->for_ns : UINT64_MAX;
		uint64_t at = now < begin ? begin : now < end ? end : UINT64_MAX;
		if (refuses_all(f) && at < next)
			next = at;
	}
	return next;
}
