/* Manifest files: which are read, and that every kind of change is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/sources.h"

static char folder[32];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/sources-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[64];
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static const char *in(const char *name)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in(name), "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct span all(void)
{
	return span_str(folder);
}

static uint64_t sign(void)
{
	struct span path = all();
	return sources_signature(&path, 1);
}

static void a_folder_gives_its_manifests_in_order(void **state)
{
	(void)state;
	struct span path = all();
	struct sources s;
	put("b.yaml", "b");
	put("a.json", "a");
	put("c.yml", "");
	put(".hidden.yaml", "x");
	put("notes.txt", "x");
	put("yaml", "x");
	assert_int_equal(mkdir(in("folder.yaml"), 0700), 0);
	assert_int_equal(sources_read(&s, &path, 1, NULL), 0);
	assert_int_equal(s.count, 3);
	assert_true(span_ends(s.items[0].name, SPAN("/a.json")));
	assert_true(span_eq(s.items[0].bytes, SPAN("a")));
	assert_true(span_ends(s.items[1].name, SPAN("/b.yaml")));
	assert_int_equal(s.items[2].bytes.n, 0);
	sources_free(&s);
}

static void what_cannot_be_read_is_named(void **state)
{
	(void)state;
	struct span path = span_str(in("missing.yaml"));
	struct sources s;
	struct err e = { 0 };
	assert_int_equal(sources_read(&s, &path, 1, &e), -PS_EIO);
	assert_non_null(strstr(e.text, "missing.yaml: No such file"));
	put("broken.yaml", "x");
	assert_int_equal(unlink(in("broken.yaml")), 0);
	assert_int_equal(symlink("nowhere", in("broken.yaml")), 0);
	path = all();
	assert_int_equal(sources_read(&s, &path, 1, &e), -PS_EIO);
	assert_non_null(strstr(e.text, "broken.yaml"));
}

static void a_file_too_large_is_refused(void **state)
{
	(void)state;
	struct span path;
	struct sources s;
	struct err e = { 0 };
	put("big.yaml", "x");
	path = span_str(in("big.yaml"));
	assert_int_equal(truncate(path.p, CONFIG_FILE_BYTES_MAX + 2 * BUFSIZ), 0);
	assert_int_equal(sources_read(&s, &path, 1, &e), -PS_ETOOBIG);
}

static void touch_in_place(void)
{
	put("a.yaml", "another text");
}

static void rename_over(void)
{
	char from[PATH_MAX];
	put("a.tmp", "text");
	snprintf(from, sizeof from, "%s/a.tmp", folder);
	assert_int_equal(rename(from, in("a.yaml")), 0);
}

static void remove_it(void)
{
	assert_int_equal(unlink(in("a.yaml")), 0);
}

static void add_one(void)
{
	put("z.yaml", "");
}

static void move_a_link(void)
{
	/* as a ConfigMap is replaced: ..data points elsewhere, the visible links stay */
	assert_int_equal(unlink(in("..data")), 0);
	assert_int_equal(symlink("..two", in("..data")), 0);
}

static void every_kind_of_change_is_noticed(void **state)
{
	(void)state;
	static void (*const changes[])(void) = { touch_in_place, rename_over, move_a_link, add_one, remove_it };
	put("a.yaml", "text");
	assert_int_equal(mkdir(in("..one"), 0700), 0);
	assert_int_equal(mkdir(in("..two"), 0700), 0);
	put("..one/b.yaml", "same");
	put("..two/b.yaml", "same");
	assert_int_equal(symlink("..one", in("..data")), 0);
	assert_int_equal(symlink("..data/b.yaml", in("b.yaml")), 0);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		uint64_t before = sign();
		assert_true(before == sign());
		changes[i]();
		if (before == sign())
			fail_msg("change %zu went unnoticed", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_folder_gives_its_manifests_in_order, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_named, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_too_large_is_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(every_kind_of_change_is_noticed, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
