/* penstock check FILE|DIR…: reads manifests as `serve` would and says what is wrong with them. Exit status 0 and one
 * line of counts, or 1 and every error: FILE:LINE:COLUMN: PATH: what is wrong, what was wanted. `penstock check
 * --reference` prints docs/reference/objects.md, which is made from the decoder's tables. */
#include "cmd/cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "config/config.h"
#include "route/route.h"

enum { FILES_MAX = 10000, PATH_BYTES_MAX = 4096 };

/* The texts of all files, on the heap; the process ends soon after. */
struct texts {
	struct config_source *items;
	size_t count;
};

static bool has_manifest_name(const char *name)
{
	struct span s = span_str(name);
	return name[0] != '.' &&
	       (span_ends(s, SPAN(".yaml")) || span_ends(s, SPAN(".yml")) || span_ends(s, SPAN(".json")));
}

static int wrong_file(const char *path, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", path, what);
	return -PS_EIO;
}

/* One byte over the bound is read, so that config_load refuses what is too large with its own words. */
static int add_file(struct texts *t, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct buf text;
	size_t n;
	if (!f)
		return wrong_file(path, strerror(errno));
	buf_init(&text, CONFIG_FILE_BYTES_MAX + 65536);
	do {
		char *at = buf_reserve(&text, 65536);
		n = at ? fread(at, 1, 65536, f) : 0;
		buf_commit(&text, n);
	} while (n && buf_len(&text) <= CONFIG_FILE_BYTES_MAX);
	int error = ferror(f) ? errno : 0;
	(void)fclose(f);
	if (error)
		return wrong_file(path, strerror(error));
	if (t->count == FILES_MAX)
		return wrong_file(path, "too many files; wanted at most 10000");
	char *name = span_dup(span_str(path));
	struct config_source *items = name ? realloc(t->items, (t->count + 1) * sizeof *items) : NULL;
	if (!items) {
		free(name);
		buf_free(&text);
		return wrong_file(path, "no memory");
	}
	t->items = items;
	t->items[t->count++] = (struct config_source){ span_str(name), buf_span(&text) };
	return 0;
}

static int is_manifest(const struct dirent *d)
{
	return has_manifest_name(d->d_name);
}

/* A folder's own manifests in the order of their names, as `serve -f DIR` takes them. */
static int add_folder(struct texts *t, const char *path)
{
	struct dirent **found = NULL;
	int n = scandir(path, &found, is_manifest, alphasort), r = 0;
	if (n < 0)
		return wrong_file(path, strerror(errno));
	for (int i = 0; i < n; i++) {
		char file[PATH_BYTES_MAX];
		(void)snprintf(file, sizeof file, "%s/%s", path, found[i]->d_name);
		r |= add_file(t, file);
		free(found[i]);
	}
	free(found);
	return n ? r : wrong_file(path, "holds no *.yaml, *.yml or *.json");
}

static int add_path(struct texts *t, const char *path)
{
	struct stat st;
	if (stat(path, &st))
		return wrong_file(path, strerror(errno));
	return S_ISDIR(st.st_mode) ? add_folder(t, path) : add_file(t, path);
}

static void print_counts(const struct texts *t, const struct config *c)
{
	uint32_t objects = 0;
	for (int kind = 0; kind < CONFIG_KIND_COUNT; kind++)
		objects += config_count(c, (enum config_kind)kind);
	(void)printf("%zu file%s, %u object%s, %u listener%s, %u pool%s: all right\n", t->count,
		     t->count == 1 ? "" : "s", objects, objects == 1 ? "" : "s", config_listener_count(c),
		     config_listener_count(c) == 1 ? "" : "s", config_pool_count(c),
		     config_pool_count(c) == 1 ? "" : "s");
}

/* `all_read`: no file failed, so that "all right" may be said. */
static int check(const struct texts *t, bool all_read)
{
	struct config *c = NULL;
	struct config_errors errors;
	config_errors_init(&errors);
	int r = config_load(t->items, t->count, NULL, CONFIG_STRICT, &errors, &c);
	if (r == 0) {
		if (all_read)
			print_counts(t, c);
		config_unref(c);
	} else {
		(void)fprintf(stderr, "%.*s", SPAN_ARG(buf_span(&errors.text)));
		if (errors.count > CONFIG_ERRORS_MAX)
			(void)fprintf(stderr, "and %u more\n", errors.count - CONFIG_ERRORS_MAX);
		if (!errors.count)
			(void)fprintf(stderr, "%s\n", error_row(r)->text);
	}
	config_errors_free(&errors);
	return r ? 1 : 0;
}

static int print_reference(void)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	int r = config_reference(&text);
	(void)fwrite(text.p, 1, buf_len(&text), stdout);
	buf_free(&text);
	return r ? 1 : 0;
}

int cmd_check(int argc, char **argv)
{
	struct texts t = { 0 };
	int r = 0;
	if (argc == 2 && !strcmp(argv[1], "--reference"))
		return print_reference();
	if (argc < 2 || argv[1][0] == '-') {
		bool help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
		(void)fprintf(help ? stdout : stderr, "usage: penstock check FILE|DIR...\n"
						      "       penstock check --reference\n");
		return help ? 0 : 1;
	}
	for (int i = 1; i < argc; i++)
		r |= add_path(&t, argv[i]);
	int wrong = r ? 1 : 0;
	wrong |= check(&t, !wrong);
	for (size_t i = 0; i < t.count; i++) {
		free((void *)(uintptr_t)t.items[i].name.p);
		free((void *)(uintptr_t)t.items[i].bytes.p);
	}
	free(t.items);
	return wrong;
}
