/* The seam between drivers and core: tickets, holding, late decisions. A request comes here once its facts are known
 * and leaves with a replica, or is held until one opens. Any thread; all of it under the pool's lock, except prefix
 * look-ups, which come before it, and prefix additions, which come after.
 *
 * First come, first served: whoever comes while others are held may pass them only if the whole queue was found to fit
 * nowhere since the last event that may have opened a replica (pool_openings_locked). */
#include "gate/gate.h"

#include <stdlib.h>

#include "gate/private.h"

enum {
	SCAN_DECISIONS = 256, /* decided in one gate_advance */
	SCAN_LOOKS = 8192,    /* tickets looked at in one gate_advance: more than a queue's default bound */
	SCAN_MODELS = 16,     /* models remembered as fitting nowhere */
};
#define COLLECT_WITHIN_NS (100 * NS_PER_MS)
#define SCAN_AGAIN_NS (50 * NS_PER_MS) /* bounds also change with time alone: stale signals, slow starts */

struct gate *gate_new(struct pool *p, const struct sched_weight *profile, uint64_t seed, struct err *e)
{
	struct gate *g = calloc(1, sizeof *g);
	if (!g) {
		(void)err_set(e, PS_ENOMEM, "no memory for a gate");
		return NULL;
	}
	g->pool = p;
	g->sched = sched_new(profile, seed, e);
	if (!g->sched) {
		free(g);
		return NULL;
	}
	flow_queue_init(&g->queue, 0);
	list_init(&g->uncollected);
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	sched_free(g->sched);
	free(g);
}

struct pool *gate_pool(struct gate *g)
{
	return g->pool;
}

static void waiting_add(struct gate *g, int n)
{
	atomic_fetch_add_explicit(&g->waiting, (uint32_t)n, memory_order_relaxed);
}

/* ---- tickets ---- */

/* Keeps the longest prefixes of the look-up: an insertion into a short sorted row. */
static void keep_hits(struct ticket *t, const struct prefix_hits *hits)
{
	for (uint32_t i = 0; i < hits->n; i++) {
		struct ticket_hit hit = { hits->slot[i], hits->blocks[i] };
		uint32_t at = t->hit_count < TICKET_HITS ? t->hit_count++ : TICKET_HITS;
		for (; at > 0 && t->hits[at - 1].blocks < hit.blocks; at--)
			if (at < TICKET_HITS)
				t->hits[at] = t->hits[at - 1];
		if (at < TICKET_HITS)
			t->hits[at] = hit;
	}
}

static void recall_hits(const struct ticket *t, struct prefix_hits *hits)
{
	hits->n = t->hit_count;
	for (uint32_t i = 0; i < hits->n; i++) {
		hits->slot[i] = t->hits[i].slot;
		hits->blocks[i] = t->hits[i].blocks;
	}
}

static struct ticket *ticket_new(struct gate *g, const struct facts *f, void *owner)
{
	struct ticket *t = calloc(1, sizeof *t + f->model.n);
	if (!t)
		return NULL;
	t->gate = g;
	t->facts = f;
	t->owner = owner;
	t->text_bytes = f->text_bytes;
	t->streams = f->stream;
	t->model_len = f->model.n <= UINT16_MAX ? (uint16_t)f->model.n : 0;
	if (t->model_len)
		memcpy(t->model, f->model.p, t->model_len);
	return t;
}

/* The pick is the ticket's. */
static void ticket_decided(struct ticket *t, const struct decision *d, uint64_t now)
{
	t->replica = d->replica;
	t->slot = d->slot;
	t->prefix_blocks = d->prefix_blocks;
	t->charge = d->charge;
	t->candidates = d->candidates;
	t->decided_at = now;
	t->reason_count = d->reason_count < TICKET_REASONS ? d->reason_count : TICKET_REASONS;
	memcpy(t->reasons, d->reasons, t->reason_count * sizeof t->reasons[0]);
	t->gate->stats.picks++;
}

/* What its owner is told of a decision made on another thread. */
static void ticket_report(const struct ticket *t, struct decision *ret)
{
	struct replica *r = pool_replica_locked(t->gate->pool, t->replica);
	*ret = (struct decision){
		.replica = t->replica,
		.slot = t->slot,
		.name = r->name,
		.address = &r->address,
		.prefix_blocks = t->prefix_blocks,
		.charge = t->charge,
		.candidates = t->candidates,
		.reason_count = t->reason_count,
	};
	memcpy(ret->reasons, t->reasons, t->reason_count * sizeof t->reasons[0]);
	if (t->streams)
		ret->predicted_ttft_ns = pool_predict_first_token_ns(r, &t->charge);
}

static void give_back(struct ticket *t, uint64_t now)
{
	struct gate *g = t->gate;
	struct replica *r = pool_replica_locked(g->pool, t->replica);
	pool_gone_locked(g->pool, r, t->charge, now);
}

/* Out of the queue; a scan that stopped at it goes on behind it. */
static void unqueue(struct ticket *t)
{
	struct gate *g = t->gate;
	if (g->cursor == &t->item)
		g->cursor = flow_queue_after(&g->queue, &t->item);
	flow_queue_remove(&g->queue, &t->item);
}

/* ---- submission ---- */

static int refuse(struct gate *g, int code, uint64_t now, struct decision *ret)
{
	code = code < 0 ? -code : code;
	*ret = (struct decision){ .refused = code, .retry_after_ns = budget_retry_after(g, code, now) };
	g->stats.refused++;
	return GATE_REFUSED;
}

/* Nobody who came before could use what is open now. */
static bool may_pass(const struct gate *g)
{
	return g->queue.count == 0 || g->seen_openings == pool_openings_locked(g->pool);
}

static int hold(struct gate *g, struct ticket *t, const struct prefix_hits *hits, uint64_t now)
{
	const struct pool_options *o = pool_options_of(g->pool);
	g->queue.max = o->queue_requests;
	t->item.arrived_ns = t->facts->arrived_ns;
	t->item.deadline_ns = now + o->queue_ns;
	t->item.bytes = t->facts->body_bytes;
	int r = flow_queue_push(&g->queue, &t->item);
	if (r < 0)
		return r;
	t->state = TICKET_HELD;
	keep_hits(t, hits);
	waiting_add(g, 1);
	g->stats.held_total++;
	return 0;
}

static int submit_locked(struct gate *g, struct ticket *t, const struct prefix_hits *hits, uint64_t now,
			 struct decision *ret)
{
	pool_tick_locked(g->pool, now);
	if (!t->facts->repeat)
		budget_second(g, now)->requests++;
	if (g->started_at == 0)
		g->started_at = now;
	int r = may_pass(g) ? sched_pick_locked(g->sched, t->facts, hits, now, ret) : 0;
	if (r == 1) {
		t->state = TICKET_DECIDED;
		ticket_decided(t, ret, now);
		return GATE_DECIDED;
	}
	if (r == 0)
		r = hold(g, t, hits, now);
	return r < 0 ? refuse(g, r, now, ret) : GATE_HELD;
}

int gate_submit(struct gate *g, const struct facts *f, void *owner, uint64_t now, struct decision *ret,
		struct ticket **ret_ticket)
{
	NOT_ZEROED struct prefix_hits hits;
	*ret_ticket = NULL;
	struct ticket *t = ticket_new(g, f, owner);
	if (!t)
		return -PS_ENOMEM;
	pool_prefix_find(g->pool, f->chain, f->chain_len, &hits);
	pool_lock(g->pool);
	int verdict = submit_locked(g, t, &hits, now, ret);
	pool_unlock(g->pool);
	if (verdict == GATE_REFUSED) {
		free(t);
		return verdict;
	}
	*ret_ticket = t;
	if (verdict == GATE_DECIDED)
		pool_prefix_add(g->pool, ret->slot, f->chain, f->chain_len);
	return verdict;
}

/* ---- advancing ---- */

static void mail_decided(struct gate *g, struct ticket *t, const struct decision *d, uint64_t now,
			 const struct gate_sink *sink)
{
	unqueue(t);
	ticket_decided(t, d, now);
	t->state = TICKET_MAILED;
	list_push_back(&g->uncollected, &t->item.node);
	sink->decided(sink->arg, t->owner, t);
}

static void mail_refused(struct gate *g, struct ticket *t, int code, uint64_t now, const struct gate_sink *sink)
{
	unqueue(t);
	t->state = TICKET_REFUSED;
	t->refused = code;
	t->retry_after_ns = budget_retry_after(g, code, now);
	waiting_add(g, -1);
	g->stats.refused++;
	sink->decided(sink->arg, t->owner, t);
}

static unsigned refuse_expired(struct gate *g, uint64_t now, const struct gate_sink *sink)
{
	struct flow_item *it;
	unsigned n = 0;
	int code = pool_size_locked(g->pool) ? PS_EQUEUETIMEOUT : PS_ENOREPLICA;
	for (; n < SCAN_DECISIONS && (it = flow_queue_expired(&g->queue, now)); n++)
		mail_refused(g, container_of(it, struct ticket, item), code, now, sink);
	return n;
}

/* Owners that are late lose their replica to others; their mail is still under way. */
static void return_uncollected(struct gate *g, uint64_t now)
{
	list_each (n, next, &g->uncollected) {
		struct ticket *t = container_of(n, struct ticket, item.node);
		if (now < t->decided_at + COLLECT_WITHIN_NS)
			return;
		list_remove(n);
		give_back(t, now);
		t->state = TICKET_RETURNED;
		waiting_add(g, -1);
		g->stats.given_back++;
	}
}

/* Models for which nothing was open, so that the many behind the first are passed over without a pick. */
struct misses {
	uint32_t n;
	struct span model[SCAN_MODELS];
};

static bool is_plain(const struct facts *f)
{
	return f->excluded[0] == 0;
}

static bool missed_before(const struct misses *m, const struct facts *f)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (is_plain(f) && span_eq(m->model[i], f->model))
			return true;
	return false;
}

static void note_miss(struct misses *m, const struct facts *f)
{
	if (is_plain(f) && m->n < SCAN_MODELS)
		m->model[m->n++] = f->model;
}

struct scan {
	struct gate *gate;
	const struct gate_sink *sink;
	uint64_t now;
	unsigned mailed, looks;
	struct misses misses;
	struct prefix_hits hits;
};

/* Looks at one held ticket. False: the rest need not be looked at. */
static bool scan_one(struct scan *s, struct ticket *t)
{
	struct decision d;
	if (missed_before(&s->misses, t->facts))
		return true;
	recall_hits(t, &s->hits);
	int r = sched_pick_locked(s->gate->sched, t->facts, &s->hits, s->now, &d);
	switch (r) {
	case 1:
		mail_decided(s->gate, t, &d, s->now, s->sink);
		s->mailed++;
		return true;
	case 0:
		note_miss(&s->misses, t->facts);
		return sched_any_open_locked(s->gate->pool, s->now);
	case -PS_ENOREPLICA: /* it has waited this long: a replica may come until its time is over */
		note_miss(&s->misses, t->facts);
		return true;
	default:
		mail_refused(s->gate, t, -r, s->now, s->sink);
		s->mailed++;
		return true;
	}
}

/* From the head, or from where the last scan had to stop. */
static void scan(struct scan *s)
{
	struct gate *g = s->gate;
	if (g->seen_openings == pool_openings_locked(g->pool) && s->now < g->scanned_at + SCAN_AGAIN_NS)
		return;
	bool whole = g->cursor == NULL, more = true;
	struct flow_item *it = whole ? flow_queue_head(&g->queue) : g->cursor;
	while (it && more && s->mailed < SCAN_DECISIONS && s->looks++ < SCAN_LOOKS) {
		struct flow_item *next = flow_queue_after(&g->queue, it);
		more = scan_one(s, container_of(it, struct ticket, item));
		it = next;
	}
	g->cursor = more ? it : NULL;
	if (!more || (whole && !it)) {
		g->seen_openings = pool_openings_locked(g->pool);
		g->scanned_at = s->now;
	}
}

unsigned gate_advance(struct gate *g, uint64_t now, const struct gate_sink *sink)
{
	if (atomic_load_explicit(&g->waiting, memory_order_relaxed) == 0)
		return 0;
	struct scan s = { .gate = g, .sink = sink, .now = now };
	pool_lock(g->pool);
	pool_tick_locked(g->pool, now);
	return_uncollected(g, now);
	s.mailed = refuse_expired(g, now, sink);
	scan(&s);
	if (s.mailed && sink->flush)
		sink->flush(sink->arg);
	pool_unlock(g->pool);
	return s.mailed;
}

/* ---- collecting ---- */

/* Back into its place; decided anew when it stands first and a replica is open. */
static int collect_again(struct ticket *t, uint64_t now, struct decision *ret)
{
	struct gate *g = t->gate;
	NOT_ZEROED struct prefix_hits hits;
	flow_queue_push_back_in(&g->queue, &t->item);
	t->state = TICKET_HELD;
	waiting_add(g, 1);
	if (flow_queue_head(&g->queue) != &t->item)
		return GATE_HELD;
	recall_hits(t, &hits);
	if (sched_pick_locked(g->sched, t->facts, &hits, now, ret) != 1)
		return GATE_HELD;
	unqueue(t);
	ticket_decided(t, ret, now);
	t->state = TICKET_DECIDED;
	waiting_add(g, -1);
	return GATE_DECIDED;
}

static int collect_mailed(struct ticket *t, uint64_t now, struct decision *ret)
{
	list_remove(&t->item.node);
	waiting_add(t->gate, -1);
	if (now < t->decided_at + COLLECT_WITHIN_NS) {
		t->state = TICKET_DECIDED;
		ticket_report(t, ret);
		return GATE_DECIDED;
	}
	give_back(t, now);
	t->gate->stats.given_back++;
	return collect_again(t, now, ret);
}

static int collect_locked(struct ticket *t, uint64_t now, struct decision *ret)
{
	switch ((enum ticket_state)t->state) {
	case TICKET_MAILED:
		return collect_mailed(t, now, ret);
	case TICKET_RETURNED:
		return collect_again(t, now, ret);
	case TICKET_REFUSED:
		*ret = (struct decision){ .refused = t->refused, .retry_after_ns = t->retry_after_ns };
		return GATE_REFUSED;
	case TICKET_HELD: /* collected before the sink was called: the driver's mistake, without harm */
		return GATE_HELD;
	case TICKET_GONE:
	case TICKET_DECIDED:
		break;
	}
	return GATE_GONE;
}

int gate_collect(struct ticket *t, struct decision *ret, uint64_t now)
{
	struct gate *g = t->gate;
	pool_lock(g->pool);
	int verdict = collect_locked(t, now, ret);
	pool_unlock(g->pool);
	if (verdict == GATE_DECIDED)
		pool_prefix_add(g->pool, ret->slot, t->facts->chain, t->facts->chain_len);
	if (verdict == GATE_REFUSED || verdict == GATE_GONE)
		free(t);
	return verdict;
}

/* ---- giving up ---- */

/* True when the ticket must wait for its owner's mail. */
static bool give_up_locked(struct ticket *t, uint64_t now)
{
	struct gate *g = t->gate;
	switch ((enum ticket_state)t->state) {
	case TICKET_HELD:
		unqueue(t);
		waiting_add(g, -1);
		return false;
	case TICKET_DECIDED:
		give_back(t, now);
		return false;
	case TICKET_MAILED:
		list_remove(&t->item.node);
		waiting_add(g, -1);
		give_back(t, now);
		break;
	case TICKET_RETURNED:
	case TICKET_REFUSED:
	case TICKET_GONE:
		break;
	}
	t->state = TICKET_GONE;
	return true;
}

bool gate_on_gone(struct ticket *t, uint64_t now)
{
	struct gate *g = t->gate;
	pool_lock(g->pool);
	bool mailed = give_up_locked(t, now);
	pool_unlock(g->pool);
	if (!mailed)
		free(t);
	return mailed;
}
