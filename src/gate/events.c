/* What drivers tell of a decided ticket, and what is counted of it. Any thread; each takes the pool's lock for a
 * moment, except gate_on_dispatched and gate_on_tokens, which take none. */
#include <stdlib.h>

#include "gate/private.h"

void gate_on_dispatched(struct ticket *t, uint64_t now)
{
	(void)t;
	(void)now;
}

void gate_on_first_token(struct ticket *t, uint64_t now)
{
	struct gate *g = t->gate;
	if (t->answered)
		return;
	t->answered = true;
	pool_lock(g->pool);
	struct replica *r = pool_replica_locked(g->pool, t->replica);
	if (t->streams && now > t->decided_at)
		pool_first_token_locked(r, &t->charge, now - t->decided_at);
	pool_answered_locked(g->pool, r, &t->charge, now);
	pool_unlock(g->pool);
}

void gate_on_tokens(struct ticket *t, uint32_t tokens, uint64_t now)
{
	(void)now;
	atomic_fetch_add_explicit(&t->gate->tokens, tokens, memory_order_relaxed);
}

void gate_on_done(struct ticket *t, uint32_t prompt_tokens, uint32_t cached_tokens, uint64_t now)
{
	(void)cached_tokens;
	struct gate *g = t->gate;
	pool_lock(g->pool);
	pool_done_locked(g->pool, pool_replica_locked(g->pool, t->replica), t->charge, now);
	budget_second(g, now)->completions++;
	pool_unlock(g->pool);
	pool_learn_tokens(g->pool, span_of(t->model, t->model_len), t->text_bytes, prompt_tokens);
	free(t);
}

/* Codes that say nothing against a replica's health: it answered that it is full, or the fault was not its. */
static bool is_blameless(int code)
{
	switch (code) {
	case PS_EQUEUEFULL:
	case PS_ENOREPLICA:
	case PS_ENOMEM:
	case PS_ECONNLIMIT:
	case PS_ETOTAL:
	case PS_ECLIENTGONE:
	case PS_EWRITESTALL:
		return true;
	default:
		return false;
	}
}

void gate_on_failed(struct ticket *t, int code, uint64_t now)
{
	struct gate *g = t->gate;
	pool_lock(g->pool);
	struct replica *r = pool_replica_locked(g->pool, t->replica);
	code = code < 0 ? -code : code;
	if (code == PS_EQUEUEFULL || code == PS_ENOREPLICA)
		pool_busy_locked(r, now);
	if (is_blameless(code)) {
		pool_gone_locked(g->pool, r, t->charge, now);
	} else {
		/* Sent before the failure that put it out, and so no sign of anything new. Looked at first: the charge
		 * may be its last. */
		bool orphan = r->state == REPLICA_DRAINING ||
			      (r->state == REPLICA_EJECTED && t->decided_at < r->ejected_at);
		budget_second(g, now)->orphans += orphan;
		pool_failed_locked(g->pool, r, t->charge, now);
	}
	pool_unlock(g->pool);
	free(t);
}

bool gate_may_retry(struct gate *g, int code, uint64_t now)
{
	pool_lock(g->pool);
	bool yes = budget_allows(g, code, now);
	*(yes ? &g->stats.retries : &g->stats.retries_refused) += 1;
	pool_unlock(g->pool);
	return yes;
}

void gate_stats(struct gate *g, struct gate_stats *ret)
{
	pool_lock(g->pool);
	*ret = g->stats;
	ret->held = g->queue.count;
	ret->held_bytes = g->queue.bytes;
	pool_unlock(g->pool);
	ret->tokens = atomic_load_explicit(&g->tokens, memory_order_relaxed);
}
