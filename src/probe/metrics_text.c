/* Reading a metrics page (Prometheus text format 0.0.4) as it arrives. On the signals thread; a page may be 60 KB and
 * come a hundred times a second, so nearly all of it is passed over by memchr: only lines whose first bytes are those
 * of a row in engines.def are looked at, and only such a line is kept when it is split between two pieces.
 *
 *     name{label="text",…} value [time]           text: \\ \" \n are escapes; blanks may stand between the parts
 *
 * Values are handed on as they are: what is impossible is the pool's to refuse. */
#include "probe/metrics_text.h"

#include <math.h>
#include <stdlib.h>

enum how { SUM, MEAN, LARGEST, NEWEST };

struct row {
	struct span metric;
	const char *label;
	enum engine_kind engine;
	enum page_signal signal;
	enum how how;
	unsigned rank;
};

static const struct row rows[] = {
#define ENGINE_METRIC(engine_, metric_, label_, signal_, how_, rank_)                                                  \
	{ { metric_, sizeof(metric_) - 1 }, label_, engine_, signal_, how_, rank_ },
#include "probe/engines.def"
#undef ENGINE_METRIC
};
enum { ROWS = sizeof rows / sizeof *rows, NUMBER_BYTES_MAX = 64 };

/* A line taken apart. */
struct sample {
	struct span labels; /* between the braces */
	double value;
};

void metrics_text_init(struct metrics_text *t)
{
	*t = (struct metrics_text){ .engine = ENGINE_UNKNOWN };
	buf_init(&t->line, PAGE_LINE_BYTES_MAX);
	for (unsigned i = 0; i < PAGE_TEXTS; i++)
		buf_init(&t->text[i], PAGE_LORA_BYTES_MAX);
}

void metrics_text_done(struct metrics_text *t)
{
	buf_free(&t->line);
	for (unsigned i = 0; i < PAGE_TEXTS; i++)
		buf_free(&t->text[i]);
	for (unsigned i = 0; i < PAGE_SIGNALS; i++)
		free(t->sum[i].seen);
	metrics_text_init(t);
}

/* ---- one line ---- */

static struct span skip_blanks(struct span s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s = span_skip(s, 1);
	return s;
}

/* All of s is one number as strtod takes it (also NaN, Inf). */
static bool number_read(struct span s, double *ret)
{
	char text[NUMBER_BYTES_MAX], *end;
	if (s.n == 0 || s.n >= sizeof text)
		return false;
	(void)span_copy(text, sizeof text, s);
	double v = strtod(text, &end);
	if (end != text + s.n)
		return false;
	*ret = v;
	return true;
}

/* Position of the quote that ends a label's text, which begins at s.p; -1: none. */
static ptrdiff_t closing_quote(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			return (ptrdiff_t)i;
		i += s.p[i] == '\\';
	}
	return -1;
}

/* Takes the next name="text" off the front of *labels: true, with *text still escaped. At the end, or where it is
 * malformed: false. */
static bool label_next(struct span *labels, struct span *name, struct span *text)
{
	struct span rest = skip_blanks(*labels);
	ptrdiff_t equals = span_find(rest, '=');
	if (equals <= 0)
		return false;
	*name = span_trim(span_head(rest, (size_t)equals));
	rest = skip_blanks(span_skip(rest, (size_t)equals + 1));
	ptrdiff_t end = rest.n && *rest.p == '"' ? closing_quote(span_skip(rest, 1)) : -1;
	if (end < 0)
		return false;
	*text = span_of(rest.p + 1, (size_t)end);
	rest = skip_blanks(span_skip(rest, (size_t)end + 2));
	*labels = rest.n && *rest.p == ',' ? span_skip(rest, 1) : rest;
	return true;
}

/* The label set of a sample, *rest being what follows it. */
static bool labels_cut(struct span *rest, struct span *ret)
{
	struct span all = span_skip(*rest, 1), left = skip_blanks(all), name, text;
	while (left.n && *left.p != '}') {
		if (!label_next(&left, &name, &text))
			return false;
		left = skip_blanks(left);
	}
	if (left.n == 0)
		return false;
	*ret = span_of(all.p, (size_t)(left.p - all.p));
	*rest = span_skip(left, 1);
	return true;
}

/* What follows the name. */
static bool sample_read(struct span rest, struct sample *ret)
{
	struct span time;
	ret->labels = SPAN_NONE;
	rest = skip_blanks(rest);
	if (rest.n && *rest.p == '{' && !labels_cut(&rest, &ret->labels))
		return false;
	rest = span_trim(rest);
	return number_read(span_cut(rest, ' ', &time), &ret->value);
}

static bool label_find(struct span labels, const char *wanted, struct span *ret)
{
	struct span name;
	while (label_next(&labels, &name, ret))
		if (span_eq(name, span_str(wanted)))
			return true;
	return false;
}

static int add_unescaped(struct buf *b, struct span text)
{
	int r = 0;
	while (text.n && r == 0) {
		ptrdiff_t at = span_find(text, '\\');
		size_t plain = at < 0 ? text.n : (size_t)at;
		r = buf_add(b, span_head(text, plain));
		text = span_skip(text, plain + 1);
		if (text.n && r == 0) {
			r = buf_add(b, *text.p == 'n' ? SPAN("\n") : span_head(text, 1));
			text = span_skip(text, 1);
		}
	}
	return r;
}

/* ---- what series amount to ---- */

/* True when this label set is new to the signal. 0: it was there, or there are too many; -PS_ENOMEM. */
static int series_is_new(struct metrics_text *t, struct page_sum *s, struct span labels)
{
	uint64_t hash = hash_bytes(labels);
	if (!s->seen)
		s->seen = calloc(PAGE_SERIES_MAX, sizeof *s->seen);
	if (!s->seen)
		return -PS_ENOMEM;
	for (unsigned i = 0; i < s->series; i++) {
		if (s->seen[i] == hash) {
			t->duplicates++;
			return 0;
		}
	}
	if (s->series == PAGE_SERIES_MAX) {
		t->garbage++;
		return 0;
	}
	s->seen[s->series++] = hash;
	return 1;
}

static double joined(enum how how, const struct page_sum *s, double v)
{
	switch (how) {
	case SUM:
		return s->series == 1 ? v : s->value + v;
	case MEAN: /* running: exact for the one or two series that are usual */
		return s->series == 1 ? v : s->value + (v - s->value) / s->series;
	case LARGEST:
		return s->series == 1 || v > s->value ? v : s->value;
	case NEWEST:
		break;
	}
	return v;
}

static int take_text(struct metrics_text *t, enum page_signal signal, struct span text)
{
	struct buf *b = &t->text[signal - PAGE_NUMBERS];
	buf_clear(b);
	int r = add_unescaped(b, text);
	if (r != -PS_ETOOBIG)
		return r;
	buf_clear(b);
	t->garbage++;
	return 0;
}

/* A value for a row, read from the sample or from one of its labels. */
static int take_value(struct metrics_text *t, const struct row *row, const struct sample *sample, struct span text)
{
	struct page_sum *s = &t->sum[row->signal];
	double v = sample->value;
	if (row->label && row->signal < PAGE_NUMBERS && !number_read(text, &v))
		return 0; /* vLLM writes "None" where a number is not known */
	int r = series_is_new(t, s, sample->labels);
	if (r <= 0)
		return r;
	if (row->how == NEWEST && s->series > 1 && !(sample->value > s->newest))
		return 0;
	s->newest = sample->value;
	if (row->signal >= PAGE_NUMBERS)
		return take_text(t, row->signal, text);
	s->value = joined(row->how, s, v);
	return 0;
}

static int take_row(struct metrics_text *t, const struct row *row, const struct sample *sample)
{
	struct page_sum *s = &t->sum[row->signal];
	struct span text = SPAN_NONE;
	if (row->label && !label_find(sample->labels, row->label, &text))
		return 0;
	if (s->series && row->rank > s->rank)
		return 0;
	if (row->rank < s->rank)
		s->series = 0; /* the newer name: what the older one said is forgotten */
	s->rank = row->rank;
	return take_value(t, row, sample, text);
}

/* Is `line` a sample of this metric? A name ends at a brace or blank; looking there first tells nearly all names apart.
 */
static bool names(struct span line, struct span metric)
{
	char end = line.n > metric.n ? line.p[metric.n] : '\0';
	return (end == '{' || end == ' ' || end == '\t') && memcmp(line.p, metric.p, metric.n) == 0;
}

/* Could these first bytes become a line of one of the rows? */
static bool may_matter(struct span line)
{
	for (unsigned i = 0; i < ROWS; i++) {
		size_t n = line.n < rows[i].metric.n ? line.n : rows[i].metric.n;
		if (n == 0 || (line.p[n - 1] == rows[i].metric.p[n - 1] && memcmp(line.p, rows[i].metric.p, n) == 0))
			return true;
	}
	return false;
}

/* A whole line without its end. */
static int take_line(struct metrics_text *t, struct span line)
{
	struct sample sample;
	bool read = false;
	int r = 0;
	/* Every name of the rows begins with one of these; most lines of a page are comments and Python's own. */
	if (line.n == 0 || line.n > PAGE_LINE_BYTES_MAX || (*line.p != 'v' && *line.p != 's' && *line.p != 'p'))
		return 0;
	for (unsigned i = 0; i < ROWS && r == 0; i++) {
		if (!names(line, rows[i].metric))
			continue;
		t->engine = rows[i].engine != ENGINE_UNKNOWN ? rows[i].engine : t->engine;
		if (!read && !sample_read(span_skip(line, rows[i].metric.n), &sample)) {
			t->garbage++;
			return 0;
		}
		read = true;
		r = take_row(t, &rows[i], &sample);
	}
	return r;
}

/* ---- lines out of pieces ---- */

/* Keeps the beginning of a line, if it may matter. */
static int keep(struct metrics_text *t, struct span piece)
{
	int r = buf_add(&t->line, piece);
	if (r == -PS_ENOMEM)
		return r;
	t->skipping = r < 0 || !may_matter(buf_span(&t->line));
	if (t->skipping)
		buf_clear(&t->line);
	return 0;
}

static int end_kept_line(struct metrics_text *t)
{
	int r = take_line(t, buf_span(&t->line));
	buf_clear(&t->line);
	return r;
}

int metrics_text_feed(struct metrics_text *t, struct span bytes)
{
	int r = 0;
	while (bytes.n && r == 0) {
		ptrdiff_t at = span_find(bytes, '\n');
		struct span piece = at < 0 ? bytes : span_head(bytes, (size_t)at);
		bytes = at < 0 ? SPAN_NONE : span_skip(bytes, (size_t)at + 1);
		if (!t->skipping && at >= 0 && buf_len(&t->line) == 0)
			r = take_line(t, piece);
		else if (!t->skipping)
			r = keep(t, piece);
		if (at >= 0 && r == 0 && buf_len(&t->line))
			r = end_kept_line(t);
		if (at >= 0)
			t->skipping = false;
	}
	return r;
}

int metrics_text_end(struct metrics_text *t)
{
	return buf_len(&t->line) ? end_kept_line(t) : 0;
}

/* ---- the result ---- */

static double number_of(const struct metrics_text *t, enum page_signal signal)
{
	return t->sum[signal].series ? t->sum[signal].value : (double)NAN;
}

struct signals metrics_text_signals(const struct metrics_text *t)
{
	return (struct signals){
		.queued = number_of(t, PAGE_QUEUED),
		.running = number_of(t, PAGE_RUNNING),
		.kv_used = number_of(t, PAGE_KV_USED),
		.kv_blocks = number_of(t, PAGE_KV_BLOCKS),
		.block_tokens = number_of(t, PAGE_BLOCK_TOKENS),
		.max_lora = number_of(t, PAGE_MAX_LORA),
		.lora_running = buf_span(&t->text[PAGE_LORA_RUNNING - PAGE_NUMBERS]),
		.lora_waiting = buf_span(&t->text[PAGE_LORA_WAITING - PAGE_NUMBERS]),
	};
}

double metrics_text_started(const struct metrics_text *t)
{
	return number_of(t, PAGE_STARTED);
}
