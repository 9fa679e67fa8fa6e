/* From a replica's answer to the client: framing anew, filters on the way, the commit point, the end.
 *
 *   on_head ─▶ kept ──first content──▶ COMMIT ─▶ bytes pass, nothing is kept
 *
 * Until the first content of a stream (or the first body byte of a whole answer) head and bytes are kept back, so that
 * the exchange can still be sent elsewhere. Behind it, a replica that breaks off is shown as what it is: an error event
 * where the API has one, and a body without its end. */
#include "proxy/internal.h"

enum { TOKENS_REPORT_NS = 20000000, FRAME_TEXT_MAX = 24 };

/* ---- filters: each may look at the payload, or replace it by what it writes to `out` ---- */

struct relay_filter {
	const char *name;
	bool (*wanted)(const struct exchange *x);
	int (*feed)(struct exchange *x, struct span *payload, struct buf *out);
	int (*end)(struct exchange *x, struct span *payload, struct buf *out);
};

static bool watcher_wanted(const struct exchange *x)
{
	return x->answer != NULL;
}

/* Notes first token, cadence and end as the pieces pass. */
static void note(struct exchange *x, const struct openai_seen *seen)
{
	uint64_t now = loop_now(x->proxy->loop);
	x->record.tokens += seen->tokens;
	if (seen->tokens)
		x->record.last_token = now;
	if (seen->first_content && x->ticket) {
		x->record.first_token = now;
		gate_on_first_token(x->ticket, now);
		x->commit_on_content = false;
	}
	x->answer_finished |= seen->finished;
	if (seen->finished || seen->error)
		x->commit_on_content = false;
	x->tokens_unreported += seen->tokens;
	if (x->tokens_unreported && x->ticket && now - x->tokens_reported_at >= TOKENS_REPORT_NS) {
		gate_on_tokens(x->ticket, x->tokens_unreported, now);
		x->tokens_unreported = 0;
		x->tokens_reported_at = now;
	}
}

static int watcher_feed(struct exchange *x, struct span *payload, struct buf *out)
{
	struct openai_seen seen = { 0 };
	int r = openai_answer_feed(x->answer, *payload, out, &seen);
	if (r == 0 && x->edits)
		*payload = buf_span(out);
	note(x, &seen);
	return r;
}

static int watcher_end(struct exchange *x, struct span *payload, struct buf *out)
{
	struct openai_seen seen = { 0 };
	int r = openai_answer_end(x->answer, out, &seen);
	if (r == 0 && x->edits)
		*payload = buf_span(out);
	note(x, &seen);
	return r;
}

static const struct relay_filter filters[] = {
	{ "usage", watcher_wanted, watcher_feed, watcher_end },
};

static int run_filters(struct exchange *x, struct span *payload, bool end)
{
	buf_clear(&x->proxy->edited);
	for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
		if (!filters[i].wanted(x))
			continue;
		int r = (end ? filters[i].end : filters[i].feed)(x, payload, &x->proxy->edited);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- giving bytes to the client ---- */

/* The client does not take more, or is gone. */
static void after_write(struct exchange *x, bool ok)
{
	if (!ok) {
		client_close(x->client, true);
		return;
	}
	if (client_blocked(x->client)) {
		if (x->call)
			upstream_pause(x->call);
		exchange_deadline(x);
	}
}

/* Frames one payload for the client: an iovec of up to three parts. */
static int frame(const struct exchange *x, struct span payload, char text[FRAME_TEXT_MAX], struct iovec iov[3])
{
	int n = 0;
	if (payload.n == 0)
		return 0;
	if (x->answer_chunked) {
		size_t k = text_hex_short(text, payload.n);
		memcpy(text + k, "\r\n", 2);
		iov[n++] = (struct iovec){ text, k + 2 };
	}
	iov[n++] = (struct iovec){ (char *)(uintptr_t)payload.p, payload.n };
	if (x->answer_chunked)
		iov[n++] = (struct iovec){ (char *)(uintptr_t) "\r\n", 2 };
	return n;
}

/* Past the commit point: what was kept goes out together with `payload`. */
static void commit(struct exchange *x, struct span payload, struct span behind)
{
	char text[FRAME_TEXT_MAX];
	struct iovec iov[5];
	int n = 0;
	struct buf kept;
	buf_init(&kept, 0);
	if (x->state == ST_WAIT) {
		kept = x->pending->kept;
		buf_init(&x->pending->kept, kept.max);
	}
	struct span k = buf_span(&kept);
	if (k.n)
		iov[n++] = (struct iovec){ (char *)(uintptr_t)k.p, k.n };
	n += frame(x, payload, text, iov + n);
	if (behind.n)
		iov[n++] = (struct iovec){ (char *)(uintptr_t)behind.p, behind.n };
	if (x->state == ST_WAIT) {
		exchange_go(x, ST_RELAY);
		exchange_deadline(x);
	}
	x->answer_begun = true;
	x->record.bytes_out += payload.n;
	bool ok = n == 0 || client_write(x->client, iov, n);
	buf_free(&kept);
	after_write(x, ok);
}

/* Before it: head and first bytes wait. */
static int keep_back(struct exchange *x, struct span payload)
{
	char text[FRAME_TEXT_MAX];
	struct iovec iov[3];
	int n = frame(x, payload, text, iov), r = 0;
	for (int i = 0; i < n && r == 0; i++)
		r = buf_add(&x->pending->kept, span_of(iov[i].iov_base, iov[i].iov_len));
	x->record.bytes_out += payload.n;
	return r;
}

static void give(struct exchange *x, struct span payload)
{
	bool wait = x->state == ST_WAIT && x->commit_on_content &&
		    buf_len(&x->pending->kept) + payload.n < UNCOMMITTED_MAX;
	if (wait && keep_back(x, payload) == 0)
		return;
	if (payload.n || x->state == ST_WAIT)
		commit(x, payload, SPAN_NONE);
}

/* ---- the answer ---- */

static bool is_event_stream(const struct h1_head *h)
{
	const struct h1_field *f = h1_field_find(h, H1_CONTENT_TYPE);
	struct span rest;
	return f && span_eq_nocase(span_trim(span_cut(f->value, ';', &rest)), SPAN("text/event-stream"));
}

static enum openai_usage_mode usage_mode(const struct exchange *x)
{
	if (exchange_chosen(x)->policy.usage == USAGE_POLICY_OFF)
		return USAGE_OFF;
	return x->answer_stream && x->injected ? USAGE_STRIP : USAGE_OBSERVE;
}

void relay_head(struct exchange *x, const struct h1_head *h)
{
	struct err e;
	x->progress = loop_now(x->proxy->loop);
	x->record.status = (uint16_t)h->status;
	x->answer_stream = is_event_stream(h);
	if (client_ends(x->client))
		x->answer_close = true;
	bool facts = x->scan && h->status < 300 && x->method == H1_POST;
	if (facts)
		x->answer = openai_answer_new(x->api, x->answer_stream, usage_mode(x));
	x->edits = x->answer && openai_answer_edits(x->answer);
	x->commit_on_content = facts && x->answer && x->answer_stream;
	if (head_for_client(x, h) < 0 || buf_add(&x->pending->kept, buf_span(&x->proxy->compose)) < 0) {
		err_set(&e, PS_EUPPROTO, "the answer's head is too large");
		leg_drop(x);
		respond_error(x, PS_EUPPROTO, 0, &e);
	}
	buf_clear(&x->proxy->compose);
}

void relay_body(struct exchange *x, char *p, size_t n)
{
	struct span payload = span_of(p, n);
	struct err e;
	x->progress = loop_now(x->proxy->loop);
	if (run_filters(x, &payload, false) < 0) {
		err_set(&e, PS_ENOMEM, "no memory to read the answer");
		leg_drop(x);
		if (x->answer_begun)
			relay_cut(x, PS_ENOMEM, &e);
		else
			respond_error(x, PS_ENOMEM, NS_PER_S, &e);
		return;
	}
	give(x, payload);
}

/* The replica has nothing more to say for now: a head without a body goes out, unless content is still awaited. */
void relay_flush(struct exchange *x)
{
	if (x->state == ST_WAIT && buf_len(&x->pending->kept) && !x->commit_on_content && !x->scan)
		commit(x, SPAN_NONE, SPAN_NONE);
}

static void report_done(struct exchange *x)
{
	if (!x->ticket)
		return;
	const struct openai_usage *u = x->answer ? openai_answer_usage(x->answer) : NULL;
	if (u)
		x->record.usage = *u;
	uint64_t now = loop_now(x->proxy->loop);
	if (x->tokens_unreported)
		gate_on_tokens(x->ticket, x->tokens_unreported, now);
	if (x->record.status == 429 || x->record.status == 503)
		gate_on_failed(x->ticket, x->record.status == 429 ? PS_EQUEUEFULL : PS_ENOREPLICA, now);
	else
		gate_on_done(x->ticket, u && u->known ? u->prompt_tokens : UINT32_MAX,
			     u && u->cached_known ? u->cached_tokens : UINT32_MAX, now);
	x->ticket = NULL;
}

void relay_end(struct exchange *x, struct span trailers)
{
	struct span payload = SPAN_NONE;
	struct buf last;
	settle_attempt(x->proxy, 0);
	(void)run_filters(x, &payload, true);
	report_done(x);
	buf_init(&last, CLIENT_OUT_MAX);
	struct span end = x->answer_chunked ? SPAN("0\r\n\r\n") : SPAN_NONE;
	if (x->answer_chunked && trailers.n) {
		if (buf_add(&last, SPAN("0\r\n")) < 0 || buf_add(&last, trailers) < 0 ||
		    buf_add(&last, SPAN("\r\n")) < 0)
			x->answer_close = true;
		end = buf_span(&last);
	}
	commit(x, payload, end);
	buf_free(&last);
	if (x->state == ST_SETTLE)
		return; /* the client broke while it was given the end */
	exchange_go(x, ST_SETTLE);
	exchange_run(x);
}

void relay_cut(struct exchange *x, int code, const struct err *e)
{
	char text[FRAME_TEXT_MAX];
	struct iovec iov[3];
	struct buf event;
	struct openai_error er = { .code = code,
				   .message = span_str(e && e->text[0] ? e->text : error_row(code)->text),
				   .request_id = span_str(x->request_id) };
	leg_drop(x);
	x->record.code = code;
	x->answer_close = true;
	buf_init(&event, CLIENT_OUT_MAX);
	bool told = x->answer_stream && !x->answer_finished && (x->answer_chunked || x->minor == 0) &&
		    openai_error_event(&event, span_str(x->record.path), &er) == 0;
	int n = told ? frame(x, buf_span(&event), text, iov) : 0;
	if (n)
		(void)client_write(x->client, iov, n);
	buf_free(&event);
	struct span code_name = span_str(error_row(code)->code);
	tm_add(tm_series_of(TM_HTTP_ERRORS, &code_name, 1), 1);
	exchange_go(x, ST_SETTLE);
	exchange_run(x);
}
