/* One question: asked at its time, limited in time, answered or not, asked again. On the signals thread.
 *
 * The moments of asking are spread by a random twentieth of the interval, so that many replicas are never asked in
 * step. A question whose kept connection turns out to have been closed by the engine meanwhile is put once more at
 * once: that is no failure of the replica. */
#include "probe/internal.h"

#include <stdlib.h>

#include "telemetry/telemetry.h"

#define SOON_NS (100 * NS_PER_MS)
enum { JITTER_DIVISOR = 20 };

static struct loop *loop_of(const struct question *q)
{
	return q->target->pool->probe->loop;
}

static void set_timer(struct question *q, uint64_t at)
{
	timer_set(loop_of(q), &q->timer, at);
}

void question_soon(struct question *q)
{
	set_timer(q, loop_now(loop_of(q)) + rng_below(loop_rng(loop_of(q)), SOON_NS));
}

static void forget_answer(struct question *q)
{
	metrics_text_done(&q->page);
	buf_free(&q->body);
	q->received = 0;
	q->status = 0;
}

static uint64_t interval_of(const struct question *q)
{
	const char *policy = (const char *)&q->target->pool->policy;
	uint64_t interval;
	memcpy(&interval, policy + ask_rows[q->ask].interval, sizeof interval);
	return interval < PROBE_INTERVAL_MIN_NS ? PROBE_INTERVAL_MIN_NS : interval;
}

static void ask_again(struct question *q, uint64_t after, uint64_t now)
{
	uint64_t interval = after ? after : interval_of(q), spread = interval / JITTER_DIVISOR;
	uint64_t at = q->asked_at + interval - spread / 2 + rng_below(loop_rng(loop_of(q)), spread + 1);
	set_timer(q, at > now ? at : now);
}

static void count(const struct question *q, enum outcome o, uint64_t now)
{
	static const char *const words[OUTCOME_COUNT] = {
		[OUTCOME_ANSWER] = "status", [OUTCOME_TIMEOUT] = "timeout", [OUTCOME_CONNECT] = "connect",
		[OUTCOME_BROKEN] = "broken", [OUTCOME_TOO_BIG] = "too_big", [OUTCOME_LOCAL] = "local",
	};
	bool ok = o == OUTCOME_ANSWER && q->status >= 200 && q->status < 300;
	struct span labels[] = { span_str(ask_rows[q->ask].name), ok ? SPAN("ok") : span_str(words[o]) };
	tm_add(tm_series_of(TM_SCRAPES, labels, 2), 1);
	if (q->ask == ASK_METRICS && ok)
		tm_observe(tm_plain(TM_SCRAPE_SECONDS), (double)(now - q->asked_at) / (double)NS_PER_S);
}

/* The question has ended. Its pool may have been removed since it was put: then nobody wants to know. */
static void finish(struct question *q, enum outcome o)
{
	struct probe_pool *pp = q->target->pool;
	struct probe *p = pp->probe;
	uint64_t now = loop_now(p->loop);
	q->call = NULL;
	(void)pthread_mutex_lock(&p->lock);
	if (pp->gate) {
		count(q, o, now);
		uint64_t after = ask_rows[q->ask].finish(q, o, now);
		ask_again(q, after, now);
		if (p->sink)
			(void)gate_advance(pp->gate, now, p->sink);
	} else {
		timer_clear(&q->timer);
	}
	(void)pthread_mutex_unlock(&p->lock);
	forget_answer(q);
}

/* ---- what upstream tells ---- */

static int no_body(void *owner, struct iovec *iov, int max, bool *last)
{
	(void)owner, (void)iov, (void)max;
	*last = true;
	return 0;
}

static void no_body_taken(void *owner, size_t n)
{
	(void)owner, (void)n;
}

static void on_head(void *owner, const struct h1_head *h)
{
	((struct question *)owner)->status = h->status;
}

static void on_body(void *owner, char *p, size_t n)
{
	struct question *q = owner;
	int r = 0;
	q->received += n;
	if (q->received > ask_rows[q->ask].bytes_max)
		r = -PS_ETOOBIG;
	else if (q->status == 200)
		r = ask_rows[q->ask].feed(q, span_of(p, n));
	if (r == 0)
		return;
	upstream_abort(q->call);
	finish(q, r == -PS_ETOOBIG ? OUTCOME_TOO_BIG : OUTCOME_LOCAL);
}

static void on_pause(void *owner)
{
	(void)owner;
}

static void on_end(void *owner, struct span trailers)
{
	(void)trailers;
	finish(owner, OUTCOME_ANSWER);
}

static void put(struct question *q);

static void on_fail(void *owner, int code, bool reused, const struct err *e)
{
	(void)e;
	struct question *q = owner;
	q->call = NULL;
	if (reused && !q->again) {
		q->again = true;
		put(q);
		return;
	}
	if (code == -PS_ECONNTIMEOUT)
		finish(q, OUTCOME_TIMEOUT);
	else
		finish(q, code == -PS_ECONNECT ? OUTCOME_CONNECT : OUTCOME_BROKEN);
}

static const struct upstream_ops ops = {
	.body = no_body,
	.body_taken = no_body_taken,
	.on_head = on_head,
	.on_body = on_body,
	.on_pause = on_pause,
	.on_end = on_end,
	.on_fail = on_fail,
};

/* ---- asking ---- */

/* Sends it; the timer, which is the time limit then, is the caller's to set. */
static void put(struct question *q)
{
	static const struct upstream_field fields[] = {
		{ { "accept", 6 }, { "*/*", 3 } },
		{ { "user-agent", 10 }, { "penstock", 8 } },
	};
	struct target *t = q->target;
	struct upstream_target to = { .id = t->key, .address = t->address, .connect_ns = t->pool->policy.timeout_ns };
	struct upstream_request rq = {
		.method = SPAN("GET"),
		.target = span_str((const char *)&t->pool->policy + ask_rows[q->ask].path),
		.authority = span_str(t->name),
		.fields = fields,
		.field_count = sizeof fields / sizeof *fields,
		.framing = H1_BODY_NONE,
	};
	q->call = upstream_open(t->pool->probe->upstream, &to, &rq, &ops, q);
	if (!q->call)
		finish(q, OUTCOME_LOCAL);
}

/* True when the policy wants it asked at all. */
static bool wanted(const struct question *q)
{
	const struct probe_policy *policy = &q->target->pool->policy;
	if (q->ask == ASK_METRICS && policy->engine == ENGINE_NONE)
		return false;
	return ((const char *)policy)[ask_rows[q->ask].path] != '\0';
}

static void on_timer(struct timer *timer, uint64_t now)
{
	struct question *q = container_of(timer, struct question, timer);
	if (q->call) {
		upstream_abort(q->call);
		finish(q, OUTCOME_TIMEOUT);
		return;
	}
	if (!wanted(q))
		return; /* a change of the policy asks again */
	q->asked_at = now;
	q->again = false;
	set_timer(q, now + q->target->pool->policy.timeout_ns);
	put(q);
}

void question_init(struct question *q, struct target *t, enum ask ask)
{
	*q = (struct question){ .target = t, .ask = ask };
	metrics_text_init(&q->page);
	buf_init(&q->body, PROBE_MODELS_BYTES_MAX);
	timer_init(&q->timer, on_timer);
}

void question_stop(struct question *q)
{
	if (q->call)
		upstream_abort(q->call);
	q->call = NULL;
	timer_clear(&q->timer);
	forget_answer(q);
}
