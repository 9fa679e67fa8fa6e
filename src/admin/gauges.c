/* Gauges that are read out of pools and gates when /metrics is asked for, instead of being kept up to date on the way.
 * Control thread.
 *
 * What was exported of a replica is remembered, so that its series end when it leaves. */
#include <math.h>
#include <stdlib.h>

#include "admin/internal.h"
#include "telemetry/telemetry.h"

enum {
	STATES = REPLICA_DRAINING + 1,
	EXPORTED_MAX = 100000,
	KEY_BYTES_MAX = 512, /* a pool's name has at most 127 bytes, a replica's 63 */
};

static void set(enum tm_metric m, const char *pool, double v)
{
	tm_set(tm_series_of(m, (struct span[]){ span_str(pool) }, 1), v);
}

/* ---- what was exported ---- */

static const enum tm_metric pool_gauges[] = { TM_POOL_KV_UTILIZATION, TM_POOL_QUEUE_SIZE, TM_POOL_RUNNING,
					      TM_POOL_READY,	      TM_QUEUE_SIZE,	  TM_QUEUE_BYTES,
					      TM_PREFIX_INDEX_SIZE };
static const enum tm_metric replica_gauges[] = { TM_REPLICA_IN_FLIGHT, TM_REPLICA_QUEUE_SIZE };

static struct exported *exported_new(struct admin *a, struct span key, size_t pool_bytes)
{
	struct exported *e = calloc(1, sizeof *e + key.n);
	if (!e)
		return NULL;
	memcpy(e->text, key.p, key.n);
	e->key = span_of(e->text, key.n);
	e->pool = span_head(e->key, pool_bytes);
	e->replica = span_skip(e->key, pool_bytes + 1);
	if (map_put(&a->exported_by_key, e->key, e) < 0) {
		free(e);
		return NULL;
	}
	list_push_back(&a->exported, &e->node);
	return e;
}

/* Notes that it is exported now. Without memory, or beyond EXPORTED_MAX, it will not be forgotten when it leaves. */
static void note_exported(struct admin *a, const char *pool, const char *replica)
{
	char text[KEY_BYTES_MAX];
	size_t pool_bytes = span_copy(text, KEY_BYTES_MAX / 2, span_str(pool));
	size_t n = pool_bytes + 1 + span_copy(text + pool_bytes + 1, KEY_BYTES_MAX / 2 - 1, span_str(replica));
	struct exported *e = map_find(&a->exported_by_key, span_of(text, n));
	if (!e)
		e = exported_new(a, span_of(text, n), pool_bytes);
	if (e)
		e->scrape = a->scrapes;
}

static void drop_exported(struct admin *a, struct exported *e)
{
	struct span labels[] = { e->pool, e->replica };
	for (size_t i = 0; e->replica.n && i < sizeof replica_gauges / sizeof *replica_gauges; i++)
		tm_forget(replica_gauges[i], labels, 2);
	for (size_t i = 0; !e->replica.n && i < sizeof pool_gauges / sizeof *pool_gauges; i++)
		tm_forget(pool_gauges[i], labels, 1);
	for (unsigned s = 0; !e->replica.n && s < STATES; s++) {
		labels[1] = span_str(state_name((enum replica_state)s));
		tm_forget(TM_REPLICAS, labels, 2);
	}
	(void)map_take(&a->exported_by_key, e->key);
	list_remove(&e->node);
	free(e);
}

/* ---- exporting ---- */

static void replica_export(struct admin *a, const char *pool, const struct replica_row *row)
{
	struct span labels[] = { span_str(pool), span_str(row->name) };
	note_exported(a, pool, row->name);
	tm_set(tm_series_of(TM_REPLICA_IN_FLIGHT, labels, 2), row->in_flight);
	if (row->signal_at[SIGNAL_QUEUED])
		tm_set(tm_series_of(TM_REPLICA_QUEUE_SIZE, labels, 2), row->signals.queued);
}

/* A mean over the replicas that say it. */
struct mean {
	double sum;
	unsigned n;
};

static void mean_add(struct mean *m, const struct replica_row *row, enum signal which, double v)
{
	m->n += row->signal_at[which] != 0;
	m->sum += row->signal_at[which] ? v : 0;
}

static double mean_of(const struct mean *m)
{
	return m->n ? m->sum / m->n : 0;
}

static void replicas_export(struct admin *a, const char *pool, const struct replica_row *rows, uint32_t n)
{
	struct mean kv = { 0, 0 }, queued = { 0, 0 }, running = { 0, 0 };
	unsigned states[STATES] = { 0 }, usable = 0;
	for (uint32_t i = 0; i < n; i++) {
		replica_export(a, pool, &rows[i]);
		mean_add(&kv, &rows[i], SIGNAL_KV_USED, rows[i].signals.kv_used);
		mean_add(&queued, &rows[i], SIGNAL_QUEUED, rows[i].signals.queued);
		mean_add(&running, &rows[i], SIGNAL_RUNNING, rows[i].signals.running);
		states[rows[i].state]++;
		usable += rows[i].usable;
	}
	set(TM_POOL_KV_UTILIZATION, pool, mean_of(&kv));
	set(TM_POOL_QUEUE_SIZE, pool, mean_of(&queued));
	set(TM_POOL_RUNNING, pool, mean_of(&running));
	set(TM_POOL_READY, pool, usable);
	for (unsigned s = 0; s < STATES; s++) {
		struct span labels[] = { span_str(pool), span_str(state_name((enum replica_state)s)) };
		tm_set(tm_series_of(TM_REPLICAS, labels, 2), states[s]);
	}
}

static void pool_export(struct admin *a, const struct snapshot_pool *sp)
{
	struct gate_stats stats;
	uint32_t n;
	struct replica_row *rows = rows_take(sp->pool, loop_refresh_now(a->loop), &n);
	replicas_export(a, sp->name, rows, n);
	free(rows);
	note_exported(a, sp->name, "");
	gate_stats(sp->gate, &stats);
	set(TM_QUEUE_SIZE, sp->name, stats.held);
	set(TM_QUEUE_BYTES, sp->name, (double)stats.held_bytes);
	set(TM_PREFIX_INDEX_SIZE, sp->name, (double)pool_prefix_blocks(sp->pool));
}

void gauges_refresh(void *admin)
{
	struct admin *a = admin;
	a->scrapes++;
	for (uint32_t i = 0; a->snapshot && i < a->snapshot->pool_count; i++)
		pool_export(a, &a->snapshot->pools[i]);
	list_each (it, next, &a->exported) {
		struct exported *e = container_of(it, struct exported, node);
		if (e->scrape != a->scrapes)
			drop_exported(a, e);
	}
	tm_set(tm_plain(TM_CONFIG_GENERATION), a->snapshot ? (double)a->snapshot->generation : 0);
	tm_set(tm_plain(TM_DESCRIPTORS), descriptors_in_use());
	tm_set(tm_plain(TM_DESCRIPTORS_LIMIT), descriptors_limit());
	tm_set(tm_plain(TM_BODY_MEMORY_LIMIT), a->snapshot ? (double)a->snapshot->body_memory_bytes : 0);
}

void gauges_init(struct admin *a)
{
	list_init(&a->exported);
	map_init(&a->exported_by_key, EXPORTED_MAX);
}

void gauges_done(struct admin *a)
{
	list_each (it, next, &a->exported)
		drop_exported(a, container_of(it, struct exported, node));
	map_free(&a->exported_by_key);
}
