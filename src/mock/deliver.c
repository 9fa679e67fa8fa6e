/* Giving answers to their clients: events as tokens come, or the whole body at the end; and the faults that spoil an
 * answer on its way. A client that does not read gets its tokens in fewer, larger events, as vLLM's collector does it;
 * the engine is not held up. */
#include <stdio.h>

#include "mock/internal.h"

enum { DRIP_NS = 100 * 1000 * 1000 };

static const char stream_type[] = "text/event-stream; charset=utf-8", json_media[] = "application/json";
static const char two_framings[] = "content-length: 11\r\ntransfer-encoding: chunked\r\n";

/* ---- ends ---- */

static void end_by(struct exchange *x, enum httpd_end_how how)
{
	httpd_break(x->rq, how);
	x->rq = NULL;
	x->over = true;
}

static void send_raw(struct exchange *x, struct span bytes)
{
	if (!x->over && httpd_send_raw(x->rq, bytes) < 0)
		end_by(x, HTTPD_RST);
}

/* The fault's moment in the middle of an answer has come. */
static void trip(struct exchange *x)
{
	exchange_abort_jobs(x);
	if (x->fault == FAULT_HALF_CLOSE)
		httpd_half_close(x->rq);
	if (x->fault == FAULT_HALF_CLOSE || x->fault == FAULT_STOP)
		x->silent = true;
	else
		end_by(x, x->fault == FAULT_RESET ? HTTPD_RST : HTTPD_FIN);
}

static bool trips_midway(enum fault_kind k)
{
	return k == FAULT_STOP || k == FAULT_CUT || k == FAULT_RESET || k == FAULT_HALF_CLOSE;
}

/* ---- drip ---- */

static void drip(struct exchange *x, struct span bytes)
{
	if (buf_add(&x->drip, bytes) < 0) {
		end_by(x, HTTPD_RST);
		return;
	}
	if (!x->drip_timer.at_ns)
		timer_set(x->mock->loop, &x->drip_timer, loop_now(x->mock->loop) + DRIP_NS);
}

/* A whole answer has its own framing in the dripping bytes. */
static void end_drip(struct exchange *x)
{
	if (!x->stream) {
		end_by(x, HTTPD_FIN);
		return;
	}
	httpd_end(x->rq);
	x->over = true;
}

void deliver_on_drip(struct timer *t, uint64_t now)
{
	struct exchange *x = container_of(t, struct exchange, drip_timer);
	struct span one = span_head(buf_span(&x->drip), 1);
	if (one.n && (x->stream ? httpd_send(x->rq, one) : httpd_send_raw(x->rq, one)) < 0)
		end_by(x, HTTPD_RST);
	buf_skip(&x->drip, one.n);
	if (!x->over && buf_len(&x->drip))
		timer_set(x->mock->loop, t, now + DRIP_NS);
	else if (!x->over && x->drip_ends)
		end_drip(x);
	if (x->over)
		exchange_free(x);
}

/* ---- streams ---- */

void deliver_begin(struct exchange *x)
{
	if (x->fault != FAULT_CL_TE) {
		httpd_begin(x->rq, &(struct httpd_answer){ .status = 200, .content_type = stream_type });
		return;
	}
	struct page p;
	page_init(&p);
	answer_raw_head(&p, stream_type, two_framings);
	send_raw(x, page_span(&p));
	page_free(&p);
}

static void send_chunk_raw(struct exchange *x, struct span s)
{
	char size[24];
	int n = snprintf(size, sizeof size, "%zx\r\n", s.n);
	send_raw(x, span_of(size, (size_t)n));
	send_raw(x, s);
	send_raw(x, SPAN("\r\n"));
}

static void send_event(struct exchange *x, struct span s)
{
	if (x->fault == FAULT_DRIP) {
		drip(x, s);
	} else if (x->fault == FAULT_CL_TE) {
		send_chunk_raw(x, s);
	} else {
		int r = httpd_send(x->rq, s);
		x->paused = r == 0;
		if (r < 0)
			end_by(x, HTTPD_RST);
	}
}

bool exchange_event(struct exchange *x, struct page *p)
{
	if (!x->over && !x->silent) {
		if (p->error)
			end_by(x, HTTPD_RST);
		else if (trips_midway(x->fault) && x->events == x->fault_at)
			trip(x);
		else
			send_event(x, page_span(p));
		x->events++;
	}
	page_free(p);
	return !x->over && !x->silent;
}

static void end_stream(struct exchange *x)
{
	x->api->end(x);
	if (x->over || x->silent)
		return;
	if (x->fault == FAULT_DRIP) {
		x->drip_ends = true;
		if (!x->drip_timer.at_ns)
			end_drip(x);
		return;
	}
	if (x->fault == FAULT_CL_TE || x->fault == FAULT_LONG)
		send_raw(x, SPAN("0\r\n\r\n"));
	if (x->fault == FAULT_LONG)
		send_raw(x, SPAN("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsurplus"));
	if (x->fault == FAULT_SHORT)
		send_raw(x, SPAN("fff\r\ndata: "));
	if (x->over)
		return;
	if (x->fault == FAULT_CL_TE || x->fault == FAULT_LONG || x->fault == FAULT_SHORT) {
		end_by(x, HTTPD_FIN);
		return;
	}
	httpd_end(x->rq);
	x->over = true;
}

static bool all_said(const struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (!x->choices[i].final)
			return false;
	return true;
}

void deliver_tokens(struct exchange *x, struct choice *c)
{
	if (x->silent || c->sent == c->generated)
		return;
	if (!x->started) {
		x->started = true;
		if (x->api->start)
			x->api->start(x);
	}
	if (x->over || x->silent)
		return;
	size_t from = (size_t)c->sent * TOKEN_BYTES, to = (size_t)c->generated * TOKEN_BYTES;
	struct span text = span_skip(span_head(buf_span(&c->text), to), from);
	x->api->piece(x, c, text, c->finished);
	c->sent = c->generated;
	c->final = c->finished;
	if (!x->over && !x->silent && all_said(x))
		end_stream(x);
}

/* ---- whole answers ---- */

static void spoil(struct exchange *x, struct span body)
{
	char line[64];
	struct page p;
	(void)snprintf(line, sizeof line, "content-length: %zu\r\n", body.n);
	page_init(&p);
	answer_raw_head(&p, json_media, x->fault == FAULT_CL_TE ? two_framings : line);
	if (x->fault == FAULT_DRIP) {
		drip(x, page_span(&p));
		if (!x->over)
			drip(x, body);
		x->drip_ends = true;
	} else {
		bool half = trips_midway(x->fault) || x->fault == FAULT_SHORT;
		send_raw(x, page_span(&p));
		send_raw(x, half ? span_head(body, body.n / 2) : body);
		if (x->fault == FAULT_LONG)
			send_raw(x, SPAN("surplus"));
		if (!x->over)
			trip(x);
	}
	page_free(&p);
}

void deliver_whole(struct exchange *x)
{
	struct page p;
	page_init(&p);
	x->api->whole(x, &p);
	if (x->silent) {
		page_free(&p);
		return;
	}
	if (p.error) {
		end_by(x, HTTPD_RST);
	} else if (x->fault != FAULT_NONE) {
		spoil(x, page_span(&p));
	} else {
		httpd_respond(x->rq, &(struct httpd_answer){ .status = 200, .content_type = json_media },
			      page_span(&p));
		x->over = true;
	}
	page_free(&p);
}
