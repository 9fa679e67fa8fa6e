/* The end of an exchange: metrics and the access log line. Prompts and answers never come here; names, counts and times
 * do.
 *
 * Looking a series up takes a lock and a hash, so each worker remembers the ones of the models it has seen. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/internal.h"

enum { MODELS_REMEMBERED = 1024, STATUS_MAX = 600, REASON_BYTES = 48 };

/* The series of one (model, target, objective-less) request kind. */
struct model_series {
	enum openai_api api;
	char *model, *target; /* own copies; target NULL: the same */
	struct tm_series *requests, *running, *duration, *request_size, *response_size, *input, *output, *cached,
		*ttft_stream, *ttft_whole, *tpot, *genai_duration, *genai_ttft, *genai_tpot;
};

struct series_cache {
	struct map models;
	struct tm_series *status[STATUS_MAX];
	struct tm_series *attempt[PS_ERROR_COUNT];
	struct tm_series *client_received, *client_sent, *replica_received, *replica_sent, *connects, *connects_failed,
		*idle, *busy;
	struct tm_series *exchanges, *scheduler_seconds, *prefix_hit_ratio;
	struct tm_series *prompt_tokens, *cached_tokens, *completion_tokens, *usage_read, *picks, *picked_blocks,
		*prompt_blocks;
};

struct series_cache *series_new(void)
{
	struct series_cache *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	map_init(&s->models, MODELS_REMEMBERED);
	s->prompt_tokens = tm_series_of(TM_TOKENS, (struct span[]){ SPAN("prompt") }, 1);
	s->cached_tokens = tm_series_of(TM_TOKENS, (struct span[]){ SPAN("cached") }, 1);
	s->completion_tokens = tm_series_of(TM_TOKENS, (struct span[]){ SPAN("completion") }, 1);
	s->client_received = tm_series_of(TM_BYTES_RECEIVED, (struct span[]){ SPAN("client") }, 1);
	s->replica_received = tm_series_of(TM_BYTES_RECEIVED, (struct span[]){ SPAN("replica") }, 1);
	s->client_sent = tm_series_of(TM_BYTES_SENT, (struct span[]){ SPAN("client") }, 1);
	s->replica_sent = tm_series_of(TM_BYTES_SENT, (struct span[]){ SPAN("replica") }, 1);
	s->connects = tm_series_of(TM_UPSTREAM_CONNECTS, (struct span[]){ SPAN("ok") }, 1);
	s->connects_failed = tm_series_of(TM_UPSTREAM_CONNECTS, (struct span[]){ SPAN("failed") }, 1);
	s->idle = tm_series_of(TM_UPSTREAM_CONNECTIONS, (struct span[]){ SPAN("idle") }, 1);
	s->busy = tm_series_of(TM_UPSTREAM_CONNECTIONS, (struct span[]){ SPAN("busy") }, 1);
	s->exchanges = tm_plain(TM_EXCHANGES);
	s->scheduler_seconds = tm_plain(TM_SCHEDULER_SECONDS);
	s->prefix_hit_ratio = tm_plain(TM_PREFIX_HIT_RATIO);
	s->usage_read = tm_plain(TM_USAGE_READ);
	s->picks = tm_plain(TM_PICKS);
	s->picked_blocks = tm_plain(TM_PICKED_PREFIX_BLOCKS);
	s->prompt_blocks = tm_plain(TM_PROMPT_BLOCKS);
	return s;
}

static void model_series_free(struct model_series *m)
{
	free(m->model);
	free(m->target);
	free(m);
}

void series_free(struct series_cache *s)
{
	struct model_series *m;
	uint32_t i = 0;
	while ((m = map_next(&s->models, &i)))
		model_series_free(m);
	map_free(&s->models);
	free(s);
}

static struct span target_of(const struct exchange *x)
{
	return span_str(x->record.target_model ? x->record.target_model : x->record.model);
}

static void look_up(struct model_series *m, const struct exchange *x)
{
	struct span model = span_str(x->record.model), target = target_of(x);
	struct span kind[] = { model, target, SPAN("default-flow"), SPAN("0"), SPAN("true") };
	struct span genai[] = { span_str(openai_operation(x->api)), SPAN("openai"), model, target, SPAN("") };
	m->requests = tm_series_of(TM_REQUESTS, kind, 4);
	m->running = tm_series_of(TM_REQUESTS_RUNNING, kind, 4);
	m->duration = tm_series_of(TM_REQUEST_DURATION, kind, 4);
	m->request_size = tm_series_of(TM_REQUEST_SIZE, kind, 4);
	m->response_size = tm_series_of(TM_RESPONSE_SIZE, kind, 4);
	m->input = tm_series_of(TM_INPUT_TOKENS, kind, 4);
	m->output = tm_series_of(TM_OUTPUT_TOKENS, kind, 4);
	m->cached = tm_series_of(TM_CACHED_TOKENS, kind, 4);
	m->tpot = tm_series_of(TM_REQUEST_TPOT, kind, 4);
	m->ttft_stream = tm_series_of(TM_REQUEST_TTFT, kind, 5);
	kind[4] = SPAN("false");
	m->ttft_whole = tm_series_of(TM_REQUEST_TTFT, kind, 5);
	m->genai_duration = tm_series_of(TM_GENAI_DURATION, genai, 5);
	m->genai_ttft = tm_series_of(TM_GENAI_TTFT, genai, 4);
	m->genai_tpot = tm_series_of(TM_GENAI_TPOT, genai, 4);
}

static bool is_series_of(const struct model_series *m, const struct exchange *x)
{
	const char *target = x->record.target_model;
	return m->api == x->api && strcmp(m->model, x->record.model) == 0 &&
	       (target ? m->target && strcmp(m->target, target) == 0 : !m->target);
}

/* NULL without memory, for the thousand-and-first model, or where two kinds share a hash: those are looked up by
 * nobody, as telemetry folds what is beyond its bound into "other" anyway. */
static const struct model_series *series_of(struct series_cache *s, const struct exchange *x)
{
	uint64_t key = hash_mix(hash_bytes(span_str(x->record.model)), (uint64_t)x->api);
	if (x->record.target_model)
		key = hash_mix(key, hash_bytes(span_str(x->record.target_model)));
	struct model_series *m = map_find_u64(&s->models, key);
	if (m)
		return is_series_of(m, x) ? m : NULL;
	m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	m->api = x->api;
	m->model = span_dup(span_str(x->record.model));
	m->target = x->record.target_model ? span_dup(span_str(x->record.target_model)) : NULL;
	if (!m->model || (x->record.target_model && !m->target) || map_put_u64(&s->models, key, m) < 0) {
		model_series_free(m);
		return NULL;
	}
	look_up(m, x);
	return m;
}

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / (double)NS_PER_S : 0.0;
}

/* Mean time between tokens; 0 when there were not two. */
static uint64_t tpot_ns(const struct record *r)
{
	uint32_t n = r->usage.known && r->usage.completion_tokens ? r->usage.completion_tokens : r->tokens;
	return n > 1 && r->last_token > r->first_token ? (r->last_token - r->first_token) / (n - 1) : 0;
}

static void count_usage(struct series_cache *s, const struct model_series *m, const struct openai_usage *u)
{
	tm_add(s->usage_read, 1);
	tm_add(s->prompt_tokens, u->prompt_tokens);
	tm_add(s->completion_tokens, u->completion_tokens);
	tm_observe(m->input, u->prompt_tokens);
	tm_observe(m->output, u->completion_tokens);
	if (u->cached_known) {
		tm_add(s->cached_tokens, u->cached_tokens);
		tm_observe(m->cached, u->cached_tokens);
	}
}

static void count_model(const struct exchange *x, uint64_t now)
{
	const struct record *r = &x->record;
	struct series_cache *s = x->proxy->series;
	const struct model_series *m = series_of(s, x);
	if (!m)
		return;
	tm_add(m->requests, 1);
	if (x->counted)
		tm_move(m->running, -1);
	tm_observe(m->request_size, (double)r->bytes_in);
	if (r->code) {
		struct span kind[] = { span_str(r->model), target_of(x), SPAN("default-flow"), SPAN("0"),
				       span_str(error_row(r->code)->code) };
		tm_add(tm_series_of(TM_REQUEST_ERRORS, kind, 5), 1);
		return;
	}
	tm_observe(m->duration, seconds(r->arrived, now));
	tm_observe(m->genai_duration, seconds(r->arrived, now));
	tm_observe(m->response_size, (double)r->bytes_out);
	if (r->first_token) {
		tm_observe(r->stream ? m->ttft_stream : m->ttft_whole, seconds(r->arrived, r->first_token));
		tm_observe(m->genai_ttft, seconds(r->arrived, r->first_token));
	}
	if (r->stream && tpot_ns(r)) {
		tm_observe(m->tpot, (double)tpot_ns(r) / (double)NS_PER_S);
		tm_observe(m->genai_tpot, (double)tpot_ns(r) / (double)NS_PER_S);
	}
	if (r->usage.known)
		count_usage(s, m, &r->usage);
}

/* Time held, by what became of it. Only requests that were held come here. */
static void count_held(const struct exchange *x)
{
	struct span outcome = x->record.tries			 ? SPAN("dispatched")
			      : x->record.code == PS_ECLIENTGONE ? SPAN("evicted")
								 : SPAN("rejected");
	struct span labels[] = { SPAN("default-flow"), SPAN("0"), outcome, span_str(exchange_chosen(x)->name) };
	tm_observe(tm_series_of(TM_QUEUE_SECONDS, labels, 4), seconds(x->record.arrived, x->record.decided));
}

static void count(const struct exchange *x, uint64_t now)
{
	struct series_cache *s = x->proxy->series;
	unsigned status = x->record.status < STATUS_MAX ? x->record.status : 0;
	if (!s->status[status]) {
		char text[8];
		(void)snprintf(text, sizeof text, "%u", status);
		s->status[status] = tm_series_of(TM_HTTP_REQUESTS, (struct span[]){ span_str(text) }, 1);
	}
	tm_add(s->status[status], 1);
	if (x->record.tries)
		tm_add(s->picks, 1);
	tm_add(s->picked_blocks, x->decision.prefix_blocks);
	tm_add(s->prompt_blocks, x->record.blocks);
	if (x->record.tries && x->record.blocks)
		tm_observe(s->prefix_hit_ratio, (double)x->decision.prefix_blocks / x->record.blocks);
	if (x->record.held)
		count_held(x);
	if (x->record.model && x->record.model[0])
		count_model(x, now);
}

/* "queue-scorer:1.00,prefix-cache-scorer:0.75": why this replica. */
static void add_reasons(struct log_line *l, const struct decision *d)
{
	NOT_ZEROED char text[REASON_BYTES * SCHED_PLUGINS_MAX];
	size_t n = 0;
	for (unsigned i = 0; i < d->reason_count; i++) {
		struct span name = span_head(span_str(sched_plugin_name(d->reasons[i].plugin)), REASON_BYTES - 8);
		unsigned cents = (d->reasons[i].score * 100u + 127) / 255;
		if (n)
			text[n++] = ',';
		if (name.n)
			memcpy(text + n, name.p, name.n);
		n += name.n;
		text[n++] = ':';
		text[n++] = (char)('0' + cents / 100);
		text[n++] = '.';
		text[n++] = (char)('0' + cents / 10 % 10);
		text[n++] = (char)('0' + cents % 10);
	}
	if (n)
		log_word(l, "why", span_of(text, n));
}

static void add_answer(struct log_line *l, const struct exchange *x)
{
	const struct record *r = &x->record;
	log_word(l, "replica", span_str(r->replica));
	log_u64(l, "tries", r->tries);
	log_ms(l, "held_ms", r->held && r->decided > r->arrived ? r->decided - r->arrived : 0);
	if (r->first_token)
		log_ms(l, "ttft_ms", r->first_token - r->arrived);
	if (tpot_ns(r))
		log_ms(l, "tpot_ms", tpot_ns(r));
	if (r->usage.known) {
		log_u64(l, "prompt_tokens", r->usage.prompt_tokens);
		log_u64(l, "completion_tokens", r->usage.completion_tokens);
	}
	if (r->usage.cached_known)
		log_u64(l, "cached_tokens", r->usage.cached_tokens);
	log_u64(l, "candidates", x->decision.candidates);
	log_u64(l, "prefix_blocks", x->decision.prefix_blocks);
	add_reasons(l, &x->decision);
}

static const char *method_name(enum h1_method m)
{
	static const char *const names[] = { "OTHER",  "GET",	  "HEAD",  "POST",    "PUT",
					     "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE" };
	return names[m];
}

static void write_line(const struct exchange *x, uint64_t now)
{
	const struct record *r = &x->record;
	char trace[56];
	if (!log_enabled(LOG_INFO))
		return;
	struct log_line l = log_begin(LOG_INFO, "request");
	log_str(&l, "id", span_str(x->request_id));
	trace_format(&x->trace, trace);
	log_word(&l, "trace", span_of(trace + 3, 32));
	log_word(&l, "client", client_host(x->client));
	log_word(&l, "method", span_str(method_name(x->method)));
	log_str(&l, "path", r->path ? span_str(r->path) : SPAN(""));
	log_u64(&l, "status", r->status);
	if (r->code)
		log_word(&l, "error", span_str(error_row(r->code)->code));
	log_ms(&l, "duration_ms", now - r->arrived);
	log_u64(&l, "bytes_in", r->bytes_in);
	log_u64(&l, "bytes_out", r->bytes_out);
	if (r->model && r->model[0])
		log_str(&l, "model", span_str(r->model));
	if (r->target_model)
		log_str(&l, "target_model", span_str(r->target_model));
	if (r->stream)
		log_word(&l, "stream", SPAN("true"));
	if (exchange_pool(x))
		log_word(&l, "pool", span_str(exchange_chosen(x)->name));
	if (r->tries)
		add_answer(&l, x);
	log_end(&l);
}

void settle(struct exchange *x)
{
	uint64_t now = loop_now(x->proxy->loop);
	if (x->answer) {
		const struct openai_usage *u = openai_answer_usage(x->answer);
		if (u->known)
			x->record.usage = *u;
	}
	if (x->record.code == PS_ECLIENTGONE && !x->answer_begun)
		x->record.status = (uint16_t)error_row(PS_ECLIENTGONE)->status;
	count(x, now);
	write_line(x, now);
}

void settle_pick(struct proxy *p, uint64_t ns)
{
	tm_observe(p->series->scheduler_seconds, (double)ns / (double)NS_PER_S);
}

void settle_admitted(struct exchange *x)
{
	const struct model_series *m = x->record.model && x->record.model[0] ? series_of(x->proxy->series, x) : NULL;
	x->counted = m != NULL;
	if (m)
		tm_move(m->running, 1);
}

/* One decision: the reference picker counts them by outcome and replica. */
void settle_decision(struct exchange *x, bool success)
{
	struct span name = span_str(exchange_chosen(x)->name), pool;
	struct span namespace = span_cut(name, '/', &pool), replica = success ? span_str(x->decision.name) : SPAN_NONE,
		    port = replica;
	while (port.n && span_find(port, ':') >= 0)
		port = span_skip(port, (size_t)span_find(port, ':') + 1);
	struct span labels[] = { success ? SPAN("success") : SPAN("failure"), target_of(x), replica, namespace, port };
	tm_add(tm_series_of(TM_SCHEDULER_ATTEMPTS, labels, 5), 1);
}

void settle_counts(struct proxy *p)
{
	struct series_cache *s = p->series;
	struct upstream_stats now, *old = &p->told;
	upstream_stats(p->upstream, &now);
	tm_add(s->client_received, p->received_bytes);
	tm_add(s->client_sent, p->sent_bytes);
	tm_add(s->replica_received, now.received_bytes - old->received_bytes);
	tm_add(s->replica_sent, now.sent_bytes - old->sent_bytes);
	tm_add(s->connects, now.connects - old->connects);
	tm_add(s->connects_failed, now.connects_failed - old->connects_failed);
	tm_move(s->idle, (int64_t)now.idle - (int64_t)old->idle);
	tm_move(s->busy, (int64_t)now.busy - (int64_t)old->busy);
	tm_move(s->exchanges, (int64_t)p->exchange_count - (int64_t)p->told_exchanges);
	p->told = now;
	p->told_exchanges = p->exchange_count;
	p->received_bytes = p->sent_bytes = 0;
	if (p->home)
		tm_set(tm_plain(TM_BODY_MEMORY), (double)body_memory_used());
}

void settle_attempt(struct proxy *p, int code)
{
	struct tm_series **s = &p->series->attempt[abs(code) % PS_ERROR_COUNT];
	if (!*s)
		*s = tm_series_of(TM_UPSTREAM_ATTEMPTS, (struct span[]){ span_str(error_row(code)->code) }, 1);
	tm_add(*s, 1);
}

void settle_abort_phase(const struct exchange *x)
{
	struct span phase = span_str(exchange_phase(x));
	tm_add(tm_series_of(TM_ABORTS, &phase, 1), 1);
}

void settle_bad_request(const struct client *c, int code, int status)
{
	char text[8];
	(void)snprintf(text, sizeof text, "%d", status);
	tm_add(tm_series_of(TM_HTTP_REQUESTS, (struct span[]){ span_str(text) }, 1), 1);
	if (!log_enabled(LOG_INFO))
		return;
	struct log_line l = log_begin(LOG_INFO, "refused");
	log_word(&l, "client", client_host(c));
	log_u64(&l, "status", (uint64_t)status);
	log_word(&l, "error", span_str(error_row(code)->code));
	log_end(&l);
}
