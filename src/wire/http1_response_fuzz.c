/* Answer heads: any split gives the same verdict, and what is accepted parses to the same when it is written again. */
#include "wire/fuzz.h"

#include "wire/wire.h"

static ptrdiff_t parse_cut(enum h1_method method, struct span in, unsigned round, struct rng *r,
			   const struct h1_limits *limits)
{
	struct h1_head h;
	ptrdiff_t got = 0;
	for (size_t seen = 0, n; seen < in.n && got == 0; seen = n) {
		n = seen + fuzz_piece(r, round, in.n - seen);
		char *p = fuzz_copy(span_head(in, n));
		got = h1_response_parse(&h, method, p, n, seen, limits, NULL);
		free(p);
	}
	return got;
}

static void write_again(struct buf *b, const struct h1_head *h)
{
	fuzz_must(buf_printf(b, "HTTP/1.%d %d ", h->minor, h->status) == 0);
	fuzz_add(b, h->reason);
	fuzz_add(b, SPAN("\r\n"));
	for (uint32_t i = 0; i < h->field_count; i++) {
		fuzz_add(b, h->fields[i].name);
		fuzz_add(b, SPAN(": "));
		fuzz_add(b, h->fields[i].value);
		fuzz_add(b, SPAN("\r\n"));
	}
	fuzz_add(b, SPAN("\r\n"));
}

static void same(const struct h1_head *a, const struct h1_head *b)
{
	fuzz_must(a->status == b->status && a->minor == b->minor && a->framing == b->framing);
	fuzz_must(a->length == b->length && a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
	fuzz_must(a->field_count == b->field_count && span_eq(a->reason, b->reason));
	for (uint32_t i = 0; i < a->field_count; i++)
		fuzz_must(span_eq(a->fields[i].name, b->fields[i].name) &&
			  span_eq(a->fields[i].value, b->fields[i].value));
}

static void check_accepted(enum h1_method method, const struct h1_head *h, const struct h1_limits *limits)
{
	struct h1_limits wide = *limits;
	struct h1_head again;
	struct buf b;
	bool coded = h1_field_find(h, H1_TRANSFER_ENCODING) != NULL;
	fuzz_must(h->status >= 100 && h->status <= 599 && h->minor <= 1);
	fuzz_must(!coded || (!h1_field_find(h, H1_CONTENT_LENGTH) && h->minor == 1));
	fuzz_must(h->framing != H1_BODY_UNTIL_CLOSE || !h->keep_alive);
	/* A blank behind each colon and behind the status may be new. */
	wide.head_bytes += h->field_count;
	wide.line_bytes++;
	buf_init(&b, FUZZ_BYTES_MAX);
	write_again(&b, h);
	struct span text = buf_span(&b);
	fuzz_must(h1_response_parse(&again, method, text.p, text.n, 0, &wide, NULL) == (ptrdiff_t)text.n);
	same(h, &again);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const enum h1_method methods[] = { H1_POST, H1_GET, H1_HEAD, H1_CONNECT };
	struct span in = span_of((const char *)bytes, n);
	struct h1_limits limits = h1_limits_default();
	struct rng r;
	struct h1_head h;
	rng_seed(&r, hash_bytes(in));
	enum h1_method method = methods[rng_below(&r, 4)];
	char *p = fuzz_copy(in);
	ptrdiff_t whole = h1_response_parse(&h, method, p, n, 0, &limits, NULL);
	fuzz_must(whole <= (ptrdiff_t)n && (whole >= 0 || whole == -PS_EUPPROTO));
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++)
		fuzz_must(parse_cut(method, in, round, &r, &limits) == whole);
	if (whole > 0)
		check_accepted(method, &h, &limits);
	free(p);
	return 0;
}
