/* The command line: values, errors, the nearest name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/control.h"

enum { ARGS_MAX = 12 };

static struct serve_flags flags;

static int parse(const char *const args[ARGS_MAX], struct err *e)
{
	union {
		const char *const *read;
		char *const *given;
	} argv = { .read = args };
	int argc = 0;
	while (argc < ARGS_MAX && args[argc])
		argc++;
	return serve_flags_parse(&flags, argc, argv.given, e);
}

static void defaults_are_those_of_the_manual(void **state)
{
	(void)state;
	char text[ADDRESS_TEXT_MAX];
	struct config_base base = config_base_default();
	assert_int_equal(parse((const char *const[ARGS_MAX]){ "serve" }, NULL), 0);
	address_format(&flags.admin, text);
	assert_string_equal(text, "127.0.0.1:9090");
	assert_true(flags.workers >= 1);
	assert_int_equal(flags.drain_delay_ns, 0);
	assert_int_equal(flags.log_level, LOG_INFO);
	assert_int_equal(flags.base.listener.head_timeout_ns, base.listener.head_timeout_ns);
	assert_int_equal(flags.base.pool.tries, base.pool.tries);
}

static void values_reach_their_fields(void **state)
{
	(void)state;
	const char *const args[ARGS_MAX] = {
		"serve",	   "-f",	  "a.yaml",	    "--file=b", "--backend",
		"http://x:1",	   "--workers=3", "--head-timeout", "250ms",	"--proxy-protocol",
		"--drain-delay=5s"
	};
	assert_int_equal(parse(args, NULL), 0);
	assert_int_equal(flags.file_count, 2);
	assert_true(span_eq(flags.files[1], SPAN("b")));
	assert_int_equal(flags.backend_count, 1);
	assert_int_equal(flags.workers, 3);
	assert_int_equal(flags.base.listener.head_timeout_ns, 250 * NS_PER_MS);
	assert_true(flags.base.listener.proxy_protocol);
	assert_int_equal(flags.drain_delay_ns, 5 * NS_PER_S);
}

static void booleans_take_a_word_or_none(void **state)
{
	(void)state;
	static const struct {
		const char *args[ARGS_MAX];
		bool wanted;
	} cases[] = {
		{ { "serve", "--client-hints=false" }, false },
		{ { "serve", "--client-hints", "false", "--workers", "2" }, false },
		{ { "serve", "--client-hints", "--workers", "2" }, true },
		{ { "serve", "--client-hints" }, true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(parse(cases[i].args, NULL), 0);
		assert_int_equal(flags.base.listener.client_hints, cases[i].wanted);
	}
}

static void errors_say_which_flag_and_what_was_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *args[ARGS_MAX];
		const char *wanted; /* a part of the message */
	} cases[] = {
		{ { "serve", "--backends", "x" }, "--backends: there is no such flag; the nearest is --backend" },
		{ { "serve", "--drain-dealy=1s" }, "the nearest is --drain-delay" },
		{ { "serve", "--head-timout", "1s" }, "the nearest is --head-timeout" },
		{ { "serve", "--xyzzyxyzzy" }, "there is no such flag; penstock serve --help lists them" },
		{ { "serve", "a.yaml" }, "\"a.yaml\" is no flag; files are given with -f" },
		{ { "serve", "-" }, "\"-\" is no flag" },
		{ { "serve", "--" }, "--: there is no such flag" },
		{ { "serve", "-x" }, "-x: there is no such flag" },
		{ { "serve", "--workers" }, "--workers: a value is missing: N" },
		{ { "serve", "--workers", "0" }, "--workers: \"0\" is no number from 1 to 48" },
		{ { "serve", "--workers", "many" }, "--workers: \"many\" is no number" },
		{ { "serve", "--admin", "9090" }, "--admin: \"9090\" is no HOST:PORT" },
		{ { "serve", "--log-format", "xml" }, "--log-format: \"xml\" is none of: logfmt, json" },
		{ { "serve", "--log-level=loud" }, "--log-level: \"loud\" is none of: error, warn, info, debug" },
		{ { "serve", "--drain-delay", "soon" }, "--drain-delay: " },
		{ { "serve", "--head-timeout", "soon" }, "--head-timeout: " },
		{ { "serve", "--help=yes" }, "--help: takes no value" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = { 0 };
		assert_true(parse(cases[i].args, &e) < 0);
		if (!strstr(e.text, cases[i].wanted))
			fail_msg("wanted \"%s\", got \"%s\"", cases[i].wanted, e.text);
	}
}

static void lists_are_bounded(void **state)
{
	(void)state;
	static char *argv[2 * FLAG_LISTENS_MAX + 4];
	static char name[] = "--listen", value[] = ":1";
	struct err e = { 0 };
	argv[0] = name;
	for (int i = 0; i < FLAG_LISTENS_MAX + 1; i++) {
		argv[1 + 2 * i] = name;
		argv[2 + 2 * i] = value;
	}
	assert_int_equal(serve_flags_parse(&flags, 1 + 2 * FLAG_LISTENS_MAX, argv, &e), 0);
	assert_int_equal(flags.listen_count, FLAG_LISTENS_MAX);
	assert_true(serve_flags_parse(&flags, 3 + 2 * FLAG_LISTENS_MAX, argv, &e) < 0);
}

static void help_names_every_option(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n, bytes;
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	serve_flags_help(out);
	fclose(out);
	const struct option_row *rows = option_rows(&n);
	for (size_t i = 0; i < n; i++) {
		char flag[OPTION_TEXT_MAX];
		snprintf(flag, sizeof flag, "--%s ", rows[i].flag);
		if (!strstr(text, flag))
			fail_msg("%s is missing", flag);
	}
	free(text);
}

static void the_reference_page_is_the_one_in_docs(void **state)
{
	(void)state;
	char *text = NULL;
	static char page[1 << 16];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes), *in = fopen("docs/reference/flags.md", "re");
	assert_non_null(out);
	assert_non_null(in); /* tests run in the root of the tree */
	serve_flags_reference(out);
	fclose(out);
	page[fread(page, 1, sizeof page - 1, in)] = '\0';
	fclose(in);
	assert_string_equal(page, text); /* if not: penstock serve --reference > docs/reference/flags.md */
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(values_reach_their_fields),
		cmocka_unit_test(booleans_take_a_word_or_none),
		cmocka_unit_test(errors_say_which_flag_and_what_was_wanted),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(help_names_every_option),
		cmocka_unit_test(the_reference_page_is_the_one_in_docs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
