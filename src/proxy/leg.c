/* Legs: attempts at a replica. Opens them, feeds them the request, and decides what a failure means before the commit
 * point. */
#include "proxy/internal.h"

#include <assert.h>
#include <stdlib.h>

enum { LEG_FIELDS_MAX = H1_FIELDS_MAX + 32 };

/* ---- feeding the request ---- */

static int on_wants_body(void *owner, struct iovec *iov, int max, bool *last)
{
	struct exchange *x = owner;
	return body_pieces(&x->pending->body, iov, max, last);
}

static void on_body_taken(void *owner, size_t n)
{
	struct exchange *x = owner;
	body_took(&x->pending->body, n);
	if (!x->streaming_body)
		return;
	if (body_held(&x->pending->body) >= exchange_hold_bytes(x) / 2)
		body_free_taken(&x->pending->body);
	if (x->body_stopped && body_held(&x->pending->body) < exchange_hold_bytes(x)) {
		x->body_stopped = false;
		client_read(x->client, true);
	}
}

/* ---- failures before the commit point ---- */

static bool repeatable(const struct exchange *x, int code)
{
	bool safe = x->api != API_NONE || x->method == H1_GET || x->method == H1_HEAD || x->method == H1_OPTIONS ||
		    x->method == H1_PUT || x->method == H1_DELETE;
	bool nothing_sent = code == PS_ECONNECT || code == PS_ECONNTIMEOUT;
	return x->state == ST_WAIT && !x->answer_begun && x->pending->body.freed == 0 && (safe || nothing_sent);
}

static void exclude(struct exchange *x)
{
	x->pending->excluded[x->record.tries % SCHED_EXCLUDED_MAX] = x->decision.replica;
}

bool leg_retry(struct exchange *x, int code, bool reused)
{
	const struct snapshot_pool *sp = exchange_chosen(x);
	uint64_t now = loop_now(x->proxy->loop);
	struct span reason = span_str(error_row(code)->code);
	if (!repeatable(x, code))
		return false;
	reused = reused && !x->stale_met; /* once; and then on a new connection, so that this cannot be it again */
	/* A connection that its replica closed while it lay idle says nothing about the replica: free, and it may be
	 * picked again. */
	if (!reused && (x->record.tries >= sp->policy.tries || !gate_may_retry(sp->gate, code, now))) {
		tm_add(tm_series_of(TM_RETRIES_DENIED, &reason, 1), 1);
		return false;
	}
	tm_add(tm_series_of(TM_RETRIES, &reason, 1), 1);
	x->stale_met |= reused;
	if (reused)
		x->record.tries--;
	else
		exclude(x);
	leg_drop(x);
	if (x->ticket && reused) {
		bool mail = gate_on_gone(x->ticket, now);
		assert(!mail); /* the ticket was collected */
		(void)mail;
	} else if (x->ticket) {
		gate_on_failed(x->ticket, code, now);
	}
	x->ticket = NULL;
	x->repeat = !reused && code != PS_ECONNECT && code != PS_ECONNTIMEOUT;
	x->pending->body.taken = 0;
	buf_free(&x->pending->kept);
	openai_answer_free(x->answer);
	x->answer = NULL;
	x->answer_chunked = x->answer_stream = x->answer_finished = x->commit_on_content = x->edits = false;
	x->record.bytes_out = 0;
	exchange_go(x, ST_ADMIT);
	exchange_run(x);
	return true;
}

static void failed(struct exchange *x, int code, bool reused, const struct err *e)
{
	settle_attempt(x->proxy, code);
	code = abs(code);
	if (leg_retry(x, code, reused))
		return;
	if (x->ticket)
		gate_on_failed(x->ticket, code, loop_now(x->proxy->loop));
	x->ticket = NULL;
	if (x->state == ST_RELAY || x->answer_begun)
		relay_cut(x, code, e);
	else
		respond_error(x, code, 0, e);
}

static void on_fail(void *owner, int code, bool reused, const struct err *e)
{
	struct exchange *x = owner;
	x->call = NULL;
	failed(x, code, reused, e);
}

void leg_timed_out(struct exchange *x, const struct err *e)
{
	leg_drop(x);
	failed(x, PS_EFIRSTBYTE, false, e);
}

/* ---- answers ---- */

/* The replica was one of several that had not been tried: it answered, but another one may be free. */
static bool others_untried(const struct exchange *x)
{
	for (int i = 0; i < SCHED_EXCLUDED_MAX; i++)
		if (x->pending->excluded[i] == x->decision.replica)
			return false;
	return x->decision.candidates > 1;
}

static void on_head(void *owner, const struct h1_head *h)
{
	struct exchange *x = owner;
	/* 429 and 503 mean that nothing was generated: another replica may be free. The last one's answer is passed on
	 * as it is. */
	int code = h->status == 429 ? PS_EQUEUEFULL : h->status == 503 ? PS_ENOREPLICA : 0;
	if (code && x->state == ST_WAIT && others_untried(x) && leg_retry(x, code, false))
		return;
	relay_head(x, h);
}

static void on_body(void *owner, char *p, size_t n)
{
	relay_body(owner, p, n);
}

static void on_pause(void *owner)
{
	relay_flush(owner);
}

static void on_end(void *owner, struct span trailers)
{
	struct exchange *x = owner;
	x->call = NULL;
	relay_end(x, trailers);
}

static const struct upstream_ops events = {
	.body = on_wants_body,
	.body_taken = on_body_taken,
	.on_head = on_head,
	.on_body = on_body,
	.on_pause = on_pause,
	.on_end = on_end,
	.on_fail = on_fail,
};

/* Always in origin form (RFC 9112 §3.2.1): the route looked at the path, so nothing else may reach the replica. */
static struct span origin_form(struct exchange *x)
{
	const struct h1_head *h = x->head;
	if (h->target.n && (h->target.p[0] == '/' || span_eq(h->target, SPAN("*"))))
		return h->target;
	size_t n = h->path.n + (h->query.p ? 1 + h->query.n : 0);
	char *p = arena_alloc(&x->pending->arena, n + 1);
	if (!p || h->path.n == 0)
		return SPAN("/");
	memcpy(p, h->path.p, h->path.n);
	if (h->query.p) {
		p[h->path.n] = '?';
		if (h->query.n)
			memcpy(p + h->path.n + 1, h->query.p, h->query.n);
	}
	return span_of(p, n);
}

int leg_open(struct exchange *x)
{
	NOT_ZEROED struct upstream_field fields[LEG_FIELDS_MAX];
	const struct snapshot_pool *sp = exchange_chosen(x);
	struct buf *text = &x->proxy->compose;
	buf_clear(text);
	struct upstream_target to = { .id = hash_bytes(span_of((const char *)&x->decision.address->sa,
							       x->decision.address->len)),
				      .address = *x->decision.address,
				      .connect_ns = sp->policy.connect_timeout_ns,
				      .fresh = x->stale_met };
	struct upstream_request rq = { .method = x->head->method_text,
				       .target = origin_form(x),
				       .authority = x->head->authority,
				       .fields = fields };
	rq.field_count = head_for_replica(x, fields, LEG_FIELDS_MAX, text);
	if (x->body_complete || !x->client_chunked) {
		rq.length = body_output_length(&x->pending->body, x->pending->body.received + x->body_left);
		rq.framing = rq.length || x->method == H1_POST || x->method == H1_PUT ? H1_BODY_LENGTH : H1_BODY_NONE;
	} else {
		rq.framing = H1_BODY_CHUNKED;
	}
	x->call = upstream_open(x->proxy->upstream, &to, &rq, &events, x);
	buf_clear(text);
	return x->call ? 0 : -PS_ECONNLIMIT;
}

void leg_drop(struct exchange *x)
{
	struct upstream_call *call = x->call;
	const struct snapshot_pool *sp = exchange_pool(x);
	x->call = NULL;
	if (!call)
		return;
	if (sp && sp->policy.on_abort == ON_ABORT_DRAIN)
		upstream_drain(call, sp->policy.abort_drain_ns);
	else
		upstream_abort(call);
}
