/* Watching answers as they pass: first content, cadence, usage, end, errors. For an event stream each event gets a
 * quick look for a few names (nanoseconds); only what looks like usage is really parsed. Whole bodies: body.c. In strip
 * mode the same look decides what is cut out again of what we asked the engine for. On the worker that owns the
 * exchange. */
#include <stdlib.h>

#include "openai/usage.h"
#include "wire/wire.h"

enum { EVENT_MAX_BYTES = 1 << 20 }; /* an event longer than this passes unread: no token is that long */

struct openai_answer {
	enum openai_api api;
	enum openai_usage_mode mode;
	bool event_stream;
	bool content_seen;
	uint8_t hint;	/* the name that had content last time is looked for first, … */
	size_t hint_at; /* … where it was: a stream's events mostly differ in their content alone */
	struct openai_usage usage;
	union {
		struct sse sse;
		struct answer_body body; /* not an event stream; much larger, and then not allocated */
	};
};

enum { NAMES_MAX = 5 };

/* Where the APIs put generated text: members whose non-empty string counts as content. */
static const struct span content_names[API_COUNT][NAMES_MAX] = {
	[API_CHAT] = { SPAN("\"content\""), SPAN("\"reasoning_content\""), SPAN("\"reasoning\""), SPAN("\"arguments\""),
		       SPAN("\"refusal\"") },
	[API_COMPLETIONS] = { SPAN("\"text\"") },
	[API_RESPONSES] = { SPAN("\"delta\"") },
	[API_MESSAGES] = { SPAN("\"text\""), SPAN("\"partial_json\""), SPAN("\"thinking\"") },
};

/* Event types that end a stream or report an error (Responses, Messages). */
static const struct {
	struct span type;
	bool finished, error;
} ends[] = {
	{ SPAN("message_stop"), true, false },	      { SPAN("response.completed"), true, false },
	{ SPAN("response.incomplete"), true, false }, { SPAN("response.cancelled"), true, false },
	{ SPAN("response.failed"), true, true },      { SPAN("error"), false, true },
};

struct openai_answer *openai_answer_new(enum openai_api api, bool event_stream, enum openai_usage_mode mode)
{
	struct openai_answer *a = malloc(event_stream ? offsetof(struct openai_answer, sse) + sizeof(struct sse)
						      : sizeof *a);
	if (!a)
		return NULL;
	a->api = api;
	a->mode = mode;
	a->event_stream = event_stream;
	a->content_seen = false;
	a->hint = 0;
	a->hint_at = 0;
	a->usage = (struct openai_usage){ 0 };
	if (event_stream)
		sse_init(&a->sse, EVENT_MAX_BYTES);
	else
		answer_body_begin(&a->body, &a->usage);
	return a;
}

void openai_answer_free(struct openai_answer *a)
{
	if (!a)
		return;
	if (a->event_stream)
		sse_free(&a->sse);
	free(a);
}

bool openai_answer_edits(const struct openai_answer *a)
{
	return a->event_stream && a->mode == USAGE_STRIP;
}

const struct openai_usage *openai_answer_usage(const struct openai_answer *a)
{
	return &a->usage;
}

/* ---- one event ---- */

static inline bool is_text(const char *v, const char *end)
{
	return end - v > 1 && v[0] == '"' && v[1] != '"';
}

/* Some member of that name is a string and not empty: behind its colon, or NULL. */
static const char *find_text(struct span data, struct span name)
{
	const char *end = data.p + data.n, *v;
	while ((v = member_find(data, name))) {
		if (is_text(v, end))
			return v;
		data = span_of(v, (size_t)(end - v));
	}
	return NULL;
}

/* The same, at the place where the last event had it: no less proof than what a search would find. */
static inline bool text_is_at(struct span data, size_t at, struct span name)
{
	struct span rest = span_skip(data, at);
	return span_starts(rest, name) && rest.n > name.n && rest.p[name.n] == ':' &&
	       is_text(rest.p + name.n + 1, rest.p + rest.n);
}

static bool looks_for(struct openai_answer *a, struct span data, uint8_t i)
{
	struct span name = content_names[a->api][i];
	const char *v = name.n ? find_text(data, name) : NULL;
	if (!v)
		return false;
	a->hint = i;
	a->hint_at = (size_t)(v - data.p) - name.n - 1;
	return true;
}

static bool has_content(struct openai_answer *a, struct span data)
{
	const struct span *names = content_names[a->api];
	if (names[a->hint].n && text_is_at(data, a->hint_at, names[a->hint]))
		return true;
	if (looks_for(a, data, a->hint))
		return true;
	for (uint8_t i = 0; i < NAMES_MAX && names[i].n; i++)
		if (i != a->hint && looks_for(a, data, i))
			return true;
	return false;
}

/* There may be usage in it: then it is parsed, into *d. */
static bool read_usage(struct openai_answer *a, struct span data, struct answer_doc *d)
{
	struct span left = data;
	const char *v;
	if (a->mode == USAGE_OFF)
		return false;
	while ((v = member_find(left, SPAN("\"usage\"")))) {
		if (*v == '{' || openai_answer_edits(a)) {
			answer_doc_begin(d, &a->usage);
			answer_doc_feed(d, data);
			return true;
		}
		left = span_of(v, (size_t)(data.p + data.n - v));
	}
	return false;
}

/* Type of an event that has no `event:` line. */
static struct span type_in(struct answer_doc *d, struct span data)
{
	struct openai_usage unused = { 0 };
	answer_doc_begin(d, &unused);
	answer_doc_feed(d, data);
	return span_of(d->type, d->type_n);
}

static void see_type(const struct sse_event *ev, struct openai_seen *seen)
{
	NOT_ZEROED struct answer_doc d;
	struct span type = ev->type.n ? ev->type : type_in(&d, ev->data);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (span_eq(type, ends[i].type)) {
			seen->finished |= ends[i].finished;
			seen->error |= ends[i].error;
		}
}

/* An event without content: the end, an error, or nothing of interest. */
static void see_other(struct openai_answer *a, const struct sse_event *ev, struct openai_seen *seen)
{
	if (a->api == API_RESPONSES || a->api == API_MESSAGES) {
		see_type(ev, seen);
		return;
	}
	if (span_eq(ev->data, SPAN("[DONE]"))) {
		seen->finished = true;
		return;
	}
	const char *v = member_find(ev->data, SPAN("\"error\""));
	if (!v || *v != '{')
		return;
	struct answer_doc d;
	(void)type_in(&d, ev->data);
	seen->error |= d.error;
}

static void see_content(struct openai_answer *a, struct openai_seen *seen)
{
	seen->first_content |= !a->content_seen;
	a->content_seen = true;
}

/* True when the event was parsed for usage: *d tells. */
static bool see_event(struct openai_answer *a, const struct sse_event *ev, struct openai_seen *seen,
		      struct answer_doc *d)
{
	if (!ev->has_data)
		return false;
	if (has_content(a, ev->data)) {
		seen->tokens++;
		see_content(a, seen);
	} else {
		see_other(a, ev, seen);
	}
	return read_usage(a, ev->data, d);
}

/* ---- taking usage out again ---- */

/* What to cut from a document so that its top-level `usage` and one comma are gone. */
static struct span usage_cut(const struct answer_doc *d, struct span data)
{
	size_t from = d->usage_at, to = d->usage_behind;
	while (from && scan_is_space(data.p[from - 1]))
		from--;
	if (from && data.p[from - 1] == ',')
		return span_of(data.p + from - 1, to - from + 1);
	while (to < data.n && scan_is_space(data.p[to]))
		to++;
	if (to < data.n && data.p[to] == ',')
		to++;
	return span_of(data.p + d->usage_at, to - d->usage_at);
}

/* `s` without `cut`, which lies inside it. */
static int add_without(struct buf *out, struct span s, struct span cut)
{
	int r = buf_add(out, span_of(s.p, (size_t)(cut.p - s.p)));
	const char *rest = cut.p + cut.n;
	return r < 0 ? r : buf_add(out, span_of(rest, (size_t)(s.p + s.n - rest)));
}

/* An event whose data stood on several lines: its text is no piece of the stream, so it is written anew. */
static int add_joined(struct buf *out, const struct sse_event *ev, struct span cut)
{
	struct buf text;
	buf_init(&text, ev->data.n);
	int r = add_without(&text, ev->data, cut);
	if (r == 0 && ev->type.n)
		r = buf_printf(out, "event: %.*s\n", SPAN_ARG(ev->type));
	for (struct span line, left = buf_span(&text); r == 0 && left.n;) {
		line = span_cut(left, '\n', &left);
		r = buf_printf(out, "data: %.*s\n", SPAN_ARG(line));
	}
	buf_free(&text);
	return r < 0 ? r : buf_add(out, SPAN("\n"));
}

static int edit_event(const struct answer_doc *d, const struct sse_event *ev, struct buf *out)
{
	/* The chunk that is there for usage alone. */
	if (d->usage_object && d->no_choices)
		return 0;
	if (!d->usage_member)
		return buf_add(out, ev->raw);
	struct span cut = usage_cut(d, ev->data);
	bool in_raw = ev->data.p >= ev->raw.p && ev->data.p < ev->raw.p + ev->raw.n;
	return in_raw ? add_without(out, ev->raw, cut) : add_joined(out, ev, cut);
}

static int take_event(struct openai_answer *a, const struct sse_event *ev, struct buf *out, struct openai_seen *seen)
{
	NOT_ZEROED struct answer_doc d;
	bool parsed = see_event(a, ev, seen, &d);
	if (!openai_answer_edits(a))
		return 0;
	return parsed ? edit_event(&d, ev, out) : buf_add(out, ev->raw);
}

/* ---- the door ---- */

static void feed_body(struct openai_answer *a, struct span in, struct openai_seen *seen)
{
	if (in.n)
		see_content(a, seen);
	if (a->mode != USAGE_OFF)
		answer_body_feed(&a->body, in);
}

int openai_answer_feed(struct openai_answer *a, struct span in, struct buf *out, struct openai_seen *ret)
{
	struct sse_event ev;
	int r;
	*ret = (struct openai_seen){ 0 };
	if (!a->event_stream) {
		feed_body(a, in, ret);
		return 0;
	}
	while ((r = sse_next(&a->sse, &in, &ev)) > 0)
		if ((r = take_event(a, &ev, out, ret)) < 0)
			return r;
	return r;
}

int openai_answer_end(struct openai_answer *a, struct buf *out, struct openai_seen *ret)
{
	struct sse_event ev;
	*ret = (struct openai_seen){ 0 };
	if (!a->event_stream) {
		ret->finished = true;
		ret->error = answer_body_error(&a->body);
		return 0;
	}
	int r = sse_end(&a->sse, &ev);
	return r > 0 ? take_event(a, &ev, out, ret) : r;
}
