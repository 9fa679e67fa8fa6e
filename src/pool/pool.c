/* A pool and its members: slots, identities, two-phase removal. Beside the request path: control adds and removes, gate
 * and sched look up. One mutex per pool; every function here holds it for a few instructions.
 *
 * A slot goes free → live → (draining) → retired → free. Retired: its replica is gone, but the prefix index may still
 * name the slot, and its locks may not be taken under the pool's; so slots are reaped from control's and the signals
 * thread's calls. */
#include "pool/pool.h"

#include <stdlib.h>

#include "pool/private.h"

enum { SLOT_BITS = 12 };
_Static_assert(1 << SLOT_BITS == POOL_REPLICAS_MAX, "an id carries its slot");

struct pool_options pool_options_default(void)
{
	return (struct pool_options){
		.queue_requests = 5000,
		.queue_ns = 60 * NS_PER_S,
		.signal_stale_ns = 3 * NS_PER_S,
		.slow_start_ns = 10 * NS_PER_S,
		.eject_after = 3,
		.health_after = 2,
		.eject_min_ns = NS_PER_S,
		.eject_max_ns = 30 * NS_PER_S,
		.eject_permille = 500,
	};
}

struct pool *pool_new(const struct pool_options *o)
{
	struct pool *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->replicas = calloc(POOL_REPLICAS_MAX, sizeof *p->replicas);
	p->prefix = prefix_new();
	if (!p->replicas || !p->prefix || pthread_mutex_init(&p->lock, NULL) != 0) {
		prefix_free(p->prefix);
		free(p->replicas);
		free(p);
		return NULL;
	}
	p->options = *o;
	p->next_tick = UINT64_MAX;
	map_init(&p->models, POOL_MODELS_MAX);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->slots; i++)
		models_clear_list_locked(p, &p->replicas[i]);
	models_free(p);
	prefix_free(p->prefix);
	free(p->replicas);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void pool_configure(struct pool *p, const struct pool_options *o)
{
	pool_lock(p);
	p->options = *o;
	p->openings++;
	p->next_tick = 0; /* times may be shorter now */
	health_press_locked(p);
	pool_unlock(p);
}

const struct pool_options *pool_options_of(const struct pool *p)
{
	return &p->options;
}

void pool_lock(struct pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
}

void pool_unlock(struct pool *p)
{
	(void)pthread_mutex_unlock(&p->lock);
}

struct replica *pool_replica_locked(struct pool *p, uint64_t id)
{
	struct replica *r = &p->replicas[id & (POOL_REPLICAS_MAX - 1)];
	return r->live && r->id == id ? r : NULL;
}

struct replica *pool_replicas_locked(struct pool *p, uint32_t *ret_n)
{
	*ret_n = p->slots;
	return p->replicas;
}

uint32_t pool_size_locked(const struct pool *p)
{
	return p->size;
}

uint64_t pool_openings_locked(const struct pool *p)
{
	return p->openings;
}

static struct replica *find_address(struct pool *p, const struct address *a)
{
	for (uint32_t i = 0; i < p->slots; i++)
		if (p->replicas[i].live && address_eq(&p->replicas[i].address, a))
			return &p->replicas[i];
	return NULL;
}

static struct replica *free_slot(struct pool *p)
{
	for (uint32_t i = 0; i < p->slots; i++)
		if (!p->replicas[i].live && !p->replicas[i].retired)
			return &p->replicas[i];
	return p->slots < POOL_REPLICAS_MAX ? &p->replicas[p->slots++] : NULL;
}

static const struct signals signals_unknown = { NAN, NAN, NAN, NAN, NAN, NAN, { NULL, 0 }, { NULL, 0 } };

static void replica_init(struct pool *p, struct replica *r, struct span name, const struct address *a,
			 uint32_t capacity)
{
	uint32_t slot = (uint32_t)(r - p->replicas);
	*r = (struct replica){
		.id = ++p->last_id << SLOT_BITS | slot,
		.slot = slot,
		.live = true,
		.address = *a,
		.capacity = capacity,
		.weight_permille = 1000,
		.signals = signals_unknown,
	};
	(void)span_copy(r->name, sizeof r->name, name);
	map_init(&r->models, REPLICA_MODELS_MAX);
}

/* Makes retired slots free. Not on a worker. */
static void reap(struct pool *p)
{
	pool_lock(p);
	bool mine = p->retired && !p->reaping;
	p->reaping |= mine;
	for (uint32_t i = 0; mine && i < p->slots; i++) {
		if (!p->replicas[i].retired)
			continue;
		pool_unlock(p);
		pool_prefix_drop(p, i);
		pool_lock(p);
		p->replicas[i].retired = false;
		p->retired--;
	}
	p->reaping &= !mine;
	pool_unlock(p);
}

/* It was there already: what its removal began is undone. */
static void readd(struct pool *p, struct replica *r, uint32_t capacity)
{
	r->capacity = capacity;
	if (r->state == REPLICA_DRAINING) {
		r->state = REPLICA_NEW;
		p->size++;
	}
}

int pool_added(struct pool *p, struct span name, const struct address *a, uint32_t capacity, uint64_t now,
	       uint64_t *ret_id)
{
	(void)now;
	reap(p);
	pool_lock(p);
	int result = 0;
	struct replica *r = find_address(p, a);
	if (r) {
		readd(p, r, capacity);
		result = -PS_EEXIST;
	} else if ((r = free_slot(p))) {
		replica_init(p, r, name, a, capacity);
		p->size++;
	}
	if (r) {
		*ret_id = r->id;
		p->openings++;
		health_press_locked(p);
	} else {
		result = -PS_ETOOBIG;
	}
	pool_unlock(p);
	return result;
}

void replica_retire_locked(struct pool *p, struct replica *r)
{
	models_clear_lora_locked(p, r);
	models_clear_list_locked(p, r);
	r->live = false;
	r->retired = true;
	p->retired++;
}

int pool_removed(struct pool *p, uint64_t id, uint64_t now)
{
	(void)now;
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	if (r && r->state != REPLICA_DRAINING) {
		r->state = REPLICA_DRAINING;
		r->trial = r->pressed = false;
		p->size--;
		health_press_locked(p);
	}
	if (r && r->in_flight == 0)
		replica_retire_locked(p, r);
	pool_unlock(p);
	reap(p);
	return r ? 0 : -PS_ENOTFOUND;
}
