/* Whole files: every wrong one has its exact message beside it, every right one and every example is taken, and loading
 * twice gives the same store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

enum { TEXT_MAX = 1 << 20, PATH_MAX_BYTES = 512, WRONG_FILES_MIN = 50 };

#define WRONG_DIR "tests/data/config/wrong"

static bool read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return false;
	char *at = buf_reserve(out, TEXT_MAX - 1);
	assert_non_null(at);
	buf_commit(out, fread(at, 1, TEXT_MAX - 1, f));
	assert_int_equal(fclose(f), 0);
	return true;
}

static int is_yaml(const struct dirent *d)
{
	return span_ends(span_str(d->d_name), SPAN(".yaml"));
}

/* Calls `each` with the folder and the name of every manifest in it; how many there were. */
static int each_manifest(const char *folder, void (*each)(const char *folder, const char *name))
{
	struct dirent **found;
	int n = scandir(folder, &found, is_yaml, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		each(folder, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return n;
}

static int load(const char *name, struct span text, struct config_errors *errors, struct config **ret)
{
	struct config_source src = { span_str(name), text };
	config_errors_init(errors);
	return config_load(&src, 1, NULL, CONFIG_STRICT, errors, ret);
}

static void is_refused_with_its_message(const char *folder, const char *name)
{
	char path[PATH_MAX_BYTES];
	struct buf text, want;
	struct config *c = NULL;
	struct config_errors errors;
	buf_init(&text, TEXT_MAX);
	buf_init(&want, TEXT_MAX);
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_true(read_file(path, &text));
	(void)snprintf(path, sizeof path, "%s/%.*s.txt", folder, (int)(strlen(name) - 5), name);
	assert_true(read_file(path, &want));
	assert_int_equal(load(name, buf_span(&text), &errors, &c), -PS_ECONFIG);
	assert_null(c);
	if (!span_eq(buf_span(&errors.text), buf_span(&want)))
		fail_msg("%s says\n%.*swanted\n%.*s", name, SPAN_ARG(buf_span(&errors.text)),
			 SPAN_ARG(buf_span(&want)));
	config_errors_free(&errors);
	buf_free(&text);
	buf_free(&want);
}

static void every_wrong_file_has_its_exact_message(void **state)
{
	(void)state;
	assert_true(each_manifest(WRONG_DIR, is_refused_with_its_message) >= WRONG_FILES_MIN);
}

static void is_taken_twice_alike(const char *folder, const char *name)
{
	char path[PATH_MAX_BYTES];
	struct buf text, dumps[2];
	buf_init(&text, TEXT_MAX);
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	assert_true(read_file(path, &text));
	for (int i = 0; i < 2; i++) {
		struct config *c = NULL;
		struct config_errors errors;
		int r = load(name, buf_span(&text), &errors, &c);
		if (r)
			fail_msg("%s: %.*s", path, SPAN_ARG(buf_span(&errors.text)));
		buf_init(&dumps[i], TEXT_MAX);
		assert_int_equal(config_dump(c, &dumps[i]), 0);
		assert_true(buf_len(&dumps[i]) > 0);
		config_unref(c);
		config_errors_free(&errors);
	}
	assert_true(span_eq(buf_span(&dumps[0]), buf_span(&dumps[1])));
	buf_free(&dumps[0]);
	buf_free(&dumps[1]);
	buf_free(&text);
}

static void every_good_file_and_example_is_taken(void **state)
{
	(void)state;
	(void)each_manifest("tests/data/config/good", is_taken_twice_alike);
	(void)each_manifest("examples", is_taken_twice_alike);
}

static void one_store_takes_all_examples(void **state)
{
	(void)state;
	struct dirent **found;
	struct config_source files[16] = { 0 };
	struct buf texts[16];
	struct config *c = NULL;
	struct config_errors errors;
	int n = scandir("examples", &found, is_yaml, alphasort);
	assert_in_range(n, 1, 16);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX_BYTES];
		(void)snprintf(path, sizeof path, "examples/%s", found[i]->d_name);
		buf_init(&texts[i], TEXT_MAX);
		assert_true(read_file(path, &texts[i]));
		files[i] = (struct config_source){ span_str(found[i]->d_name), buf_span(&texts[i]) };
	}
	config_errors_init(&errors);
	if (config_load(files, (size_t)n, NULL, CONFIG_STRICT, &errors, &c))
		fail_msg("%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_unref(c);
	config_errors_free(&errors);
	for (int i = 0; i < n; i++) {
		buf_free(&texts[i]);
		free(found[i]);
	}
	free(found);
}

static void the_reference_page_is_what_the_tables_say(void **state)
{
	(void)state;
	struct buf page, made;
	buf_init(&page, TEXT_MAX);
	buf_init(&made, TEXT_MAX);
	assert_true(read_file("docs/reference/objects.md", &page));
	assert_int_equal(config_reference(&made), 0);
	if (!span_eq(buf_span(&page), buf_span(&made)))
		fail_msg("docs/reference/objects.md is old; make it with: penstock check --reference");
	buf_free(&page);
	buf_free(&made);
}

static void errors_come_in_the_order_of_the_text_and_are_bounded(void **state)
{
	(void)state;
	struct buf text;
	struct config *c = NULL;
	struct config_errors errors;
	buf_init(&text, TEXT_MAX);
	for (int i = 0; i < 150; i++)
		assert_int_equal(
			buf_printf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: n%d }\nx: 1\n", i),
			0);
	assert_int_equal(load("f", buf_span(&text), &errors, &c), -PS_ECONFIG);
	assert_int_equal(errors.count, 150);
	struct span rest = buf_span(&errors.text);
	for (unsigned i = 0; i < CONFIG_ERRORS_MAX; i++) {
		char want[64];
		(void)snprintf(want, sizeof want, "f:%u:1: x: unknown field", 5 + 5 * i);
		assert_true(span_starts(span_cut(rest, '\n', &rest), span_str(want)));
	}
	assert_int_equal(rest.n, 0);
	config_errors_free(&errors);
	buf_free(&text);
}

static void one_file_does_not_hide_the_errors_of_the_next(void **state)
{
	(void)state;
	const struct config_source files[] = {
		{ SPAN("a.yaml"), SPAN("apiVersion: v1\nkind: Podd\n") },
		{ SPAN("b.yaml"), SPAN("{") },
		{ SPAN("c.yaml"), SPAN("apiVersion: v1\nkind: Secret\nmetadata: { name: s, namespace: 1 }\n") },
	};
	struct config *c = NULL;
	struct config_errors errors;
	config_errors_init(&errors);
	assert_int_equal(config_load(files, 3, NULL, CONFIG_STRICT, &errors, &c), -PS_ECONFIG);
	assert_int_equal(errors.count, 3);
	struct span rest = buf_span(&errors.text);
	assert_true(span_starts(span_cut(rest, '\n', &rest), SPAN("a.yaml:2:7: kind: ")));
	assert_true(span_starts(span_cut(rest, '\n', &rest), SPAN("b.yaml:")));
	assert_true(span_starts(span_cut(rest, '\n', &rest), SPAN("c.yaml:3:33: metadata.namespace: ")));
	config_errors_free(&errors);
}

static void json_and_lists_are_yaml(void **state)
{
	(void)state;
	struct config *c = NULL;
	struct config_errors errors;
	static const char text[] = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n"
				   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\","
				   "\"creationTimestamp\":null},"
				   "\"data\":{\"k\":\"\\u00e9\\n\"}},\n"
				   "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"b\"}}]}";
	assert_int_equal(load("j.json", span_str(text), &errors, &c), 0);
	assert_int_equal(config_count(c, CONFIG_CONFIG_MAP), 2);
	const struct config_config_map *m = config_find(c, CONFIG_CONFIG_MAP, SPAN("default"), SPAN("a"));
	assert_non_null(m);
	assert_true(span_eq(m->values.items[0].value, SPAN("\xc3\xa9\n")));
	assert_true(m->meta.created == CONFIG_NO_TIME);
	config_unref(c);
	config_errors_free(&errors);
}

static void nothing_at_all_is_an_empty_store(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "\n", "---\n---\n", "# only words\n", "null\n" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct config *c = NULL;
		struct config_errors errors;
		assert_int_equal(load("e", span_str(texts[i]), &errors, &c), 0);
		assert_int_equal(config_pool_count(c) + config_listener_count(c), 0);
		config_unref(c);
		config_errors_free(&errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_file_has_its_exact_message),
		cmocka_unit_test(every_good_file_and_example_is_taken),
		cmocka_unit_test(one_store_takes_all_examples),
		cmocka_unit_test(the_reference_page_is_what_the_tables_say),
		cmocka_unit_test(errors_come_in_the_order_of_the_text_and_are_bounded),
		cmocka_unit_test(one_file_does_not_hide_the_errors_of_the_next),
		cmocka_unit_test(json_and_lists_are_yaml),
		cmocka_unit_test(nothing_at_all_is_an_empty_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
