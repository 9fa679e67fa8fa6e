/* An exchange: one client request on its way through the states of steps[], in the order of design §3.
 *
 *   HEAD ─▶ BODY ─▶ ADMIT ─▶ (HELD) ─▶ SEND ─▶ WAIT ─▶ RELAY ─▶ SETTLE
 *                     ▲                          │
 *                     └──── another replica ─────┘        until the commit point
 *
 * A step either moves on (the next state runs at once) or waits for an event. Refusals go through respond_error,
 * clients that leave through exchange_abort; both settle. */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/internal.h"

enum step_result { STEP_ON, STEP_WAITS, STEP_OVER /* the exchange is gone */ };

/* ---- beginning and end ---- */

static void set_complete(struct exchange *x, bool complete)
{
	x->body_complete = x->pending->body.complete = complete;
}

/* Points into the copy what pointed into the text; a path that the parser supplied ("/") stays where it is. */
static void move_span(struct span *s, const char *text, size_t n, const char *copy)
{
	if (s->p >= text && s->p < text + n)
		s->p = copy + (s->p - text);
}

/* Keeps the head for repetitions: its bytes are copied, its spans moved to the copy. */
static struct h1_head *keep_head(struct arena *a, const struct h1_head *h, const char *text, size_t n)
{
	size_t size = offsetof(struct h1_head, fields) + h->field_count * sizeof h->fields[0];
	struct h1_head *k = arena_alloc(a, size);
	char *copy = arena_alloc(a, n);
	if (!k || !copy)
		return NULL;
	memcpy(k, h, size);
	memcpy(copy, text, n);
	struct span *moved[] = { &k->method_text, &k->target, &k->path, &k->query, &k->authority };
	for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++)
		move_span(moved[i], text, n, copy);
	for (uint32_t i = 0; i < k->field_count; i++) {
		move_span(&k->fields[i].name, text, n, copy);
		move_span(&k->fields[i].value, text, n, copy);
	}
	return k;
}

static struct exchange *take_spare(struct proxy *p)
{
	if (list_empty(&p->spare_exchanges))
		return malloc(sizeof(struct exchange));
	struct exchange *x = list_first(&p->spare_exchanges, struct exchange, node);
	list_remove(&x->node);
	p->spare_count--;
	return x;
}

static struct exchange *exchange_new(struct client *c)
{
	struct exchange *x = take_spare(c->proxy);
	struct pending *pending = malloc(sizeof *pending);
	if (!x || !pending) {
		free(x);
		free(pending);
		return NULL;
	}
	memset(x, 0, sizeof *x);
	x->proxy = c->proxy;
	x->client = c;
	x->use = c->proxy->use;
	x->use->users++;
	x->pool = UINT32_MAX;
	x->listener = c->listener->number < c->proxy->use->snapshot->listener_count ? c->listener->number : 0;
	x->mail.deliver = exchange_decided_mail;
	x->record.arrived = loop_now(c->proxy->loop);
	memset(pending, 0, sizeof *pending);
	x->pending = pending;
	arena_init(&pending->arena, EXCHANGE_ARENA_MAX);
	buf_init(&pending->kept, UNCOMMITTED_MAX + CLIENT_OUT_MAX);
	timer_init(&x->timer, exchange_on_timer);
	c->proxy->exchange_count++;
	c->x = x;
	return x;
}

void exchange_begin(struct client *c, const struct h1_head *h, const char *head, size_t head_bytes)
{
	struct exchange *x = exchange_new(c);
	if (!x) {
		client_close(c, true);
		return;
	}
	x->method = h->method;
	x->minor = h->minor;
	x->keep_alive = h->keep_alive;
	x->expects = h->expect_continue;
	x->client_chunked = h->framing == H1_BODY_CHUNKED;
	x->body_left = h->framing == H1_BODY_LENGTH ? h->length : 0;
	set_complete(x, h->framing == H1_BODY_NONE || (h->framing == H1_BODY_LENGTH && h->length == 0));
	x->api = openai_api_of(h->path);
	x->head = keep_head(&x->pending->arena, h, head, head_bytes);
	head_request_id(x, h);
	x->record.path = span_dup(span_head(h->path, 128));
	if (!x->head || !x->record.path) {
		respond_error(x, PS_ENOMEM, NS_PER_S, NULL);
		return;
	}
	exchange_run(x);
}

/* Lets go of everything only a repetition or the decision needed: the commit point, or the end. */
static void shrink(struct exchange *x)
{
	openai_scan_free(x->scan);
	x->scan = NULL;
	x->facts = NULL;
	x->head = NULL;
	if (!x->pending || (x->state == ST_RELAY && x->call && !upstream_sent(x->call)))
		return; /* an answer that came before its request was sent: the body and its splices are still needed */
	body_free(&x->pending->body);
	arena_free(&x->pending->arena);
	buf_free(&x->pending->kept);
	free(x->pending);
	x->pending = NULL;
}

static void release(struct exchange *x)
{
	struct proxy *p = x->proxy;
	timer_clear(&x->timer);
	shrink(x);
	openai_answer_free(x->answer);
	x->answer = NULL;
	free(x->record.model);
	free(x->record.target_model);
	free(x->record.path);
	x->use->users--;
	p->exchange_count--;
	list_push_back(&p->dead_exchanges, &x->node);
}

void exchange_free_dead(struct proxy *p)
{
	list_each (it, next, &p->dead_exchanges) {
		list_remove(it);
		if (p->spare_count == SPARE_EXCHANGES_MAX) {
			free(container_of(it, struct exchange, node));
			continue;
		}
		list_push_back(&p->spare_exchanges, it);
		p->spare_count++;
	}
}

void exchange_free_spare(struct proxy *p)
{
	list_each (it, next, &p->spare_exchanges)
		free(container_of(it, struct exchange, node));
	list_init(&p->spare_exchanges);
	p->spare_count = 0;
}

const struct snapshot_pool *exchange_pool(const struct exchange *x)
{
	return x->pool < x->use->snapshot->pool_count ? &x->use->snapshot->pools[x->pool] : NULL;
}

/* ---- HEAD: route and guard by what is known before the body ---- */

static struct span host_of(struct span authority)
{
	size_t end = authority.n;
	for (size_t i = authority.n; i > 0 && authority.p[i - 1] != ']'; i--)
		if (authority.p[i - 1] == ':')
			end = i - 1;
	return span_head(authority, end);
}

static enum route_answer match(struct exchange *x, struct span model)
{
	const struct snapshot *s = x->use->snapshot;
	struct span host = host_of(x->head->authority);
	struct route_request rq = {
		.listener = snapshot_route_listener(s, x->listener, host), .host = host, .head = x->head, .model = model
	};
	return route_match(s->routes, &rq, &x->rule);
}

static bool encoded(const struct h1_head *h)
{
	const struct h1_field *f = h1_field_find(h, H1_CONTENT_ENCODING);
	return f && f->value.n && !span_eq_nocase(f->value, SPAN("identity"));
}

/* A body is only read for its facts where there are any to be had. */
static bool wants_facts(const struct exchange *x)
{
	return x->api != API_NONE && x->api != API_MODELS && x->method == H1_POST && !encoded(x->head);
}

static bool say_continue(struct exchange *x)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { (char *)(uintptr_t)text, sizeof text - 1 };
	return x->pending->body.received || client_write(x->client, &iov, 1);
}

static enum step_result refuse(struct exchange *x, int code, const struct err *e)
{
	respond_error(x, code, 0, e);
	return STEP_OVER;
}

/* HTTP/2 over cleartext is offered by clients that do as well without (RFC 9110 §7.8 lets it be ignored). */
static bool wants_upgrade(const struct h1_head *h)
{
	const struct h1_field *f = h1_field_find(h, H1_UPGRADE);
	return h->upgrade && !(f && span_eq_nocase(f->value, SPAN("h2c")));
}

static int head_trouble(struct exchange *x, struct err *e)
{
	const struct listener_policy *p = client_policy(x->client);
	struct address a;
	client_address(x->client, &a);
	if (wants_upgrade(x->head)) {
		x->answer_close = true; /* what follows may not be HTTP */
		return err_set(e, PS_EUPGRADE, "this gateway does not change protocols here");
	}
	if (x->method == H1_TRACE)
		return err_set(e, PS_EMETHOD, "TRACE is not answered");
	if (x->body_left > p->body_bytes)
		return err_set(e, PS_EBODYTOOBIG, "the body has %llu bytes, %llu are accepted",
			       (unsigned long long)x->body_left, (unsigned long long)p->body_bytes);
	return guard_by_head(&(struct guard_head){ x->head, &a }, e);
}

static enum step_result step_head(struct exchange *x)
{
	struct err e = { 0 };
	int r = head_trouble(x, &e);
	if (r < 0)
		return refuse(x, r, &e);
	if (span_eq(x->head->target, SPAN("*"))) {
		respond_body(x, 204, SPAN_NONE, SPAN_NONE);
		return STEP_OVER;
	}
	if (match(x, SPAN_NONE) == ROUTE_NONE && !x->rule)
		return refuse(
			x, err_set(&e, PS_ENOROUTE, "no route matches %.*s on this host", SPAN_ARG(x->head->path)), &e);
	if (x->rule && x->api == API_MODELS && (x->method == H1_GET || x->method == H1_HEAD) && models_respond(x))
		return STEP_OVER;
	if (wants_facts(x)) {
		if (body_memory_short())
			return refuse(x, err_set(&e, PS_EBODYMEMORY, "the memory for request bodies is in use"), &e);
		x->scan = openai_scan_new(x->api);
		if (!x->scan)
			return refuse(x, -PS_ENOMEM, NULL);
	}
	if (x->client_chunked)
		h1_chunked_init(&x->pending->chunked, &client_policy(x->client)->limits, false);
	if (x->expects && !x->body_complete && !say_continue(x)) {
		client_close(x->client, true);
		return STEP_OVER;
	}
	exchange_go(x, ST_BODY);
	return STEP_ON;
}

/* ---- BODY: the request body arrives, facts are taken from it on the way ---- */

bool exchange_wants_body(const struct exchange *x)
{
	return !x->body_complete && !x->body_stopped && x->state < ST_SETTLE;
}

uint64_t exchange_hold_bytes(const struct exchange *x)
{
	if (!x->scan && x->state == ST_BODY)
		return STREAM_WINDOW_BYTES;
	const struct snapshot_pool *sp = exchange_pool(x);
	/* Before the pool is known the default of all pools counts: the first backend's, as most rules have one. */
	if (!sp && x->rule && x->rule->backend_count && x->rule->backends[0].pool < x->use->snapshot->pool_count)
		sp = &x->use->snapshot->pools[x->rule->backends[0].pool];
	return sp ? sp->policy.body_hold_bytes : STREAM_WINDOW_BYTES;
}

char *exchange_body_room(struct exchange *x, size_t *ret_room)
{
	if (x->client_chunked || !x->body_left)
		return NULL;
	char *to = body_room(&x->pending->body, x->body_left, ret_room);
	if (to && *ret_room > x->body_left)
		*ret_room = (size_t)x->body_left;
	return to;
}

/* The request's body turned out to be unacceptable: said in words, or behind the commit point by a cut. */
static void body_refused(struct exchange *x, int code, uint64_t retry_after_ns, const struct err *e)
{
	if (x->answer_begun)
		relay_cut(x, abs(code), e);
	else
		respond_error(x, code, retry_after_ns, e);
}

/* New bytes [p, p + n) stand in the body. False: refused, the exchange is over. */
static bool take_facts(struct exchange *x, const char *p, size_t n)
{
	struct err e = { 0 };
	x->record.bytes_in += n;
	if (x->record.bytes_in > client_policy(x->client)->body_bytes) {
		err_set(&e, PS_EBODYTOOBIG, "the body is larger than the %llu bytes accepted",
			(unsigned long long)client_policy(x->client)->body_bytes);
		body_refused(x, PS_EBODYTOOBIG, 0, &e);
		return false;
	}
	if (x->state != ST_BODY || !x->scan)
		return true;
	int r = openai_scan_feed(x->scan, span_of(p, n), &e);
	if (r < 0)
		body_refused(x, r, 0, &e);
	return r == 0;
}

/* After new bytes: on with the exchange, or rest for back-pressure. */
static bool body_moved(struct exchange *x)
{
	struct client *c = x->client;
	bool enough = x->body_complete || body_held(&x->pending->body) >= exchange_hold_bytes(x) || body_memory_short();
	if (x->state == ST_BODY && (enough || !x->scan)) {
		x->streaming_body = !x->body_complete;
		exchange_run(x);
	} else if (x->call) {
		upstream_body_ready(x->call);
	}
	if (c->dead || c->x != x)
		return false;
	if (x->streaming_body && body_held(&x->pending->body) >= exchange_hold_bytes(x))
		body_free_taken(&x->pending->body);
	if (!x->body_complete && !x->body_stopped && body_held(&x->pending->body) >= exchange_hold_bytes(x)) {
		x->body_stopped = true;
		client_read(c, false);
	}
	return !x->body_complete && !x->body_stopped;
}

bool exchange_body_arrived(struct exchange *x, size_t n)
{
	const char *p = x->pending->body.last->data + x->pending->body.last->len;
	body_received(&x->pending->body, n);
	x->body_left -= n;
	set_complete(x, x->body_left == 0);
	return take_facts(x, p, n) && body_moved(x);
}

ptrdiff_t exchange_body(struct exchange *x, char *p, size_t n)
{
	size_t payload = n;
	ptrdiff_t used = (ptrdiff_t)n;
	struct err e = { 0 };
	if (x->client_chunked) {
		used = h1_chunked_decode(&x->pending->chunked, p, n, &payload, NULL, &e);
		if (used < 0) {
			body_refused(x, (int)used, 0, &e);
			return -1;
		}
		set_complete(x, h1_chunked_done(&x->pending->chunked));
	} else {
		payload = n < x->body_left ? n : (size_t)x->body_left;
		used = (ptrdiff_t)payload;
	}
	if (body_add(&x->pending->body, span_of(p, payload), x->body_left) < 0) {
		err_set(&e, PS_EBODYMEMORY, "the memory for request bodies is in use");
		body_refused(x, PS_EBODYMEMORY, NS_PER_S, &e);
		return x->body_complete ? used : -1;
	}
	if (!x->client_chunked) {
		x->body_left -= payload;
		set_complete(x, x->body_left == 0);
	}
	if (!take_facts(x, p, payload)) /* what stands behind a whole body is the next request all the same */
		return x->body_complete ? used : -1;
	(void)body_moved(x);
	return used;
}

static enum step_result step_body(struct exchange *x)
{
	struct err e = { 0 };
	if (!x->body_complete && (x->scan ? !x->streaming_body : x->body_left == 0 && !x->client_chunked)) {
		exchange_deadline(x);
		return STEP_WAITS;
	}
	if (!x->body_complete)
		x->streaming_body = true;
	int r = x->scan && x->body_complete ? openai_scan_end(x->scan, &e) : 0;
	if (r < 0)
		return refuse(x, r, &e);
	exchange_go(x, ST_ADMIT);
	return STEP_ON;
}

/* ---- ADMIT: route by model, ask for a replica ---- */

static struct span hint(const struct exchange *x, enum h1_name now, enum h1_name old)
{
	if (!client_policy(x->client)->client_hints)
		return SPAN_NONE;
	const struct h1_field *f = h1_field_find(x->head, now);
	f = f ? f : h1_field_find(x->head, old);
	return f ? f->value : SPAN_NONE;
}

static uint64_t hint_ms(const struct exchange *x, enum h1_name now, enum h1_name old)
{
	uint64_t ms;
	return span_to_u64(hint(x, now, old), &ms) && ms < UINT64_MAX / NS_PER_MS ? ms * NS_PER_MS : 0;
}

static int route_by_model(struct exchange *x, struct span asked, struct err *e)
{
	if (match(x, asked.p ? asked : SPAN("")) == ROUTE_NONE && !x->rule)
		return err_set(e, PS_ENOROUTE, "no route matches %.*s on this host", SPAN_ARG(x->head->path));
	int r = snapshot_route_model(x->use->snapshot, x->rule, asked, rng_next(loop_rng(x->proxy->loop)),
				     &x->pending->route, e);
	if (r < 0)
		return r;
	x->pool = x->pending->route.pool;
	return 0;
}

/* What the replica is asked for: the client's hint, the rewrite, or the name as it came. */
static struct span target_model(struct exchange *x, struct span asked)
{
	struct span forced = hint(x, H1_REWRITE, H1_REWRITE_OLD);
	if (forced.n && asked.n)
		return forced;
	return x->pending->route.rewritten.n ? x->pending->route.rewritten : asked;
}

static void fill_facts(struct exchange *x, struct facts *f, struct span target)
{
	const struct snapshot_pool *sp = exchange_chosen(x);
	struct span objective = hint(x, H1_OBJECTIVE, H1_OBJECTIVE_OLD);
	f->pool = sp->pool;
	f->model = target;
	f->adapter = target.n && pool_is_adapter(sp->pool, target) ? target : SPAN_NONE;
	f->tenant = hint(x, H1_FAIRNESS, H1_FAIRNESS_OLD);
	f->priority = objective.n ? snapshot_objective(x->use->snapshot, x->pool, objective) : 0;
	f->ttft_objective_ns = hint_ms(x, H1_SLO_TTFT, H1_SLO_TTFT_OLD);
	f->tpot_objective_ns = hint_ms(x, H1_SLO_TPOT, H1_SLO_TPOT_OLD);
	f->arrived_ns = x->record.arrived;
	f->body_bytes = x->pending->body.received;
	if (!x->scan)
		return;
	const struct openai_facts *o = openai_scan_facts(x->scan, hash_bytes(target));
	f->chain = o->chain;
	f->chain_len = x->record.blocks = o->chain_len;
	f->max_tokens = o->max_tokens;
	f->text_bytes = o->text_bytes;
	f->stream = o->stream;
	f->prompt_tokens = pool_tokens_of(sp->pool, target, o->text_bytes) + o->token_ids;
	x->record.stream = o->stream;
	tm_add(tm_plain(TM_HASHED_BYTES), (uint64_t)o->chain_len * OPENAI_BLOCK_BYTES);
}

static int splice_model(struct exchange *x, const struct openai_facts *o, struct span target)
{
	struct buf b;
	buf_init(&b, 8 * OPENAI_MODEL_MAX);
	int r = json_add_string(&b, target);
	struct span text = r == 0 ? arena_dup(&x->pending->arena, buf_span(&b)) : SPAN_NONE;
	buf_free(&b);
	if (!text.p)
		return -PS_ENOMEM;
	x->pending->body.splice[x->pending->body.splice_count++] = (struct splice){ o->model_at, o->model_len, text };
	return 0;
}

/* By position: there are few. */
static void sort_splices(struct body *b)
{
	for (unsigned i = 1; i < b->splice_count; i++) {
		struct splice s = b->splice[i];
		unsigned at = i;
		for (; at > 0 && b->splice[at - 1].at > s.at; at--)
			b->splice[at] = b->splice[at - 1];
		b->splice[at] = s;
	}
}

/* The replacements on the way to the replica: the model's name, and the option that makes the engine report usage. */
static int prepare_splices(struct exchange *x, struct span asked, struct span target)
{
	struct body *b = &x->pending->body;
	b->splice_count = 0;
	if (!x->scan)
		return 0;
	const struct openai_facts *o = openai_scan_peek(x->scan);
	if (o->model_len && !span_eq(asked, target) && splice_model(x, o, target) < 0)
		return -PS_ENOMEM;
	x->injected = exchange_chosen(x)->policy.usage == USAGE_POLICY_INJECT && o->inject_text.n;
	if (x->injected)
		b->splice[b->splice_count++] = (struct splice){ o->inject_at, o->inject_len, o->inject_text };
	for (uint32_t i = 0; i < o->never_count; i++)
		b->splice[b->splice_count++] = (struct splice){ o->never[i].at, o->never[i].len, SPAN("null") };
	sort_splices(b);
	return 0;
}

static enum step_result after_verdict(struct exchange *x, int verdict)
{
	x->record.decided = loop_now(x->proxy->loop);
	if (verdict == GATE_DECIDED) {
		settle_decision(x, true);
		exchange_go(x, ST_SEND);
		return STEP_ON;
	}
	if (verdict == GATE_HELD) {
		x->record.held = true;
		exchange_go(x, ST_HELD);
		exchange_deadline(x);
		return STEP_WAITS;
	}
	x->ticket = NULL;
	settle_decision(x, false);
	struct err e;
	int code = verdict < 0 ? verdict : x->decision.refused;
	if (abs(code) == PS_ENOMODEL)
		err_set(&e, code, "The model `%.200s` does not exist.", x->record.model ? x->record.model : "");
	else
		err_set(&e, code, "%s", error_row(code)->text);
	respond_error(x, code, x->decision.retry_after_ns, &e);
	return STEP_OVER;
}

static enum step_result step_admit(struct exchange *x)
{
	struct err e = { 0 };
	struct span asked = x->scan ? openai_scan_peek(x->scan)->model : SPAN_NONE;
	if (!x->facts) {
		int r = route_by_model(x, asked, &e);
		if (r < 0)
			return refuse(x, r, &e);
		struct span target = target_model(x, asked);
		x->facts = arena_new(&x->pending->arena, struct facts);
		if (!x->facts || prepare_splices(x, asked, target) < 0)
			return refuse(x, -PS_ENOMEM, NULL);
		fill_facts(x, x->facts, target);
		x->record.model = span_dup(asked);
		x->record.target_model = span_eq(asked, target) ? NULL : span_dup(target);
		settle_admitted(x);
		if (x->pending->route.rewrite_name.n)
			tm_add(tm_series_of(TM_MODEL_REWRITES,
					    (struct span[]){ x->pending->route.rewrite_name, asked, target }, 3),
			       1);
	}
	x->facts->repeat = x->repeat;
	memcpy(x->facts->excluded, x->pending->excluded, sizeof x->pending->excluded);
	uint64_t began = clock_now_ns();
	int verdict = gate_submit(exchange_chosen(x)->gate, x->facts, x, loop_now(x->proxy->loop), &x->decision,
				  &x->ticket);
	settle_pick(x->proxy, clock_now_ns() - began);
	return after_verdict(x, verdict);
}

/* ---- HELD: another thread decides; its mail arrives here ---- */

static enum step_result step_held(struct exchange *x)
{
	(void)x;
	return STEP_WAITS;
}

void exchange_decided_mail(struct mail *m)
{
	struct exchange *x = container_of(m, struct exchange, mail);
	int verdict = gate_collect(x->ticket, &x->decision, loop_now(x->proxy->loop));
	if (!x->client) { /* left while the decision was on its way */
		release(x);
		return;
	}
	if (after_verdict(x, verdict) == STEP_ON)
		exchange_run(x);
}

/* ---- SEND, WAIT, RELAY ---- */

static enum step_result step_send(struct exchange *x)
{
	x->record.sent = loop_now(x->proxy->loop);
	x->record.tries++;
	span_copy(x->record.replica, sizeof x->record.replica, span_str(x->decision.name));
	x->progress = x->record.sent;
	int r = leg_open(x);
	if (r < 0) {
		gate_on_failed(x->ticket, PS_ECONNLIMIT, x->record.sent);
		x->ticket = NULL;
		struct err e;
		return refuse(x,
			      err_set(&e, PS_ECONNLIMIT,
				      "no connection to a replica can be opened: descriptors or memory are short"),
			      &e);
	}
	gate_on_dispatched(x->ticket, x->record.sent);
	if (x->state == ST_SEND)
		exchange_go(x, ST_WAIT);
	exchange_deadline(x);
	return STEP_WAITS;
}

static enum step_result step_waits(struct exchange *x)
{
	(void)x;
	return STEP_WAITS;
}

static enum step_result step_tunnel(struct exchange *x)
{
	struct err e;
	return refuse(x, err_set(&e, PS_EUPGRADE, "this gateway does not change protocols here"), &e);
}

/* The end of every exchange, however it came. A mail on its way keeps the memory until it arrives. */
static enum step_result step_settle(struct exchange *x)
{
	struct client *c = x->client;
	bool unread = !x->body_complete;
	bool keep = x->keep_alive && !x->answer_close && !unread;
	leg_drop(x);
	bool mail_coming = x->ticket && gate_on_gone(x->ticket, loop_now(x->proxy->loop));
	settle(x);
	if (exchange_pool(x))
		gate_advance(exchange_chosen(x)->gate, loop_now(x->proxy->loop), proxy_sink());
	x->client = NULL;
	timer_clear(&x->timer);
	if (!mail_coming) {
		x->ticket = NULL;
		release(x);
	}
	client_next(c, keep, unread);
	return STEP_OVER;
}

static const struct step {
	const char *name; /* in logs: how far an exchange came */
	enum step_result (*run)(struct exchange *x);
} steps[ST_COUNT] = {
	[ST_HEAD] = { "head", step_head },	 [ST_BODY] = { "body", step_body },
	[ST_ADMIT] = { "admit", step_admit },	 [ST_HELD] = { "held", step_held },
	[ST_SEND] = { "send", step_send },	 [ST_WAIT] = { "prefill", step_waits },
	[ST_RELAY] = { "decode", step_waits },	 [ST_TUNNEL] = { "tunnel", step_tunnel },
	[ST_SETTLE] = { "settle", step_settle },
};

const char *exchange_phase(const struct exchange *x)
{
	return steps[x->state].name;
}

void exchange_go(struct exchange *x, enum exchange_state st)
{
	x->state = st;
	if (st == ST_RELAY)
		shrink(x);
}

void exchange_run(struct exchange *x)
{
	while (steps[x->state].run(x) == STEP_ON)
		;
}

/* ---- the client ---- */

void exchange_abort(struct exchange *x, int code)
{
	if (!x->record.code)
		x->record.code = code;
	settle_abort_phase(x);
	x->answer_close = true;
	exchange_go(x, ST_SETTLE);
	exchange_run(x);
}

void exchange_drained(struct exchange *x)
{
	if (x->call)
		upstream_resume(x->call);
	exchange_deadline(x);
}
