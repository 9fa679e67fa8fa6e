/* Which replicas may serve: charges, passive and active health, ejection, probation, slow start. Called with the pool's
 * lock held at every dispatch and end of a request, and by the prober.
 *
 *               failures in a row,                 its time is over, or
 *               failed probes                      its health path is well again
 *     NEW, UP ────────────────────▶ EJECTED ─────────────────────────────▶ PROBATION ──▶ one trial request
 *      ▲                              ▲ 1, 2, 4 … 30 s                          │ fails: back, for twice as long
 *      └── answered, with a weight that grows (slow start) ─────────────────────┘
 *
 * Never more than eject_permille of the pool is out: above that the least bad are "pressed" to serve at a low weight
 * (Envoy calls it the panic threshold; here only as many as are missing are pressed). */
#include <stdlib.h>

#include "pool/private.h"

enum {
	SLOW_START_PERMILLE = 100, /* the weight a slow start begins with, and that of a pressed replica (chosen) */
	EJECTION_DOUBLINGS = 20,   /* of eject_min_ns before eject_max_ns surely holds */
};
#define SLOW_START_STEP_NS (50 * NS_PER_MS) /* the weight is moved this often */

static bool is_bad(const struct replica *r)
{
	return r->live && (r->state == REPLICA_EJECTED || r->state == REPLICA_PROBATION);
}

static void due(struct pool *p, uint64_t at)
{
	if (at < p->next_tick)
		p->next_tick = at;
}

/* Less bad first: nearer to being readmitted, ejected less often, failing less, back sooner. */
static int compare_bad(const void *a, const void *b, void *arg)
{
	const struct replica *all = arg, *x = &all[*(const uint16_t *)a], *y = &all[*(const uint16_t *)b];
	if (x->state != y->state)
		return x->state == REPLICA_PROBATION ? -1 : 1;
	if (x->ejections != y->ejections)
		return x->ejections < y->ejections ? -1 : 1;
	if (x->failures != y->failures)
		return x->failures < y->failures ? -1 : 1;
	if (x->ejected_until != y->ejected_until)
		return x->ejected_until < y->ejected_until ? -1 : 1;
	return x->slot < y->slot ? -1 : 1;
}

/* The weight a replica has now; notes when it will have changed. */
static void reweigh(struct pool *p, struct replica *r, uint64_t now)
{
	uint64_t age = now - r->up_since, ramp = p->options.slow_start_ns;
	r->weight_permille = 1000;
	if (r->pressed) {
		r->weight_permille = SLOW_START_PERMILLE;
	} else if (r->state == REPLICA_UP && r->up_since && now >= r->up_since && age < ramp) {
		r->weight_permille = SLOW_START_PERMILLE + (uint32_t)((1000 - SLOW_START_PERMILLE) * age / ramp);
		due(p, now + SLOW_START_STEP_NS);
	}
}

void health_press_locked(struct pool *p)
{
	uint32_t bad = 0;
	for (uint32_t i = 0; i < p->slots; i++) {
		struct replica *r = &p->replicas[i];
		if (is_bad(r))
			p->bad[bad++] = (uint16_t)i;
		if (r->pressed) {
			r->pressed = false;
			r->weight_permille = 1000;
		}
	}
	uint32_t allowed = (uint32_t)((uint64_t)p->size * p->options.eject_permille / 1000);
	if (bad <= allowed)
		return;
	qsort_r(p->bad, bad, sizeof p->bad[0], compare_bad, p->replicas);
	for (uint32_t i = 0; i < bad - allowed; i++) {
		struct replica *r = &p->replicas[p->bad[i]];
		r->pressed = true;
		r->weight_permille = SLOW_START_PERMILLE;
	}
	p->openings++;
}

static void eject(struct pool *p, struct replica *r, uint64_t now)
{
	uint64_t t = p->options.eject_min_ns;
	for (uint32_t i = 0; i < r->ejections && i < EJECTION_DOUBLINGS && t < p->options.eject_max_ns; i++)
		t *= 2;
	if (t > p->options.eject_max_ns)
		t = p->options.eject_max_ns;
	r->state = REPLICA_EJECTED;
	r->ejections++;
	r->ejected_at = now;
	r->ejected_until = now + t;
	r->trial = false;
	r->failures = 0;
	p->counters.ejections++;
	due(p, r->ejected_until);
	health_press_locked(p);
}

static void to_probation(struct pool *p, struct replica *r)
{
	r->state = REPLICA_PROBATION;
	r->trial = r->health_ejected = false;
	p->openings++;
}

static void readmit(struct pool *p, struct replica *r, uint64_t now)
{
	r->state = REPLICA_UP;
	r->trial = false;
	r->failures = 0;
	r->up_since = now;
	p->counters.readmissions++;
	p->openings++;
	health_press_locked(p);
	reweigh(p, r, now);
}

struct pool_charge pool_dispatched_locked(struct pool *p, struct replica *r, uint32_t tokens, uint64_t now)
{
	if (r->state == REPLICA_EJECTED && now >= r->ejected_until)
		to_probation(p, r);
	struct pool_charge c = { .tokens = tokens,
				 .ahead = r->waiting_tokens < UINT32_MAX ? (uint32_t)r->waiting_tokens : UINT32_MAX,
				 .trial = r->state == REPLICA_PROBATION && !r->trial };
	r->trial |= c.trial;
	r->in_flight++;
	r->in_flight_tokens += tokens;
	r->waiting_tokens += tokens;
	return c;
}

void pool_answered_locked(struct pool *p, struct replica *r, struct pool_charge *c, uint64_t now)
{
	bool tried = c->trial;
	c->trial = false;
	if (!c->answered)
		r->waiting_tokens -= c->tokens;
	c->answered = true;
	r->busy_in_a_row = 0;
	r->busy_until = 0;
	r->failures = 0;
	switch (r->state) {
	case REPLICA_NEW:
		r->state = REPLICA_UP; /* up_since stays 0: only who comes back starts slowly */
		break;
	case REPLICA_UP:
		if (now >= r->up_since + p->options.eject_max_ns)
			r->ejections = 0;
		break;
	case REPLICA_PROBATION:
		if (tried || r->pressed)
			readmit(p, r, now);
		break;
	case REPLICA_EJECTED:
		if (r->pressed && !r->health_ejected)
			readmit(p, r, now);
		break;
	case REPLICA_DRAINING:
		break;
	}
}

/* Takes a charge back; the last one of a removed replica ends it. */
static void release(struct pool *p, struct replica *r, struct pool_charge c)
{
	r->in_flight--;
	r->in_flight_tokens -= c.tokens;
	if (!c.answered)
		r->waiting_tokens -= c.tokens;
	p->openings++;
	if (r->state == REPLICA_DRAINING && r->in_flight == 0)
		replica_retire_locked(p, r);
}

void pool_done_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now)
{
	pool_answered_locked(p, r, &c, now);
	release(p, r, c);
}

void pool_failed_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now)
{
	r->failures++;
	/* What fails while it is out was sent before, and belongs to the failure that put it out. */
	if (c.trial && r->state == REPLICA_PROBATION)
		eject(p, r, now);
	else if ((r->state == REPLICA_NEW || r->state == REPLICA_UP) && r->failures >= p->options.eject_after)
		eject(p, r, now);
	else if (r->pressed)
		health_press_locked(p);
	release(p, r, c);
}

void pool_gone_locked(struct pool *p, struct replica *r, struct pool_charge c, uint64_t now)
{
	(void)now;
	if (c.trial && r->state == REPLICA_PROBATION)
		r->trial = false; /* it told nothing: another may try */
	release(p, r, c);
}

void pool_tick_locked(struct pool *p, uint64_t now)
{
	if (now < p->next_tick)
		return;
	bool changed = false;
	p->next_tick = UINT64_MAX;
	for (uint32_t i = 0; i < p->slots; i++) {
		struct replica *r = &p->replicas[i];
		if (!r->live)
			continue;
		if (r->state == REPLICA_EJECTED && now >= r->ejected_until) {
			to_probation(p, r);
			changed = true;
		} else if (r->state == REPLICA_EJECTED) {
			due(p, r->ejected_until);
		}
		p->openings += r->weight_permille < 1000;
		reweigh(p, r, now);
	}
	if (changed)
		health_press_locked(p);
}

uint64_t pool_next_readmission_locked(const struct pool *p)
{
	uint64_t next = 0;
	for (uint32_t i = 0; i < p->slots; i++) {
		const struct replica *r = &p->replicas[i];
		if (r->live && r->state == REPLICA_EJECTED && (next == 0 || r->ejected_until < next))
			next = r->ejected_until;
	}
	return next;
}

void health_weigh_probes_locked(struct pool *p, struct replica *r, uint64_t now)
{
	uint32_t evidence = r->health_failures + (r->signals_at && r->scrape_errors);
	if (r->health_failures == 0 || evidence < p->options.health_after || r->state == REPLICA_DRAINING)
		return;
	if (r->state == REPLICA_EJECTED) {
		uint64_t until = now + p->options.eject_min_ns; /* still out, but no worse than before */
		r->ejected_until = until > r->ejected_until ? until : r->ejected_until;
	} else {
		eject(p, r, now);
	}
	r->health_ejected = true;
}

static void health_good(struct pool *p, struct replica *r)
{
	r->health_failures = 0;
	if (r->state == REPLICA_NEW)
		r->state = REPLICA_UP;
	if (r->state == REPLICA_EJECTED && r->health_ejected) {
		to_probation(p, r);
		health_press_locked(p);
	}
}

void pool_on_health(struct pool *p, uint64_t id, bool ok, uint64_t now)
{
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	if (r && ok) {
		health_good(p, r);
	} else if (r) {
		r->health_failures++;
		health_weigh_probes_locked(p, r, now);
	}
	pool_unlock(p);
}
