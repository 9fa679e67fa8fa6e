/* Options: texts to values and back, by the type of the row. Used by the decoder of policies and by the flags of
 * `serve`. Cold path; pure functions over static rows. Durations follow GEP-2257, sizes the Kubernetes quantities. */
#include "config/options.h"

#include <stdio.h>

#include "config/scalar.h"

#define STRUCT_LISTENER struct config_listener_options
#define STRUCT_POOL struct config_pool_options

static const struct option_row table[] = {
#define OPTION(scope_, group_, field_, name_, flag_, type_, initial_, min_, max_, words_, unit_, help_)                \
	{ OPTION_##scope_, group_, name_, flag_,  OPTION_##type_, offsetof(STRUCT_##scope_, field_),                   \
	  initial_,	   min_,   max_,  words_, unit_,	  help_ },
#include "config/options.def"
#undef OPTION
};
enum { ROWS = sizeof table / sizeof table[0], DURATION_PAIRS_MAX = 4, DURATION_DIGITS_MAX = 5 };

/* All flags in one text, for scalar_near. */
static const char flag_words[] =
#define OPTION(scope_, group_, field_, name_, flag_, ...) flag_ " "
#include "config/options.def"
#undef OPTION
	;

struct unit {
	const char *suffix;
	uint64_t factor;
};
/* Longer suffixes before their beginnings. */
static const struct unit time_units[] = {
	{ "ms", NS_PER_MS }, { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S }
};
static const struct unit size_units[] = { { "Ki", UINT64_C(1) << 10 },
					  { "Mi", UINT64_C(1) << 20 },
					  { "Gi", UINT64_C(1) << 30 },
					  { "Ti", UINT64_C(1) << 40 },
					  { "k", 1000 },
					  { "M", 1000000 },
					  { "G", 1000000000 },
					  { "T", UINT64_C(1000000000000) } };

static const struct unit *unit_of(struct span text, const struct unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_starts(text, span_str(units[i].suffix)))
			return &units[i];
	return NULL;
}

static size_t count_digits(struct span t)
{
	size_t n = 0;
	while (n < t.n && t.p[n] >= '0' && t.p[n] <= '9')
		n++;
	return n;
}

int config_duration_parse(struct span text, uint64_t *ret_ns, struct err *e)
{
	static const char want[] = "wanted a duration such as 10s, 250ms or 1h30m";
	struct span t = text;
	uint64_t sum = 0, v = 0;
	for (int pairs = 0; t.n && pairs < DURATION_PAIRS_MAX; pairs++) {
		size_t n = count_digits(t);
		if (!n || n > DURATION_DIGITS_MAX || !span_to_u64(span_head(t, n), &v))
			break;
		t = span_skip(t, n);
		const struct unit *u = unit_of(t, time_units, sizeof time_units / sizeof time_units[0]);
		if (!u)
			return err_set(e, PS_ECONFIG, "\"%.*s\" is no duration; %s", SPAN_ARG(text), want);
		sum += v * u->factor; /* at most 4 · 99999 h: far from 2^64 ns */
		t = span_skip(t, strlen(u->suffix));
	}
	if (!text.n || t.n)
		return err_set(e, PS_ECONFIG, "\"%.*s\" is no duration; %s", SPAN_ARG(text), want);
	*ret_ns = sum;
	return 0;
}

int config_size_parse(struct span text, uint64_t *ret_bytes, struct err *e)
{
	size_t n = count_digits(text);
	uint64_t v = 0;
	struct span suffix = span_skip(text, n);
	const struct unit *u = suffix.n ? unit_of(suffix, size_units, sizeof size_units / sizeof size_units[0]) : NULL;
	bool bad_suffix = suffix.n && (!u || strlen(u->suffix) != suffix.n);
	uint64_t factor = u ? u->factor : 1;
	if (!n || bad_suffix || !span_to_u64(span_head(text, n), &v) || v > UINT64_MAX / factor)
		return err_set(e, PS_ECONFIG, "\"%.*s\" is no size; wanted bytes such as 4Mi, 64Ki or 1000",
			       SPAN_ARG(text));
	*ret_bytes = v * factor;
	return 0;
}

/* ---- one reader per type: text to a number that is compared with the bounds ---- */

static int read_count(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	if (!span_to_u64(text, ret))
		return err_set(e, PS_ECONFIG, "\"%.*s\" is no count; wanted a whole number", SPAN_ARG(text));
	return 0;
}

static int read_duration(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	return config_duration_parse(text, ret, e);
}

static int read_size(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	return config_size_parse(text, ret, e);
}

/* Whole percents with at most one decimal: permille. */
static int read_percent(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	struct span whole = span_ends(text, SPAN("%")) ? span_head(text, text.n - 1) : text, part;
	uint64_t a = 0, b = 0;
	bool has_part = span_find(whole, '.') >= 0;
	whole = span_cut(whole, '.', &part);
	if (!span_to_u64(whole, &a) || a > 1000 || (has_part && (part.n != 1 || !span_to_u64(part, &b))))
		return err_set(e, PS_ECONFIG, "\"%.*s\" is no share; wanted a percentage such as 50%% or 12.5%%",
			       SPAN_ARG(text));
	*ret = a * 10 + b;
	return 0;
}

static int read_bool(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	bool yes = span_eq(text, SPAN("true"));
	if (!yes && !span_eq(text, SPAN("false")))
		return err_set(e, PS_ECONFIG, "\"%.*s\" is no truth value; wanted true or false", SPAN_ARG(text));
	*ret = yes;
	return 0;
}

static int read_word(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	bool refused;
	int i = scalar_word(text, row->words, &refused);
	if (i >= 0) {
		*ret = (uint64_t)i;
		return 0;
	}
	struct span near = scalar_near(text, row->words);
	if (near.n)
		return err_set(e, PS_ECONFIG, "unknown value \"%.*s\"; did you mean \"%.*s\"?", SPAN_ARG(text),
			       SPAN_ARG(near));
	return err_set(e, PS_ECONFIG, "unknown value \"%.*s\"; wanted one of: %s", SPAN_ARG(text), row->words);
}

static int read_path(const struct option_row *row, struct span text, uint64_t *ret, struct err *e)
{
	(void)row;
	const char *want = text.n ? scalar_is_path(text) : NULL;
	if (text.n >= OPTION_TEXT_MAX)
		want = "a path of at most 127 bytes";
	if (want)
		return err_set(e, PS_ECONFIG, "\"%.*s\" is not valid; wanted %s, or nothing", SPAN_ARG(text), want);
	*ret = 0;
	return 0;
}

/* ---- storing and formatting ---- */

static void format_duration(uint64_t v, const char *words, char *out)
{
	(void)words;
	uint64_t ms = v / NS_PER_MS;
	if (ms % 1000)
		(void)snprintf(out, OPTION_TEXT_MAX, ms >= 1000 ? "%us%ums" : "%.0u%ums", (unsigned)(ms / 1000),
			       (unsigned)(ms % 1000));
	else if (ms / 1000 > 99999)
		(void)snprintf(out, OPTION_TEXT_MAX, "%uh%us", (unsigned)(ms / 3600000), (unsigned)(ms / 1000 % 3600));
	else
		(void)snprintf(out, OPTION_TEXT_MAX, "%us", (unsigned)(ms / 1000));
}

static void format_size(uint64_t v, const char *words, char *out)
{
	(void)words;
	const struct unit *best = NULL;
	for (size_t i = 0; i < 4; i++)
		if (v && v % size_units[i].factor == 0)
			best = &size_units[i];
	(void)snprintf(out, OPTION_TEXT_MAX, "%llu%s", (unsigned long long)(best ? v / best->factor : v),
		       best ? best->suffix : "");
}

static void format_count(uint64_t v, const char *words, char *out)
{
	(void)words;
	(void)snprintf(out, OPTION_TEXT_MAX, "%llu", (unsigned long long)v);
}

static void format_percent(uint64_t v, const char *words, char *out)
{
	(void)words;
	if (v % 10)
		(void)snprintf(out, OPTION_TEXT_MAX, "%u.%u%%", (unsigned)(v / 10), (unsigned)(v % 10));
	else
		(void)snprintf(out, OPTION_TEXT_MAX, "%u%%", (unsigned)(v / 10));
}

static void format_bool(uint64_t v, const char *words, char *out)
{
	(void)words;
	(void)snprintf(out, OPTION_TEXT_MAX, "%s", v ? "true" : "false");
}

static void format_word(uint64_t v, const char *words, char *out)
{
	struct span w = SPAN_NONE;
	bool refused;
	for (uint64_t i = 0; i <= v && scalar_next_word(&words, &w, &refused); i++)
		;
	(void)span_copy(out, OPTION_TEXT_MAX, w);
}

/* What can be done with a type. `width`: bytes of the value in the struct; 0: a text in place. */
struct type_row {
	int (*read)(const struct option_row *row, struct span text, uint64_t *ret, struct err *e);
	void (*format)(uint64_t v, const char *words, char *out);
	size_t width;
};
static const struct type_row types[] = {
	[OPTION_DURATION] = { read_duration, format_duration, sizeof(uint64_t) },
	[OPTION_SIZE] = { read_size, format_size, sizeof(uint64_t) },
	[OPTION_SIZE32] = { read_size, format_size, sizeof(uint32_t) },
	[OPTION_COUNT] = { read_count, format_count, sizeof(uint32_t) },
	[OPTION_PERCENT] = { read_percent, format_percent, sizeof(uint32_t) },
	[OPTION_BOOL] = { read_bool, format_bool, sizeof(bool) },
	[OPTION_WORD] = { read_word, format_word, sizeof(uint32_t) },
	[OPTION_PATH] = { read_path, NULL, 0 },
};

static int check_bounds(const struct option_row *row, struct span text, uint64_t v, struct err *e)
{
	uint64_t low = 0, high = 0;
	if (*row->min && (types[row->type].read(row, span_str(row->min), &low, NULL) || v < low))
		return err_set(e, PS_ECONFIG, "%.*s is too small; wanted %s to %s", SPAN_ARG(text), row->min, row->max);
	if (*row->max && (types[row->type].read(row, span_str(row->max), &high, NULL) || v > high))
		return err_set(e, PS_ECONFIG, "%.*s is too large; wanted %s to %s", SPAN_ARG(text), row->min, row->max);
	return 0;
}

static void store(const struct type_row *type, char *at, struct span text, uint64_t v)
{
	uint32_t v32 = (uint32_t)v;
	bool truth = v != 0;
	if (type->width == sizeof v)
		memcpy(at, &v, sizeof v);
	else if (type->width == sizeof v32)
		memcpy(at, &v32, sizeof v32);
	else if (type->width == sizeof truth)
		memcpy(at, &truth, sizeof truth);
	else
		(void)span_copy(at, OPTION_TEXT_MAX, text);
}

int option_set(const struct option_row *row, void *options, struct span text, struct err *e)
{
	const struct type_row *type = &types[row->type];
	uint64_t v = 0;
	int r = type->read(row, text, &v, e);
	if (r)
		return r;
	if ((r = check_bounds(row, text, v, e)))
		return r;
	store(type, (char *)options + row->offset, text, v);
	return 0;
}

static uint64_t load(const struct type_row *type, const char *at)
{
	uint64_t v = 0;
	uint32_t v32;
	bool truth;
	if (type->width == sizeof v) {
		memcpy(&v, at, sizeof v);
		return v;
	}
	if (type->width == sizeof v32) {
		memcpy(&v32, at, sizeof v32);
		return v32;
	}
	memcpy(&truth, at, sizeof truth);
	return truth;
}

size_t option_format(const struct option_row *row, const void *options, char out[OPTION_TEXT_MAX])
{
	const struct type_row *type = &types[row->type];
	const char *at = (const char *)options + row->offset;
	if (type->width)
		type->format(load(type, at), row->words, out);
	else
		(void)span_copy(out, OPTION_TEXT_MAX, span_str(at));
	return strlen(out);
}

void option_copy(const struct option_row *row, void *to, const void *from)
{
	size_t width = types[row->type].width;
	memcpy((char *)to + row->offset, (const char *)from + row->offset, width ? width : OPTION_TEXT_MAX);
}

/* ---- rows ---- */

const struct option_row *option_rows(size_t *ret_n)
{
	*ret_n = ROWS;
	return table;
}

const struct option_row *option_find_flag(struct span flag)
{
	for (size_t i = 0; i < ROWS; i++)
		if (span_eq(flag, span_str(table[i].flag)))
			return &table[i];
	return NULL;
}

const char *option_near_flag(struct span flag)
{
	const struct option_row *row = option_find_flag(scalar_near(flag, flag_words));
	return row ? row->flag : NULL;
}

/* The defaults are texts of our own table; a test sets each of them. */
static void set_defaults(enum option_scope scope, void *options)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (table[i].scope != scope)
			continue;
		struct span initial = span_str(table[i].initial);
		uint64_t v = 0;
		(void)types[table[i].type].read(&table[i], initial, &v, NULL);
		store(&types[table[i].type], (char *)options + table[i].offset, initial, v);
	}
}

struct config_listener_options config_listener_options_default(void)
{
	struct config_listener_options o = { 0 };
	set_defaults(OPTION_LISTENER, &o);
	return o;
}

struct config_pool_options config_pool_options_default(void)
{
	struct config_pool_options o = { 0 };
	set_defaults(OPTION_POOL, &o);
	return o;
}
