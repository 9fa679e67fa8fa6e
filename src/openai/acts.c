/* What is done with each member the gateway acts on: one small row of functions per act. Text for the chain is laid out
 * as
 *
 *     MESSAGE role BODY content [REASONING text] [CALL arguments [EXTRA hash]]… [EXTRA hash]    MESSAGE …
 *
 * with PART between content parts. The marks are bytes that no UTF-8 text has, so ("ab", "c") never looks like ("a",
 * "bc"). What the template puts first may stand last in the body: such texts are held until the message ends. What has
 * no order of its own (names, images) enters as EXTRA: the sum of its hashes. */
#include <stdlib.h>

#include "openai/facts.h"

enum mark {
	MARK_MESSAGE = 0xff,
	MARK_BODY = 0xfe,
	MARK_PART = 0xfd,
	MARK_EXTRA = 0xfc,
	MARK_CALL = 0xfb,
	MARK_REASONING = 0xfa,
	MARK_VALUE = 0xf9,
	MARK_OPEN = 0xf8,
	MARK_CLOSE = 0xf5,
};

/* Section kinds; any distinct numbers but 0. */
enum { KIND_TOOLS = 1, KIND_SYSTEM, KIND_MESSAGES, KIND_TEXT, KIND_TOKENS };

static int no_memory(struct openai_scan *s)
{
	return err_set(s->err, PS_ENOMEM, "no memory to read the body");
}

/* What does not fit is more than the chain covers: it would be left out there, too. */
static int hold(struct buf *b, struct span t)
{
	return buf_add(b, span_head(t, b->max - buf_len(b)));
}

/* To wherever text goes now. */
static int put(struct openai_scan *s, struct span t)
{
	int r = 0;
	if (s->sink == SINK_BLOCKS)
		r = blocks_add(&s->blocks, t);
	else if (s->sink == SINK_HELD)
		r = hold(&s->held[s->held_at], t);
	return r < 0 ? no_memory(s) : 0;
}

static int put_mark(struct openai_scan *s, enum mark m)
{
	char c = (char)m;
	return put(s, span_of(&c, 1));
}

static int put_u64(struct openai_scan *s, enum mark m, uint64_t v)
{
	char b[9] = { (char)m };
	memcpy(b + 1, &v, 8);
	return put(s, span_of(b, sizeof b));
}

static int put_extra(struct openai_scan *s)
{
	struct frame *f = frame_top(s);
	return f->extra ? put_u64(s, MARK_EXTRA, f->extra) : 0;
}

/* A value that is known by its hash takes as much room in the chain as its text does in the prompt: residency is
 * counted in blocks. */
static int put_stretched(struct openai_scan *s, uint64_t hash, uint64_t bytes)
{
	uint64_t words[OPENAI_BLOCK_BYTES / 8];
	int r = put_u64(s, MARK_VALUE, hash);
	for (uint64_t i = 0, n = bytes / 8; i < n && r == 0;) {
		size_t k = 0;
		for (; k < sizeof words / sizeof *words && i < n; i++)
			words[k++] = hash_mix(hash, i);
		r = put(s, span_of((const char *)words, k * 8));
	}
	return r;
}

static void sink_blocks(struct openai_scan *s)
{
	s->sink = SINK_BLOCKS;
}

/* ---- scalars ---- */

static int top_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	s->splice.top_at = s->json.at + 1;
	return 0;
}

static int model_text(struct openai_scan *s, const struct rule *r, struct span t)
{
	(void)r;
	if (t.n > sizeof s->texts->model - s->model_n)
		return facts_bad_field(s, "is longer than 256 bytes");
	memcpy(s->texts->model + s->model_n, t.p, t.n);
	s->model_n = (uint16_t)(s->model_n + t.n);
	return 0;
}

static int model_end(struct openai_scan *s, const struct rule *r)
{
	(void)r;
	if (s->model_n == 0)
		return facts_bad_field(s, "is empty");
	s->facts.model = span_of(s->texts->model, s->model_n);
	s->facts.model_at = s->json.at;
	s->facts.model_len = s->json.behind - s->json.at;
	return 0;
}

static int stream_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)r, (void)t;
	s->facts.stream = ev == SCAN_TRUE;
	return 0;
}

static int options_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	s->splice.options = true;
	s->splice.options_at = s->json.at;
	return 0;
}

static int options_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)t;
	s->splice.options_len = s->json.behind - s->json.at;
	return options_begin(s, r, ev);
}

static int include_usage_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)r, (void)t;
	s->facts.include_usage = ev == SCAN_TRUE;
	s->splice.usage = true;
	s->splice.usage_at = s->json.at;
	s->splice.usage_len = s->json.behind - s->json.at;
	return 0;
}

/* A whole number that is not negative, also written as 16.0 or 1e2, cut at UINT32_MAX; false for others. */
static bool to_u32(struct span t, uint32_t *ret)
{
	char z[SCAN_TOKEN_BYTES + 1];
	uint64_t v = 0;
	if (t.n < 10 && span_to_u64(t, &v)) {
		*ret = (uint32_t)v;
		return true;
	}
	span_copy(z, sizeof z, t);
	double d = strtod(z, NULL);
	if (!(d >= 0) || (d < UINT32_MAX && d != (double)(uint32_t)d))
		return false;
	*ret = d < UINT32_MAX ? (uint32_t)d : UINT32_MAX;
	return true;
}

static int max_tokens_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	uint32_t v = 0;
	if (ev == SCAN_NULL)
		return 0;
	/* llama.cpp and others say "no limit" by -1. */
	if (!span_eq(t, SPAN("-1")) && !to_u32(t, &v))
		return facts_bad_field(s, "wants a whole number");
	if (r->arg || !s->completion_limit)
		s->facts.max_tokens = v;
	s->completion_limit |= r->arg;
	return 0;
}

static int n_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)r;
	if (ev == SCAN_NULL)
		return 0;
	if (!to_u32(t, &s->facts.n) || s->facts.n == 0)
		return facts_bad_field(s, "wants a whole number above 0");
	return 0;
}

/* Of several names for the user the one with the rule's arg set wins, wherever it stands. */
static int user_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)ev;
	s->json.want_text = s->user_rank <= r->arg;
	if (s->json.want_text)
		s->user_n = 0;
	return 0;
}

static int user_text(struct openai_scan *s, const struct rule *r, struct span t)
{
	struct span fits = span_head(t, sizeof s->texts->user - s->user_n);
	if (fits.n)
		memcpy(s->texts->user + s->user_n, fits.p, fits.n);
	s->user_n = (uint8_t)(s->user_n + fits.n);
	s->user_rank = r->arg;
	s->facts.user = span_of(s->texts->user, s->user_n);
	return 0;
}

static int salt_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	(void)r;
	s->salted = true;
	s->salt = hash;
	return 0;
}

/* A repeated key is refused, so there are never more than names. */
static int never_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	(void)r, (void)hash;
	struct openai_facts *f = &s->facts;
	f->never[f->never_count++] = (struct openai_never){ (uint32_t)s->value_at,
							    (uint32_t)(s->json.behind - s->value_at) };
	return 0;
}

/* ---- sections ---- */

static int section_end(struct openai_scan *s, const struct rule *r)
{
	(void)r;
	blocks_end(&s->blocks);
	s->sink = SINK_COUNT;
	return 0;
}

static int tools_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)ev;
	blocks_begin(&s->blocks, (enum section_id)r->arg, KIND_TOOLS);
	sink_blocks(s);
	return 0;
}

static int system_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	blocks_begin(&s->blocks, SECTION_SYSTEM, KIND_SYSTEM);
	sink_blocks(s);
	return 0;
}

/* A bare string (Responses) is one message of the user. */
static int messages_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r;
	blocks_begin(&s->blocks, SECTION_MAIN, KIND_MESSAGES);
	sink_blocks(s);
	return ev == SCAN_STRING ? put(s, SPAN("\xffuser\xfe")) : 0;
}

/* ---- messages ---- */

static int message_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	s->role_seen = false;
	for (int i = 0; i < HELD_COUNT; i++)
		buf_clear(&s->held[i]);
	return 0;
}

static int message_end(struct openai_scan *s, const struct rule *r)
{
	int res = 0;
	(void)r;
	sink_blocks(s);
	if (!s->role_seen)
		res = put(s, SPAN("\xff\xfe"));
	for (int i = 0; i < HELD_COUNT && res == 0; i++)
		res = put(s, buf_span(&s->held[i]));
	return res < 0 ? res : put_extra(s);
}

static int role_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	sink_blocks(s);
	return put_mark(s, MARK_MESSAGE);
}

static int role_text(struct openai_scan *s, const struct rule *r, struct span t)
{
	(void)r;
	return put(s, t);
}

static int role_end(struct openai_scan *s, const struct rule *r)
{
	(void)r;
	s->role_seen = true;
	return put_mark(s, MARK_BODY);
}

static int content_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	static const uint8_t marks[HELD_COUNT] = { [HELD_REASONING] = MARK_REASONING, [HELD_CALLS] = MARK_CALL };
	(void)ev;
	s->sink = s->role_seen && r->arg == HELD_CONTENT ? SINK_BLOCKS : SINK_HELD;
	s->held_at = r->arg;
	return marks[r->arg] ? put_mark(s, (enum mark)marks[r->arg]) : 0;
}

static int stretched_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	(void)r;
	s->facts.text_bytes += s->value->bytes;
	return put_stretched(s, hash, s->value->bytes);
}

/* Outputs and arguments of some tools (Responses) are objects. */
static int content_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	int res = content_begin(s, r, SCAN_OBJECT);
	return res < 0 ? res : stretched_value(s, r, hash);
}

static int calls_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	s->sink = SINK_HELD;
	s->held_at = HELD_CALLS;
	return 0;
}

static int function_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	int res = calls_begin(s, r, ev);
	return res < 0 ? res : put_mark(s, MARK_CALL);
}

static int text(struct openai_scan *s, const struct rule *r, struct span t)
{
	(void)r;
	s->facts.text_bytes += t.n;
	return put(s, t);
}

static int part_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	return frame_top(s)->items > 1 ? put_mark(s, MARK_PART) : 0;
}

/* Also of a part that is a bare string, which has no frame and nothing extra. */
static int part_end(struct openai_scan *s, const struct rule *r)
{
	return frame_top(s)->rule == r ? put_extra(s) : 0;
}

static int function_end(struct openai_scan *s, const struct rule *r)
{
	(void)r;
	return put_extra(s);
}

static int nested_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r, (void)ev;
	return put_mark(s, MARK_OPEN);
}

static int nested_end(struct openai_scan *s, const struct rule *r)
{
	(void)r;
	return put_mark(s, MARK_CLOSE);
}

static int name_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	(void)r;
	frame_top(s)->extra += hash_mix(ACT_NAME, hash);
	return 0;
}

static int media_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	s->facts.images++;
	frame_top(s)->extra += hash_mix(hash_bytes(r->key), hash);
	return 0;
}

/* ---- prompts: a text, token ids, or a list of either; the chain is of the first ---- */

static void prompt_open(struct openai_scan *s, bool first, uint64_t kind)
{
	s->sink = first ? SINK_BLOCKS : SINK_COUNT;
	if (first)
		blocks_begin(&s->blocks, SECTION_MAIN, kind);
}

static int prompt_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r;
	if (ev == SCAN_STRING)
		prompt_open(s, true, KIND_TEXT);
	return 0;
}

/* Elements of one list are all of one kind. */
static int one_kind(struct openai_scan *s, enum scan_event ev)
{
	struct frame *f = frame_top(s);
	if (f->items == 1)
		f->extra = ev;
	return f->extra == ev ? 0 : facts_bad_field(s, "differs in type from the elements before it");
}

static int item_begin(struct openai_scan *s, const struct rule *r, enum scan_event ev)
{
	(void)r;
	uint32_t items = frame_top(s)->items;
	s->facts.prompts = items;
	prompt_open(s, items == 1, ev == SCAN_ARRAY ? KIND_TOKENS : KIND_TEXT);
	return one_kind(s, ev);
}

static int item_value(struct openai_scan *s, const struct rule *r, uint64_t hash)
{
	int res = item_begin(s, r, SCAN_OBJECT);
	if (res == 0)
		res = stretched_value(s, r, hash);
	return res < 0 ? res : section_end(s, r);
}

static int put_token(struct openai_scan *s, struct span t)
{
	uint32_t id;
	if (!to_u32(t, &id))
		return facts_bad_field(s, "wants a token id");
	s->facts.token_ids++;
	return put(s, span_of((const char *)&id, sizeof id));
}

static int item_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)r;
	if (frame_top(s)->items == 1)
		prompt_open(s, true, KIND_TOKENS);
	int res = one_kind(s, ev);
	return res < 0 ? res : put_token(s, t);
}

static int token_scalar(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span t)
{
	(void)r, (void)ev;
	return put_token(s, t);
}

const struct act_ops acts[ACT_COUNT] = {
	[ACT_GROUP] = { 0 },
	[ACT_TOP] = { .begin = top_begin },
	[ACT_MODEL] = { .text = model_text, .end = model_end },
	[ACT_STREAM] = { .scalar = stream_scalar },
	[ACT_OPTIONS] = { .begin = options_begin, .scalar = options_scalar },
	[ACT_INCLUDE_USAGE] = { .scalar = include_usage_scalar },
	[ACT_MAX_TOKENS] = { .scalar = max_tokens_scalar },
	[ACT_N] = { .scalar = n_scalar },
	[ACT_USER] = { .begin = user_begin, .text = user_text },
	[ACT_SALT] = { .value = salt_value },
	[ACT_NEVER] = { .value = never_value },
	[ACT_TOOLS] = { .begin = tools_begin, .end = section_end },
	[ACT_TOOL] = { .value = stretched_value },
	[ACT_SYSTEM] = { .begin = system_begin, .text = text, .end = section_end },
	[ACT_MESSAGES] = { .begin = messages_begin, .text = text, .end = section_end },
	[ACT_MESSAGE] = { .begin = message_begin, .end = message_end },
	[ACT_ROLE] = { .begin = role_begin, .text = role_text, .end = role_end },
	[ACT_NAME] = { .value = name_value },
	[ACT_CONTENT] = { .begin = content_begin, .text = text, .value = content_value },
	[ACT_CALLS] = { .begin = calls_begin },
	[ACT_FUNCTION] = { .begin = function_begin, .end = function_end },
	[ACT_PART] = { .begin = part_begin, .text = text, .end = part_end },
	[ACT_TEXT] = { .text = text },
	[ACT_NESTED] = { .begin = nested_begin, .text = text, .end = nested_end },
	[ACT_ARGUMENTS] = { .text = text, .value = stretched_value },
	[ACT_VALUE] = { .value = stretched_value },
	[ACT_MEDIA] = { .value = media_value },
	[ACT_PROMPT] = { .begin = prompt_begin, .text = text, .end = section_end },
	[ACT_PROMPT_ITEM] = { .begin = item_begin,
			      .text = text,
			      .end = section_end,
			      .scalar = item_scalar,
			      .value = item_value },
	[ACT_TOKEN] = { .scalar = token_scalar },
};
