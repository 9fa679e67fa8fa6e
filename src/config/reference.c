/* docs/reference/objects.md out of the decoder's tables and the option rows, so that it cannot say anything else than
 * the program does (a test compares). Cold. */
#include <stdio.h>

#include "config/kinds.h"
#include "config/store.h"

enum { NAME_PATH_MAX = 512 };

static const char head[] =
	"# Objects\n\n"
	"What a manifest may hold: the kinds, their fields, and the options of our two policies. This page is made "
	"from the decoder's tables\n"
	"(`penstock check --reference`). A field that does not stand here is an error, except under `metadata` and "
	"`status`, where others write\n"
	"too. Fields marked *ignored* are accepted and have no effect; those marked *not supported* are refused.\n\n"
	"Texts that YAML could take for a number or a truth value stand in quotes. Durations are GEP-2257 texts "
	"(`10s`, `250ms`, `1h30m`), sizes\n"
	"are bytes, plain or with `Ki`, `Mi`, `Gi`, `k`, `M`, `G`. Anchors, aliases, tags and merge keys are refused, "
	"and so is a key that stands twice.\n"
	"A file may hold many documents, and `kind: List`.\n";

static int reference_fields(const struct record *rec, const char *path, struct buf *out);

/* "A, B" of the words that are supported. */
static int add_words(const char *words, struct buf *out)
{
	struct span w;
	bool refused, first = true;
	int r = 0;
	while (!r && scalar_next_word(&words, &w, &refused)) {
		if (refused)
			continue;
		r = buf_printf(out, "%s`%.*s`", first ? "" : ", ", SPAN_ARG(w));
		first = false;
	}
	return r;
}

static int add_type(const struct field *f, struct buf *out)
{
	bool number = f->type == F_NUMBER16 || f->type == F_NUMBER32 || f->type == F_SIGNED32;
	if (f->type == F_WORD)
		return add_words(f->words, out);
	if (f->type == F_IGNORED)
		return buf_printf(out, "*ignored*");
	if (f->type == F_UNSUPPORTED)
		return buf_printf(out, "*not supported*");
	if (number && (f->min != INT32_MIN))
		return buf_printf(out, "%lld to %lld", (long long)f->min, (long long)f->max);
	if (f->type == F_LIST && f->max)
		return buf_printf(out, "list of %lld to %lld", (long long)f->min, (long long)f->max);
	return buf_printf(out, "%s", field_type_name(f->type));
}

static int add_option_values(const struct option_row *o, struct buf *out)
{
	if (*o->words)
		return add_words(o->words, out);
	if (*o->min)
		return buf_printf(out, "`%s` to `%s`%s%s", o->min, o->max, *o->unit ? " " : "", o->unit);
	return buf_printf(out, "%s", o->type == OPTION_BOOL ? "`true`, `false`" : "path");
}

static int reference_option(const struct option_row *o, const char *path, struct buf *out)
{
	int r = buf_printf(out, "| `%s.%s` | ", path, o->name);
	r = r ? r : add_option_values(o, out);
	return r ? r : buf_printf(out, " | `%s` | %s Flag `--%s`. |\n", o->initial, o->help, o->flag);
}

static int reference_options(enum option_scope scope, const char *group, const char *path, struct buf *out)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);
	int r = 0;
	for (size_t i = 0; i < n && !r; i++)
		if (rows[i].scope == scope && strcmp(rows[i].group, group) == 0)
			r = reference_option(&rows[i], path, out);
	return r;
}

static int add_default(const struct field *f, struct buf *out)
{
	if (f->flags & REQUIRED)
		return buf_printf(out, "required");
	if (f->initial_text && *f->initial_text)
		return buf_printf(out, "`%s`", f->initial_text);
	if (f->type == F_BOOL)
		return buf_printf(out, "`%s`", f->initial ? "true" : "false");
	if (f->type == F_NUMBER32 && f->initial)
		return buf_printf(out, "`%lld`", (long long)f->initial);
	return 0;
}

static int reference_field(const struct field *f, const char *path, enum option_scope scope, struct buf *out)
{
	if (f->type == F_OPTIONS)
		return reference_options(scope, f->name, path, out);
	int r = buf_printf(out, "| `%s` | ", path);
	r = r ? r : add_type(f, out);
	r = r ? r : buf_printf(out, " | ");
	r = r ? r : add_default(f, out);
	r = r ? r : buf_printf(out, " | %s%s |\n", f->type == F_UNSUPPORTED ? "instead: " : "", f->help);
	bool inner = (f->type == F_RECORD || f->type == F_LIST) && !f->record->scalar;
	return r || !inner ? r : reference_fields(f->record, path, out);
}

static int reference_fields(const struct record *rec, const char *path, struct buf *out)
{
	enum option_scope scope = !strcmp(rec->name, "ListenerPolicy") ? OPTION_LISTENER : OPTION_POOL;
	int r = 0;
	for (uint32_t i = 0; i < rec->field_count && !r; i++) {
		const struct field *f = &rec->fields[i];
		char below[NAME_PATH_MAX];
		if (!*path &&
		    (!strcmp(f->name, "apiVersion") || !strcmp(f->name, "kind") || !strcmp(f->name, "metadata")))
			continue; /* said once, at the head of the page */
		(void)snprintf(below, sizeof below, "%s%s%s%s", path, *path ? "." : "", f->name,
			       f->type == F_LIST ? "[]" : "");
		r = reference_field(f, below, scope, out);
	}
	return r;
}

int config_reference(struct buf *out)
{
	static const char table_head[] = "\n| field | values | default | |\n|---|---|---|---|\n";
	int r = buf_printf(out, "%s\n## Every kind\n%s", head, table_head);
	r = r ? r : reference_fields(&record_metadata, "metadata", out);
	for (size_t i = 0; i < CONFIG_KIND_COUNT && !r; i++) {
		const struct kind_row *k = &config_kinds[i];
		r = buf_printf(out, "\n## %s\n\n%s", k->name, k->help);
		r = r ? r : buf_printf(out, " `apiVersion`: ");
		r = r ? r : add_words(k->versions, out);
		r = r ? r : buf_printf(out, ".\n%s", table_head);
		r = r ? r : reference_fields(k->record, "", out);
	}
	return r;
}
