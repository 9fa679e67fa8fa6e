/* Bodies with splices: whatever the chunking and however the socket takes them, the output is the spliced text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/internal.h"

enum { ROUNDS = 3000, TEXT = 3000 };

static void fill(char *p, size_t n, char first)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(first + (char)(i % 26));
}

/* The text with its splices applied, the plain way. */
static size_t expect(const struct body *b, const char *in, size_t n, char *out)
{
	size_t at = 0, o = 0;
	for (unsigned i = 0; i < b->splice_count; i++) {
		const struct splice *s = &b->splice[i];
		memcpy(out + o, in + at, s->at - at);
		o += s->at - at;
		memcpy(out + o, s->text.p, s->text.n);
		o += s->text.n;
		at = s->at + s->len;
	}
	memcpy(out + o, in + at, n - at);
	return o + n - at;
}

static void receive(struct body *b, struct rng *r, const char *in, size_t from, size_t to)
{
	while (from < to) {
		size_t n = 1 + (size_t)rng_below(r, 700);
		n = n < to - from ? n : to - from;
		assert_int_equal(body_add(b, span_of(in + from, n), rng_below(r, 2) * 100), 0);
		from += n;
	}
}

/* Takes random amounts until there is nothing; appends to out. */
static size_t drain(struct body *b, struct rng *r, char *out, bool let_go, bool *last)
{
	size_t o = 0;
	for (;;) {
		struct iovec iov[4];
		int n = body_pieces(b, iov, 4, last);
		size_t all = 0, took;
		for (int i = 0; i < n; i++)
			all += iov[i].iov_len;
		if (all == 0)
			return o;
		took = 1 + (size_t)rng_below(r, all);
		body_took(b, took);
		for (int i = 0; i < n && took; i++) {
			size_t k = took < iov[i].iov_len ? took : iov[i].iov_len;
			memcpy(out + o, iov[i].iov_base, k);
			o += k;
			took -= k;
		}
		if (let_go)
			body_free_taken(b);
	}
}

static void any_chunking_and_any_taking_give_the_spliced_text(void **state)
{
	(void)state;
	static char in[TEXT], want[2 * TEXT], got[2 * TEXT], text[2][200];
	struct rng r;
	rng_seed(&r, 3);
	fill(in, sizeof in, 'a');
	fill(text[0], sizeof text[0], 'A');
	fill(text[1], sizeof text[1], 'A');
	for (int round = 0; round < ROUNDS; round++) {
		struct body b = { 0 };
		size_t n = 20 + (size_t)rng_below(&r, TEXT - 20), first = 1 + (size_t)rng_below(&r, n - 1);
		b.splice_count = (unsigned)rng_below(&r, 3);
		size_t at = 0;
		for (unsigned i = 0; i < b.splice_count; i++) {
			at += (size_t)rng_below(&r, (first - at) / 2 + 1);
			size_t len = (size_t)rng_below(&r, (first - at) / 2 + 1);
			b.splice[i] = (struct splice){ at, len,
						       span_of(text[i], (size_t)rng_below(&r, sizeof text[i])) };
			at += len;
		}
		bool last, let_go = rng_below(&r, 2), repeat = !let_go && rng_below(&r, 2);
		receive(&b, &r, in, 0, first);
		size_t o = drain(&b, &r, got, let_go, &last);
		assert_false(last);
		receive(&b, &r, in, first, n);
		b.complete = true;
		if (repeat) {
			b.taken = 0;
			o = 0;
		}
		o += drain(&b, &r, got + o, let_go, &last);
		assert_true(last);
		size_t w = expect(&b, in, n, want);
		assert_int_equal(o, w);
		assert_int_equal(body_output_length(&b, n), w);
		assert_memory_equal(got, want, w);
		body_free(&b);
		assert_int_equal(body_memory_used(), 0);
	}
}

static void the_memory_of_all_bodies_is_bounded(void **state)
{
	(void)state;
	static char block[64 * 1024];
	struct body b = { 0 };
	body_memory_limit(1 << 20);
	int r = 0, blocks = 0;
	while (r == 0 && blocks < 1000) {
		r = body_add(&b, span_of(block, sizeof block), sizeof block);
		blocks += r == 0;
	}
	assert_int_equal(r, -PS_EBODYMEMORY);
	assert_int_equal(blocks, 16);
	assert_true(body_memory_short());
	body_free(&b);
	assert_false(body_memory_short());
	body_memory_limit(UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_chunking_and_any_taking_give_the_spliced_text),
		cmocka_unit_test(the_memory_of_all_bodies_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
