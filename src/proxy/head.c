/* Heads as they leave the gateway: to replicas and to clients. Only fields that were parsed and may go on are written,
 * so nothing ambiguous is passed along (design §3, classes of headers). */
#include "proxy/internal.h"

enum { FORWARDED_MAX = 20 * 1024 /* a traceparent, the longest field value and an address */ };

/* ---- request ids ---- */

static bool sane_id(struct span id)
{
	if (id.n == 0 || id.n > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '"' || id.p[i] == '\\')
			return false;
	return true;
}

/* RFC 9562 version 4. */
static void write_uuid(char out[37], uint64_t a, uint64_t b)
{
	a = (a & ~UINT64_C(0xf000)) | 0x4000;
	b = (b & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
	text_hex(out, a >> 32, 8);
	text_hex(out + 9, a >> 16, 4);
	text_hex(out + 14, a, 4);
	text_hex(out + 19, b >> 48, 4);
	text_hex(out + 24, b, 12);
	out[8] = out[13] = out[18] = out[23] = '-';
	out[36] = '\0';
}

void head_request_id(struct exchange *x, const struct h1_head *h)
{
	const struct h1_field *f = h1_field_find(h, H1_X_REQUEST_ID);
	struct rng *r = loop_rng(x->proxy->loop);
	if (f && sane_id(f->value)) {
		span_copy(x->request_id, sizeof x->request_id, f->value);
	} else {
		write_uuid(x->request_id, rng_next(r), rng_next(r));
	}
	f = h1_field_find(h, H1_TRACEPARENT);
	trace_begin(&x->trace, f ? f->value : SPAN_NONE, r);
}

/* ---- fields ---- */

/* No Connection field names another one. */
static bool plain_connection(const struct h1_head *h)
{
	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct h1_field *f = &h->fields[i];
		if (f->id == H1_CONNECTION && !span_eq_nocase(f->value, SPAN("keep-alive")) &&
		    !span_eq_nocase(f->value, SPAN("close")))
			return false;
	}
	return true;
}

/* Set or removed by the route: what came with the message does not go on. */
static bool overruled(struct span name, const struct header_change *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (c[i].kind != HEADER_ADD && span_eq_nocase(c[i].name, name))
			return true;
	return false;
}

/* Fields of requests that are written anew from what we know. */
static bool ours_in_requests(const struct exchange *x, enum h1_name id)
{
	return id == H1_HOST || id == H1_X_REQUEST_ID || id == H1_TRACEPARENT || id == H1_X_FORWARDED_FOR ||
	       id == H1_X_FORWARDED_PROTO || (id == H1_TRACESTATE && !x->trace.remote);
}

static struct span forwarded_for(const struct exchange *x, struct buf *text)
{
	const struct h1_field *f = h1_field_find(x->head, H1_X_FORWARDED_FOR);
	size_t at = buf_len(text);
	if (!f || !client_policy(x->client)->trusted_hops)
		return client_host(x->client);
	if (buf_add(text, f->value) < 0 || buf_add(text, SPAN(", ")) < 0 || buf_add(text, client_host(x->client)) < 0)
		return client_host(x->client);
	return span_skip(buf_span(text), at);
}

uint32_t head_for_replica(struct exchange *x, struct upstream_field *out, uint32_t max, struct buf *text)
{
	const struct h1_head *h = x->head;
	const struct route_rule *rule = x->rule;
	bool plain = plain_connection(h);
	uint32_t n = 0;
	char trace[56];
	for (uint32_t i = 0; i < h->field_count && n < max; i++) {
		const struct h1_field *f = &h->fields[i];
		if (h1_field_flags(f->id) || ours_in_requests(x, f->id) ||
		    (!plain && h1_named_by_connection(h, f->name)) ||
		    overruled(f->name, rule->request_changes, rule->request_change_count))
			continue;
		out[n++] = (struct upstream_field){ f->name, f->value };
	}
	for (uint32_t i = 0; i < rule->request_change_count && n < max; i++)
		if (rule->request_changes[i].kind != HEADER_REMOVE)
			out[n++] = (struct upstream_field){ rule->request_changes[i].name,
							    rule->request_changes[i].value };
	/* `text` must not move once spans point into it. */
	trace_format(&x->trace, trace);
	if (!buf_reserve(text, FORWARDED_MAX) || n + 4 > max || buf_add(text, span_str(trace)) < 0)
		return n;
	out[n++] = (struct upstream_field){ SPAN("traceparent"), buf_span(text) };
	out[n++] = (struct upstream_field){ SPAN("x-request-id"), span_str(x->request_id) };
	out[n++] = (struct upstream_field){ SPAN("x-forwarded-for"), forwarded_for(x, text) };
	out[n++] = (struct upstream_field){ SPAN("x-forwarded-proto"), SPAN("http") };
	return n;
}

static int add_status(struct buf *b, int status, struct span reason)
{
	char line[] = "HTTP/1.1 000 ";
	line[9] = (char)('0' + status / 100 % 10);
	line[10] = (char)('0' + status / 10 % 10);
	line[11] = (char)('0' + status % 10);
	int r = buf_add(b, span_of(line, sizeof line - 1));
	r = r ? r : buf_add(b, reason);
	return r ? r : buf_add(b, SPAN("\r\n"));
}

static int add_framing(struct exchange *x, struct buf *b, const struct h1_head *h)
{
	bool bodiless = h->status == 204 || h->status == 304 || x->method == H1_HEAD;
	const struct h1_field *length = h1_field_find(h, H1_CONTENT_LENGTH);
	if (bodiless) /* HEAD and 304 may tell the length of what is not there */
		return length && h->status != 204 ? h1_add_field(b, SPAN("content-length"), length->value) : 0;
	if (h->framing == H1_BODY_LENGTH && !x->edits)
		return h1_add_field(b, SPAN("content-length"), length ? length->value : SPAN("0"));
	x->answer_chunked = x->minor == 1;
	if (x->answer_chunked)
		return h1_add_field(b, SPAN("transfer-encoding"), SPAN("chunked"));
	x->answer_close = true; /* HTTP/1.0: the end of the connection is the end of the body */
	return 0;
}

int head_for_client(struct exchange *x, const struct h1_head *h)
{
	struct buf *b = &x->proxy->compose;
	const struct route_rule *rule = x->rule;
	bool plain = plain_connection(h);
	buf_clear(b);
	int r = add_status(b, h->status, h->reason);
	for (uint32_t i = 0; i < h->field_count && r == 0; i++) {
		const struct h1_field *f = &h->fields[i];
		if (h1_field_flags(f->id) || f->id == H1_X_REQUEST_ID ||
		    (!plain && h1_named_by_connection(h, f->name)) ||
		    overruled(f->name, rule->response_changes, rule->response_change_count))
			continue;
		r = h1_add_field(b, f->name, f->value);
	}
	for (uint32_t i = 0; i < rule->response_change_count && r == 0; i++)
		if (rule->response_changes[i].kind != HEADER_REMOVE)
			r = h1_add_field(b, rule->response_changes[i].name, rule->response_changes[i].value);
	r = r ? r : h1_add_field(b, SPAN("x-request-id"), span_str(x->request_id));
	r = r ? r : add_framing(x, b, h);
	if (r == 0 && (x->answer_close || !x->keep_alive))
		r = h1_add_field(b, SPAN("connection"), SPAN("close"));
	else if (r == 0 && x->minor == 0)
		r = h1_add_field(b, SPAN("connection"), SPAN("keep-alive"));
	return r ? r : buf_add(b, SPAN("\r\n"));
}
