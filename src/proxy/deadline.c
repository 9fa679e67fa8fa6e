/* How long an exchange waits, in each of its states, and what happens when that is over. One timer per exchange: it is
 * set for what was awaited when it was set, and looks again when it fires, so that progress costs nothing. */
#include "proxy/internal.h"

/* What waits in a prefill moves elsewhere after so many times what was predicted for it, but never within the first
 * second. */
enum { PATIENCE_TIMES = 4 };
#define PATIENCE_MIN_NS NS_PER_S

/* What the state in force waits for at most; UINT64_MAX: nothing. *code tells what it means when it passes. */
static uint64_t state_deadline(const struct exchange *x, int *code)
{
	const struct listener_policy *lp = client_policy(x->client);
	const struct snapshot_pool *sp = exchange_pool(x);
	uint64_t body_ns = x->record.bytes_in * NS_PER_S / (lp->body_rate_bytes ? lp->body_rate_bytes : 1);
	if (x->client->stalled_since) {
		*code = PS_EWRITESTALL;
		return x->client->stalled_since + lp->write_stall_ns;
	}
	if (!x->body_complete && !x->body_stopped && x->state < ST_RELAY && lp->body_rate_bytes) {
		*code = PS_EBODYTIMEOUT;
		return x->record.arrived + lp->body_grace_ns + body_ns;
	}
	if (x->state == ST_WAIT) {
		uint64_t patience = exchange_chosen(x)->policy.first_byte_timeout_ns;
		uint64_t expected = x->decision.predicted_ttft_ns * PATIENCE_TIMES;
		if (expected && expected < PATIENCE_MIN_NS)
			expected = PATIENCE_MIN_NS;
		if (expected && expected < patience)
			patience = expected;
		*code = PS_EFIRSTBYTE;
		return x->record.sent + patience;
	}
	if (x->rule && x->rule->backend_timeout_ns && (x->state == ST_WAIT || x->state == ST_RELAY)) {
		*code = PS_ETOTAL;
		return x->record.sent + x->rule->backend_timeout_ns;
	}
	if (x->state == ST_RELAY && sp && sp->policy.between_timeout_ns) {
		*code = PS_EBETWEEN;
		return x->progress + sp->policy.between_timeout_ns;
	}
	return UINT64_MAX;
}

static uint64_t deadline(const struct exchange *x, int *code)
{
	uint64_t at = state_deadline(x, code);
	const struct snapshot_pool *sp = exchange_pool(x);
	uint64_t total = sp ? sp->policy.total_timeout_ns : 0;
	if (x->rule && x->rule->request_timeout_ns)
		total = total && total < x->rule->request_timeout_ns ? total : x->rule->request_timeout_ns;
	if (total && x->record.arrived + total < at) {
		*code = PS_ETOTAL;
		at = x->record.arrived + total;
	}
	return at;
}

void exchange_deadline(struct exchange *x)
{
	int code = 0;
	uint64_t at = deadline(x, &code);
	if (at == UINT64_MAX)
		timer_clear(&x->timer);
	else
		timer_set(x->proxy->loop, &x->timer, at);
}

/* The timer is set for what was awaited when it was set; progress since then only moves it on. */
void exchange_on_timer(struct timer *t, uint64_t now)
{
	struct exchange *x = container_of(t, struct exchange, timer);
	int code = 0;
	struct err e;
	if (deadline(x, &code) > now) {
		exchange_deadline(x);
		return;
	}
	err_set(&e, code, "%s", error_row(code)->text);
	if (code == PS_EWRITESTALL)
		client_close(x->client, true);
	else if (x->state == ST_WAIT && code == PS_EFIRSTBYTE)
		leg_timed_out(x, &e);
	else if (x->state == ST_RELAY || x->answer_begun)
		relay_cut(x, code, &e);
	else
		respond_error(x, code, 0, &e);
}
