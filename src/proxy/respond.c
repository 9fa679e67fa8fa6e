/* Answers made here: errors, and what needs no replica. Always whole, with a Content-Length. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/internal.h"

enum { HEAD_MAX = 4096, BODY_MAX = 4 << 20 };

const char *respond_date(struct proxy *p)
{
	uint64_t second = clock_wall_ns() / NS_PER_S;
	if (second != p->date_second) {
		time_t t = (time_t)second;
		struct tm tm;
		gmtime_r(&t, &tm);
		(void)strftime(p->date, sizeof p->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		p->date_second = second;
	}
	return p->date;
}

struct answer {
	int status;
	struct span type, body, request_id;
	uint64_t retry_after_ns; /* 0: no field */
	bool close, bodiless, old_keep_alive;
};

static int compose(struct proxy *p, struct buf *b, const struct answer *a)
{
	int r = buf_printf(b, "HTTP/1.1 %d %s\r\ndate: %s\r\n", a->status, h1_reason(a->status), respond_date(p));
	if (r == 0 && a->type.n)
		r = h1_add_field(b, SPAN("content-type"), a->type);
	if (r == 0 && a->request_id.n)
		r = h1_add_field(b, SPAN("x-request-id"), a->request_id);
	if (r == 0 && a->status != 204)
		r = buf_printf(b, "content-length: %zu\r\n", a->body.n);
	if (r == 0 && a->retry_after_ns)
		r = buf_printf(b, "retry-after: %llu\r\nretry-after-ms: %llu\r\n",
			       (unsigned long long)((a->retry_after_ns + NS_PER_S - 1) / NS_PER_S),
			       (unsigned long long)(a->retry_after_ns / NS_PER_MS));
	if (r == 0 && (a->close || a->old_keep_alive))
		r = h1_add_field(b, SPAN("connection"), a->close ? SPAN("close") : SPAN("keep-alive"));
	r = r ? r : buf_add(b, SPAN("\r\n"));
	return r || a->bodiless ? r : buf_add(b, a->body);
}

static bool write_answer(struct client *c, const struct answer *a)
{
	struct buf b;
	buf_init(&b, HEAD_MAX + BODY_MAX);
	bool ok = compose(c->proxy, &b, a) == 0;
	struct span s = buf_span(&b);
	struct iovec iov = { (char *)(uintptr_t)s.p, s.n };
	ok = ok && client_write(c, &iov, 1);
	buf_free(&b);
	return ok;
}

static void finish(struct exchange *x, struct answer *a)
{
	x->record.status = (uint16_t)a->status;
	x->record.bytes_out = a->body.n;
	x->answer_close |= !x->body_complete || client_ends(x->client);
	a->close = x->answer_close || !x->keep_alive;
	a->old_keep_alive = !a->close && x->minor == 0;
	a->bodiless = x->method == H1_HEAD;
	a->request_id = span_str(x->request_id);
	if (!write_answer(x->client, a))
		x->answer_close = true;
	exchange_go(x, ST_SETTLE);
	exchange_run(x);
}

void respond_body(struct exchange *x, int status, struct span type, struct span body)
{
	struct answer a = { .status = status, .type = type, .body = body };
	finish(x, &a);
}

static void count_error(int code)
{
	struct span name = span_str(error_row(code)->code);
	tm_add(tm_series_of(TM_HTTP_ERRORS, &name, 1), 1);
}

static int error_status(int code)
{
	int status = error_row(code)->status;
	return status ? status : 500;
}

/* Who is told to come again is told when: without it clients come at once, all of them. */
static uint64_t retry_after(int code, uint64_t known_ns)
{
	int status = error_row(code)->status;
	if (known_ns || (status != 429 && status != 503))
		return known_ns;
	return NS_PER_S;
}

void respond_error(struct exchange *x, int code, uint64_t retry_after_ns, const struct err *e)
{
	struct openai_error er = { .code = code,
				   .message = span_str(e && e->text[0] ? e->text : error_row(code)->text),
				   .param = abs(code) == PS_ENOMODEL ? SPAN("model") : SPAN_NONE,
				   .request_id = span_str(x->request_id) };
	struct buf body;
	struct span path = x->record.path ? span_str(x->record.path) : SPAN_NONE;
	x->record.code = code < 0 ? -code : code;
	count_error(code);
	buf_init(&body, BODY_MAX);
	int r = openai_error_body(&body, path, &er);
	struct answer a = { .status = error_status(code),
			    .type = SPAN("application/json"),
			    .body = r == 0 ? buf_span(&body) : SPAN_NONE,
			    .retry_after_ns = retry_after(code, retry_after_ns) };
	finish(x, &a);
	buf_free(&body);
}

void respond_bad_request(struct client *c, int code, const struct err *e)
{
	struct openai_error er = { .code = code, .message = span_str(e->text[0] ? e->text : error_row(code)->text) };
	struct buf body;
	buf_init(&body, BODY_MAX);
	int r = openai_error_body(&body, SPAN_NONE, &er);
	struct answer a = { .status = error_status(code),
			    .type = SPAN("application/json"),
			    .body = r == 0 ? buf_span(&body) : SPAN_NONE,
			    .retry_after_ns = retry_after(code, 0),
			    .close = true };
	count_error(code);
	settle_bad_request(c, code, a.status);
	bool ok = write_answer(c, &a);
	buf_free(&body);
	if (ok)
		client_next(c, false, true);
	else
		client_close(c, true);
}
