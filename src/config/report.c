/* Complaints of one load. They are found in the order of decoding and told in the order of the text, which is how a
 * person mends a file. Control thread, cold. */
#include "config/report.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1024, REPORT_BYTES_MAX = 1 << 20 };

void report_init(struct report *r)
{
	*r = (struct report){ .source = 0 };
	arena_init(&r->arena, REPORT_BYTES_MAX);
}

void report_free(struct report *r)
{
	arena_free(&r->arena);
}

/* "FILE:LINE:COLUMN: PATH: words". Things that stand in no text have no line. */
__attribute__((format(printf, 5, 0))) static size_t line_format(char *out, size_t cap, const struct config_position *at,
								const char *path, const char *fmt, va_list ap)
{
	int n = at->line ? snprintf(out, cap, "%.*s:%u:%u: ", SPAN_ARG(at->file), at->line, at->column)
			 : snprintf(out, cap, "%.*s: ", SPAN_ARG(at->file));
	size_t used = n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
	n = snprintf(out + used, cap - used, "%s%s", path, *path ? ": " : "");
	used += n < 0 ? 0 : (size_t)n < cap - used ? (size_t)n : cap - used - 1;
	n = vsnprintf(out + used, cap - used, fmt, ap);
	used += n < 0 ? 0 : (size_t)n < cap - used ? (size_t)n : cap - used - 1;
	return used;
}

/* A manifest's own bytes may be quoted in a message: none of them may break the line or the terminal. */
static void line_clean(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = '?';
}

void report_add(struct report *r, const struct config_position *at, const char *path, const char *fmt, ...)
{
	uint32_t order = r->count++;
	if (order >= CONFIG_ERRORS_MAX)
		return;
	char line[LINE_MAX_BYTES];
	va_list ap;
	va_start(ap, fmt);
	size_t n = line_format(line, sizeof line, at, path, fmt, ap);
	va_end(ap);
	line_clean(line, n);
	struct span text = arena_dup(&r->arena, span_of(line, n));
	r->items[order] = (struct complaint){ *at, r->source, order, text };
}

bool report_is_full(const struct report *r)
{
	return r->count >= CONFIG_ERRORS_MAX;
}

static int complaint_cmp(const void *a, const void *b)
{
	const struct complaint *x = a, *y = b;
	const uint32_t pairs[][2] = { { x->source, y->source },
				      { x->at.line, y->at.line },
				      { x->at.column, y->at.column },
				      { x->order, y->order } };
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] < pairs[i][1] ? -1 : 1;
	return 0;
}

void report_tell(struct report *r, struct config_errors *out)
{
	uint32_t n = r->count < CONFIG_ERRORS_MAX ? r->count : CONFIG_ERRORS_MAX;
	qsort(r->items, n, sizeof r->items[0], complaint_cmp);
	for (uint32_t i = 0; i < n && out->count + i < CONFIG_ERRORS_MAX; i++)
		(void)buf_printf(&out->text, "%.*s\n", SPAN_ARG(r->items[i].text));
	out->count += r->count;
}

void config_errors_init(struct config_errors *e)
{
	*e = (struct config_errors){ .count = 0 };
	buf_init(&e->text, REPORT_BYTES_MAX);
}

void config_errors_free(struct config_errors *e)
{
	buf_free(&e->text);
	e->count = 0;
}

void config_complain(struct config_errors *e, const struct config_position *at, const char *path, const char *fmt, ...)
{
	if (e->count++ >= CONFIG_ERRORS_MAX)
		return;
	char line[LINE_MAX_BYTES];
	va_list ap;
	va_start(ap, fmt);
	size_t n = line_format(line, sizeof line, at, path, fmt, ap);
	va_end(ap);
	line_clean(line, n);
	(void)buf_printf(&e->text, "%s\n", line);
}
