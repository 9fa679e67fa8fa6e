/* Request heads: any split gives the same verdict; what is accepted breaks none of the rules as a naive reader checks
 * them; written again from its parts it parses to the same. */
#include "wire/fuzz.h"

#include <stdio.h>

#include "wire/wire.h"

static const struct h1_limits small = {
	.line_bytes = 256,
	.head_bytes = 1024,
	.fields = 12,
	.value_bytes = 200,
	.trailer_bytes = 100,
};

static ptrdiff_t parse_cut(struct span in, unsigned round, struct rng *r, const struct h1_limits *limits)
{
	struct h1_head h;
	ptrdiff_t got = 0;
	for (size_t seen = 0, n; seen < in.n && got == 0; seen = n) {
		n = seen + fuzz_piece(r, round, in.n - seen);
		char *p = fuzz_copy(span_head(in, n));
		got = h1_request_parse(&h, p, n, seen, limits, NULL);
		free(p);
	}
	return got;
}

static void write_again(struct buf *b, const struct h1_head *h)
{
	fuzz_add(b, h->method_text);
	fuzz_add(b, SPAN(" "));
	fuzz_add(b, h->target);
	fuzz_add(b, h->minor ? SPAN(" HTTP/1.1\r\n") : SPAN(" HTTP/1.0\r\n"));
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
	fuzz_must(a->method == b->method && a->minor == b->minor && a->framing == b->framing);
	fuzz_must(a->length == b->length && a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
	fuzz_must(a->expect_continue == b->expect_continue && a->field_count == b->field_count);
	fuzz_must(span_eq(a->path, b->path) && span_eq(a->query, b->query) && span_eq(a->authority, b->authority));
	for (uint32_t i = 0; i < a->field_count; i++) {
		fuzz_must(a->fields[i].id == b->fields[i].id && span_eq(a->fields[i].name, b->fields[i].name));
		fuzz_must(span_eq(a->fields[i].value, b->fields[i].value));
	}
}

/* The octets of an accepted head, without knowledge of its parts. */
static void check_octets(struct span head)
{
	for (size_t i = 0; i < head.n; i++) {
		unsigned char c = (unsigned char)head.p[i];
		if (c == '\r')
			fuzz_must(i + 1 < head.n && head.p[i + 1] == '\n');
		else if (c == '\n')
			fuzz_must(i > 0 && head.p[i - 1] == '\r');
		else
			fuzz_must(c == '\t' || (c >= ' ' && c != 0x7f));
	}
	fuzz_must(span_search(head, SPAN("\n ")) < 0 && span_search(head, SPAN("\n\t")) < 0);
}

static void check_fields(const struct h1_head *h)
{
	unsigned hosts = 0, lengths = 0, codings = 0;
	for (uint32_t i = 0; i < h->field_count; i++) {
		struct span name = h->fields[i].name, value = h->fields[i].value;
		hosts += span_eq_nocase(name, SPAN("host"));
		lengths += span_eq_nocase(name, SPAN("content-length"));
		if (!span_eq_nocase(name, SPAN("transfer-encoding")))
			continue;
		codings++;
		fuzz_must(span_eq_nocase(value, SPAN("chunked")));
	}
	fuzz_must(lengths + codings <= 1 && hosts <= 1 && (hosts == 1 || h->minor == 0));
	fuzz_must((h->framing == H1_BODY_CHUNKED) == (codings == 1));
	fuzz_must((h->framing == H1_BODY_LENGTH) == (lengths == 1));
	fuzz_must(h->minor <= 1 && (codings == 0 || h->minor == 1));
}

static void check_accepted(struct span head, const struct h1_head *h, const struct h1_limits *limits)
{
	struct h1_head again;
	struct buf b;
	check_octets(head);
	check_fields(h);
	buf_init(&b, FUZZ_BYTES_MAX);
	write_again(&b, h);
	/* Written without the skipped line and superfluous blanks, but with one behind each colon, it may be longer
	 * than before. */
	struct h1_limits wide = *limits;
	wide.head_bytes += h->field_count;
	struct span text = buf_span(&b);
	fuzz_must(h1_request_parse(&again, text.p, text.n, 0, &wide, NULL) == (ptrdiff_t)text.n);
	same(h, &again);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of((const char *)bytes, n);
	struct h1_limits usual = h1_limits_default();
	const struct h1_limits *limits = hash_bytes(in) & 1 ? &small : &usual;
	struct rng r;
	struct h1_head h;
	char *p = fuzz_copy(in);
	ptrdiff_t whole = h1_request_parse(&h, p, n, 0, limits, NULL);
	fuzz_must(whole <= (ptrdiff_t)n);
	fuzz_must(whole != 0 || n <= 4 + limits->line_bytes + limits->head_bytes);
	rng_seed(&r, hash_bytes(in));
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++)
		fuzz_must(parse_cut(in, round, &r, limits) == whole);
	if (whole > 0)
		check_accepted(span_of(p, (size_t)whole), &h, limits);
	free(p);
	return 0;
}
