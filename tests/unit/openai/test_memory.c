/* With every single allocation failing once: each call either works or says -PS_ENOMEM, and nothing leaks or crashes.
 * The sanitizers have an allocator of their own, so there only the way without failures runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bodies.h"

static long allocations, fail_at; /* fail_at 0: none */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
enum { COUNTED = 0 };
#else
enum { COUNTED = 1 };
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static bool fails(void)
{
	return ++allocations == fail_at;
}

__attribute__((visibility("default"))) void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}
#endif

#define TEXT4K TEXT512 TEXT512 TEXT512 TEXT512 TEXT512 TEXT512 TEXT512 TEXT512

/* With more blocks than a scanner has room for without asking for more. */
static const char body[] = "{\"messages\":[{\"content\":[{\"text\":\"" TEXT4K TEXT4K TEXT4K
			   "\"},{\"image_url\":\"u\"}],\"tool_calls\":[{\"function\":"
			   "{\"arguments\":\"" TEXT512 "\"}}],\"reasoning\":\"" TEXT512
			   "\",\"role\":\"user\"}],\"tools\":[{\"a\":\"" TEXT512
			   "\"}],\"cache_salt\":\"s\",\"model\":\"m\"}";

static int scan_it(void)
{
	struct openai_scan *s = openai_scan_new(API_CHAT);
	struct err e = { 0 };
	if (!s)
		return -PS_ENOMEM;
	int r = scan_steps(s, span_str(body), 100, &e);
	assert_int_equal(e.code, -r);
	if (r == 0) {
		/* Without memory for the chain it is empty. */
		const struct openai_facts *f = openai_scan_facts(s, 1);
		assert_true(f->chain_len == 0 || f->chain_len >= 48);
		assert_int_equal(f->chain_len == 0, f->chain == NULL);
		assert_int_equal(f->images, 1);
	}
	openai_scan_free(s);
	return r;
}

static int watch_it(void)
{
	static const char event[] = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\ndata: \"usage\":null}\n\n";
	struct openai_answer *a = openai_answer_new(API_CHAT, true, USAGE_STRIP);
	struct openai_seen seen;
	struct buf out;
	int r = 0;
	if (!a)
		return -PS_ENOMEM;
	buf_init(&out, 1 << 20);
	for (int i = 0; i < 40 && r == 0; i++) {
		r = openai_answer_feed(a, span_of(event, 20), &out, &seen);
		if (r == 0)
			r = openai_answer_feed(a, span_str(event + 20), &out, &seen);
	}
	openai_answer_free(a);
	buf_free(&out);
	return r;
}

static void expect_only_out_of_memory(int (*run)(void))
{
	int failures = 0;
	fail_at = allocations = 0;
	assert_int_equal(run(), 0);
	long all = allocations;
	for (long k = 1; k <= all; k++) {
		allocations = 0;
		fail_at = k;
		int r = run();
		fail_at = 0;
		assert_true(r == 0 || r == -PS_ENOMEM);
		failures += r < 0;
	}
	assert_int_equal(failures > 0, COUNTED);
}

static void a_scan_survives_each_failing_allocation(void **state)
{
	(void)state;
	expect_only_out_of_memory(scan_it);
}

static void an_answer_survives_each_failing_allocation(void **state)
{
	(void)state;
	expect_only_out_of_memory(watch_it);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scan_survives_each_failing_allocation),
		cmocka_unit_test(an_answer_survives_each_failing_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
