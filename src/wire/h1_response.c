/* Answer heads (RFC 9112 §4, §6.3), from replicas. On a worker. Everything wrong is -PS_EUPPROTO: what a
 * replica says wrong is never passed on. */
#include "wire/h1_private.h"

/* HTTP-version SP status-code [ SP [ reason-phrase ] ]. The space before an absent reason is often left out. */
static int status_line(struct h1_head *h, const struct h1_input *in, struct span line)
{
	uint64_t status;
	int minor = h1_version(span_head(line, 8));
	if (minor < 0 || line.n < 12 || line.p[8] != ' ')
		return h1_bad(in, "the answer does not begin with HTTP/1.1 and a status");
	if (!span_to_u64(span_of(line.p + 9, 3), &status) || status < 100 || status > 599)
		return h1_bad(in, "the status is not a number from 100 to 599");
	if (line.n > 12 && line.p[12] != ' ')
		return h1_bad(in, "the status does not end after three digits");
	h->reason = span_skip(line, 13);
	if (!h1_is_value(h->reason))
		return h1_bad(in, "the reason phrase has a control character");
	h->minor = (uint8_t)minor;
	h->status = (int)status;
	return 0;
}

static bool has_no_body(const struct h1_head *h, enum h1_method method)
{
	return method == H1_HEAD || h->status < 200 || h->status == 204 || h->status == 304 ||
	       (method == H1_CONNECT && h->status < 300);
}

static int conclude(struct h1_head *h, enum h1_method method, const struct h1_input *in)
{
	struct h1_meaning m;
	int r = h1_meaning_read(&m, h, in);
	if (r < 0)
		return r;
	if (m.lengths_differ)
		return h1_bad(in, "Content-Length is given twice and differs");
	if (m.unknown_coding)
		return h1_bad(in, "a transfer coding other than chunked");
	if (has_no_body(h, method))
		h->framing = H1_BODY_NONE;
	else if (m.chunked)
		h->framing = H1_BODY_CHUNKED;
	else
		h->framing = m.lengths ? H1_BODY_LENGTH : H1_BODY_UNTIL_CLOSE;
	h->length = h->framing == H1_BODY_LENGTH ? m.length : 0;
	h->keep_alive = !m.close && (h->minor || m.keep_alive) && h->framing != H1_BODY_UNTIL_CLOSE;
	h->upgrade = h->status == 101 || (method == H1_CONNECT && h->status / 100 == 2);
	return 0;
}

ptrdiff_t h1_response_parse(struct h1_head *h, enum h1_method method, const char *p, size_t n, size_t seen,
			    const struct h1_limits *limits, struct err *e)
{
	struct h1_input in = { p, n, seen, limits, e, PS_EUPPROTO, PS_EUPPROTO, PS_EUPPROTO };
	int r;
	h1_head_clear(h);
	if (!span_starts(SPAN("HTTP/1."), span_head(span_of(p, n), 7)))
		return h1_bad(&in, "the answer does not begin with HTTP/1.");
	ptrdiff_t line = h1_first_line(&in, 0, C_VALUE);
	if (line <= 0)
		return line;
	struct span text = span_of(p, (size_t)line - 2);
	/* While fields drip in, the line is not read again. */
	if (seen < (size_t)line && (r = status_line(h, &in, text)) < 0)
		return r;
	ptrdiff_t head = h1_field_lines(h, &in, (size_t)line);
	if (head <= 0)
		return head;
	if (seen >= (size_t)line && (r = status_line(h, &in, text)) < 0)
		return r;
	r = conclude(h, method, &in);
	return r < 0 ? r : head;
}
