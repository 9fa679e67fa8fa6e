/* What the gateway sees of a replica's pace: how long streams take to their first token, and answers that say "full".
 * Under the pool's lock, at first tokens and refusals.
 *
 * A first token waits for the prompt tokens sent there before and not yet answered, for its own, and for a step or two.
 * So the time per token in front of it is about constant for one engine, and a moving average of it, quick to rise and
 * slow to fall, predicts the next one. Only who takes many times as long is taken away from its replica (proxy), so the
 * estimate may be rough; the twin will have a better one. */
#include "pool/private.h"

enum {
	BASE_TOKENS = 1024, /* what a step costs with nothing in front, in tokens (guessed; absorbed by the pace) */
	SAMPLES_MIN = 8,
	BUSY_DOUBLINGS = 3,
};
#define RISE 0.3
#define FALL 0.05
#define BUSY_NS NS_PER_S

static double tokens_in_front(const struct pool_charge *c)
{
	return (double)c->ahead + (double)c->tokens + BASE_TOKENS;
}

void pool_first_token_locked(struct replica *r, const struct pool_charge *c, uint64_t took_ns)
{
	double pace = (double)took_ns / tokens_in_front(c), old = r->first_token_pace;
	r->first_token_pace = r->first_token_samples ? old + (pace > old ? RISE : FALL) * (pace - old) : pace;
	r->first_token_samples += r->first_token_samples < SAMPLES_MIN;
}

uint64_t pool_predict_first_token_ns(const struct replica *r, const struct pool_charge *c)
{
	return r->first_token_samples < SAMPLES_MIN ? 0 : (uint64_t)(r->first_token_pace * tokens_in_front(c)) + 1;
}

void pool_busy_locked(struct replica *r, uint64_t now)
{
	r->busy_until = now + (BUSY_NS << r->busy_in_a_row);
	r->busy_in_a_row += r->busy_in_a_row < BUSY_DOUBLINGS;
}
