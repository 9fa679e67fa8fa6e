/* DNS names: what each kind of answer does to what is known, and that real ones come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <netdb.h>

#include <cmocka.h>

#include "control/names.h"

static unsigned changes;
static struct loop *loop;

static void on_change(void *arg)
{
	(void)arg;
	changes++;
	loop_stop(loop);
}

static int make(void **state)
{
	changes = 0;
	loop = loop_new("test", 0);
	*state = names_new(loop, on_change, NULL);
	return *state ? 0 : -1;
}

static int unmake(void **state)
{
	names_free(*state);
	loop_free(loop);
	return 0;
}

/* A list as getaddrinfo gives it, of up to three addresses. */
struct answers {
	struct address a[3];
	struct addrinfo info[3];
};

static const struct addrinfo *list_of(struct answers *l, const char *const *texts)
{
	const struct addrinfo *first = NULL;
	for (int i = 2; i >= 0; i--) {
		if (!texts[i])
			continue;
		assert_int_equal(address_from_host(&l->a[i], span_str(texts[i]), 0, NULL), 0);
		l->info[i] = (struct addrinfo){ .ai_family = l->a[i].sa.ss_family,
						.ai_addr = (struct sockaddr *)&l->a[i].sa,
						.ai_addrlen = l->a[i].len,
						.ai_next = (struct addrinfo *)(uintptr_t)first };
		first = &l->info[i];
	}
	return first;
}

static void answers_change_what_is_known(void **state)
{
	static const struct {
		const char *name;
		const char *texts[3];
		int status;
		uint64_t at_s;
		unsigned changes; /* so far */
		uint32_t count;
		const char *first;
	} steps[] = {
		{ "the first answer counts even when it is none", { NULL }, EAI_AGAIN, 1, 1, 0, NULL },
		{ "addresses", { "10.0.0.1", "10.0.0.2", NULL }, 0, 2, 2, 2, "10.0.0.1" },
		{ "another order is no change", { "10.0.0.2", "10.0.0.1", NULL }, 0, 3, 2, 2, "10.0.0.2" },
		{ "IPv4 is preferred", { "::1", "10.0.0.1", "10.0.0.2" }, 0, 4, 2, 2, "10.0.0.1" },
		{ "a failure keeps them", { NULL }, EAI_AGAIN, 5, 2, 2, "10.0.0.1" },
		{ "for any time", { NULL }, EAI_AGAIN, 9999, 2, 2, "10.0.0.1" },
		{ "a good answer", { "10.0.0.1", NULL, NULL }, 0, 10000, 3, 1, "10.0.0.1" },
		{ "no such name keeps them for a while", { NULL }, EAI_NONAME, 10599, 3, 1, "10.0.0.1" },
		{ "and no longer", { NULL }, EAI_NONAME, 10600, 4, 0, NULL },
		{ "IPv6 when there is nothing else", { "fd00::1", NULL, NULL }, 0, 10601, 5, 1, "fd00::1" },
	};
	struct names *n = *state;
	struct name_answer known;
	/* a question is really asked, of a name that exists nowhere; what it is told here comes first */
	assert_int_equal(names_find(n, SPAN("x.invalid"), &known), 0);
	assert_false(known.asked);
	assert_int_equal(names_waiting(n), 1);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		struct answers l;
		char text[ADDRESS_TEXT_MAX] = "";
		names_answered(n, SPAN("x.invalid"), steps[i].status, list_of(&l, steps[i].texts),
			       steps[i].at_s * NS_PER_S);
		assert_int_equal(names_find(n, SPAN("x.invalid"), &known), 0);
		assert_int_equal(names_waiting(n), 0);
		if (known.count)
			address_format_host(&known.addresses[0], text);
		if (changes != steps[i].changes || known.count != steps[i].count ||
		    (steps[i].first && !span_eq(span_str(steps[i].first), span_str(text))))
			fail_msg("%s: %u changes, %u addresses, %s", steps[i].name, changes, known.count, text);
	}
}

static void localhost_is_resolved(void **state)
{
	struct names *n = *state;
	struct name_answer known;
	char text[ADDRESS_TEXT_MAX];
	assert_int_equal(names_find(n, SPAN("localhost"), &known), 0);
	loop_run(loop);
	assert_int_equal(changes, 1);
	assert_int_equal(names_find(n, SPAN("localhost"), &known), 0);
	assert_int_equal(known.count, 1);
	address_format_host(&known.addresses[0], text);
	assert_string_equal(text, "127.0.0.1");
}

static void unwanted_names_are_forgotten_even_while_asked(void **state)
{
	struct names *n = *state;
	struct name_answer known;
	assert_int_equal(names_find(n, SPAN("a.invalid"), &known), 0);
	assert_int_equal(names_find(n, SPAN("b.invalid"), &known), 0);
	names_sweep(n); /* both were looked up since the beginning */
	assert_int_equal(names_waiting(n), 2);
	assert_int_equal(names_find(n, SPAN("b.invalid"), &known), 0);
	names_sweep(n);
	assert_int_equal(names_waiting(n), 1);
	names_sweep(n);
	assert_int_equal(names_waiting(n), 0);
}

static void a_name_too_long_is_refused(void **state)
{
	struct names *n = *state;
	struct name_answer known;
	char text[NAME_TEXT_MAX];
	memset(text, 'a', sizeof text);
	assert_int_equal(names_find(n, span_of(text, sizeof text), &known), -PS_ETOOBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_change_what_is_known, make, unmake),
		cmocka_unit_test_setup_teardown(localhost_is_resolved, make, unmake),
		cmocka_unit_test_setup_teardown(unwanted_names_are_forgotten_even_while_asked, make, unmake),
		cmocka_unit_test_setup_teardown(a_name_too_long_is_refused, make, unmake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
