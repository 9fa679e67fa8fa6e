/* The door of openai: what the gateway understands of API bodies and answers. Facts in, usage out, errors.
 * No sockets, no clock. OpenAI and Anthropic dialects, by path. */
#ifndef PS_OPENAI_OPENAI_H
#define PS_OPENAI_OPENAI_H

#include "base/base.h"

enum openai_api {
	API_NONE,	 /* anything else: passes through unread */
	API_CHAT,	 /* /v1/chat/completions */
	API_COMPLETIONS, /* /v1/completions */
	API_EMBEDDINGS,	 /* /v1/embeddings */
	API_RESPONSES,	 /* /v1/responses */
	API_MESSAGES,	 /* /v1/messages (Anthropic) */
	API_MODELS,	 /* GET /v1/models and /v1/models/{id} */
	API_COUNT
};

/* Longest known suffix of the path, so a prefix such as /openai/v1/… is understood too. */
enum openai_api openai_api_of(struct span path);
/* True for the paths whose errors have Anthropic's shape. */
bool openai_is_anthropic(struct span path);
/* OpenTelemetry's gen_ai.operation.name: chat, text_completion, embeddings, generate_content. */
const char *openai_operation(enum openai_api api);

enum {
	OPENAI_BLOCK_BYTES = 256,  /* one prefix block: 64 tokens of 4 bytes (reference picker's floor) */
	OPENAI_BLOCKS_MAX = 16384, /* 4 MiB of text; what is behind is not part of the chain */
	OPENAI_DEPTH_MAX = 64,
	OPENAI_MODEL_MAX = 256, /* bytes of a model name */
	OPENAI_NEVER_MAX = 6,	/* members of a body that are taken away (rules.c, ACT_NEVER) */
};

/* What one body says. Owned by the scanner it came from, its chain included. */
struct openai_facts {
	struct span model; /* unescaped; empty when absent */
	size_t model_at;   /* offset and length of the raw JSON string, quotes included, for a splice; */
	size_t model_len;  /*   0 when the body has no model */
	bool stream;
	bool include_usage;	 /* stream_options.include_usage is true */
	size_t inject_at;	 /* the splice that makes the engine report usage: at inject_at, inject_len bytes */
	size_t inject_len;	 /*   are replaced by inject_text; */
	struct span inject_text; /*   empty when the client asked itself or the API has no such option */
	uint32_t max_tokens;	 /* max_completion_tokens, max_tokens or max_output_tokens; 0 when absent */
	uint32_t prompts;    /* independent prompts in the body (completions and embeddings take lists); at least 1 */
	uint32_t n;	     /* choices asked for, default 1 */
	uint64_t text_bytes; /* text that goes into the prompt, unescaped */
	uint32_t token_ids;  /* prompt tokens given as numbers */
	uint32_t images;     /* parts that are no text */
	struct span user;    /* `user` or safety identifier, borrowed from the scanner */
	/* values of members that only gateways may write (disaggregation hand-shakes): to be replaced by null */
	struct openai_never {
		uint32_t at, len;
	} never[OPENAI_NEVER_MAX];
	uint32_t never_count;
	uint64_t *chain; /* chained block hashes of the (first) prompt, longest prefix last */
	uint32_t chain_len;
};

/* A scanner of one body. Fed with the bytes as they arrive, in any split; holds O(depth + chain) memory, plus text of
 * messages whose role comes after their content. Owner: one exchange, one thread. */
struct openai_scan;

/* `api` must be one of CHAT … MESSAGES. NULL without memory. */
struct openai_scan *openai_scan_new(enum openai_api api);
/* 0, or what is wrong: -PS_EBADJSON, -PS_EDEPTH, -PS_EDUPKEY, -PS_EBADFIELD, -PS_ETOOBIG, -PS_ENOMEM. The message names
 * the byte offset and, for fields, the path. After an error the scanner only can be freed. */
int openai_scan_feed(struct openai_scan *s, struct span bytes, struct err *e) MUST_CHECK;
/* At the end of the body. -PS_EBADJSON when it is incomplete, -PS_ENOFIELD without a model. */
int openai_scan_end(struct openai_scan *s, struct err *e) MUST_CHECK;
/* The facts: complete after openai_scan_end; before it, what is known so far (bodies beyond body-hold). The chain is
 * final for what was fed. `seed` is mixed in front of it: use it for model, adapter (the cache salt is in it already).
 * Borrowed until the next call with another seed or more bytes; without memory for the chain its length is 0, which
 * costs a cache hit and nothing else.
 */
const struct openai_facts *openai_scan_facts(struct openai_scan *s, uint64_t seed);
/* The same without (re)making the chain, which stays as the last openai_scan_facts made it: for the model's name and
 * such. */
const struct openai_facts *openai_scan_peek(struct openai_scan *s);
/* NULL is allowed. */
void openai_scan_free(struct openai_scan *s);
/* Only JSON (RFC 8259), for `penstock facts --syntax`. The cases RFC 8259 leaves open are listed in
 * docs/reference/json.md. */
int openai_json_check(struct span text, struct err *e) MUST_CHECK;

/* ---- answers ---- */

struct openai_usage {
	bool known;	   /* a usage object was seen */
	bool cached_known; /* cached_tokens was in it: 0 is not the same as absent */
	uint32_t prompt_tokens, completion_tokens, cached_tokens;
};

enum openai_usage_mode {
	USAGE_OBSERVE, /* read what passes */
	USAGE_STRIP,   /* we asked for usage and the client did not: take every trace out again */
	USAGE_OFF,     /* do not look */
};

/* Watches one answer body as it passes. Owner: one exchange. Small; memory only while an event is incomplete. */
struct openai_answer;

/* What one piece of an answer meant. */
struct openai_seen {
	uint32_t tokens;    /* events that carried content (about one token each) */
	bool first_content; /* the first content of this answer is in this piece */
	bool finished; /* the API's end was seen: [DONE], message_stop, response.completed … or a whole body's end */
	bool error;    /* the engine reported an error inside the stream */
};

struct openai_answer *openai_answer_new(enum openai_api api, bool event_stream, enum openai_usage_mode mode);
/* True when openai_answer_feed writes what is to be forwarded to `out`; else `in` is to be forwarded as it is. */
bool openai_answer_edits(const struct openai_answer *a);
/* Looks at the next payload bytes (never chunk framing). 0, -PS_ENOMEM or -PS_ETOOBIG. */
int openai_answer_feed(struct openai_answer *a, struct span in, struct buf *out, struct openai_seen *ret) MUST_CHECK;
/* At the end of the body; flushes what an edit held back. */
int openai_answer_end(struct openai_answer *a, struct buf *out, struct openai_seen *ret) MUST_CHECK;
const struct openai_usage *openai_answer_usage(const struct openai_answer *a);
void openai_answer_free(struct openai_answer *a);

/* ---- errors, as clients of the two dialects expect them ---- */

struct openai_error {
	int code; /* PS_E…: gives status, `code` and `type` */
	struct span message;
	struct span param; /* empty: null */
	struct span request_id;
};

/* The JSON object of an error answer. */
int openai_error_body(struct buf *b, struct span path, const struct openai_error *er) MUST_CHECK;
/* The event(s) that end a stream visibly unfinished, per dialect; never [DONE]. */
int openai_error_event(struct buf *b, struct span path, const struct openai_error *er) MUST_CHECK;

/* ---- model lists ---- */

struct openai_model {
	struct span id;
	struct span parent; /* base model of an adapter, empty otherwise */
	struct span owned_by;
	uint64_t created;	/* seconds */
	uint32_t max_model_len; /* 0: unknown */
};

/* Calls `each` for every model of a /v1/models answer. 0 or -PS_EBADJSON. */
int openai_models_read(struct span json, void (*each)(void *arg, const struct openai_model *m), void *arg,
		       struct err *e) MUST_CHECK;
/* The aggregated list (OpenAI's shape, or Anthropic's when the client speaks it). */
int openai_models_write(struct buf *b, const struct openai_model *m, size_t n, bool anthropic) MUST_CHECK;
/* One of them, for /v1/models/{id}. */
int openai_model_write(struct buf *b, const struct openai_model *m, bool anthropic) MUST_CHECK;

#endif
