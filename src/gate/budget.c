/* The last ten seconds of a pool, second by second: the retry budget and Retry-After come from them. Under the pool's
 * lock, at every submission, end and repeat of a request. */
#include "gate/private.h"

enum {
	RETRIES_MIN = 10, /* allowed in the window however few requests there are */
	RETRY_SHARE = 5,  /* one in so many requests may be a repeat */
};
#define RETRY_AFTER_MIN_NS NS_PER_S
#define RETRY_AFTER_MAX_NS (60 * NS_PER_S)
#define NO_REPLICA_RETRY_NS (5 * NS_PER_S) /* nothing tells when there will be one (guessed) */

struct second *budget_second(struct gate *g, uint64_t now)
{
	uint64_t number = now / NS_PER_S;
	struct second *s = &g->seconds[number % WINDOW_SECONDS];
	if (s->number != number)
		*s = (struct second){ .number = number };
	return s;
}

static struct second sum(const struct gate *g, uint64_t now)
{
	struct second total = { 0 };
	uint64_t number = now / NS_PER_S;
	for (int i = 0; i < WINDOW_SECONDS; i++) {
		const struct second *s = &g->seconds[i];
		if (s->number + WINDOW_SECONDS <= number || s->number > number)
			continue;
		total.requests += s->requests;
		total.completions += s->completions;
		total.retries += s->retries;
		total.orphans += s->orphans;
	}
	return total;
}

/* Nothing reached the replica: trying elsewhere multiplies no load. */
static bool is_free(int code)
{
	return code == PS_ECONNECT || code == PS_ECONNTIMEOUT;
}

bool budget_allows(struct gate *g, int code, uint64_t now)
{
	code = code < 0 ? -code : code;
	if (!error_row(code)->retryable)
		return false;
	if (is_free(code))
		return true;
	struct second total = sum(g, now);
	uint32_t share = total.requests / RETRY_SHARE;
	if (total.retries >= (share > RETRIES_MIN ? share : RETRIES_MIN) + total.orphans)
		return false;
	budget_second(g, now)->retries++;
	return true;
}

static uint64_t clamp(uint64_t ns)
{
	if (ns < RETRY_AFTER_MIN_NS)
		return RETRY_AFTER_MIN_NS;
	return ns > RETRY_AFTER_MAX_NS ? RETRY_AFTER_MAX_NS : ns;
}

static uint64_t until_readmission(const struct gate *g, uint64_t now)
{
	uint64_t at = pool_next_readmission_locked(g->pool);
	return at > now ? at - now : NO_REPLICA_RETRY_NS;
}

/* The time in which what is held now will have been served, at the rate of the last seconds. */
static uint64_t drain_time(const struct gate *g, uint64_t now)
{
	uint64_t age = now - g->started_at, completions = sum(g, now).completions;
	if (completions == 0)
		return RETRY_AFTER_MAX_NS;
	if (age < NS_PER_S)
		age = NS_PER_S;
	if (age > WINDOW_SECONDS * NS_PER_S)
		age = WINDOW_SECONDS * NS_PER_S;
	return (g->queue.count + 1ULL) * age / completions;
}

uint64_t budget_retry_after(struct gate *g, int code, uint64_t now)
{
	if (code == PS_EQUEUEFULL || code == PS_EQUEUETIMEOUT)
		return clamp(drain_time(g, now));
	return code == PS_ENOREPLICA ? clamp(until_readmission(g, now)) : 0;
}
