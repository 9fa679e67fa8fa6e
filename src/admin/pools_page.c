/* /debug/pools: every pool and replica as JSON: what the scheduler knows of each, and how old it is. Control thread. */
#include <stdlib.h>

#include "admin/internal.h"

static void signals_write(struct page *page, const struct replica_row *row, uint64_t now)
{
	const struct {
		const char *name;
		double value;
		enum signal signal;
	} values[] = {
		{ "queued", row->signals.queued, SIGNAL_QUEUED },
		{ "running", row->signals.running, SIGNAL_RUNNING },
		{ "kv_used", row->signals.kv_used, SIGNAL_KV_USED },
		{ "kv_blocks", row->signals.kv_blocks, SIGNAL_KV_BLOCKS },
		{ "block_tokens", row->signals.block_tokens, SIGNAL_BLOCK_TOKENS },
		{ "max_lora", row->signals.max_lora, SIGNAL_MAX_LORA },
	};
	page_open(page, "signals", '{');
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (row->signal_at[values[i].signal] == 0)
			continue; /* never said */
		page_open(page, values[i].name, '{');
		page_number(page, "value", values[i].value);
		page_age(page, "age_ms", row->signal_at[values[i].signal], now);
		page_close(page, '}');
	}
	page_close(page, '}');
}

/* Its model list; [] where it is not known. Written under the lock: at most REPLICA_MODELS_MAX short names. */
static void models_write(struct page *page, struct pool *p, uint64_t id)
{
	struct replica_model *m;
	uint32_t i = 0;
	page_open(page, "models", '[');
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	while (r && (m = map_next(&r->models, &i)))
		page_text(page, NULL, span_str(m->id));
	pool_unlock(p);
	page_close(page, ']');
}

static void replica_write(struct page *page, struct pool *p, const struct replica_row *row, uint64_t now)
{
	page_open(page, NULL, '{');
	page_text(page, "name", span_str(row->name));
	page_text(page, "state", span_str(state_name(row->state)));
	page_bool(page, "usable", row->usable);
	page_text(page, "engine", span_str(engine_name(row->engine)));
	page_u64(page, "in_flight", row->in_flight);
	page_u64(page, "in_flight_tokens", row->in_flight_tokens);
	page_u64(page, "capacity", row->bound);
	page_u64(page, "learned_capacity", row->learned_capacity);
	page_u64(page, "weight_permille", row->weight_permille);
	page_u64(page, "failures", row->failures);
	page_u64(page, "health_failures", row->health_failures);
	page_u64(page, "scrape_errors", row->scrape_errors);
	page_u64(page, "ejections", row->ejections);
	page_u64(page, "ejected_for_ms", row->ejected_until > now ? (row->ejected_until - now) / NS_PER_MS : 0);
	page_age(page, "signals_age_ms", row->signals_at, now);
	signals_write(page, row, now);
	page_u64(page, "adapters", row->lora_named);
	page_bool(page, "models_known", row->models_known);
	models_write(page, p, row->id);
	page_close(page, '}');
}

static void pool_write(struct page *page, const struct snapshot_pool *sp, uint64_t now)
{
	struct gate_stats stats;
	uint32_t n;
	gate_stats(sp->gate, &stats);
	page_open(page, NULL, '{');
	page_text(page, "name", span_str(sp->name));
	page_u64(page, "held", stats.held);
	page_u64(page, "held_bytes", stats.held_bytes);
	page_u64(page, "picks", stats.picks);
	page_u64(page, "refused", stats.refused);
	page_u64(page, "retries", stats.retries);
	page_u64(page, "prefix_blocks", pool_prefix_blocks(sp->pool));
	page_u64(page, "prefix_bytes", pool_prefix_bytes(sp->pool));
	page_open(page, "replicas", '[');
	struct replica_row *rows = rows_take(sp->pool, now, &n);
	for (uint32_t i = 0; i < n; i++)
		replica_write(page, sp->pool, &rows[i], now);
	free(rows);
	page_close(page, ']');
	page_close(page, '}');
}

int pools_page(struct admin *a, struct buf *b)
{
	struct page page = { .b = b };
	uint64_t now = loop_refresh_now(a->loop);
	page_open(&page, NULL, '{');
	page_u64(&page, "generation", a->snapshot ? a->snapshot->generation : 0);
	page_open(&page, "pools", '[');
	for (uint32_t i = 0; a->snapshot && i < a->snapshot->pool_count; i++)
		pool_write(&page, &a->snapshot->pools[i], now);
	page_close(&page, ']');
	page_close(&page, '}');
	return page.result;
}
