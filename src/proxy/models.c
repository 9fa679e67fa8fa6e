/* GET /v1/models and /v1/models/{id}: one list of what all pools behind the route serve: models, adapters, and the
 * names rewrites make. */
#include <stdlib.h>

#include "proxy/internal.h"

enum { MODELS_MAX = 10000, MODELS_BODY_MAX = 4 << 20 };

struct models {
	struct arena arena;
	struct map seen;
	struct openai_model *list;
	size_t n, cap;
	bool known; /* some replica has told its models */
};

static void add(struct models *ms, const struct openai_model *m)
{
	if (map_find(&ms->seen, m->id) || ms->n >= MODELS_MAX)
		return;
	if (ms->n == ms->cap) {
		size_t cap = ms->cap ? ms->cap * 2 : 16;
		struct openai_model *bigger = realloc(ms->list, cap * sizeof *bigger);
		if (!bigger)
			return;
		ms->list = bigger;
		ms->cap = cap;
	}
	struct openai_model own = *m;
	own.id = arena_dup(&ms->arena, m->id);
	own.parent = arena_dup(&ms->arena, m->parent);
	if (!own.id.p || !own.parent.p || map_put(&ms->seen, own.id, &ms->seen) < 0)
		return;
	ms->list[ms->n++] = own;
}

static void add_pool(struct models *ms, struct pool *p)
{
	uint32_t n;
	pool_lock(p);
	struct replica *r = pool_replicas_locked(p, &n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = 0;
		struct replica_model *m;
		if (!r[i].live || r[i].state == REPLICA_DRAINING)
			continue;
		while ((m = map_next(&r[i].models, &at))) {
			ms->known = true;
			add(ms, &(struct openai_model){ .id = span_str(m->id),
							.parent = span_str(m->parent),
							.owned_by = SPAN("penstock"),
							.created = m->created,
							.max_model_len = m->max_len });
		}
	}
	pool_unlock(p);
}

static void add_rewrite(void *arg, struct span name)
{
	add(arg, &(struct openai_model){ .id = name, .owned_by = SPAN("penstock") });
}

static int by_id(const void *a, const void *b)
{
	const struct openai_model *x = a, *y = b;
	int c = memcmp(x->id.p, y->id.p, x->id.n < y->id.n ? x->id.n : y->id.n);
	return c ? c : (x->id.n > y->id.n) - (x->id.n < y->id.n);
}

static void gather(struct models *ms, const struct exchange *x)
{
	const struct snapshot *s = x->use->snapshot;
	for (uint32_t i = 0; i < x->rule->backend_count; i++) {
		uint32_t pool = x->rule->backends[i].pool;
		if (pool >= s->pool_count)
			continue;
		add_pool(ms, s->pools[pool].pool);
		snapshot_rewritten_models(s, pool, add_rewrite, ms);
	}
	if (ms->n)
		qsort(ms->list, ms->n, sizeof *ms->list, by_id);
}

static void respond_list(struct exchange *x, const struct models *ms)
{
	struct buf b;
	bool anthropic = h1_field_named(x->head, SPAN("anthropic-version")) != NULL;
	ptrdiff_t at = span_search(x->head->path, SPAN("/models/"));
	const struct openai_model *one = NULL;
	struct span id = at >= 0 ? span_skip(x->head->path, (size_t)at + 8) : SPAN_NONE;
	for (size_t i = 0; i < ms->n && id.n; i++)
		if (span_eq(ms->list[i].id, id))
			one = &ms->list[i];
	if (id.n && !one) {
		struct err e;
		err_set(&e, PS_ENOMODEL, "The model `%.*s` does not exist.", SPAN_ARG(id));
		respond_error(x, -PS_ENOMODEL, 0, &e);
		return;
	}
	buf_init(&b, MODELS_BODY_MAX);
	int r = one ? openai_model_write(&b, one, anthropic) : openai_models_write(&b, ms->list, ms->n, anthropic);
	if (r == 0)
		respond_body(x, 200, SPAN("application/json"), buf_span(&b));
	else
		respond_error(x, r, 0, NULL);
	buf_free(&b);
}

bool models_respond(struct exchange *x)
{
	struct models ms = { 0 };
	arena_init(&ms.arena, MODELS_BODY_MAX);
	map_init(&ms.seen, MODELS_MAX);
	gather(&ms, x);
	if (ms.known)
		respond_list(x, &ms);
	map_free(&ms.seen);
	free(ms.list);
	arena_free(&ms.arena);
	return ms.known;
}
