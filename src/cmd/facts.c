/* penstock facts: what the gateway understands of a body, read from standard input, as one JSON object. For people who
 * wonder why a request is refused, or why two of them share no prefix. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/cmd.h"

#include "base/base.h"
#include "openai/openai.h"

enum {
	READ_BYTES = 65536,
	OUT_MAX_BYTES = 1 << 20,
	SHOWN_HASHES = 4,    /* at each end of the chain */
	BYTES_PER_TOKEN = 4, /* where the gateway starts, too; it then learns per model */
};

static const char usage[] = "usage: penstock facts [--path PATH] [--syntax] < BODY\n"
			    "  --path PATH  the API the body is for (default /v1/chat/completions)\n"
			    "  --syntax     only whether the body is taken as JSON\n";

static int refuse(const struct err *e)
{
	fprintf(stderr, "%s: %s\n", error_row(e->code)->code, e->text);
	return 1;
}

/* All of standard input, or -1. */
static ssize_t read_all(struct buf *b)
{
	for (;;) {
		char *to = buf_reserve(b, READ_BYTES);
		if (!to)
			return -1;
		ssize_t n = read(STDIN_FILENO, to, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n;
		buf_commit(b, (size_t)n);
	}
}

/* "key":["…",…] */
static int add_hashes(struct buf *b, const char *key, const uint64_t *h, uint32_t n)
{
	int r = buf_printf(b, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = buf_printf(b, "%s\"%016llx\"", i ? "," : "", (unsigned long long)h[i]);
	return r < 0 ? r : buf_add(b, SPAN("]"));
}

/* Its ends: the last hash stands for all before it. */
static int add_chain(struct buf *b, const struct openai_facts *f)
{
	uint32_t shown = f->chain_len < SHOWN_HASHES ? f->chain_len : SHOWN_HASHES;
	int r = buf_printf(b, ",\"blocks\":%u,\"chain\":{\"count\":%u", f->chain_len, f->chain_len);
	if (r == 0)
		r = add_hashes(b, "first", f->chain, shown);
	if (r == 0)
		r = add_hashes(b, "last", shown ? f->chain + f->chain_len - shown : NULL, shown);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

static int add_inject(struct buf *b, const struct openai_facts *f)
{
	if (f->inject_text.n == 0)
		return buf_add(b, SPAN(",\"inject\":null"));
	int r = buf_printf(b, ",\"inject\":{\"at\":%zu,\"length\":%zu,\"text\":", f->inject_at, f->inject_len);
	if (r == 0)
		r = json_add_string(b, f->inject_text);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

static int add_text_or_null(struct buf *b, struct span s)
{
	return s.n ? json_add_string(b, s) : buf_add(b, SPAN("null"));
}

static int add_numbers(struct buf *b, const struct openai_facts *f)
{
	return buf_printf(
		b,
		",\"stream\":%s,\"include_usage\":%s,\"max_tokens\":%u,\"n\":%u,\"prompts\":%u,\"text_bytes\":%" PRIu64
		","
		"\"token_ids\":%u,\"estimated_tokens\":%" PRIu64 ",\"images\":%u",
		f->stream ? "true" : "false", f->include_usage ? "true" : "false", f->max_tokens, f->n, f->prompts,
		f->text_bytes, f->token_ids, f->text_bytes / BYTES_PER_TOKEN + f->token_ids, f->images);
}

static int add_facts(struct buf *b, const struct openai_facts *f)
{
	int r = buf_add(b, SPAN("{\"model\":"));
	if (r == 0)
		r = json_add_string(b, f->model);
	if (r == 0)
		r = buf_printf(b, ",\"model_at\":%zu,\"model_length\":%zu,\"user\":", f->model_at, f->model_len);
	if (r == 0)
		r = add_text_or_null(b, f->user);
	if (r == 0)
		r = add_numbers(b, f);
	if (r == 0)
		r = add_chain(b, f);
	if (r == 0)
		r = add_inject(b, f);
	return r < 0 ? r : buf_add(b, SPAN("}\n"));
}

/* The chain is seeded by the model alone, so that two bodies can be compared. */
static int show(struct openai_scan *s)
{
	struct span model = openai_scan_peek(s)->model;
	struct buf out;
	buf_init(&out, OUT_MAX_BYTES);
	int r = add_facts(&out, openai_scan_facts(s, hash_bytes(model)));
	if (r == 0 && fwrite(out.p, 1, out.end, stdout) != out.end)
		r = -PS_EIO;
	buf_free(&out);
	return r < 0 ? 1 : 0;
}

static int scan_body(enum openai_api api, struct span body)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(api);
	if (!s)
		return refuse(&(struct err){ .code = PS_ENOMEM, .text = "no memory" });
	int r = openai_scan_feed(s, body, &e);
	if (r == 0)
		r = openai_scan_end(s, &e);
	r = r < 0 ? refuse(&e) : show(s);
	openai_scan_free(s);
	return r;
}

static int check_syntax(struct span body)
{
	struct err e = { 0 };
	return openai_json_check(body, &e) < 0 ? refuse(&e) : 0;
}

struct arguments {
	const char *path;
	bool syntax;
};

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--syntax") == 0)
			a->syntax = true;
		else if (strcmp(argv[i], "--path") == 0 && i + 1 < argc)
			a->path = argv[++i];
		else
			return false;
	}
	return true;
}

int cmd_facts(int argc, char **argv)
{
	struct arguments a = { .path = "/v1/chat/completions" };
	struct buf body;
	if (!read_arguments(argc, argv, &a)) {
		fputs(usage, stderr);
		return 1;
	}
	enum openai_api api = openai_api_of(span_str(a.path));
	if (!a.syntax && (api == API_NONE || api == API_MODELS)) {
		fprintf(stderr, "%s: no API whose bodies are read\n", a.path);
		return 1;
	}
	buf_init(&body, SIZE_MAX / 2);
	int r = 1;
	if (read_all(&body) < 0)
		fprintf(stderr, "standard input: %s\n", strerror(errno));
	else
		r = a.syntax ? check_syntax(buf_span(&body)) : scan_body(api, buf_span(&body));
	buf_free(&body);
	return r;
}
