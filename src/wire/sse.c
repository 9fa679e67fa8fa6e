/* Server-sent events (WHATWG HTML §9.2.5, §9.2.6) out of an answer's bytes, on a worker, once per relayed piece.
 *
 * First the end of the event is found, line by line; what one call leaves is copied to `rest` and never looked at
 * again, for whether a line ends, and whether it is blank, depends on the two flags in_line and after_cr only. Then the
 * whole event is cut into its fields. Line ends are LF, CR or CRLF. */
#include "wire/sse.h"

enum {
	WINDOW_BYTES =
		1024, /* a stream that ends its lines in CR alone costs at most one window of search for LF per line */
	BOM_BYTES = 3,
};
static const char bom[] = "\xEF\xBB\xBF";

void sse_init(struct sse *s, size_t max)
{
	*s = (struct sse){ 0 };
	buf_init(&s->rest, max);
	buf_init(&s->joined, max);
}

void sse_free(struct sse *s)
{
	buf_free(&s->rest);
	buf_free(&s->joined);
}

/* Bytes before the first line end; n when there is none. */
static size_t line_length(const char *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t k = n - at < WINDOW_BYTES ? n - at : WINDOW_BYTES;
		const char *lf = memchr(p + at, '\n', k);
		size_t before = lf ? (size_t)(lf - p) : at + k;
		const char *cr = memchr(p + at, '\r', before - at);
		if (cr)
			return (size_t)(cr - p);
		if (lf)
			return before;
		at += k;
	}
	return n;
}

/* Where in the bytes fed a line stands open or begins. */
struct place {
	size_t at;
	bool in_line, after_cr;
};

/* Steps over a byte order mark at the start of the stream, of which `rest` may hold the beginning. */
static struct place skip_bom(const struct sse *s, struct span in)
{
	struct place here = { 0, s->in_line, s->after_cr };
	size_t have = buf_len(&s->rest), k = have;
	if (s->started || have >= BOM_BYTES || !span_eq(buf_span(&s->rest), span_of(bom, have)))
		return here;
	while (k < BOM_BYTES && k - have < in.n && in.p[k - have] == bom[k])
		k++;
	if (k == BOM_BYTES)
		here = (struct place){ k - have, false, false };
	return here;
}

/* Walks from `here` to behind the blank line that ends the event. False when it is not there; *here is then the end. */
static bool find_end(struct place *here, struct span in)
{
	if (here->after_cr && here->at < in.n) {
		here->at += in.p[here->at] == '\n';
		here->after_cr = false;
	}
	while (here->at < in.n) {
		size_t k = line_length(in.p + here->at, in.n - here->at);
		bool blank = k == 0 && !here->in_line;
		here->at += k;
		here->in_line = here->at == in.n;
		if (here->in_line)
			return false;
		if (in.p[here->at++] == '\r') {
			here->after_cr = here->at == in.n;
			if (!here->after_cr && in.p[here->at] == '\n')
				here->at++;
		}
		if (blank)
			return true;
	}
	return false;
}

static int add_data(struct sse *s, struct sse_event *ev, struct span value)
{
	if (!ev->has_data) {
		ev->has_data = true;
		ev->data = value;
		return 0;
	}
	int r = 0;
	if (buf_len(&s->joined) == 0)
		r = buf_add(&s->joined, ev->data);
	if (r == 0)
		r = buf_add(&s->joined, SPAN("\n"));
	if (r == 0)
		r = buf_add(&s->joined, value);
	ev->data = buf_span(&s->joined);
	return r < 0 ? -PS_ENOMEM : 0;
}

/* "name: value"; one blank behind the colon is not part of the value; a comment has no name. */
static int read_line(struct sse *s, struct sse_event *ev, struct span line)
{
	struct span value, name = span_cut(line, ':', &value);
	if (value.n && value.p[0] == ' ')
		value = span_skip(value, 1);
	if (span_eq(name, SPAN("data")))
		return add_data(s, ev, value.p ? value : span_of(line.p + line.n, 0));
	if (span_eq(name, SPAN("event")))
		ev->type = value;
	return 0;
}

/* Cuts a whole event into its fields. */
static int read_event(struct sse *s, struct span raw, struct sse_event *ret)
{
	struct sse_event ev = { .raw = raw };
	struct span left = raw;
	/* An LF split from its CR, which ended the event before. */
	if (left.n > 1 && left.p[0] == '\n')
		left = span_skip(left, 1);
	if (!s->started && span_starts(left, span_of(bom, BOM_BYTES)))
		left = span_skip(left, BOM_BYTES);
	while (left.n) {
		size_t k = line_length(left.p, left.n);
		int r = read_line(s, &ev, span_head(left, k));
		if (r < 0)
			return r;
		left = span_skip(left, k + 1);
	}
	s->started = true;
	*ret = ev;
	return 1;
}

/* A piece of an event that is over the bound: passed on, not read. */
static int raw_piece(struct sse *s, struct span raw, struct sse_event *ret)
{
	s->started = true;
	*ret = (struct sse_event){ .raw = raw };
	return 1;
}

/* Drops what the last call returned. */
static void forget(struct sse *s)
{
	if (s->spent)
		buf_free(&s->rest);
	if (s->joined.p)
		buf_free(&s->joined);
	s->spent = false;
}

int sse_next(struct sse *s, struct span *in, struct sse_event *ret)
{
	forget(s);
	if (in->n == 0)
		return 0;
	struct place here = skip_bom(s, *in);
	bool whole = find_end(&here, *in);
	struct span piece = span_head(*in, here.at);
	bool over = s->oversize || piece.n > s->rest.max || buf_len(&s->rest) > s->rest.max - piece.n;
	if (over && buf_len(&s->rest)) {
		s->oversize = s->spent = true;
		return raw_piece(s, buf_span(&s->rest), ret);
	}
	bool copy = !over && (!whole || buf_len(&s->rest));
	if (copy && buf_add(&s->rest, piece) < 0)
		return -PS_ENOMEM;
	*in = span_skip(*in, piece.n);
	s->in_line = here.in_line;
	s->after_cr = here.after_cr;
	s->oversize = over && !whole;
	if (over)
		return raw_piece(s, piece, ret);
	if (!whole)
		return 0;
	s->spent = copy;
	return read_event(s, copy ? buf_span(&s->rest) : piece, ret);
}

int sse_end(struct sse *s, struct sse_event *ret)
{
	forget(s);
	s->oversize = false;
	if (buf_len(&s->rest) == 0)
		return 0;
	s->spent = true;
	return read_event(s, buf_span(&s->rest), ret);
}
