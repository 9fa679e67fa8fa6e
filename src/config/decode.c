/* The decoder. One function per field type in a table; records are walked twice: once over what the text has (to find
 * unknown fields), once over what the table has (so that metadata comes before what depends on it, and defaults get
 * their turn). Control thread, cold; recursion is bounded by CONFIG_DEPTH_MAX. */
#include "config/decode.h"

#include <stdio.h>

enum { PATH_TEXT_MAX = 512, NAMES_TEXT_MAX = 1024 };

/* ---- complaints ---- */

static size_t path_format(const struct crumb *c, char *out, size_t cap)
{
	if (!c)
		return 0;
	size_t used = path_format(c->up, out, cap);
	int n = c->name.n ? snprintf(out + used, cap - used, "%s%.*s", used ? "." : "", SPAN_ARG(c->name))
			  : snprintf(out + used, cap - used, "[%u]", c->index);
	used += n < 0 ? 0 : (size_t)n;
	return used < cap ? used : cap - 1;
}

void decode_complain(struct decoder *d, const struct node *n, const char *below, const char *fmt, ...)
{
	char path[PATH_TEXT_MAX] = "", words[NAMES_TEXT_MAX];
	struct crumb leaf = { d->path, span_str(below), 0 };
	(void)path_format(below ? &leaf : d->path, path, sizeof path);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	report_add(d->report, &n->at, path, "%s", words);
}

/* At the key instead of the value. */
static void complain_key(struct decoder *d, const struct node *child, const char *words)
{
	char path[PATH_TEXT_MAX] = "";
	struct crumb leaf = { d->path, child->key, 0 };
	(void)path_format(&leaf, path, sizeof path);
	report_add(d->report, &child->key_at, path, "%s", words);
}

struct span decode_keep(struct decoder *d, struct span text)
{
	struct span s = arena_dup(d->arena, text);
	d->no_memory |= !s.p;
	return s;
}

static void *keep_array(struct decoder *d, size_t size, uint32_t n)
{
	void *p = arena_alloc(d->arena, size * n);
	d->no_memory |= !p;
	return p;
}

static bool want(struct decoder *d, const struct node *n, bool ok, const char *wanted)
{
	if (!ok)
		decode_complain(d, n, NULL, "is %s; wanted %s", node_describe(n), wanted);
	return ok;
}

static bool want_text(struct decoder *d, const struct node *n)
{
	bool quotes = n->type == NODE_SCALAR && !node_is_null(n);
	return want(d, n, node_is_text(n), quotes ? "a text: put it in quotes" : "a text");
}

static bool want_entries(struct decoder *d, const struct node *n, const struct field *f)
{
	if (f->max && n->count > f->max)
		decode_complain(d, n, NULL, "has %u entries; wanted at most %lld", n->count, (long long)f->max);
	else if (n->count < f->min)
		decode_complain(d, n, NULL, "has %s; wanted at least %lld", n->count ? "too few entries" : "no entries",
				(long long)f->min);
	else
		return true;
	return false;
}

/* ---- one function per type ---- */

static void decode_text(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	if (!want_text(d, n))
		return;
	const char *wanted = f->check ? f->check(n->text) : NULL;
	if (!wanted && memchr(n->text.n ? n->text.p : "", 0, n->text.n))
		wanted = "text without NUL";
	if (wanted) {
		decode_complain(d, n, NULL, "\"%.*s\" is not valid; wanted %s", SPAN_ARG(n->text), wanted);
		return;
	}
	*(struct span *)(void *)at = decode_keep(d, n->text);
}

static void decode_text_or_number(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)f;
	if (want(d, n, n->type == NODE_SCALAR, "a name or a number"))
		*(struct span *)(void *)at = decode_keep(d, n->text);
}

/* A plain decimal number without a leading zero (some YAML readers take that for octal). */
static bool number_of(const struct node *n, int64_t *ret)
{
	uint64_t v = 0;
	bool minus = n->text.n && n->text.p[0] == '-';
	struct span digits = minus ? span_skip(n->text, 1) : n->text;
	if (n->type != NODE_SCALAR || !n->plain || (digits.n > 1 && digits.p[0] == '0') || !span_to_u64(digits, &v) ||
	    v > INT64_MAX)
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool decode_number(struct decoder *d, const struct field *f, const struct node *n, int64_t *ret)
{
	if (n->type != NODE_SCALAR)
		return want(d, n, false, "a whole number");
	if (!number_of(n, ret)) {
		decode_complain(d, n, NULL, "\"%.*s\" is no whole number; wanted %lld to %lld%s", SPAN_ARG(n->text),
				(long long)f->min, (long long)f->max, n->plain ? "" : ", without quotes");
		return false;
	}
	if (*ret < f->min || *ret > f->max) {
		decode_complain(d, n, NULL, "%lld is out of range; wanted %lld to %lld", (long long)*ret,
				(long long)f->min, (long long)f->max);
		return false;
	}
	return true;
}

static void decode_number16(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	int64_t v;
	if (decode_number(d, f, n, &v))
		*(uint16_t *)(void *)at = (uint16_t)v;
}

static void decode_number32(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	int64_t v;
	if (decode_number(d, f, n, &v))
		*(uint32_t *)(void *)at = (uint32_t)v;
}

static void decode_signed32(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	int64_t v;
	if (decode_number(d, f, n, &v))
		*(int32_t *)(void *)at = (int32_t)v;
}

static void decode_bool(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)f;
	bool yes = n->type == NODE_SCALAR && n->plain && span_eq(n->text, SPAN("true"));
	bool no = n->type == NODE_SCALAR && n->plain && span_eq(n->text, SPAN("false"));
	if (n->type == NODE_SCALAR && !yes && !no)
		decode_complain(d, n, NULL, "\"%.*s\" is no truth value; wanted true or false, without quotes",
				SPAN_ARG(n->text));
	else if (want(d, n, yes || no, "true or false"))
		*(bool *)(void *)at = yes;
}

static void decode_word(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	if (!want_text(d, n))
		return;
	char known[NAMES_TEXT_MAX];
	bool refused = false;
	int i = scalar_word(n->text, f->words, &refused);
	struct span near = i < 0 ? scalar_near(n->text, f->words) : SPAN_NONE;
	scalar_words_format(f->words, known, sizeof known);
	if (refused)
		decode_complain(d, n, NULL, "%.*s is not supported; wanted %s", SPAN_ARG(n->text), known);
	else if (near.n)
		decode_complain(d, n, NULL, "unknown value \"%.*s\"; did you mean \"%.*s\"?", SPAN_ARG(n->text),
				SPAN_ARG(near));
	else if (i < 0)
		decode_complain(d, n, NULL, "unknown value \"%.*s\"; wanted %s", SPAN_ARG(n->text), known);
	else
		*(uint32_t *)(void *)at = (uint32_t)i;
}

static void decode_duration(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)f;
	struct err e = { 0 };
	if (want(d, n, node_is_text(n), "a duration such as 10s, 250ms or 1h30m") &&
	    config_duration_parse(n->text, (uint64_t *)(void *)at, &e))
		decode_complain(d, n, NULL, "%s", e.text);
}

static void decode_time(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)f;
	if (want(d, n, n->type == NODE_SCALAR, "a time") && !scalar_time(n->text, (int64_t *)(void *)at))
		decode_complain(d, n, NULL, "\"%.*s\" is no time; wanted one such as 2026-01-31T12:00:00Z",
				SPAN_ARG(n->text));
}

static void decode_label(struct decoder *d, const struct node *n, struct config_label *l)
{
	const char *wanted = scalar_is_label_key(n->key);
	const struct node key = { .at = n->key_at };
	if (wanted) {
		decode_complain(d, &key, NULL, "\"%.*s\" is not valid; wanted %s", SPAN_ARG(n->key), wanted);
		return;
	}
	if (!want_text(d, n))
		return;
	if ((wanted = scalar_is_label_value(n->text)))
		decode_complain(d, n, NULL, "\"%.*s\" is not valid; wanted %s", SPAN_ARG(n->text), wanted);
	l->value = decode_keep(d, n->text);
}

static void decode_string(struct decoder *d, const struct node *n, struct config_label *l)
{
	if (want_text(d, n))
		l->value = decode_keep(d, n->text);
}

static void decode_base64(struct decoder *d, const struct node *n, struct config_label *l)
{
	if (!want(d, n, n->type == NODE_SCALAR, "a text"))
		return;
	char *out = arena_alloc(d->arena, n->text.n + 1);
	size_t len = 0;
	if (!out)
		d->no_memory = true;
	else if (!scalar_base64(n->text, out, &len))
		decode_complain(d, n, NULL, "is not valid base64; wanted base64, or the text itself under stringData");
	else
		l->value = span_of(out, len);
}

static void decode_map(struct decoder *d, const struct field *f, const struct node *n, char *at,
		       void (*one)(struct decoder *, const struct node *, struct config_label *))
{
	struct config_labels *out = (struct config_labels *)(void *)at;
	if (!want(d, n, n->type == NODE_MAP, "an object of names and texts") || !want_entries(d, n, f))
		return;
	struct config_label *items = keep_array(d, sizeof *items, n->count + 1);
	uint32_t i = 0;
	for (const struct node *c = n->first; c && items; c = c->next, i++) {
		struct crumb here = { d->path, c->key, 0 };
		d->path = &here;
		items[i].key = decode_keep(d, c->key);
		one(d, c, &items[i]);
		d->path = here.up;
	}
	*out = (struct config_labels){ items, i };
}

static void decode_labels(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	decode_map(d, f, n, at, decode_label);
}

static void decode_strings(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	decode_map(d, f, n, at, decode_string);
}

static void decode_base64s(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	decode_map(d, f, n, at, decode_base64);
}

static void decode_object(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	if (!want(d, n, n->type == NODE_MAP, "an object"))
		return;
	if (f->flags & HAS_COUNT)
		*(bool *)(void *)(at - f->at + f->count_at) = true;
	decode_record(d, f->record, n, at);
}

static void decode_item(struct decoder *d, const struct record *rec, const struct node *n, char *value);

static void decode_list(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	if (!want(d, n, n->type == NODE_LIST, "a list") || !want_entries(d, n, f))
		return;
	char *items = keep_array(d, f->record->size, n->count + 1);
	uint32_t i = 0;
	for (const struct node *c = n->first; c && items; c = c->next, i++) {
		struct crumb here = { d->path, SPAN_NONE, i };
		d->path = &here;
		decode_item(d, f->record, c, items + i * f->record->size);
		d->path = here.up;
	}
	memcpy(at, &items, sizeof items);
	*(uint32_t *)(void *)(at - f->at + f->count_at) = i;
}

/* ---- options of our policies ---- */

static const struct option_row *option_row_of(enum option_scope scope, const char *group, struct span name)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);
	for (size_t i = 0; i < n; i++)
		if (rows[i].scope == scope && !strcmp(rows[i].group, group) && span_eq(name, span_str(rows[i].name)))
			return &rows[i];
	return NULL;
}

static void group_words(enum option_scope scope, const char *group, char *out, size_t cap)
{
	size_t n, used = 0;
	const struct option_row *rows = option_rows(&n);
	for (size_t i = 0; i < n && used < cap; i++)
		if (rows[i].scope == scope && !strcmp(rows[i].group, group))
			used += (size_t)snprintf(out + used, cap - used, "%s ", rows[i].name);
}

static void complain_unknown(struct decoder *d, const struct node *child, const char *words)
{
	char known[NAMES_TEXT_MAX], line[NAMES_TEXT_MAX + 128];
	if (report_is_full(d->report)) {
		d->report->count++;
		return;
	}
	struct span near = scalar_near(child->key, words);
	scalar_words_format(words, known, sizeof known);
	if (near.n)
		(void)snprintf(line, sizeof line, "unknown field; did you mean \"%.*s\"?", SPAN_ARG(near));
	else
		(void)snprintf(line, sizeof line, "unknown field; wanted %s", known);
	complain_key(d, child, line);
}

static void set_option(struct decoder *d, const struct option_row *row, const struct node *n)
{
	struct err e = { 0 };
	struct config_policy *p = d->policy;
	if (!want(d, n, n->type == NODE_SCALAR, "a single value"))
		return;
	if (option_set(row, &p->listener, n->text, &e))
		decode_complain(d, n, NULL, "%s", e.text);
	else if (p->set_count < p->set_room)
		p->sets[p->set_count++] = (struct config_policy_set){ row, n->at };
}

static void decode_options(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)at;
	enum option_scope scope = d->policy->meta.kind == CONFIG_LISTENER_POLICY ? OPTION_LISTENER : OPTION_POOL;
	char words[NAMES_TEXT_MAX];
	if (!want(d, n, n->type == NODE_MAP, "an object"))
		return;
	for (const struct node *c = n->first; c; c = c->next) {
		const struct option_row *row = option_row_of(scope, f->name, c->key);
		struct crumb here = { d->path, c->key, 0 };
		if (!row) {
			group_words(scope, f->name, words, sizeof words);
			complain_unknown(d, c, words);
			continue;
		}
		d->path = &here;
		if (!node_is_null(c))
			set_option(d, row, c);
		d->path = here.up;
	}
}

static void decode_nothing(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)d, (void)f, (void)n, (void)at;
}

static void decode_unsupported(struct decoder *d, const struct field *f, const struct node *n, char *at)
{
	(void)at;
	char path[PATH_TEXT_MAX] = "";
	(void)path_format(d->path, path, sizeof path);
	report_add(d->report, &n->key_at, path, "not supported; wanted %s", f->help);
}

/* ---- defaults, and the table of types ---- */

static void default_text(const struct field *f, char *at)
{
	if (f->initial_text)
		*(struct span *)(void *)at = span_str(f->initial_text);
}

static void default_number16(const struct field *f, char *at)
{
	*(uint16_t *)(void *)at = (uint16_t)f->initial;
}

static void default_number32(const struct field *f, char *at)
{
	*(uint32_t *)(void *)at = (uint32_t)f->initial;
}

static void default_signed32(const struct field *f, char *at)
{
	*(int32_t *)(void *)at = (int32_t)f->initial;
}

static void default_bool(const struct field *f, char *at)
{
	*(bool *)(void *)at = f->initial != 0;
}

static void default_time(const struct field *f, char *at)
{
	*(int64_t *)(void *)at = f->initial;
}

static const struct {
	const char *name;   /* in the reference page */
	const char *wanted; /* in messages */
	void (*decode)(struct decoder *d, const struct field *f, const struct node *n, char *at);
	void (*initial)(const struct field *f, char *at); /* NULL: all zeros is the default */
} types[] = {
	[F_TEXT] = { "text", "a text", decode_text, default_text },
	[F_NUMBER16] = { "number", "a number", decode_number16, default_number16 },
	[F_NUMBER32] = { "number", "a number", decode_number32, default_number32 },
	[F_SIGNED32] = { "number", "a number", decode_signed32, default_signed32 },
	[F_BOOL] = { "`true`, `false`", "true or false", decode_bool, default_bool },
	[F_WORD] = { "word", "a word", decode_word, default_number32 },
	[F_DURATION] = { "duration", "a duration", decode_duration, NULL },
	[F_TIME] = { "time", "a time", decode_time, default_time },
	[F_LABELS] = { "labels", "labels", decode_labels, NULL },
	[F_STRINGS] = { "texts", "texts", decode_strings, NULL },
	[F_BASE64] = { "base64 texts", "base64 texts", decode_base64s, NULL },
	[F_TEXT_OR_NUMBER] = { "name or number", "a name or a number", decode_text_or_number, NULL },
	[F_RECORD] = { "object", "an object", decode_object, NULL },
	[F_LIST] = { "list", "a list", decode_list, NULL },
	[F_OPTIONS] = { "object", "an object", decode_options, NULL },
	[F_IGNORED] = { "anything", "anything", decode_nothing, NULL },
	[F_UNSUPPORTED] = { "not supported", "nothing", decode_unsupported, NULL },
};

const char *field_type_name(enum field_type type)
{
	return types[type].name;
}

static void set_default(const struct field *f, char *value)
{
	if (f->type != F_RECORD) {
		if (types[f->type].initial)
			types[f->type].initial(f, value + f->at);
		return;
	}
	for (uint32_t i = 0; i < f->record->field_count; i++)
		set_default(&f->record->fields[i], value + f->at);
}

/* ---- records ---- */

static bool has_field(const struct record *rec, struct span name)
{
	for (uint32_t i = 0; i < rec->field_count; i++)
		if (span_eq(name, span_str(rec->fields[i].name)))
			return true;
	return false;
}

/* The names of a record's fields in one text. */
static void record_words(const struct record *rec, char *out, size_t cap)
{
	size_t used = 0;
	out[0] = 0;
	for (uint32_t i = 0; i < rec->field_count && used < cap; i++)
		if (rec->fields[i].type != F_UNSUPPORTED && rec->fields[i].type != F_IGNORED)
			used += (size_t)snprintf(out + used, cap - used, "%s ", rec->fields[i].name);
}

static void find_unknown(struct decoder *d, const struct record *rec, const struct node *n)
{
	char words[NAMES_TEXT_MAX];
	for (const struct node *c = n->first; c; c = c->next) {
		if (has_field(rec, c->key))
			continue;
		record_words(rec, words, sizeof words);
		complain_unknown(d, c, words);
	}
}

static void complain_absent(struct decoder *d, const struct field *f, const struct node *n)
{
	char known[NAMES_TEXT_MAX];
	scalar_words_format(f->words ? f->words : "", known, sizeof known);
	if (f->words)
		decode_complain(d, n, f->name, "missing; wanted %s", known);
	else
		decode_complain(d, n, f->name, "missing; wanted %s (%s)", types[f->type].wanted, f->help);
}

static void decode_field(struct decoder *d, const struct field *f, const struct node *n, char *value)
{
	struct span name = span_str(f->name);
	const struct node *c = tree_child(n, name);
	set_default(f, value);
	if (!c) {
		if (f->flags & REQUIRED)
			complain_absent(d, f, n);
		return;
	}
	struct crumb here = { d->path, name, 0 };
	d->path = &here;
	types[f->type].decode(d, f, c, value + f->at);
	d->path = here.up;
}

void decode_record(struct decoder *d, const struct record *rec, const struct node *n, void *value)
{
	if (!rec->lenient)
		find_unknown(d, rec, n);
	if (rec->position_at != NO_POSITION)
		memcpy((char *)value + rec->position_at, &n->at, sizeof n->at);
	for (uint32_t i = 0; i < rec->field_count; i++)
		decode_field(d, &rec->fields[i], n, value);
	if (rec->finish)
		rec->finish(d, n, value);
}

static void decode_item(struct decoder *d, const struct record *rec, const struct node *n, char *value)
{
	/* also for an item of the wrong type: what is checked later has a place to complain at */
	if (rec->position_at != NO_POSITION)
		memcpy(value + rec->position_at, &n->at, sizeof n->at);
	if (rec->scalar)
		types[rec->fields[0].type].decode(d, &rec->fields[0], n, value + rec->fields[0].at);
	else if (want(d, n, n->type == NODE_MAP, "an object"))
		decode_record(d, rec, n, value);
}
