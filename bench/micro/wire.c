/* What reading HTTP costs: heads, chunked bodies, events. Prints nanoseconds, best of several rounds (the machine is
 * shared; the minimum is the code). Build and run: bench/micro/run wire */
#include <stdio.h>
#include <stdlib.h>

#include "wire/wire.h"

enum { ROUNDS = 15, PASSES = 2000, CHUNKS = 64, EVENTS = 64, TEXT_MAX = 1 << 16 };

static const char head[] =
	"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.example.com:8080\r\nAccept: application/json\r\n"
	"Accept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n"
	"User-Agent: OpenAI/Python 1.51.0\r\nAuthorization: Bearer sk-0123456789012345678901234567890123456789\r\n"
	"X-Stainless-Lang: python\r\nX-Stainless-Runtime-Version: 3.11.2 (main, Apr 28 2025, 14:11:48) [GCC 12.2.0]\r\n"
	"X-Request-ID: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n"
	"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nContent-Length: 1024\r\n\r\n";

static struct h1_limits limits;
static struct span text; /* what a pass reads */
static char scratch[TEXT_MAX];

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void read_head(void)
{
	static struct h1_head h;
	must(h1_request_parse(&h, text.p, text.n, 0, &limits, NULL) > 0);
}

/* The copy is needed because decoding is in place; its cost is in the figure. */
static void decode(void)
{
	struct h1_chunked c;
	size_t payload;
	memcpy(scratch, text.p, text.n);
	h1_chunked_init(&c, &limits, false);
	must(h1_chunked_decode(&c, scratch, text.n, &payload, NULL, NULL) > 0 && h1_chunked_done(&c));
}

static void read_events(void)
{
	struct sse s;
	struct sse_event ev;
	struct span in = text;
	sse_init(&s, TEXT_MAX);
	while (sse_next(&s, &in, &ev) == 1)
		must(ev.has_data);
	sse_free(&s);
}

static void time_it(const char *name, void (*pass)(void), struct span in, double units, const char *unit)
{
	uint64_t best = UINT64_MAX;
	text = in;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t from = clock_now_ns();
		for (int i = 0; i < PASSES; i++)
			pass();
		uint64_t took = clock_now_ns() - from;
		best = took < best ? took : best;
	}
	printf("%-28s %8.1f ns per %s\n", name, (double)best / PASSES / units, unit);
}

/* `count` times: before, 1 KiB or 1/4 KiB of text, after. */
static struct span repeat(struct buf *b, int count, const char *before, size_t fill, const char *after)
{
	char letters[1024];
	memset(letters, 'a', sizeof letters);
	buf_init(b, TEXT_MAX * 2);
	for (int i = 0; i < count; i++) {
		must(buf_add(b, span_str(before)) == 0 && buf_add(b, span_of(letters, fill)) == 0);
		must(buf_add(b, span_str(after)) == 0);
	}
	return buf_span(b);
}

int main(void)
{
	struct buf small, large, events;
	limits = h1_limits_default();
	repeat(&large, CHUNKS / 2, "400\r\n", 1024, "\r\n");
	repeat(&small, CHUNKS, "80\r\n", 128, "\r\n");
	must(buf_add(&large, SPAN("0\r\n\r\n")) == 0 && buf_add(&small, SPAN("0\r\n\r\n")) == 0);
	printf("head of %zu bytes\n", sizeof head - 1);
	time_it("request head", read_head, span_of(head, sizeof head - 1), 1, "head");
	time_it("chunks of 1 KiB", decode, buf_span(&large), CHUNKS / 2.0, "KiB");
	time_it("chunks of 128 bytes", decode, buf_span(&small), CHUNKS * 128 / 1024.0, "KiB");
	time_it("events of 200 bytes", read_events, repeat(&events, EVENTS, "data: ", 192, "\n\n"), EVENTS, "event");
	buf_free(&small);
	buf_free(&large);
	buf_free(&events);
	return 0;
}
