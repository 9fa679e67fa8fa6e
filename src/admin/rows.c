/* A look at a pool from outside, without keeping anybody who schedules waiting. Control thread. */
#include <stdlib.h>

#include "admin/internal.h"

enum { SLICE = 32 /* replicas copied under one hold of the lock: some microseconds */ };

const char *state_name(enum replica_state s)
{
	static const char *const names[] = {
		[REPLICA_NEW] = "new",
		[REPLICA_UP] = "up",
		[REPLICA_PROBATION] = "probation",
		[REPLICA_EJECTED] = "ejected",
		[REPLICA_DRAINING] = "draining",
	};
	return names[s];
}

const char *engine_name(enum engine_kind e)
{
	static const char *const names[] = {
		[ENGINE_UNKNOWN] = "unknown", [ENGINE_NONE] = "none", [ENGINE_VLLM] = "vllm", [ENGINE_SGLANG] = "sglang"
	};
	return names[e];
}

static struct replica_row row_of_locked(const struct pool *p, const struct replica *r, uint64_t now)
{
	struct replica_row row = {
		.id = r->id,
		.state = r->state,
		.engine = r->engine,
		.usable = pool_usable_locked(p, r, now),
		.pressed = r->pressed,
		.models_known = r->models_known,
		.in_flight = r->in_flight,
		.bound = pool_bound_locked(p, r, now),
		.learned_capacity = r->learned_capacity,
		.weight_permille = r->weight_permille,
		.lora_named = r->lora_named,
		.failures = r->failures,
		.health_failures = r->health_failures,
		.ejections = r->ejections,
		.scrape_errors = r->scrape_errors,
		.in_flight_tokens = r->in_flight_tokens,
		.signals_at = r->signals_at,
		.ejected_until = r->ejected_until,
		.signals = r->signals,
	};
	row.signals.lora_running = row.signals.lora_waiting = SPAN_NONE;
	memcpy(row.signal_at, r->signal_at, sizeof row.signal_at);
	(void)span_copy(row.name, sizeof row.name, span_str(r->name));
	return row;
}

/* Copies the live ones of the slots from `first` on; returns how many. */
static uint32_t take_slice(struct pool *p, uint32_t first, uint64_t now, struct replica_row *to)
{
	uint32_t n, taken = 0;
	pool_lock(p);
	const struct replica *r = pool_replicas_locked(p, &n);
	for (uint32_t i = first; i < n && i < first + SLICE; i++)
		if (r[i].live)
			to[taken++] = row_of_locked(p, &r[i], now);
	pool_unlock(p);
	return taken;
}

struct replica_row *rows_take(struct pool *p, uint64_t now, uint32_t *ret_n)
{
	uint32_t slots, n = 0;
	pool_lock(p);
	(void)pool_replicas_locked(p, &slots);
	pool_unlock(p);
	*ret_n = 0;
	if (slots == 0)
		return NULL;
	struct replica_row *rows = calloc((size_t)slots + SLICE, sizeof *rows);
	if (!rows)
		return NULL;
	for (uint32_t first = 0; first < slots; first += SLICE)
		n += take_slice(p, first, now, rows + n);
	*ret_n = n;
	return rows;
}
