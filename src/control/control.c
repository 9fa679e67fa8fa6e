/* Control: one load is read → validate → compile → put into force, whole or not at all. It runs on the control thread
 * (the first time before that thread starts), never on a worker; workers hear of it through `on_snapshot`.
 *
 * A snapshot that was replaced stays in `retired` until nobody but control holds it; then it is freed, and with it the
 * pools that only it named. Files are looked at every WATCH_NS and read once they have not changed for QUIET_NS. */
#include "control/control.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "control/names.h"
#include "control/pools.h"
#include "control/sources.h"
#include "telemetry/telemetry.h"

enum { RETIRED_MAX = 64 }; /* configurations that streams still run on; above it a reload waits */

#define WATCH_NS (250 * NS_PER_MS)
#define QUIET_NS (100 * NS_PER_MS) /* editors write in several steps */
#define SWEEP_NS (1 * NS_PER_S)
#define REFRESH_NS (10 * NS_PER_MS) /* several names are answered at once */
#define SETTLE_NS (2 * NS_PER_S)    /* readiness does not wait longer for resolver and replicas */
#define SETTLE_LOOK_NS (20 * NS_PER_MS)

static const struct span default_listen = SPAN("127.0.0.1:8080");

struct control {
	struct control_options o;
	struct pools pools;
	struct names *names;
	struct snapshot *current;
	struct snapshot *retired[RETIRED_MAX];
	uint32_t retired_count;
	uint64_t generation, body_memory_bytes;
	uint64_t read_signature; /* of the files when they were read last */
	uint64_t seen_signature; /* when they were looked at last */
	uint64_t settle_until;
	struct timer watch, sweep, refresh, settle;
	struct mail reload;
	_Atomic bool reload_posted; /* mail may not be posted twice; cleared by its delivery */
};

/* ---- reading ---- */

static void complain(struct config_errors *errors, const char *text)
{
	errors->count++;
	(void)buf_printf(&errors->text, "%s\n", text);
}

/* A rehearsal: whether the files bring a Gateway of their own. What is wrong with them is found by the real load. */
static bool brings_gateway(const struct sources *files, const struct config_base *base)
{
	struct config_errors ignored;
	struct config *c = NULL;
	config_errors_init(&ignored);
	int r = config_load(files->items, files->count, base, CONFIG_LENIENT, &ignored, &c);
	bool yes = r < 0 || config_count(c, CONFIG_GATEWAY) > 0;
	if (r == 0)
		config_unref(c);
	config_errors_free(&ignored);
	return yes;
}

/* Objects for --listen and --backend; a Gateway at the default address where nothing else says where to listen. */
static int add_flags(const struct serve_flags *f, struct sources *s, struct err *e)
{
	struct buf text;
	bool by_default = f->listen_count == 0 && (f->file_count == 0 || !brings_gateway(s, &f->base));
	if (!by_default && f->listen_count + f->backend_count == 0)
		return 0;
	buf_init(&text, CONFIG_FILE_BYTES_MAX);
	int r = config_flags_text(by_default ? &default_listen : f->listens, by_default ? 1 : f->listen_count,
				  f->backends, f->backend_count, &text, e);
	if (r == 0)
		r = sources_add(s, SPAN("flags"), buf_span(&text));
	buf_free(&text);
	return r;
}

static int read_config(struct control *c, struct config_errors *errors, struct config **ret)
{
	const struct serve_flags *f = c->o.flags;
	struct sources s;
	struct err e = { 0 };
	c->read_signature = sources_signature(f->files,
					      f->file_count); /* before: what changes meanwhile is seen next time */
	int r = sources_read(&s, f->files, f->file_count, &e);
	if (r == 0)
		r = add_flags(f, &s, &e);
	if (r < 0)
		complain(errors, e.code ? e.text : error_row(r)->text);
	else
		r = config_load(s.items, s.count, &f->base, CONFIG_STRICT, errors, ret);
	sources_free(&s);
	return r;
}

/* ---- compiling ---- */

static bool listens_now(const struct control *c, const struct address *a)
{
	for (uint32_t i = 0; c->current && i < c->current->listener_count; i++) {
		if (address_eq(&c->current->listeners[i].address, a))
			return true;
	}
	return false;
}

/* Addresses that are new to a running process must be free, or the change is refused. At the start serve has bound
 * nothing yet and will say so itself. */
static int check_sockets(const struct control *c, const struct config *config, struct config_errors *errors)
{
	int r = 0;
	for (uint32_t i = 0; c->current && i < config_socket_count(config); i++) {
		const struct config_socket *socket = config_socket_at(config, i);
		struct err e;
		if (listens_now(c, &socket->address) || socket_try(&socket->address, &e) == 0)
			continue;
		config_complain(errors, &config_listener_at(config, socket->first_listener)->listener->at, "", "%s",
				e.text);
		r = -PS_ECONFIG;
	}
	return r;
}

static bool some_route_hangs_somewhere(const struct config *config)
{
	for (uint32_t i = 0; i < config_count(config, CONFIG_HTTP_ROUTE); i++) {
		const struct config_http_route *r = config_at(config, CONFIG_HTTP_ROUTE, i);
		if (r->parent_count)
			return true;
	}
	return false;
}

/* An editor that truncates before it writes, a folder that is not mounted yet: nothing to serve is a mistake, not a
 * wish. */
static int check_serves(const struct config *config, struct config_errors *errors)
{
	if (config_count(config, CONFIG_HTTP_ROUTE) == 0 || config_socket_count(config) == 0)
		complain(
			errors,
			"nothing would be served: there is no HTTPRoute; give --backend URL, or -f with a route in it");
	else if (!some_route_hangs_somewhere(config))
		complain(errors, "nothing would be served: no HTTPRoute has parentRefs; the Gateway of --listen is "
				 "called \"flags\"");
	else
		return 0;
	return -PS_ECONFIG;
}

static struct snapshot *compile(struct control *c, const struct config *config, struct config_errors *errors)
{
	struct err e = { 0 };
	struct snapshot *s = NULL;
	struct snapshot_live *live = calloc(config_pool_count(config) + 1, sizeof *live);
	if (live && pools_prepare(&c->pools, config, live, &e) == 0)
		s = snapshot_new(config, live, c->generation + 1, c->body_memory_bytes, &e);
	if (!s)
		complain(errors, e.code ? e.text : error_row(PS_ENOMEM)->text);
	free(live);
	return s;
}

/* ---- putting into force ---- */

static uint64_t oldest_generation(const struct control *c)
{
	uint64_t oldest = c->current ? c->current->generation : UINT64_MAX;
	for (uint32_t i = 0; i < c->retired_count; i++) {
		if (c->retired[i]->generation < oldest)
			oldest = c->retired[i]->generation;
	}
	return oldest;
}

static void sweep_retired(struct control *c)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < c->retired_count; i++) {
		if (snapshot_refs(c->retired[i]) > 1)
			c->retired[kept++] = c->retired[i];
		else
			snapshot_unref(c->retired[i]);
	}
	c->retired_count = kept;
	pools_sweep(&c->pools, oldest_generation(c));
}

static void log_in_force(const struct snapshot *s)
{
	char generation[24], listeners[16], pools[16];
	snprintf(generation, sizeof generation, "%llu", (unsigned long long)s->generation);
	snprintf(listeners, sizeof listeners, "%u", s->listener_count);
	snprintf(pools, sizeof pools, "%u", s->pool_count);
	log_event(LOG_INFO, "configuration", "generation", generation, "listeners", listeners, "pools", pools, NULL);
}

static void put_into_force(struct control *c, struct snapshot *s)
{
	struct snapshot *last = c->current;
	c->current = s;
	c->generation = s->generation;
	pools_apply(&c->pools, s->config, s->generation, loop_now(c->o.loop));
	c->o.on_snapshot(c->o.arg, s);
	if (last) {
		c->retired[c->retired_count++] = last;
		timer_set(c->o.loop, &c->sweep, loop_now(c->o.loop) + SWEEP_NS);
	}
	tm_set(tm_plain(TM_CONFIG_GENERATION), (double)s->generation);
	log_in_force(s);
}

static void count(const char *result)
{
	struct span label = span_str(result);
	tm_add(tm_series_of(TM_CONFIG_RELOADS, &label, 1), 1);
}

int control_load(struct control *c, struct config_errors *errors)
{
	struct config *config;
	int r = read_config(c, errors, &config);
	if (r == 0) {
		r = check_serves(config, errors);
		if (r == 0)
			r = check_sockets(c, config, errors);
		struct snapshot *s = r == 0 ? compile(c, config, errors) : NULL;
		config_unref(config);
		if (s)
			put_into_force(c, s);
		else if (r == 0)
			r = -PS_ENOMEM;
	}
	count(r == 0 ? "ok" : "rejected");
	return r;
}

/* ---- reloading ---- */

static void log_rejected(const struct config_errors *errors)
{
	struct span line, rest = buf_span(&errors->text);
	while (rest.n) {
		char text[1024];
		line = span_cut(rest, '\n', &rest);
		span_copy(text, sizeof text, line);
		log_event(LOG_ERROR, "configuration_rejected", "error", text, NULL);
	}
}

static void reload(struct control *c)
{
	struct config_errors errors;
	if (c->retired_count == RETIRED_MAX)
		sweep_retired(c);
	if (c->retired_count == RETIRED_MAX) {
		log_event(LOG_WARN, "reload_waits", "reason", "requests still run on 64 earlier configurations", NULL);
		timer_set(c->o.loop, &c->watch, loop_now(c->o.loop) + SWEEP_NS);
		c->read_signature = 0; /* as if the files had changed */
		return;
	}
	config_errors_init(&errors);
	if (control_load(c, &errors) < 0)
		log_rejected(&errors);
	config_errors_free(&errors);
}

static void on_reload(struct mail *m)
{
	struct control *c = container_of(m, struct control, reload);
	/* Partner: the exchange in control_reload. Cleared first, so that a signal from now on reads once more. */
	atomic_store_explicit(&c->reload_posted, false, memory_order_release);
	reload(c);
}

void control_reload(struct control *c)
{
	if (!atomic_exchange_explicit(&c->reload_posted, true, memory_order_acq_rel))
		loop_post(c->o.loop, &c->reload);
}

static void on_watch(struct timer *t, uint64_t now)
{
	struct control *c = container_of(t, struct control, watch);
	uint64_t signature = sources_signature(c->o.flags->files, c->o.flags->file_count);
	bool quiet = signature == c->seen_signature;
	c->seen_signature = signature;
	timer_set(c->o.loop, t, now + (quiet ? WATCH_NS : QUIET_NS));
	if (quiet && signature != c->read_signature)
		reload(c);
}

static void on_sweep(struct timer *t, uint64_t now)
{
	struct control *c = container_of(t, struct control, sweep);
	sweep_retired(c);
	if (c->retired_count)
		timer_set(c->o.loop, t, now + SWEEP_NS);
}

/* ---- names ---- */

static void on_refresh(struct timer *t, uint64_t now)
{
	struct control *c = container_of(t, struct control, refresh);
	pools_refresh(&c->pools, c->current->config, now);
}

static void on_names(void *arg)
{
	struct control *c = arg;
	timer_set(c->o.loop, &c->refresh, loop_now(c->o.loop) + REFRESH_NS);
}

static void on_settle(struct timer *t, uint64_t now)
{
	struct control *c = container_of(t, struct control, settle);
	bool waits = names_waiting(c->names) || pools_unheard(&c->pools, c->current->config);
	if (waits && now < c->settle_until)
		timer_set(c->o.loop, t, now + SETTLE_LOOK_NS);
	else
		c->o.on_settled(c->o.arg);
}

/* ---- life ---- */

struct control *control_new(const struct control_options *o)
{
	struct control *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->o = *o;
	c->names = names_new(o->loop, on_names, c);
	if (!c->names) {
		free(c);
		return NULL;
	}
	pools_init(&c->pools, c->names, o->sink, o->probe);
	c->body_memory_bytes = o->flags->body_memory_bytes;
	if (c->body_memory_bytes == 0)
		c->body_memory_bytes = memory_limit_bytes("/proc", "/sys") / 4;
	tm_set(tm_plain(TM_BODY_MEMORY_LIMIT), (double)c->body_memory_bytes);
	c->reload.deliver = on_reload;
	atomic_init(&c->reload_posted, false);
	timer_init(&c->watch, on_watch);
	timer_init(&c->sweep, on_sweep);
	timer_init(&c->refresh, on_refresh);
	timer_init(&c->settle, on_settle);
	return c;
}

void control_watch(struct control *c)
{
	uint64_t now = loop_now(c->o.loop);
	if (c->o.flags->file_count)
		timer_set(c->o.loop, &c->watch, now + WATCH_NS);
	c->settle_until = now + SETTLE_NS;
	timer_set(c->o.loop, &c->settle, now);
}

struct snapshot *control_snapshot(struct control *c)
{
	return c->current;
}

void control_stop(struct control *c)
{
	timer_clear(&c->watch);
	timer_clear(&c->sweep);
	timer_clear(&c->refresh);
	timer_clear(&c->settle);
}

void control_free(struct control *c)
{
	control_stop(c);
	for (uint32_t i = 0; i < c->retired_count; i++)
		snapshot_unref(c->retired[i]);
	snapshot_unref(c->current);
	pools_free(&c->pools);
	names_free(c->names);
	free(c);
}
