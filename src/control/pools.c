/* The register of live pools. What a configuration says of replicas is compared with what the pool was given last, so
 * that a change of one endpoint touches one replica and a reload touches none (design §2). The register keeps its own
 * list of members: comparing with the pool itself would hold the pool's lock for as long as 4,096 comparisons take. */
#include "control/pools.h"

#include <stdlib.h>

#include "telemetry/telemetry.h"

/* A replica that was given to the pool. */
struct member {
	char text[ADDRESS_TEXT_MAX]; /* of its address: the key */
	uint64_t id;
	uint64_t seen; /* the round that last wanted it */
};

void pools_init(struct pools *r, struct names *names, const struct gate_sink *sink, struct probe *probe)
{
	*r = (struct pools){ .names = names, .sink = sink, .probe = probe };
	map_init(&r->all, POOLS_MAX);
}

/* ---- pools ---- */

static struct pool_options options_of(const struct config_pool *from)
{
	const struct config_pool_options *o = &from->options;
	struct pool_options to = pool_options_default();
	to.requests_per_replica = o->requests_per_replica;
	to.queue_requests = o->queue_requests;
	to.queue_ns = o->queue_ns;
	to.signal_stale_ns = o->signal_stale_ns ? o->signal_stale_ns : 3 * o->signal_interval_ns;
	to.slow_start_ns = o->slow_start_ns;
	to.eject_after = o->eject_after;
	to.eject_min_ns = o->eject_min_ns;
	to.eject_max_ns = o->eject_max_ns;
	to.eject_permille = o->eject_permille;
	span_copy(to.name, sizeof to.name, from->name);
	return to;
}

static void live_pool_free(struct live_pool *p)
{
	uint32_t i = 0;
	for (struct member *m = map_next(&p->members, &i); m; m = map_next(&p->members, &i))
		free(m);
	map_free(&p->members);
	if (p->gate)
		gate_free(p->gate);
	if (p->pool)
		pool_free(p->pool);
	free(p);
}

static struct live_pool *live_pool_new(const struct config_pool *from, struct err *e)
{
	struct live_pool *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	struct pool_options o = options_of(from);
	map_init(&p->members, POOL_REPLICAS_MAX);
	span_copy(p->name, sizeof p->name, from->name);
	p->pool = pool_new(&o);
	p->gate = p->pool ? gate_new(p->pool, NULL, rng_entropy(), e) : NULL;
	if (p->gate)
		return p;
	live_pool_free(p);
	return NULL;
}

static struct live_pool *pool_prepare(struct pools *r, const struct config_pool *from, struct err *e)
{
	struct live_pool *p = map_find(&r->all, from->name);
	if (p)
		return p;
	p = live_pool_new(from, e);
	if (p && map_put(&r->all, span_str(p->name), p) == 0)
		return p;
	if (p)
		live_pool_free(p);
	return NULL;
}

int pools_prepare(struct pools *r, const struct config *c, struct snapshot_live *live, struct err *e)
{
	for (uint32_t i = 0; i < config_pool_count(c); i++) {
		const struct config_pool *from = config_pool_at(c, i);
		struct live_pool *p = pool_prepare(r, from, e);
		if (!p)
			return err_set(e, PS_ENOMEM, "no memory for pool %.*s", SPAN_ARG(from->name));
		live[i] = (struct snapshot_live){ p->pool, p->gate };
	}
	return 0;
}

/* ---- replicas ---- */

/* One comparison of a pool with what a configuration says. */
struct round {
	struct pools *pools;
	struct live_pool *to;
	uint64_t number, now;
};

static void want_new(struct round *r, const char *text, struct span name, const struct address *a)
{
	struct member *m = calloc(1, sizeof *m);
	if (!m)
		return; /* the next change or resolution tries again */
	span_copy(m->text, sizeof m->text, span_str(text));
	m->seen = r->number;
	int result = pool_added(r->to->pool, name, a, 0, r->now, &m->id);
	if ((result < 0 && result != -PS_EEXIST) || map_put(&r->to->members, span_str(m->text), m) < 0) {
		log_event(LOG_WARN, "replica_refused", "pool", r->to->name, "address", text, "reason",
			  error_row(result)->text, NULL);
		free(m);
		return;
	}
	log_event(LOG_INFO, "replica_added", "pool", r->to->name, "address", text, NULL);
}

static void want(struct round *r, struct span name, const struct address *a)
{
	char text[ADDRESS_TEXT_MAX];
	address_format(a, text);
	struct member *m = map_find(&r->to->members, span_str(text));
	if (m)
		m->seen = r->number;
	else
		want_new(r, text, name, a);
}

/* A name with one address keeps its name in logs and metrics; of several each shows its own address. */
static int want_name(struct round *r, const struct config_endpoint *ep)
{
	struct name_answer known;
	int result = names_find(r->pools->names, ep->host, &known);
	if (result < 0)
		return result;
	for (uint32_t i = 0; i < known.count; i++) {
		struct address a = known.addresses[i];
		char text[ADDRESS_TEXT_MAX];
		address_set_port(&a, ep->port);
		address_format(&a, text);
		want(r, known.count == 1 ? ep->name : span_str(text), &a);
	}
	return 0;
}

static int on_endpoint(void *arg, const struct config_endpoint *ep)
{
	struct round *r = arg;
	struct address a;
	if (ep->draining)
		return 0; /* not wanted any more: pool_removed lets it finish */
	if (ep->is_name)
		return want_name(r, ep);
	int result = address_from_host(&a, ep->host, ep->port, NULL);
	if (result == 0)
		want(r, ep->name, &a);
	return result;
}

static struct member *not_seen(struct live_pool *p, uint64_t round)
{
	uint32_t i = 0;
	for (struct member *m = map_next(&p->members, &i); m; m = map_next(&p->members, &i)) {
		if (m->seen != round)
			return m;
	}
	return NULL;
}

static void remove_rest(struct round *r)
{
	for (struct member *m = not_seen(r->to, r->number); m; m = not_seen(r->to, r->number)) {
		(void)map_take(&r->to->members, span_str(m->text));
		if (pool_removed(r->to->pool, m->id, r->now) == 0)
			log_event(LOG_INFO, "replica_removed", "pool", r->to->name, "address", m->text, NULL);
		free(m);
	}
}

static void replicas_apply(struct pools *all, struct live_pool *p, const struct config *c, uint32_t number,
			   uint64_t now)
{
	struct round r = { .pools = all, .to = p, .number = ++p->rounds, .now = now };
	int result = config_pool_endpoints(c, number, on_endpoint, &r);
	if (result == 0)
		remove_rest(&r);
	else /* what could not be read whole removes nobody */
		log_event(LOG_ERROR, "replicas_failed", "pool", p->name, "reason", error_row(result)->text, NULL);
	if (all->sink) /* a replica that came may be open for what is held */
		gate_advance(p->gate, now, all->sink);
}

/* ---- what is asked of replicas ---- */

static struct probe_policy policy_of(const struct config_pool_options *o)
{
	static const enum engine_kind engines[] = { [CONFIG_ENGINE_AUTO] = ENGINE_UNKNOWN,
						    [CONFIG_ENGINE_VLLM] = ENGINE_VLLM,
						    [CONFIG_ENGINE_SGLANG] = ENGINE_SGLANG,
						    [CONFIG_ENGINE_NONE] = ENGINE_NONE };
	struct probe_policy p = probe_policy_default();
	p.engine = engines[o->engine];
	p.metrics_interval_ns = o->signal_interval_ns;
	p.health_interval_ns = o->health_interval_ns;
	p.timeout_ns = o->health_timeout_ns;
	span_copy(p.metrics_path, sizeof p.metrics_path, span_str(o->metrics_path));
	span_copy(p.health_path, sizeof p.health_path, span_str(o->health_path));
	span_copy(p.models_path, sizeof p.models_path, span_str(o->models_path));
	return p;
}

/* A pool that cannot be probed serves all the same, by what the gateway sees of it. */
static void probe_apply(struct pools *r, struct live_pool *p, const struct config_pool_options *o)
{
	struct probe_policy policy = policy_of(o);
	int result = r->probe ? probe_pool_set(r->probe, p->gate, &policy) : 0;
	if (result < 0)
		log_event(LOG_WARN, "pool_not_probed", "pool", p->name, "reason", error_row(result)->text, NULL);
}

void pools_apply(struct pools *r, const struct config *c, uint64_t generation, uint64_t now)
{
	for (uint32_t i = 0; i < config_pool_count(c); i++) {
		const struct config_pool *from = config_pool_at(c, i);
		struct live_pool *p = map_find(&r->all, from->name);
		if (!p)
			continue; /* pools_prepare makes each of them first */
		struct pool_options o = options_of(from);
		pool_configure(p->pool, &o);
		p->generation = generation;
		replicas_apply(r, p, c, i, now);
		probe_apply(r, p, &from->options);
	}
	names_sweep(r->names);
}

void pools_refresh(struct pools *r, const struct config *c, uint64_t now)
{
	for (uint32_t i = 0; i < config_pool_count(c); i++) {
		struct live_pool *p = map_find(&r->all, config_pool_at(c, i)->name);
		if (p)
			replicas_apply(r, p, c, i, now);
	}
}

/* ---- what was heard of replicas ---- */

static bool heard(const struct replica *r, const struct config_pool_options *o)
{
	if (r->scrape_errors || r->models_known)
		return true;
	bool lists_models = *o->models_path && r->engine != ENGINE_NONE;
	return r->engine != ENGINE_UNKNOWN && !lists_models;
}

static uint32_t unheard_in(struct pool *p, const struct config_pool_options *o)
{
	uint32_t n, unheard = 0;
	pool_lock(p);
	const struct replica *r = pool_replicas_locked(p, &n);
	for (uint32_t i = 0; i < n; i++)
		unheard += r[i].live && !heard(&r[i], o);
	pool_unlock(p);
	return unheard;
}

uint32_t pools_unheard(struct pools *r, const struct config *c)
{
	uint32_t unheard = 0;
	for (uint32_t i = 0; r->probe && i < config_pool_count(c); i++) {
		const struct config_pool *from = config_pool_at(c, i);
		struct live_pool *p = map_find(&r->all, from->name);
		if (p)
			unheard += unheard_in(p->pool, &from->options);
	}
	return unheard;
}

/* ---- the end of a pool ---- */

static struct live_pool *older_than(struct pools *r, uint64_t oldest)
{
	uint32_t i = 0;
	for (struct live_pool *p = map_next(&r->all, &i); p; p = map_next(&r->all, &i)) {
		if (p->generation < oldest)
			return p;
	}
	return NULL;
}

void pools_sweep(struct pools *r, uint64_t oldest)
{
	for (struct live_pool *p = older_than(r, oldest); p; p = older_than(r, oldest)) {
		(void)map_take(&r->all, span_str(p->name));
		if (r->probe)
			probe_pool_remove(r->probe, p->gate);
		live_pool_free(p);
	}
}

void pools_free(struct pools *r)
{
	pools_sweep(r, UINT64_MAX);
	map_free(&r->all);
}
