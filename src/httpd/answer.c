/* Answers of the small server: heads as uvicorn writes them, whole and chunked bodies, and ways to break them on
 * purpose.
 *
 * Each piece is offered to the socket at once and only what it does not take is copied; `out_max_bytes` is where the
 * handler is asked to pause. */
#include <stdio.h>

#include "httpd/conn.h"

static struct conn *conn_of(struct httpd_request *rq)
{
	return container_of(rq, struct conn, rq);
}

/* ---- writing ---- */

/* The client cannot be told within a handler's own call: the timer tells it, next turn. */
static void note_broken(struct conn *c)
{
	c->broken = true;
	buf_free(&c->out);
	conn_set_limit(c, 0);
}

static int add_rest(struct conn *c, const struct iovec *iov, int n, size_t gone)
{
	for (int i = 0; i < n; i++) {
		struct span s = span_of(iov[i].iov_base, iov[i].iov_len);
		size_t skip = gone < s.n ? gone : s.n;
		gone -= skip;
		int r = buf_add(&c->out, span_skip(s, skip));
		if (r < 0)
			return r;
	}
	return 0;
}

/* 0, or -PS_ENOMEM: then the bytes that follow would have no sense. */
static int put(struct conn *c, const struct iovec *iov, int n)
{
	if (c->broken || c->mute)
		return 0;
	ptrdiff_t gone = buf_len(&c->out) ? 0 : io_writev(c->io, iov, n);
	if (gone < 0) {
		note_broken(c);
		return 0;
	}
	int r = add_rest(c, iov, n, (size_t)gone);
	if (r < 0)
		return r;
	if (buf_len(&c->out)) {
		io_want_write(c->io);
		if (!c->timer.at_ns) /* else the time since the socket last took something is running */
			conn_set_limit(c, c->server->options.send_timeout_ns);
	}
	return 0;
}

static struct iovec iov_of(struct span s)
{
	/* writev does not write to it; its type only lacks the const. */
	return (struct iovec){ (void *)(uintptr_t)s.p, s.n };
}

/* Offers `out` to the socket; what it leaves, it will ask for. */
static void push(struct conn *c)
{
	if (c->broken || buf_len(&c->out) == 0)
		return;
	struct iovec iov = iov_of(buf_span(&c->out));
	ptrdiff_t n = io_writev(c->io, &iov, 1);
	if (n < 0) {
		note_broken(c);
		return;
	}
	buf_skip(&c->out, (size_t)n);
	if (n || !c->timer.at_ns)
		conn_set_limit(c, c->server->options.send_timeout_ns);
	if (buf_len(&c->out))
		io_want_write(c->io);
	else if (c->state == CONN_HANDLING)
		timer_clear(&c->timer);
}

bool conn_flush(struct conn *c)
{
	push(c);
	if (c->broken) {
		conn_lose(c);
		return false;
	}
	if (buf_len(&c->out))
		return true;
	buf_free(&c->out);
	if (c->mute)
		io_shutdown(c->io);
	return true;
}

/* ---- heads ---- */

static void add_date(struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
	struct tm t;
	gmtime_r(&now, &t);
	buf_printf(b, "date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * t.tm_wday, t.tm_mday,
		   months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

enum { LENGTH_UNKNOWN = -1 };

/* Appends to `out`; 0 or -PS_ENOMEM. */
static int add_head(struct conn *c, const struct httpd_answer *a, ptrdiff_t length)
{
	const struct httpd_options *o = &c->server->options;
	struct buf *b = &c->out;
	buf_printf(b, "HTTP/1.1 %d %s\r\n", a->status, h1_reason(a->status));
	add_date(b);
	if (o->server)
		buf_printf(b, "server: %s\r\n", o->server);
	if (buf_add(b, a->fields) < 0)
		return -PS_ENOMEM;
	if (length >= 0 && a->status != 204 && a->status != 304)
		buf_printf(b, "content-length: %zu\r\n", (size_t)length);
	if (a->content_type)
		buf_printf(b, "content-type: %s\r\n", a->content_type);
	if (o->fields)
		buf_printf(b, "%s", o->fields);
	if (!c->keep)
		buf_printf(b, "connection: close\r\n");
	if (c->chunked && length < 0)
		buf_printf(b, "transfer-encoding: chunked\r\n");
	return buf_add(b, SPAN("\r\n"));
}

/* ---- whole answers ---- */

/* The end of an answer that could not be written to its end. */
static void give_up(struct conn *c)
{
	c->keep = false;
	conn_close(c, true);
}

void httpd_respond(struct httpd_request *rq, const struct httpd_answer *a, struct span body)
{
	struct conn *c = conn_of(rq);
	bool bodiless = c->head_only || a->status == 204 || a->status == 304;
	conn_enter(c);
	if (add_head(c, a, (ptrdiff_t)body.n) < 0 || (!bodiless && buf_add(&c->out, body) < 0))
		give_up(c);
	else
		conn_answered(c);
	conn_leave(c);
}

static void respond_error(struct conn *c, int status, const char *message)
{
	struct buf b;
	buf_init(&b, 4096);
	int r = buf_add(&b, SPAN("{\"error\":{\"message\":"));
	if (r == 0)
		r = json_add_string(&b, span_str(message));
	buf_printf(&b, ",\"type\":\"%s\",\"param\":null,\"code\":%d}}", h1_reason(status), status);
	struct httpd_answer a = { .status = status, .content_type = "application/json" };
	httpd_respond(&c->rq, &a, r == 0 ? buf_span(&b) : SPAN_NONE);
	buf_free(&b);
}

void httpd_respond_error(struct httpd_request *rq, int status, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	respond_error(conn_of(rq), status, text);
}

void conn_refuse(struct conn *c, int code, const char *why)
{
	const struct error_row *row = error_row(code);
	c->keep = c->head_only = false;
	c->state = CONN_FLUSH;
	c->rq = (struct httpd_request){ .server = c->server };
	respond_error(c, row->status ? row->status : 400, why && *why ? why : row->text);
}

/* ---- answers in pieces ---- */

void httpd_begin(struct httpd_request *rq, const struct httpd_answer *a)
{
	struct conn *c = conn_of(rq);
	c->chunked = c->head.minor == 1;
	c->keep = c->keep && c->chunked;
	if (add_head(c, a, LENGTH_UNKNOWN) < 0)
		note_broken(c);
	push(c);
}

static int more(struct conn *c, int r)
{
	if (r < 0)
		return r;
	c->thirsty = buf_len(&c->out) > c->server->options.out_max_bytes;
	return !c->thirsty;
}

int httpd_send(struct httpd_request *rq, struct span piece)
{
	struct conn *c = conn_of(rq);
	char size[24];
	if (piece.n == 0 || c->head_only)
		return 1;
	int n = snprintf(size, sizeof size, "%zx\r\n", piece.n);
	struct iovec iov[3] = { { size, (size_t)n }, iov_of(piece), iov_of(SPAN("\r\n")) };
	return more(c, c->chunked ? put(c, iov, 3) : put(c, &iov[1], 1));
}

void httpd_end(struct httpd_request *rq)
{
	struct conn *c = conn_of(rq);
	conn_enter(c);
	struct iovec last = iov_of(SPAN("0\r\n\r\n"));
	if (c->chunked && !c->head_only && put(c, &last, 1) < 0)
		give_up(c);
	else
		conn_answered(c);
	conn_leave(c);
}

/* ---- on purpose ---- */

int httpd_send_raw(struct httpd_request *rq, struct span bytes)
{
	struct conn *c = conn_of(rq);
	struct iovec iov = iov_of(bytes);
	c->keep = false;
	return more(c, put(c, &iov, 1));
}

void httpd_half_close(struct httpd_request *rq)
{
	struct conn *c = conn_of(rq);
	c->keep = false;
	c->mute = true;
	if (buf_len(&c->out) == 0)
		io_shutdown(c->io);
}

void httpd_break(struct httpd_request *rq, enum httpd_end_how how)
{
	struct conn *c = conn_of(rq);
	conn_enter(c);
	c->keep = false;
	if (how == HTTPD_RST)
		conn_close(c, true);
	else
		conn_answered(c);
	conn_leave(c);
}
