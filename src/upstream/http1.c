/* HTTP/1.1 towards replicas: requests are composed here from their parts, answers are taken apart strictly.
 *
 * Sending: one sendmsg takes the head and what there is of the body. What the socket leaves of our own text waits in
 * `out`; what it leaves of the body stays with the owner, who is asked for it again. A chunk, once announced, is
 * `chunk_left` bytes whatever arrives meanwhile. */
#include <stdlib.h>

#include "upstream/internal.h"

/* ---- sending ---- */

static int add_framing(struct buf *b, const struct upstream_request *rq)
{
	char number[TEXT_U64_MAX];
	if (rq->framing == H1_BODY_CHUNKED)
		return h1_add_field(b, SPAN("transfer-encoding"), SPAN("chunked"));
	if (rq->framing != H1_BODY_LENGTH)
		return 0;
	return h1_add_field(b, SPAN("content-length"), span_of(number, text_u64(number, rq->length)));
}

static int compose_head(struct buf *b, const struct upstream_request *rq)
{
	int r = buf_add(b, rq->method);
	r = r ? r : buf_add(b, SPAN(" "));
	r = r ? r : buf_add(b, rq->target);
	r = r ? r : buf_add(b, SPAN(" HTTP/1.1\r\n"));
	r = r ? r : h1_add_field(b, SPAN("host"), rq->authority);
	for (uint32_t i = 0; i < rq->field_count && r == 0; i++)
		r = h1_add_field(b, rq->fields[i].name, rq->fields[i].value);
	r = r ? r : add_framing(b, rq);
	return r ? r : buf_add(b, SPAN("\r\n"));
}

/* One write: text before, payload, text behind. */
struct shot {
	struct iovec iov[BODY_PIECES + 2];
	int count;
	size_t before, payload;
	char behind[16];
	size_t behind_n;
	char size_line[24];
};

/* Cuts pieces [from, from + n) down to `limit` bytes; returns how many are left. */
static int limit_pieces(struct iovec *iov, int n, uint64_t limit, size_t *total)
{
	int used = 0;
	*total = 0;
	while (used < n && limit) {
		if (iov[used].iov_len > limit)
			iov[used].iov_len = (size_t)limit;
		limit -= iov[used].iov_len;
		*total += iov[used].iov_len;
		used++;
	}
	return used;
}

static void load_payload(struct upstream_call *c, struct shot *s, struct buf *text)
{
	bool last = false;
	struct iovec *pieces = s->iov + 1;
	int n = c->body_done ? 0 : c->ops->body(c->owner, pieces, BODY_PIECES, &last);
	size_t total = 0;
	for (int i = 0; i < n; i++)
		total += pieces[i].iov_len;
	size_t all = total;
	if (c->chunked && c->chunk_left == 0 && total) {
		c->chunk_left = total;
		(void)buf_printf(text, "%zx\r\n", total);
	}
	if (c->chunked)
		n = limit_pieces(pieces, n, c->chunk_left, &total);
	s->payload = total;
	last = last && total == all;
	if (c->chunked && total && total == c->chunk_left) {
		memcpy(s->behind, "\r\n", 2);
		s->behind_n = 2;
	}
	if (c->chunked && last && !c->body_done) {
		memcpy(s->behind + s->behind_n, "0\r\n\r\n", 5);
		s->behind_n += 5;
	}
	c->body_done = c->body_done || (last && total == 0);
	s->count = 1 + n;
	s->iov[s->count++] = (struct iovec){ s->behind, s->behind_n };
	if (last)
		c->body_done = true;
}

/* Accounts for what the socket took of a shot. */
static void settle_shot(struct upstream_call *c, struct shot *s, struct buf *text, size_t took)
{
	size_t before = took < s->before ? took : s->before;
	buf_skip(text, before);
	took -= before;
	size_t payload = took < s->payload ? took : s->payload;
	took -= payload;
	if (payload) {
		if (c->chunked)
			c->chunk_left -= payload;
		c->ops->body_taken(c->owner, payload);
	}
	if (payload < s->payload) {
		c->body_done = false; /* asked for again, with what ends it */
		return;
	}
	/* Our own text that was not taken waits; it is a few bytes, or a head that is already in `text`. */
	if (took < s->behind_n && buf_add(text, span_of(s->behind + took, s->behind_n - took)) < 0)
		c->broken = true;
}

/* Writes until the body pauses or the socket is full. `text`: head bytes composed and not yet written. */
static void pump(struct upstream_call *c, struct buf *text)
{
	while (!c->sent && !c->broken) {
		NOT_ZEROED struct shot s;
		s.behind_n = 0;
		load_payload(c, &s, text);
		struct span t = buf_span(text);
		s.before = t.n;
		/* iovec has no const; sendmsg does not write through it. */
		s.iov[0] = (struct iovec){ (char *)(uintptr_t)t.p, t.n };
		size_t all = s.before + s.payload + s.behind_n;
		ptrdiff_t took = all ? io_writev(c->io, s.iov, s.count) : 0;
		if (took < 0) {
			c->broken = true; /* what the replica said before it closed is still to be read */
			return;
		}
		c->up->stats.sent_bytes += (uint64_t)took;
		settle_shot(c, &s, text, (size_t)took);
		if ((size_t)took < all) {
			io_want_write(c->io);
			return;
		}
		c->sent = c->body_done;
		if (all == 0)
			return;
	}
}

/* A head that could not leave at once moves to the call's own buffer. */
static void park(struct upstream_call *c, struct buf *text)
{
	if (buf_len(text) && buf_add(&c->out, buf_span(text)) < 0)
		c->broken = true;
	buf_clear(text);
}

static void start(struct upstream_call *c, const struct upstream_request *rq)
{
	struct buf *head = &c->up->head;
	c->state = RECEIVE_HEAD;
	c->answered = c->sent = c->body_done = c->broken = c->keep = c->paused = false;
	c->interim = 0;
	c->chunk_left = 0;
	c->rest_seen = 0;
	c->chunked = rq->framing == H1_BODY_CHUNKED;
	c->body_done = rq->framing == H1_BODY_NONE || (rq->framing == H1_BODY_LENGTH && rq->length == 0);
	c->method = span_eq(rq->method, SPAN("HEAD")) ? H1_HEAD : H1_POST;
	buf_clear(head);
	if (compose_head(head, rq) < 0)
		c->broken = true; /* found out by the owner's first-byte limit; heads are bounded far below */
	if (!c->connecting)
		pump(c, head);
	park(c, head);
}

static void more(struct upstream_call *c)
{
	pump(c, &c->out);
	if (c->sent)
		buf_free(&c->out);
}

/* ---- receiving ---- */

static void refuse(struct upstream_call *c, const struct err *e)
{
	call_fail(c, -PS_EUPPROTO, e);
}

static void begin_body(struct upstream_call *c, const struct h1_head *h)
{
	c->keep = h->keep_alive && h->framing != H1_BODY_UNTIL_CLOSE;
	c->framing = h->framing;
	c->left = h->framing == H1_BODY_LENGTH ? h->length : 0;
	c->state = RECEIVE_BODY;
	if (h->framing == H1_BODY_CHUNKED)
		h1_chunked_init(&c->chunk, &c->up->options.limits, true);
	c->ops->on_head(c->owner, h);
}

static bool body_complete(const struct upstream_call *c)
{
	switch (c->framing) {
	case H1_BODY_NONE:
		return true;
	case H1_BODY_LENGTH:
		return c->left == 0;
	case H1_BODY_CHUNKED:
		return h1_chunked_done(&c->chunk);
	case H1_BODY_UNTIL_CLOSE:
		break;
	}
	return false;
}

/* Consumes body bytes from p; returns how many, or -1 after a failure was told. */
static ptrdiff_t receive_body(struct upstream_call *c, char *p, size_t n)
{
	struct err e = { 0 };
	size_t payload = n;
	ptrdiff_t used = (ptrdiff_t)n;
	if (c->framing == H1_BODY_LENGTH) {
		payload = n < c->left ? n : (size_t)c->left;
		used = (ptrdiff_t)payload;
		c->left -= payload;
	} else if (c->framing == H1_BODY_CHUNKED) {
		used = h1_chunked_decode(&c->chunk, p, n, &payload, &c->trailers, &e);
	}
	if (payload) /* also what came before a fault: it was said */
		c->ops->on_body(c->owner, p, payload);
	if (used < 0 && c->ops)
		refuse(c, &e);
	return used < 0 ? -1 : used;
}

/* Parses one head out of p; returns its length, 0 for more, or -1 after a failure was told. */
static ptrdiff_t receive_head(struct upstream_call *c, char *p, size_t n)
{
	NOT_ZEROED struct h1_head h;
	struct err e = { 0 };
	ptrdiff_t used = h1_response_parse(&h, c->method, p, n, c->rest_seen, &c->up->options.limits, &e);
	c->rest_seen = used ? 0 : n;
	if (used <= 0) {
		if (used < 0)
			refuse(c, &e);
		return used < 0 ? -1 : 0;
	}
	if (h.status >= 200) {
		begin_body(c, &h);
	} else if (h.status == 101 || ++c->interim > INTERIM_MAX) {
		err_set(&e, PS_EUPPROTO, "an unasked-for change of protocols, or too many interim answers");
		refuse(c, &e);
		return -1;
	}
	return used;
}

/* Runs the bytes through head and body. Returns how many are left over (an incomplete head). */
static size_t consume(struct upstream_call *c, char *p, size_t n)
{
	while (!c->gone && c->ops) {
		if (c->state == RECEIVE_BODY && body_complete(c)) {
			c->keep = c->keep && n == 0; /* bytes behind the answer: nobody knows whose they are */
			c->state = RECEIVE_DONE;
			call_end(c);
			return 0;
		}
		if (n == 0)
			return 0;
		ptrdiff_t used = c->state == RECEIVE_HEAD ? receive_head(c, p, n) : receive_body(c, p, n);
		if (used <= 0)
			return used < 0 ? 0 : n;
		p += used;
		n -= (size_t)used;
	}
	return 0;
}

static void receive(struct upstream_call *c, char *p, size_t n)
{
	if (buf_len(&c->rest) == 0) {
		size_t left = consume(c, p, n);
		if (left && buf_add(&c->rest, span_of(p + n - left, left)) < 0) {
			struct err e;
			err_set(&e, PS_EUPPROTO, "the answer's head is too large");
			refuse(c, &e);
		}
		return;
	}
	if (buf_add(&c->rest, span_of(p, n)) < 0) {
		struct err e;
		err_set(&e, PS_EUPPROTO, "the answer's head is too large");
		refuse(c, &e);
		return;
	}
	size_t had = buf_len(&c->rest);
	struct buf rest = c->rest;
	buf_init(&c->rest, rest.max);
	size_t left = consume(c, rest.p + rest.at, had);
	if (c->gone || !c->ops) {
		buf_free(&rest);
		return;
	}
	buf_skip(&rest, had - left);
	if (left)
		c->rest = rest;
	else
		buf_free(&rest);
}

static void eof(struct upstream_call *c)
{
	struct err e;
	c->keep = false;
	if (c->state == RECEIVE_BODY && c->framing == H1_BODY_UNTIL_CLOSE) {
		c->state = RECEIVE_DONE;
		call_end(c);
	} else if (c->state == RECEIVE_HEAD) {
		call_fail(c, err_set(&e, PS_ERESET, "the replica closed the connection before it answered"), &e);
	} else {
		call_fail(c, err_set(&e, PS_ECUT, "the replica closed the connection in the middle of its answer"), &e);
	}
}

const struct protocol upstream_http1 = { start, more, receive, eof };
