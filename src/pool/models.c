/* Names: which replica serves which model, which adapters are loaded where, how many bytes a token has. Filled by the
 * prober's scrapes and model lists, read at every pick: one look-up of the name, then one bit per replica.
 *
 * A row per name, found by a map, with a set of slots per property. The sets cost 2 KiB a row and spare a pick 256 hash
 * look-ups. */
#include <stdlib.h>

#include "pool/private.h"

enum { MODEL_NAME_MAX = 256 };
#define BYTES_PER_TOKEN_START 4.0
#define BYTES_PER_TOKEN_MIN 1.0
#define BYTES_PER_TOKEN_MAX 16.0
#define BYTES_PER_TOKEN_GAIN 0.05 /* weight of the newest request: settles within some dozens (chosen) */

const struct pool_model *pool_model_find_locked(const struct pool *p, struct span name)
{
	return map_find(&p->models, name);
}

/* A row that nobody refers to and that taught nothing, free for another name; NULL when there is none. */
static struct pool_model *unused_row(struct pool *p)
{
	for (uint32_t i = 0; i < p->model_count; i++) {
		struct pool_model *m = p->model_at[i];
		if (m->refs == 0 && m->bytes_per_token == 0) {
			(void)map_take(&p->models, span_str(m->name));
			free(m->name);
			m->name = NULL;
			return m;
		}
	}
	return NULL;
}

static struct pool_model *new_row(struct pool *p)
{
	if (p->model_count == POOL_MODELS_MAX)
		return unused_row(p);
	struct pool_model *m = calloc(1, sizeof *m);
	if (m) {
		m->index = p->model_count;
		p->model_at[p->model_count++] = m;
	}
	return m;
}

struct pool_model *model_intern_locked(struct pool *p, struct span name)
{
	if (name.n == 0 || name.n > MODEL_NAME_MAX)
		return NULL;
	struct pool_model *m = map_find(&p->models, name);
	if (m)
		return m;
	char *copy = span_dup(name);
	m = copy ? new_row(p) : NULL;
	if (!m) {
		free(copy);
		return NULL;
	}
	m->name = copy;
	if (map_put(&p->models, span_str(copy), m) == 0)
		return m;
	/* The row stays, unnamed and unreferenced, and is taken by the next name. */
	free(copy);
	m->name = NULL;
	return NULL;
}

void model_set_locked(struct pool_model *m, struct slot_set *s, uint32_t slot)
{
	m->refs += !slot_set_has(s, slot);
	s->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void model_unset(struct pool_model *m, struct slot_set *s, uint32_t slot)
{
	m->refs -= slot_set_has(s, slot);
	s->bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void models_clear_lora_locked(struct pool *p, struct replica *r)
{
	for (uint32_t i = 0; i < p->model_count && r->lora_named; i++) {
		model_unset(p->model_at[i], &p->model_at[i]->lora_running, r->slot);
		model_unset(p->model_at[i], &p->model_at[i]->lora_waiting, r->slot);
	}
	r->lora_named = 0;
}

static void replica_model_free(struct replica_model *m)
{
	free(m->id);
	free(m->parent);
	free(m);
}

void models_clear_list_locked(struct pool *p, struct replica *r)
{
	struct replica_model *m;
	for (uint32_t i = 0; (m = map_next(&r->models, &i));) {
		struct pool_model *row = map_find(&p->models, span_str(m->id));
		if (row) {
			model_unset(row, &row->serves, r->slot);
			model_unset(row, &row->adapter, r->slot);
		}
		replica_model_free(m);
	}
	map_free(&r->models);
	r->models_known = false;
}

static void lora_mark(struct pool *p, struct replica *r, struct span list, bool running)
{
	for (uint32_t n = 0; list.n && n < REPLICA_MODELS_MAX; n++) {
		struct pool_model *m = model_intern_locked(p, span_trim(span_cut(list, ',', &list)));
		if (!m)
			continue;
		r->lora_named += !slot_set_has(&m->lora_running, r->slot) && !slot_set_has(&m->lora_waiting, r->slot);
		model_set_locked(m, running ? &m->lora_running : &m->lora_waiting, r->slot);
	}
}

void models_on_lora_locked(struct pool *p, struct replica *r, struct span running, struct span waiting)
{
	models_clear_lora_locked(p, r);
	lora_mark(p, r, running, true);
	lora_mark(p, r, waiting, false);
}

void pool_lora_sent_locked(struct pool *p, struct replica *r, const struct pool_model *m)
{
	struct pool_model *row = p->model_at[m->index];
	r->lora_named += !slot_set_has(&row->lora_running, r->slot) && !slot_set_has(&row->lora_waiting, r->slot);
	model_set_locked(row, &row->lora_running, r->slot);
}

/* 0, or -PS_ENOMEM; beyond the bound it is left out. */
static int add_model(struct pool *p, struct replica *r, const struct replica_model *from)
{
	struct pool_model *row = model_intern_locked(p, span_str(from->id));
	if (!row || map_find(&r->models, span_str(from->id)))
		return 0;
	struct replica_model *m = calloc(1, sizeof *m);
	if (!m)
		return -PS_ENOMEM;
	*m = *from;
	m->id = span_dup(span_str(from->id));
	m->parent = span_dup(span_str(from->parent));
	int result = m->id && m->parent ? map_put(&r->models, span_str(m->id), m) : -PS_ENOMEM;
	if (result < 0) {
		replica_model_free(m);
		return result == -PS_ETOOBIG ? 0 : result;
	}
	model_set_locked(row, &row->serves, r->slot);
	if (m->parent[0])
		model_set_locked(row, &row->adapter, r->slot);
	return 0;
}

int pool_on_models(struct pool *p, uint64_t id, const struct replica_model *m, size_t n, uint64_t now)
{
	(void)now;
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	int result = r ? 0 : -PS_ENOTFOUND;
	if (r)
		models_clear_list_locked(p, r);
	for (size_t i = 0; r && i < n && result == 0; i++)
		result = add_model(p, r, &m[i]);
	if (r)
		r->models_known = n > 0 && result == 0;
	p->openings++;
	pool_unlock(p);
	return result;
}

bool pool_lacks_model(struct pool *p, struct span model)
{
	pool_lock(p);
	const struct pool_model *m = pool_model_find_locked(p, model);
	bool lacks = p->size > 0;
	for (uint32_t i = 0; i < p->slots && lacks; i++) {
		const struct replica *r = &p->replicas[i];
		if (r->live && r->state != REPLICA_DRAINING)
			lacks = r->models_known && !(m && slot_set_has(&m->serves, i));
	}
	pool_unlock(p);
	return lacks;
}

bool pool_is_adapter(struct pool *p, struct span model)
{
	pool_lock(p);
	const struct pool_model *m = pool_model_find_locked(p, model);
	bool found = false;
	for (size_t i = 0; m && i < POOL_REPLICAS_MAX / 64 && !found; i++)
		found = (m->adapter.bits[i] | m->lora_running.bits[i] | m->lora_waiting.bits[i]) != 0;
	pool_unlock(p);
	return found;
}

uint32_t pool_tokens_of(struct pool *p, struct span model, uint64_t bytes)
{
	pool_lock(p);
	const struct pool_model *m = pool_model_find_locked(p, model);
	double ratio = m && m->bytes_per_token > 0 ? m->bytes_per_token : BYTES_PER_TOKEN_START;
	pool_unlock(p);
	double tokens = ceil((double)bytes / ratio);
	return tokens >= UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

void pool_learn_tokens(struct pool *p, struct span model, uint64_t bytes, uint32_t tokens)
{
	if (bytes == 0 || tokens == 0 || tokens == UINT32_MAX)
		return;
	double ratio = fmin(fmax((double)bytes / tokens, BYTES_PER_TOKEN_MIN), BYTES_PER_TOKEN_MAX);
	pool_lock(p);
	struct pool_model *m = model_intern_locked(p, model);
	if (m) {
		double old = m->bytes_per_token > 0 ? m->bytes_per_token : BYTES_PER_TOKEN_START;
		m->bytes_per_token = old + BYTES_PER_TOKEN_GAIN * (ratio - old);
	}
	pool_unlock(p);
}

void models_free(struct pool *p)
{
	for (uint32_t i = 0; i < p->model_count; i++) {
		free(p->model_at[i]->name);
		free(p->model_at[i]);
	}
	map_free(&p->models);
}
