/* Event streams: any split gives the same events and every byte, and events written again read the same. Under a small
 * bound, no byte is lost and no memory beyond it is held. */
#include "wire/fuzz.h"

#include "wire/wire.h"

/* What a reading came to: all raw bytes in a row, and the events with data in a form that can be compared (lengths
 * first) and one that can be read again. */
struct outcome {
	struct buf raw, events, again;
};

static void add_counted(struct buf *b, struct span s)
{
	fuzz_must(buf_printf(b, "%zu:", s.n) == 0);
	fuzz_add(b, s);
}

static void note(struct outcome *o, const struct sse_event *ev)
{
	fuzz_add(&o->raw, ev->raw);
	if (!ev->has_data)
		return;
	add_counted(&o->events, ev->type);
	add_counted(&o->events, ev->data);
	fuzz_add(&o->again, SPAN("event: "));
	fuzz_add(&o->again, ev->type);
	for (struct span rest = ev->data, line; rest.p;) {
		line = span_cut(rest, '\n', &rest);
		fuzz_add(&o->again, SPAN("\ndata: "));
		fuzz_add(&o->again, line);
	}
	fuzz_add(&o->again, SPAN("\n\n"));
}

static void read_all(struct outcome *o, struct span in, size_t max, unsigned round, struct rng *r)
{
	struct sse s;
	struct sse_event ev;
	sse_init(&s, max);
	*o = (struct outcome){ 0 };
	buf_init(&o->raw, FUZZ_BYTES_MAX);
	buf_init(&o->events, 16 * FUZZ_BYTES_MAX);
	buf_init(&o->again, 16 * FUZZ_BYTES_MAX);
	while (in.n) {
		size_t n = round == FUZZ_ROUNDS ? in.n : fuzz_piece(r, round, in.n);
		char *p = fuzz_copy(span_head(in, n));
		for (struct span piece = span_of(p, n); sse_next(&s, &piece, &ev) == 1;)
			note(o, &ev);
		fuzz_must(s.rest.cap <= max && s.joined.cap <= max);
		free(p);
		in = span_skip(in, n);
	}
	while (sse_end(&s, &ev) == 1)
		note(o, &ev);
	sse_free(&s);
}

static void outcome_free(struct outcome *o)
{
	buf_free(&o->raw);
	buf_free(&o->events);
	buf_free(&o->again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of((const char *)bytes, n);
	struct outcome whole, cut, again;
	struct rng r;
	rng_seed(&r, hash_bytes(in));
	read_all(&whole, in, FUZZ_BYTES_MAX, FUZZ_ROUNDS, &r);
	fuzz_must(span_eq(buf_span(&whole.raw), in));
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		read_all(&cut, in, FUZZ_BYTES_MAX, round, &r);
		fuzz_must(span_eq(buf_span(&cut.raw), in));
		fuzz_must(span_eq(buf_span(&cut.events), buf_span(&whole.events)));
		outcome_free(&cut);
		read_all(&cut, in, 24, round, &r);
		fuzz_must(span_eq(buf_span(&cut.raw), in));
		outcome_free(&cut);
	}
	read_all(&again, buf_span(&whole.again), 16 * FUZZ_BYTES_MAX, FUZZ_ROUNDS, &r);
	fuzz_must(span_eq(buf_span(&again.events), buf_span(&whole.events)));
	outcome_free(&again);
	outcome_free(&whole);
	return 0;
}
