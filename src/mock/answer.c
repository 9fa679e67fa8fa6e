/* Answers of the mock that are not an engine's work: errors in vLLM's shape, JSON, and whole faults. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

static const char json_media[] = "application/json";

static void respond_refusal(struct httpd_request *rq, const struct refusal *r, struct span fields)
{
	struct page p;
	page_init(&p);
	page_add(&p, "{\"error\":{\"message\":");
	page_quote(&p, span_str(r->message));
	page_add(&p, ",\"type\":\"%s\",\"param\":", r->type);
	if (r->param[0])
		page_quote(&p, span_str(r->param));
	else
		page_add(&p, "null");
	page_add(&p, ",\"code\":%d}}", r->status);
	struct httpd_answer a = { .status = r->status, .content_type = json_media, .fields = fields };
	httpd_respond(rq, &a, page_span(&p));
	page_free(&p);
}

void answer_refusal(struct httpd_request *rq, const struct refusal *r)
{
	respond_refusal(rq, r, SPAN_NONE);
}

void answer_error(struct httpd_request *rq, int status, const char *type, const char *param, const char *fmt, ...)
{
	struct refusal r = { .status = status, .type = type };
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(r.message, sizeof r.message, fmt, args);
	va_end(args);
	if (param)
		span_copy(r.param, sizeof r.param, span_str(param));
	respond_refusal(rq, &r, SPAN_NONE);
}

void answer_detail(struct httpd_request *rq, int status, const char *detail, const char *allow)
{
	char body[128], line[64] = "";
	int n = snprintf(body, sizeof body, "{\"detail\":\"%s\"}", detail);
	if (allow)
		(void)snprintf(line, sizeof line, "allow: %s\r\n", allow);
	struct httpd_answer a = { .status = status, .content_type = json_media, .fields = span_str(line) };
	httpd_respond(rq, &a, span_of(body, (size_t)n));
}

void answer_json(struct httpd_request *rq, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct httpd_answer a = { .status = 200, .content_type = json_media };
	json_decref(body);
	if (text)
		httpd_respond(rq, &a, span_str(text));
	else
		httpd_respond_error(rq, 503, "no memory for the answer");
	free(text);
}

void answer_text(struct httpd_request *rq, int status, const char *text)
{
	httpd_respond(rq, &(struct httpd_answer){ .status = status }, span_str(text));
}

/* ---- faults that need no engine ---- */

static void answer_status(struct httpd_request *rq, const struct fault *f)
{
	static const struct {
		int status;
		const char *type, *message;
	} rows[] = {
		{ 429, "RateLimitError", "The engine's queue is full. Please try again later." },
		{ 500, "InternalServerError", "EngineCore encountered an issue." },
		{ 503, "ServiceUnavailableError", "The server is overloaded. Please try again later." },
		{ 0, "Error", "This error was asked for." },
	};
	size_t i = 0;
	while (rows[i].status && rows[i].status != f->status)
		i++;
	struct refusal r = { .status = f->status, .type = rows[i].type };
	char line[64];
	int n = snprintf(line, sizeof line, "retry-after: %u\r\n", f->retry_after_s);
	span_copy(r.message, sizeof r.message, span_str(rows[i].message));
	respond_refusal(rq, &r, span_of(line, (size_t)n));
}

static void send_and_close(struct httpd_request *rq, struct span bytes)
{
	if (httpd_send_raw(rq, bytes) < 0)
		httpd_break(rq, HTTPD_RST);
	else
		httpd_break(rq, HTTPD_FIN);
}

bool answer_fault(struct httpd_request *rq, const struct fault *f)
{
	switch (f->kind) {
	case FAULT_HANG:
		return true; /* the request stays open until its client has had enough */
	case FAULT_STATUS:
		answer_status(rq, f);
		return true;
	case FAULT_GARBAGE:
		send_and_close(rq, SPAN("\x16\x03\x01\x02\x00\x01\x00\x01\xfc rubbish \xff\xfe\r\n\r\n"));
		return true;
	case FAULT_BADSTATUS:
		send_and_close(rq, SPAN("HTTP/1.1 2OO Fine\r\ncontent-length: 0\r\n\r\n"));
		return true;
	default:
		return false;
	}
}

void answer_raw_head(struct page *p, const char *content_type, const char *lines)
{
	page_add(p, "HTTP/1.1 200 OK\r\nserver: uvicorn\r\n%scontent-type: %s\r\nvary: Origin\r\n\r\n", lines,
		 content_type);
}
