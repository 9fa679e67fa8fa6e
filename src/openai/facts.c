/* The walk of the body scanner: for each value the parser reports, find its rule (rules.c), hold it against the types
 * that are allowed, and let the rule's act (acts.c) have it. Containers no rule knows are muted in the parser. One
 * pass, on the worker that owns the exchange, while the body arrives. */
#include "openai/facts.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_MAX_BYTES = 160 };

/* ---- what is wrong, and where ---- */

static size_t path_add(char *out, size_t n, const struct rule *r, uint32_t items)
{
	int k = 0;
	if (n >= PATH_MAX_BYTES)
		return n;
	if (r->key.n)
		k = snprintf(out + n, PATH_MAX_BYTES - n, "%s%.*s", n ? "." : "", SPAN_ARG(r->key));
	else if (r != &rule_body)
		k = snprintf(out + n, PATH_MAX_BYTES - n, "[%u]", items - 1);
	return n + (k > 0 ? (size_t)k : 0);
}

/* "messages[3].content[0].text" */
static void path_format(const struct openai_scan *s, char out[PATH_MAX_BYTES])
{
	size_t n = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < s->depth; i++)
		n = path_add(out, n, s->frames[i].rule, i ? s->frames[i - 1].items : 0);
	/* A container's own end comes while its frame is still there: it is not named twice. */
	if (s->rule && (s->depth == 0 || s->frames[s->depth - 1].rule != s->rule))
		path_add(out, n, s->rule, s->depth ? s->frames[s->depth - 1].items : 0);
	if (out[0] == '\0')
		(void)snprintf(out, PATH_MAX_BYTES, "the body");
}

int facts_bad_field(struct openai_scan *s, const char *why)
{
	char path[PATH_MAX_BYTES];
	path_format(s, path);
	return err_set(s->err, PS_EBADFIELD, "%s: %s", path, why);
}

static COLD int wrong_type(struct openai_scan *s, const struct rule *r)
{
	static const struct {
		unsigned mask;
		const char *name;
	} names[] = {
		{ 1u << SCAN_STRING, "a string" },  { 1u << SCAN_NUMBER, "a number" }, { 1u << SCAN_TRUE, "a boolean" },
		{ 1u << SCAN_OBJECT, "an object" }, { 1u << SCAN_ARRAY, "an array" },  { 1u << SCAN_NULL, "null" },
	};
	char why[80] = "wants ";
	size_t n = strlen(why);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (r->types & names[i].mask) {
			int k = snprintf(why + n, sizeof why - n, "%s%s", n > 6 ? " or " : "", names[i].name);
			n += k > 0 ? (size_t)k : 0;
		}
	return facts_bad_field(s, why);
}

/* ---- values ---- */

/* NULL: nobody wants it. */
static const struct rule *rule_of_value(struct openai_scan *s)
{
	if (s->depth == 0)
		return &rule_body;
	if (scan_in_array(&s->json)) {
		struct frame *f = frame_top(s);
		f->items++;
		return rule_elements(f->rule->node);
	}
	return s->rule;
}

static int skip(struct openai_scan *s, enum scan_event ev)
{
	if (ev == SCAN_OBJECT || ev == SCAN_ARRAY) {
		scan_mute(&s->json);
		s->skipped = true;
	}
	return 0;
}

static int value_piece(struct openai_scan *s, enum scan_event ev, struct span text)
{
	const struct rule *r = s->value_rule;
	if (!value_hash_event(s->value, &s->json, ev, text))
		return 0;
	s->value_rule = NULL;
	return acts[r->act].value(s, r, hash_mix(s->value->sum, s->value->bytes));
}

static int value_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span text)
{
	if (!s->value && !(s->value = malloc(sizeof *s->value)))
		return err_set(s->err, PS_ENOMEM, "no memory to read the body");
	value_hash_begin(s->value);
	s->value_rule = r;
	s->value_at = s->json.at;
	return value_piece(s, ev, text);
}

static void push(struct openai_scan *s, const struct rule *r)
{
	/* rules.c has no deeper path: its nodes do not recur. */
	s->frames[s->depth++] = (struct frame){ .rule = r };
}

static int on_value(struct openai_scan *s, enum scan_event ev, struct span text)
{
	const struct rule *r = s->rule = rule_of_value(s);
	bool number_too_long = s->long_number;
	s->long_number = false;
	if (!r)
		return skip(s, ev);
	if (!(r->types >> ev & 1))
		return wrong_type(s, r);
	if (number_too_long)
		return facts_bad_field(s, "the number is too long");
	const struct act_ops *a = &acts[r->act];
	if (a->value && ev != SCAN_NULL && (!a->text || ev == SCAN_OBJECT))
		return value_begin(s, r, ev, text);
	if (ev != SCAN_STRING && ev != SCAN_OBJECT && ev != SCAN_ARRAY)
		return a->scalar ? a->scalar(s, r, ev, text) : 0;
	s->json.want_text = ev == SCAN_STRING && a->text;
	int res = a->begin ? a->begin(s, r, ev) : 0;
	if (ev != SCAN_STRING)
		push(s, r);
	return res;
}

static int on_text(struct openai_scan *s, enum scan_event ev, struct span text)
{
	(void)ev;
	return acts[s->rule->act].text(s, s->rule, text);
}

static int on_string_end(struct openai_scan *s, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	return s->rule && acts[s->rule->act].end ? acts[s->rule->act].end(s, s->rule) : 0;
}

static int on_container_end(struct openai_scan *s, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	if (s->skipped) {
		s->skipped = false;
		return 0;
	}
	const struct rule *r = s->rule = frame_top(s)->rule;
	int res = acts[r->act].end ? acts[r->act].end(s, r) : 0;
	s->depth--;
	return res;
}

static COLD int twice(struct openai_scan *s)
{
	char path[PATH_MAX_BYTES];
	path_format(s, path);
	return err_set(s->err, PS_EDUPKEY, "%s: stands twice in its object", path);
}

static int on_key(struct openai_scan *s, enum scan_event ev, struct span key)
{
	struct frame *f = frame_top(s);
	unsigned i = 0;
	(void)ev;
	s->rule = s->long_key ? NULL : rule_member(f->rule->node, s->api, key, &i);
	s->long_key = false;
	if (f->rule->act == ACT_OPTIONS)
		s->splice.options_members = true;
	if (!s->rule)
		return 0;
	if (f->seen >> i & 1)
		return twice(s);
	f->seen |= 1u << i;
	return 0;
}

static int on_key_part(struct openai_scan *s, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	s->long_key = true;
	return 0;
}

static int on_number_part(struct openai_scan *s, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	s->long_number = true;
	return 0;
}

static int on_event(void *arg, enum scan_event ev, struct span text)
{
	static int (*const on[])(struct openai_scan *, enum scan_event, struct span) = {
		[SCAN_OBJECT] = on_value,
		[SCAN_ARRAY] = on_value,
		[SCAN_STRING] = on_value,
		[SCAN_NUMBER] = on_value,
		[SCAN_TRUE] = on_value,
		[SCAN_FALSE] = on_value,
		[SCAN_NULL] = on_value,
		[SCAN_OBJECT_END] = on_container_end,
		[SCAN_ARRAY_END] = on_container_end,
		[SCAN_STRING_END] = on_string_end,
		[SCAN_KEY] = on_key,
		[SCAN_TEXT] = on_text,
		[SCAN_KEY_PART] = on_key_part,
		[SCAN_NUMBER_PART] = on_number_part,
	};
	struct openai_scan *s = arg;
	return s->value_rule ? value_piece(s, ev, text) : on[ev](s, ev, text);
}

/* ---- the door ---- */

struct openai_scan *openai_scan_new(enum openai_api api)
{
	struct openai_scan *s = malloc(sizeof *s);
	struct texts *texts = malloc(sizeof *texts);
	if (!s || !texts) {
		free(s);
		free(texts);
		return NULL;
	}
	memset(s, 0, offsetof(struct openai_scan, texts));
	s->api = api;
	s->texts = texts;
	blocks_prepare(&s->blocks, &texts->blocks);
	s->facts.n = s->facts.prompts = 1;
	scan_init(&s->json, on_event, s);
	for (int i = 0; i < HELD_COUNT; i++)
		buf_init(&s->held[i], OPENAI_BLOCKS_MAX * OPENAI_BLOCK_BYTES);
	return s;
}

void openai_scan_free(struct openai_scan *s)
{
	if (!s)
		return;
	for (int i = 0; i < HELD_COUNT; i++)
		buf_free(&s->held[i]);
	blocks_free(&s->blocks);
	free(s->value);
	free(s->facts.chain);
	free(s->texts);
	free(s);
}

static int explain(const struct openai_scan *s, int r, struct err *e)
{
	if (r == -PS_EBADJSON || r == -PS_EDEPTH)
		return scan_explain(&s->json, e);
	if (e && e->code == 0)
		return err_set(e, r, "%s", error_row(r)->text);
	return r;
}

int openai_scan_feed(struct openai_scan *s, struct span bytes, struct err *e)
{
	s->err = e;
	s->chain_fresh = false;
	int r = scan_feed(&s->json, bytes);
	s->err = NULL;
	return r < 0 ? explain(s, r, e) : 0;
}

int openai_scan_end(struct openai_scan *s, struct err *e)
{
	s->err = e;
	int r = scan_end(&s->json);
	s->err = NULL;
	if (r < 0)
		return explain(s, r, e);
	if (s->facts.model_len == 0)
		return err_set(e, PS_ENOFIELD, "model: is missing");
	return 0;
}

#define ASK "\"include_usage\":true"

/* Where and what to put so that the engine reports usage in the stream; see struct openai_facts. */
static void find_splice(const struct openai_scan *s, struct openai_facts *f)
{
	const struct splice *x = &s->splice;
	f->inject_at = f->inject_len = 0;
	f->inject_text = SPAN_NONE;
	if ((s->api != API_CHAT && s->api != API_COMPLETIONS) || !f->stream || f->include_usage)
		return;
	if (!x->options) {
		f->inject_at = x->top_at;
		f->inject_text = SPAN("\"stream_options\":{" ASK "},");
	} else if (x->options_len) {
		f->inject_at = x->options_at;
		f->inject_len = x->options_len;
		f->inject_text = SPAN("{" ASK "}");
	} else if (x->usage) {
		f->inject_at = x->usage_at;
		f->inject_len = x->usage_len;
		f->inject_text = SPAN("true");
	} else {
		f->inject_at = x->options_at + 1;
		f->inject_text = x->options_members ? SPAN(ASK ",") : SPAN(ASK);
	}
}

/* Room for the chain; the old one's, when it has as many blocks. */
static bool make_room(struct openai_facts *f, uint32_t n)
{
	if (f->chain && f->chain_len == n)
		return true;
	free(f->chain);
	f->chain = n ? malloc(n * sizeof *f->chain) : NULL;
	f->chain_len = f->chain ? n : 0;
	return f->chain != NULL;
}

static void make_chain(struct openai_scan *s, uint64_t seed)
{
	struct openai_facts *f = &s->facts;
	if ((f->chain && s->chain_fresh && s->chain_seed == seed) || !make_room(f, s->blocks.n))
		return;
	blocks_chain(&s->blocks, s->salted ? hash_mix(seed, s->salt) : seed, f->chain);
	s->chain_seed = seed;
	s->chain_fresh = true;
}

const struct openai_facts *openai_scan_facts(struct openai_scan *s, uint64_t seed)
{
	find_splice(s, &s->facts);
	make_chain(s, seed);
	return &s->facts;
}

const struct openai_facts *openai_scan_peek(struct openai_scan *s)
{
	find_splice(s, &s->facts);
	return &s->facts;
}

int openai_json_check(struct span text, struct err *e)
{
	struct scan s;
	scan_init(&s, NULL, NULL);
	int r = scan_feed(&s, text);
	if (r == 0)
		r = scan_end(&s);
	return r < 0 ? scan_explain(&s, e) : 0;
}
