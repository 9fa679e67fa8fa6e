/* PROXY headers: octet by octet gives what the whole gives; nothing is taken beyond the bounds; addresses written again
 * as a v1 line read the same. */
#include "wire/fuzz.h"

#include <stdio.h>

#include "wire/wire.h"

enum { HEADER_BYTES_MAX = 16 + 4096 };

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
	return a->local == b->local && memcmp(&a->source, &b->source, sizeof a->source) == 0 &&
	       memcmp(&a->destination, &b->destination, sizeof a->destination) == 0;
}

static void check_accepted(const struct proxy_header *h)
{
	char source[ADDRESS_TEXT_MAX], destination[ADDRESS_TEXT_MAX], line[128];
	struct address from = { .sa = h->source }, to = { .sa = h->destination };
	struct proxy_header again;
	fuzz_must(h->local == (h->source.ss_family == AF_UNSPEC));
	if (h->source.ss_family != AF_INET && h->source.ss_family != AF_INET6)
		return;
	address_format_host(&from, source);
	address_format_host(&to, destination);
	int n = snprintf(line, sizeof line, "PROXY TCP%c %s %s %u %u\r\n", h->source.ss_family == AF_INET ? '4' : '6',
			 source, destination, address_port(&from), address_port(&to));
	fuzz_must(n > 0 && (size_t)n < sizeof line);
	fuzz_must(proxy_header_parse(&again, line, (size_t)n, NULL) == n && same(h, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct span in = span_of((const char *)bytes, n);
	struct proxy_header whole = { 0 }, cut = { 0 };
	char *p = fuzz_copy(in);
	ptrdiff_t r = proxy_header_parse(&whole, p, n, NULL), now = 0;
	free(p);
	fuzz_must(r <= (ptrdiff_t)n && r <= HEADER_BYTES_MAX && (r >= 0 || r == -PS_EBADHTTP));
	fuzz_must(r != 0 || n < HEADER_BYTES_MAX);
	for (size_t k = 1; k <= n && now == 0; k++) {
		p = fuzz_copy(span_head(in, k));
		now = proxy_header_parse(&cut, p, k, NULL);
		free(p);
	}
	fuzz_must(now == r);
	if (r > 0) {
		fuzz_must(same(&whole, &cut));
		check_accepted(&whole);
	}
	return 0;
}
