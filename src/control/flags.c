/* The command line of `penstock serve`: one table for the process's own flags, config's option rows for the fields of
 * the two policies. Both are looked up the same way, so that help, errors and the nearest name know all of them. */
#include "control/flags.h"

#include <unistd.h>

/* Longer words are not compared with known flags. */
enum { NEAR_WORD_MAX = 40, NEAR_DISTANCE_MAX = 2 };

static const char *const words_log_format[] = { [LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json", NULL };
static const char *const words_log_level[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL
};

static int add(struct span *list, uint32_t *n, uint32_t max, struct span v, struct err *e)
{
	if (*n == max)
		return err_set(e, PS_EINVAL, "at most %u of them", max);
	list[(*n)++] = v;
	return 0;
}

static int set_file(struct serve_flags *f, struct span v, struct err *e)
{
	return add(f->files, &f->file_count, FLAG_FILES_MAX, v, e);
}

static int set_backend(struct serve_flags *f, struct span v, struct err *e)
{
	return add(f->backends, &f->backend_count, FLAG_BACKENDS_MAX, v, e);
}

static int set_listen(struct serve_flags *f, struct span v, struct err *e)
{
	return add(f->listens, &f->listen_count, FLAG_LISTENS_MAX, v, e);
}

static int set_admin(struct serve_flags *f, struct span v, struct err *e)
{
	return address_parse(&f->admin, v, e);
}

static int set_count(uint32_t *field, uint32_t max, struct span v, struct err *e)
{
	uint64_t n;
	if (!span_to_u64(v, &n) || n < 1 || n > max)
		return err_set(e, PS_EINVAL, "\"%.*s\" is no number from 1 to %u", SPAN_ARG(v), max);
	*field = (uint32_t)n;
	return 0;
}

static int set_workers(struct serve_flags *f, struct span v, struct err *e)
{
	return set_count(&f->workers, FLAG_WORKERS_MAX, v, e);
}

static int set_generations(struct serve_flags *f, struct span v, struct err *e)
{
	return set_count(&f->generations, 1000, v, e);
}

static int set_word(const char *const *words, struct span v, struct err *e)
{
	struct err list = { 0 };
	for (int i = 0; words[i]; i++) {
		if (span_eq(v, span_str(words[i])))
			return i;
	}
	for (int i = 0; words[i]; i++) {
		char so_far[sizeof list.text];
		span_copy(so_far, sizeof so_far, span_str(list.text));
		err_set(&list, PS_EINVAL, "%.250s%s%s", so_far, i ? ", " : "", words[i]);
	}
	return err_set(e, PS_EINVAL, "\"%.*s\" is none of: %s", SPAN_ARG(v), list.text);
}

static int set_log_format(struct serve_flags *f, struct span v, struct err *e)
{
	int r = set_word(words_log_format, v, e);
	if (r >= 0)
		f->log_format = (enum log_format)r;
	return r < 0 ? r : 0;
}

static int set_log_level(struct serve_flags *f, struct span v, struct err *e)
{
	int r = set_word(words_log_level, v, e);
	if (r >= 0)
		f->log_level = (enum log_level)r;
	return r < 0 ? r : 0;
}

static int set_log(struct serve_flags *f, struct span v, struct err *e)
{
	(void)e;
	f->log_file = v.p; /* an argument: the NUL is there */
	return 0;
}

static int set_pid_file(struct serve_flags *f, struct span v, struct err *e)
{
	(void)e;
	f->pid_file = v.p;
	return 0;
}

static int set_drain_delay(struct serve_flags *f, struct span v, struct err *e)
{
	return config_duration_parse(v, &f->drain_delay_ns, e);
}

static int set_body_memory(struct serve_flags *f, struct span v, struct err *e)
{
	return config_size_parse(v, &f->body_memory_bytes, e);
}

static int set_help(struct serve_flags *f, struct span v, struct err *e)
{
	(void)v;
	(void)e;
	f->help = true;
	return 0;
}

static int set_reference(struct serve_flags *f, struct span v, struct err *e)
{
	(void)v;
	(void)e;
	f->reference = true;
	return 0;
}

struct flag_row {
	const char *name;
	char letter;	 /* 0: none */
	const char *arg; /* what the value is called; NULL: takes none */
	int (*set)(struct serve_flags *f, struct span v, struct err *e);
	const char *help;
};

static const struct flag_row rows[] = {
	{ "file", 'f', "FILE|DIR", set_file,
	  "manifests, YAML or JSON; a folder's .yaml, .yml and .json files; repeatable" },
	{ "backend", 0, "URL", set_backend, "a replica, http://HOST:PORT; repeatable" },
	{ "listen", 0, "HOST:PORT", set_listen,
	  "where clients connect; repeatable [127.0.0.1:8080 when no file has a Gateway]" },
	{ "admin", 0, "HOST:PORT", set_admin, "health, metrics and /debug [127.0.0.1:9090]" },
	{ "workers", 0, "N", set_workers, "threads that serve [one per core]" },
	{ "log-format", 0, "WORD", set_log_format, "logfmt or json [logfmt]" },
	{ "log-level", 0, "WORD", set_log_level, "error, warn, info or debug [info]" },
	{ "log", 0, "FILE", set_log, "append the log to a file [standard error]" },
	{ "pid-file", 0, "FILE", set_pid_file, "holds the process id of the generation that serves" },
	{ "drain-delay", 0, "DURATION", set_drain_delay,
	  "after SIGTERM: go on accepting for so long, no longer ready, then drain [0s]" },
	{ "generations", 0, "N", set_generations,
	  "a hand-over is refused while so many processes of the chain are alive [32]" },
	{ "body-memory", 0, "SIZE", set_body_memory,
	  "what request bodies may hold together; above it new requests get 503 [a quarter of the memory limit]" },
	{ "reference", 0, NULL, set_reference, "the same as docs/reference/flags.md" },
	{ "help", 'h', NULL, set_help, "this text" },
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

/* ---- which flag ---- */

/* Edits (insert, delete, replace, swap neighbours) between two words: Damerau 1964, three rows of the table. */
static unsigned distance(struct span a, struct span b)
{
	unsigned line[3][NEAR_WORD_MAX + 1];
	if (a.n > NEAR_WORD_MAX || b.n > NEAR_WORD_MAX)
		return UINT32_MAX;
	for (unsigned j = 0; j <= b.n; j++)
		line[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *now = line[i % 3], *last = line[(i + 2) % 3], *older = line[(i + 1) % 3];
		now[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned best = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
			best = last[j] + 1 < best ? last[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
			    older[j - 2] + 1 < best)
				best = older[j - 2] + 1;
			now[j] = best;
		}
	}
	return line[a.n % 3][b.n];
}

static const char *nearest(struct span word)
{
	unsigned best = NEAR_DISTANCE_MAX + 1;
	const char *found = NULL;
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		unsigned d = distance(word, span_str(rows[i].name));
		if (d < best) {
			best = d;
			found = rows[i].name;
		}
	}
	return found ? found : option_near_flag(word);
}

static const struct flag_row *row_find(struct span name, bool is_letter)
{
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		if (is_letter ? rows[i].letter && name.n == 1 && name.p[0] == rows[i].letter
			      : span_eq(name, span_str(rows[i].name)))
			return &rows[i];
	}
	return NULL;
}

/* ---- reading argv ---- */

/* The arguments not read yet, and the one at hand taken apart. */
struct reader {
	char *const *next, *const *end;
	struct span name; /* without dashes */
	struct span value;
	bool has_value; /* "--name=value" */
};

static int value_take(struct reader *r, const char *wanted, struct err *e)
{
	if (r->has_value)
		return 0;
	if (r->next == r->end)
		return err_set(e, PS_EINVAL, "a value is missing: %s", wanted);
	r->value = span_str(*r->next++);
	return 0;
}

/* "--proxy-protocol" alone means true; "true" and "false" may follow as a word of their own. */
static void bool_value(struct reader *r)
{
	if (r->has_value)
		return;
	struct span next = r->next < r->end ? span_str(*r->next) : SPAN_NONE;
	bool said = span_eq(next, SPAN("true")) || span_eq(next, SPAN("false"));
	r->value = said ? next : SPAN("true");
	r->next += said;
}

static int option_take(struct serve_flags *f, const struct option_row *row, struct reader *r, struct err *e)
{
	void *into = row->scope == OPTION_LISTENER ? (void *)&f->base.listener : (void *)&f->base.pool;
	if (row->type == OPTION_BOOL)
		bool_value(r);
	else if (value_take(r, row->help, e) < 0)
		return -PS_EINVAL;
	return option_set(row, into, r->value, e);
}

static int row_take(struct serve_flags *f, const struct flag_row *row, struct reader *r, struct err *e)
{
	if (!row->arg && r->has_value)
		return err_set(e, PS_EINVAL, "takes no value");
	if (row->arg && value_take(r, row->arg, e) < 0)
		return -PS_EINVAL;
	return row->set(f, r->value, e);
}

static int unknown(struct span arg, struct span name, struct err *e)
{
	const char *near = nearest(name);
	if (near)
		return err_set(e, PS_EINVAL, "%.*s: there is no such flag; the nearest is --%s",
			       SPAN_ARG(span_head(arg, 100)), near);
	return err_set(e, PS_EINVAL, "%.*s: there is no such flag; penstock serve --help lists them",
		       SPAN_ARG(span_head(arg, 100)));
}

static int flag_take(struct serve_flags *f, struct reader *r, struct err *e)
{
	struct span arg = span_str(*r->next++), rest;
	bool is_letter = !span_starts(arg, SPAN("--"));
	if (!span_starts(arg, SPAN("-")) || arg.n == 1)
		return err_set(e, PS_EINVAL, "\"%.*s\" is no flag; files are given with -f",
			       SPAN_ARG(span_head(arg, 100)));
	r->name = span_cut(span_skip(arg, is_letter ? 1 : 2), '=', &rest);
	r->value = rest;
	r->has_value = span_find(arg, '=') >= 0;
	const struct flag_row *row = row_find(r->name, is_letter);
	const struct option_row *option = row || is_letter ? NULL : option_find_flag(r->name);
	int result;
	if (row)
		result = row_take(f, row, r, e);
	else if (option)
		result = option_take(f, option, r, e);
	else
		return unknown(arg, r->name, e);
	if (result < 0)
		err_prefix(e, "%s%.*s: ", is_letter ? "-" : "--", SPAN_ARG(r->name));
	return result;
}

static uint32_t cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > FLAG_WORKERS_MAX ? (uint32_t)FLAG_WORKERS_MAX : (uint32_t)n;
}

int serve_flags_parse(struct serve_flags *f, int argc, char *const *argv, struct err *e)
{
	struct reader r = { .next = argv + (argc > 0), .end = argv + argc };
	*f = (struct serve_flags){
		.workers = cores(),
		.log_level = LOG_INFO,
		.generations = 32,
		.base = config_base_default(),
	};
	int result = address_from_host(&f->admin, SPAN("127.0.0.1"), 9090, e);
	while (result == 0 && r.next < r.end && !f->help && !f->reference)
		result = flag_take(f, &r, e);
	return result;
}

/* ---- help ---- */

static void help_line(FILE *out, const char *left, const char *right)
{
	if (fprintf(out, "  %-34s", left) > 36)
		fprintf(out, "\n  %-34s", "");
	fprintf(out, " %s\n", right);
}

static void help_options(FILE *out, enum option_scope scope)
{
	size_t n;
	const struct option_row *options = option_rows(&n);
	for (size_t i = 0; i < n; i++) {
		char left[96];
		struct err line;
		if (options[i].scope != scope)
			continue;
		snprintf(left, sizeof left, "--%s %s", options[i].flag,
			 options[i].type == OPTION_WORD ? options[i].words : options[i].unit);
		err_set(&line, 0, "%.250s [%s]", options[i].help, options[i].initial);
		help_line(out, left, line.text);
	}
}

void serve_flags_help(FILE *out)
{
	fputs("usage: penstock serve [-f FILE|DIR]... [--backend URL]... [--listen HOST:PORT]... [flags]\n\n", out);
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		char left[64], letter[8] = "";
		if (rows[i].letter)
			snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
		snprintf(left, sizeof left, "%s--%s %s", letter, rows[i].name, rows[i].arg ? rows[i].arg : "");
		help_line(out, left, rows[i].help);
	}
	fputs("\nListeners (fields of ListenerPolicy; a policy in a file wins):\n", out);
	help_options(out, OPTION_LISTENER);
	fputs("\nPools (fields of InferencePolicy; a policy in a file wins):\n", out);
	help_options(out, OPTION_POOL);
	fputs("\nSignals: SIGHUP reloads, SIGTERM and SIGINT drain, SIGUSR2 hands over to a new process.\n", out);
}

/* ---- docs/reference/flags.md ---- */

static const char page_head[] =
	"# Flags of `penstock serve`\n\n"
	"This page is made from the tables in the code (`penstock serve --reference`). A value follows its flag as the "
	"next "
	"word or behind `=`.\n"
	"What stands in brackets is the default.\n\n"
	"Without `-f` the flags make a Gateway, a route for everything and a pool `default/flags` of the backends. "
	"With `-f` "
	"the files say what\n"
	"is served; `--listen` and `--backend` add to it. Files without a Gateway get one at the default `--listen`; "
	"it is "
	"called `flags`, and routes\n"
	"name it in their `parentRefs`.\n";

static void page_options(FILE *out, enum option_scope scope, const char *title, const char *about)
{
	size_t n;
	const struct option_row *options = option_rows(&n);
	fprintf(out, "\n## %s\n\n%s\n\n| flag | default | |\n|---|---|---|\n", title, about);
	for (size_t i = 0; i < n; i++) {
		const struct option_row *o = &options[i];
		if (o->scope != scope)
			continue;
		fprintf(out, "| `--%s` | %s%s%s | %s%s%s |\n", o->flag, *o->initial ? "`" : "", o->initial,
			*o->initial ? "`" : "", o->help, *o->words ? " One of: " : "", o->words);
	}
}

void serve_flags_reference(FILE *out)
{
	fputs(page_head, out);
	fputs("\n## The process\n\n| flag | |\n|---|---|\n", out);
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		const struct flag_row *row = &rows[i];
		fputs("| `", out);
		if (row->letter)
			fprintf(out, "-%c`, `", row->letter);
		fprintf(out, "--%s%s", row->name, row->arg ? " " : "");
		for (const char *c = row->arg ? row->arg : ""; *c; c++)
			fprintf(out, "%s%c", *c == '|' ? "\\" : "", *c); /* a bar would end the cell */
		fprintf(out, "` | %s |\n", row->help);
	}
	page_options(out, OPTION_LISTENER, "Listeners",
		     "Fields of `ListenerPolicy`; a policy in a file wins over the flag.");
	page_options(out, OPTION_POOL, "Pools", "Fields of `InferencePolicy`; a policy in a file wins over the flag.");
}
