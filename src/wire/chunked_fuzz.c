/* Chunked bodies: any split gives the same payload, trailers and verdict, and what was decoded decodes to the same when
 * it is written again. */
#include "wire/fuzz.h"

#include "wire/wire.h"

struct outcome {
	int code;
	bool done;
	size_t used;
	struct buf payload, trailers;
};

/* Decodes in pieces; round FUZZ_ROUNDS is the whole at once. */
static void decode(struct outcome *o, struct span in, unsigned round, struct rng *r)
{
	static struct h1_limits limits;
	struct h1_chunked c;
	limits = h1_limits_default();
	h1_chunked_init(&c, &limits, false);
	*o = (struct outcome){ 0 };
	buf_init(&o->payload, FUZZ_BYTES_MAX);
	buf_init(&o->trailers, FUZZ_BYTES_MAX);
	while (o->used < in.n && o->code == 0 && !h1_chunked_done(&c)) {
		size_t left = in.n - o->used, payload = 0;
		size_t n = round == FUZZ_ROUNDS ? left : fuzz_piece(r, round, left);
		char *p = fuzz_copy(span_head(span_skip(in, o->used), n));
		ptrdiff_t k = h1_chunked_decode(&c, p, n, &payload, &o->trailers, NULL);
		fuzz_must(payload <= n);
		fuzz_add(&o->payload, span_of(p, payload));
		if (k < 0) {
			o->code = (int)k;
		} else {
			fuzz_must(payload <= (size_t)k && ((size_t)k == n || h1_chunked_done(&c)));
			o->used += (size_t)k;
		}
		free(p);
	}
	o->done = h1_chunked_done(&c);
}

static void outcome_free(struct outcome *o)
{
	buf_free(&o->payload);
	buf_free(&o->trailers);
}

static void same(const struct outcome *a, const struct outcome *b)
{
	fuzz_must(a->code == b->code && a->done == b->done);
	fuzz_must(span_eq(buf_span(&a->payload), buf_span(&b->payload)));
	/* The block is promised only once the body is done. */
	fuzz_must(!a->done || span_eq(buf_span(&a->trailers), buf_span(&b->trailers)));
}

static void check_accepted(const struct outcome *o, struct rng *r)
{
	struct outcome again;
	struct buf b;
	buf_init(&b, 2 * FUZZ_BYTES_MAX);
	if (buf_len(&o->payload)) {
		fuzz_must(buf_printf(&b, "%zx\r\n", buf_len(&o->payload)) == 0);
		fuzz_add(&b, buf_span(&o->payload));
		fuzz_add(&b, SPAN("\r\n"));
	}
	fuzz_add(&b, SPAN("0\r\n"));
	fuzz_add(&b, buf_span(&o->trailers));
	fuzz_add(&b, SPAN("\r\n"));
	decode(&again, buf_span(&b), FUZZ_ROUNDS, r);
	/* The blank put behind each colon may take the trailers over their bound. */
	if (again.code != -PS_EHEADTOOBIG)
		same(o, &again);
	outcome_free(&again);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of((const char *)bytes, n);
	struct outcome whole, cut;
	struct rng r;
	rng_seed(&r, hash_bytes(in));
	decode(&whole, in, FUZZ_ROUNDS, &r);
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		decode(&cut, in, round, &r);
		same(&whole, &cut);
		fuzz_must(whole.code || whole.used == cut.used);
		outcome_free(&cut);
	}
	if (whole.done)
		check_accepted(&whole, &r);
	outcome_free(&whole);
	return 0;
}
