/* Manifest files. Watching is by looking four times a second: a handful of stat calls see every way in which a file is
 * replaced (written in place, renamed over, a ConfigMap's symbolic link moved), on every file system; inotify misses
 * some of them on network file systems and follows the inode instead of the name. Control's thread. */
#include "control/sources.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- walking: a path is a file or a folder of files ---- */

/* Not 0 ends the walk and is its result. */
typedef int visit(void *arg, const char *path, const struct stat *st, struct err *e);

static int is_manifest(const struct dirent *d)
{
	static const struct span endings[] = { SPAN(".yaml"), SPAN(".yml"), SPAN(".json") };
	struct span name = span_str(d->d_name);
	for (unsigned i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		if (name.p[0] != '.' && span_ends(name, endings[i]))
			return 1;
	}
	return 0;
}

static int fail(struct err *e, const char *path)
{
	return err_set(e, PS_EIO, "%s: %s", path, strerror(errno));
}

static int visit_entry(const char *folder, const char *name, visit *fn, void *arg, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return err_set(e, PS_ETOOBIG, "%s: a path is too long", folder);
	if (stat(path, &st) < 0)
		return fail(e, path);
	return S_ISREG(st.st_mode) ? fn(arg, path, &st, e) : 0;
}

static int visit_folder(const char *folder, visit *fn, void *arg, struct err *e)
{
	struct dirent **names;
	int r = 0, n = scandir(folder, &names, is_manifest, alphasort);
	if (n < 0)
		return fail(e, folder);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = visit_entry(folder, names[i]->d_name, fn, arg, e);
		free(names[i]);
	}
	free((void *)names);
	return r;
}

static int visit_path(struct span given, visit *fn, void *arg, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	if (span_copy(path, sizeof path, given) < given.n)
		return err_set(e, PS_ETOOBIG, "a path is too long");
	if (stat(path, &st) < 0)
		return fail(e, path);
	return S_ISDIR(st.st_mode) ? visit_folder(path, fn, arg, e) : fn(arg, path, &st, e);
}

/* ---- reading ---- */

static int room_for_one(struct sources *s)
{
	if (s->count < s->cap)
		return 0;
	if (s->count == SOURCE_FILES_MAX)
		return -PS_ETOOBIG;
	uint32_t cap = s->cap ? s->cap * 2 : 16;
	struct config_source *items = realloc(s->items, cap * sizeof *items);
	if (!items)
		return -PS_ENOMEM;
	s->items = items;
	s->cap = cap;
	return 0;
}

int sources_add(struct sources *s, struct span name, struct span bytes)
{
	int r = room_for_one(s);
	char *name_copy = r == 0 ? span_dup(name) : NULL, *copy = r == 0 ? span_dup(bytes) : NULL;
	if (!name_copy || !copy) {
		free(name_copy);
		free(copy);
		return r < 0 ? r : -PS_ENOMEM;
	}
	s->items[s->count++] = (struct config_source){ span_of(name_copy, name.n), span_of(copy, bytes.n) };
	return 0;
}

static int add_stream(struct sources *s, const char *path, FILE *f, struct buf *text, struct err *e)
{
	for (;;) {
		char *room = buf_reserve(text, BUFSIZ);
		if (!room)
			return err_set(e, PS_ETOOBIG, "%s: larger than %d bytes", path, CONFIG_FILE_BYTES_MAX);
		size_t n = fread(room, 1, BUFSIZ, f);
		buf_commit(text, n);
		if (n == 0)
			break;
	}
	if (ferror(f))
		return fail(e, path);
	int r = sources_add(s, span_str(path), buf_span(text));
	return r < 0 ? err_set(e, r, "%s: no room for another file", path) : 0;
}

static int add_file(void *arg, const char *path, const struct stat *st, struct err *e)
{
	(void)st;
	struct buf text;
	FILE *f = fopen(path, "re");
	if (!f)
		return fail(e, path);
	buf_init(&text, CONFIG_FILE_BYTES_MAX + BUFSIZ);
	int r = add_stream(arg, path, f, &text, e);
	buf_free(&text);
	fclose(f);
	return r;
}

int sources_read(struct sources *s, const struct span *paths, uint32_t n, struct err *e)
{
	*s = (struct sources){ 0 };
	for (uint32_t i = 0; i < n; i++) {
		int r = visit_path(paths[i], add_file, s, e);
		if (r < 0) {
			sources_free(s);
			return r;
		}
	}
	return 0;
}

/* A source's texts are const for config, but they were made here. */
static void text_free(struct span text)
{
	union {
		const char *read;
		char *made;
	} p = { .read = text.p };
	free(p.made);
}

void sources_free(struct sources *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		text_free(s->items[i].name);
		text_free(s->items[i].bytes);
	}
	free(s->items);
	*s = (struct sources){ 0 };
}

/* ---- noticing changes ---- */

static int sign_file(void *arg, const char *path, const struct stat *st, struct err *e)
{
	(void)e;
	uint64_t *sum = arg;
	*sum = hash_mix(*sum, hash_bytes(span_str(path)));
	*sum = hash_mix(*sum, (uint64_t)st->st_ino);
	*sum = hash_mix(*sum, (uint64_t)st->st_size);
	*sum = hash_mix(*sum, (uint64_t)st->st_mtim.tv_sec);
	*sum = hash_mix(*sum, (uint64_t)st->st_mtim.tv_nsec);
	return 0;
}

uint64_t sources_signature(const struct span *paths, uint32_t n)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (visit_path(paths[i], sign_file, &sum, NULL) < 0)
			sum = hash_mix(sum, i + 1); /* unreadable is a state like any other: reading says why */
	}
	return sum;
}
