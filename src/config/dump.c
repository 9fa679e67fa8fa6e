/* The typed objects as text again, walked by the tables that decoded them: what a test compares and /debug/config
 * shows. Secrets' values are left out. Any thread; cold. */
#include <stdio.h>

#include "config/kinds.h"
#include "config/store.h"

static int dump_fields(const struct record *rec, const char *value, int depth, struct buf *out);

static int dump_labels(const struct config_labels *l, bool sensitive, int depth, struct buf *out)
{
	int r = buf_printf(out, "\n");
	for (uint32_t i = 0; i < l->count && !r; i++) {
		r = buf_printf(out, "%*s", depth * 2, "");
		r = r ? r : json_add_string(out, l->items[i].key);
		r = r ? r : buf_printf(out, ": ");
		r = r ? r : json_add_string(out, sensitive ? SPAN("(not shown)") : l->items[i].value);
		r = r ? r : buf_printf(out, "\n");
	}
	return r;
}

static int dump_list(const struct field *f, const char *value, int depth, struct buf *out)
{
	char *items;
	uint32_t count;
	memcpy(&items, value + f->at, sizeof items);
	memcpy(&count, value + f->count_at, sizeof count);
	int r = buf_printf(out, "\n");
	for (uint32_t i = 0; i < count && !r; i++) {
		r = buf_printf(out, "%*s-\n", depth * 2, "");
		r = r ? r : dump_fields(f->record, items + i * f->record->size, depth + 1, out);
	}
	return r;
}

static int dump_options(const struct config_policy *p, const char *group, int depth, struct buf *out)
{
	char text[OPTION_TEXT_MAX];
	int r = buf_printf(out, "\n");
	for (uint32_t i = 0; i < p->set_count && !r; i++) {
		const struct option_row *row = p->sets[i].row;
		if (strcmp(row->group, group) != 0)
			continue;
		(void)option_format(row, &p->listener, text);
		r = buf_printf(out, "%*s%s: %s\n", depth * 2, "", row->name, text);
	}
	return r;
}

static long long number_at(const struct field *f, const char *at)
{
	switch (f->type) {
	case F_NUMBER16:
		return *(const uint16_t *)(const void *)at;
	case F_SIGNED32:
		return *(const int32_t *)(const void *)at;
	case F_BOOL:
		return *(const bool *)(const void *)at;
	case F_TIME:
		return *(const int64_t *)(const void *)at;
	default:
		return *(const uint32_t *)(const void *)at;
	}
}

/* The word itself; nothing where there is none. */
static int dump_word(const struct field *f, uint32_t number, struct buf *out)
{
	const char *words = f->words;
	struct span w = SPAN_NONE;
	bool refused, more = number != UINT32_MAX;
	for (uint32_t i = 0; more && i <= number; i++)
		more = scalar_next_word(&words, &w, &refused);
	return buf_printf(out, "%.*s\n", SPAN_ARG(more ? w : SPAN_NONE));
}

static int dump_field(const struct field *f, const char *value, int depth, struct buf *out)
{
	const char *at = value + f->at;
	switch (f->type) {
	case F_TEXT:
	case F_TEXT_OR_NUMBER: {
		int r = json_add_string(out, *(const struct span *)(const void *)at);
		return r ? r : buf_printf(out, "\n");
	}
	case F_LABELS:
	case F_STRINGS:
	case F_BASE64:
		return dump_labels((const struct config_labels *)(const void *)at, f->flags & SENSITIVE, depth + 1,
				   out);
	case F_RECORD: {
		int r = buf_printf(out, "\n");
		return r ? r : dump_fields(f->record, at, depth + 1, out);
	}
	case F_LIST:
		return dump_list(f, value, depth + 1, out);
	case F_OPTIONS:
		return dump_options((const struct config_policy *)(const void *)value, f->name, depth + 1, out);
	case F_WORD:
		return dump_word(f, *(const uint32_t *)(const void *)at, out);
	case F_DURATION:
		return buf_printf(out, "%llums\n",
				  (unsigned long long)(*(const uint64_t *)(const void *)at / NS_PER_MS));
	default:
		return buf_printf(out, "%lld\n", number_at(f, at));
	}
}

static int dump_fields(const struct record *rec, const char *value, int depth, struct buf *out)
{
	int r = 0;
	for (uint32_t i = 0; i < rec->field_count && !r; i++) {
		const struct field *f = &rec->fields[i];
		if (f->type == F_IGNORED || f->type == F_UNSUPPORTED)
			continue;
		r = buf_printf(out, "%*s%s: ", depth * 2, "", *f->name ? f->name : "value");
		r = r ? r : dump_field(f, value, depth, out);
	}
	return r;
}

static int dump_object(const struct config_meta *m, struct buf *out)
{
	int r = buf_printf(out, "%s %.*s/%.*s\n", config_kind_name(m->kind), SPAN_ARG(m->namespace), SPAN_ARG(m->name));
	return r ? r : dump_fields(config_kinds[m->kind].record, (const char *)m, 1, out);
}

int config_dump(const struct config *c, struct buf *out)
{
	int r = 0;
	for (int kind = 0; kind < CONFIG_KIND_COUNT && !r; kind++)
		for (uint32_t i = 0; i < config_count(c, (enum config_kind)kind) && !r; i++)
			r = dump_object(config_at(c, (enum config_kind)kind, i), out);
	return r;
}
