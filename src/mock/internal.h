/* What the files of mock share. Not for other rooms. */
#ifndef PS_MOCK_INTERNAL_H
#define PS_MOCK_INTERNAL_H

#include <jansson.h>

#include "httpd/httpd.h"
#include "mock/fault.h"
#include "mock/mock.h"
#include "mock/page.h"
#include "mock/series.h"
#include "mock/text.h"

enum {
	ADAPTERS_MAX = 256,
	NAME_MAX_BYTES = 128, /* of a model or adapter, with a NUL */
	CHOICES_MAX = 2048,   /* answers of one request: prompts times n */
	PROMPT_MAX_BYTES = 16 << 20,
	ANSWER_MAX_BYTES = 64 << 20, /* the words of one choice */
	DRIP_BYTES_MAX = 64 << 20,
	LORA_SETS_MAX = 16, /* label sets of lora_requests_info that are remembered, as vLLM remembers all */
};

/* A LoRA adapter, loaded or a free slot. Its engine number is its index + 1. */
struct adapter {
	char *name; /* NULL: free */
	char *path;
	uint64_t salt; /* begins the hash chain of its prompts */
};

/* One label set of vllm:lora_requests_info and when it was true last. */
struct lora_set {
	char running[256], waiting[256];
	double at;
};

struct mock {
	struct loop *loop;
	struct httpd *httpd;
	struct engine *engine;
	struct timer pump;	  /* the end of the engine's step */
	struct timer fault_timer; /* a window of refusal begins or ends */
	double speed;
	uint64_t born_ns, born_wall_ns;
	uint64_t seed;
	uint32_t max_model_len, max_loras, block_tokens;
	char *models[MOCK_NAMES_MAX];
	size_t model_count;
	char fingerprint[32];
	struct adapter adapters[ADAPTERS_MAX];
	struct lora_set lora_sets[LORA_SETS_MAX];
	struct faults faults;
	struct rng rng; /* ids and dice: not repeatable */
	struct list exchanges;
	struct series series;
};

/* ---- a body, as far as it matters (ask.c) ---- */

enum tool_use { TOOL_NO, TOOL_NAMED, TOOL_REQUIRED };

/* Why a request is refused, in vLLM's shape. */
struct refusal {
	int status; /* 0: it is not */
	const char *type;
	char param[64];
	char message[640];
};

struct prompt {
	struct buf text;
};

/* Filled by an API's `read`. Lives while the handler runs; exchange_begin takes the prompts. */
struct ask {
	struct mock *mock;
	json_t *body;
	struct refusal refusal;
	const char *model; /* borrowed from body or mock */
	uint32_t adapter;
	bool stream, include_usage, continuous_usage;
	int64_t max_tokens; /* -1: not given */
	const char *max_tokens_name;
	int64_t n;
	enum tool_use tool;
	const char *tool_name;	   /* borrowed from body */
	const json_t *tool_schema; /* the JSON schema of its parameters, or NULL */
	struct prompt *prompts;
	size_t prompt_count;
};

/* Notes why and returns false. `param` may be NULL. */
bool ask_refuse(struct ask *a, int status, const char *type, const char *param, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Typed fields of the body: absent and null leave *ret alone; false: refused. */
bool ask_int(struct ask *a, const char *name, int64_t min, int64_t *ret);
bool ask_bool(struct ask *a, const char *name, bool *ret);
/* model, stream, stream_options, temperature, n: what all generating APIs have. */
bool ask_common(struct ask *a);
/* A required field of the body. */
bool ask_missing(struct ask *a, const char *name);
/* One more prompt to write to; NULL when refused. */
struct buf *ask_prompt(struct ask *a);
/* Turns the result of a text_add… into a refusal; true when it was 0. */
bool ask_added(struct ask *a, int r);
/* A prompt that is a string or an array of token numbers. */
bool ask_add_plain(struct ask *a, const json_t *prompt);
/* Messages of the chat form {role, content}. */
bool ask_add_messages(struct ask *a, struct buf *b, const json_t *messages);
/* What `tools` and a choice of "required" or a name come to: the tool that will be called. */
bool ask_tool(struct ask *a, const json_t *tools, enum tool_use use, const char *name);
void ask_done(struct ask *a);

/* ---- an exchange: one request being answered (exchange.c) ---- */

struct exchange;

/* One answer of a request: of one prompt, one of n. */
struct choice {
	struct exchange *exchange;
	struct engine_job *job; /* NULL once it is over */
	uint64_t last_ns;	/* engine time of its last token */
	uint32_t index;
	uint32_t prompt_tokens, cached_tokens;
	uint64_t seed;		  /* of its words: follows from prompt and model */
	uint32_t target;	  /* tokens it will have */
	uint32_t generated, sent; /* tokens */
	bool finished;
	bool final;	    /* its last piece was given to the API */
	const char *finish; /* "length", "stop" or "tool_calls" */
	struct buf text;    /* the whole answer, known from the start */
};

struct api;

struct exchange {
	struct list node;
	struct mock *mock;
	struct httpd_request *rq;
	const struct api *api;
	char id[40];
	char item_id[40]; /* of a tool call, a message item */
	char model[NAME_MAX_BYTES];
	uint64_t created_s;
	bool stream, include_usage, continuous_usage;
	bool started; /* the API's `start` was called */
	bool paused;  /* httpd_send said 0 */
	bool silent;  /* a fault has ended it, the connection stays */
	bool over;    /* the connection is done with it: to be freed */
	uint32_t n;   /* choices per prompt */
	int64_t max_tokens;
	int64_t dimensions; /* embeddings */
	bool base64;
	enum tool_use tool;
	char tool_name[80];
	uint32_t sequence; /* of responses events */
	enum fault_kind fault;
	uint32_t fault_at; /* stream events that still go well */
	uint32_t events;   /* stream events sent */
	struct timer drip_timer;
	struct buf drip; /* bytes that go one by one */
	bool drip_ends;
	size_t open; /* choices not finished */
	size_t count;
	struct choice choices[];
};

/* A way of asking and answering. */
struct api {
	const char *path;
	const char *id_prefix;
	/* Reads the body into *a; false when refused. */
	bool (*read)(struct ask *a);
	/* What is special of it, kept for the answer; may be NULL. */
	void (*keep)(struct exchange *x, const struct ask *a);
	/* Stream: before the first token; a piece of one choice (last: nothing follows); after all choices. Each writes
	 * events with exchange_event. NULL: never streams. */
	void (*start)(struct exchange *x);
	void (*piece)(struct exchange *x, struct choice *c, struct span text, bool last);
	void (*end)(struct exchange *x);
	/* The body of a whole answer. */
	void (*whole)(struct exchange *x, struct page *p);
};

extern const struct api api_chat, api_completions, api_embeddings, api_responses, api_messages;

/* Reads, checks, submits; answers at once when something is wrong. `fault` may be NULL. */
void exchange_handle(struct mock *m, const struct api *api, struct httpd_request *rq, const struct fault *fault);
/* Answers how much of a chat's prompt is cached now, without running it: what a test of prefix residency compares to.
 */
void exchange_tell_cached(struct mock *m, struct httpd_request *rq);
/* Takes its jobs out of the engine and frees it; its request must be over. */
void exchange_free(struct exchange *x);
void exchange_abort_jobs(struct exchange *x);
/* Cuts everything that is open. */
void exchanges_end(struct mock *m);
/* Runs the engine up to now and arms the timer for its next step. */
void mock_pump(struct mock *m);
void mock_on_pump(struct timer *t, uint64_t now);
uint64_t mock_engine_now(const struct mock *m);
/* Tokens of all choices; a prompt counts once. */
uint32_t exchange_prompt_tokens(const struct exchange *x);
uint32_t exchange_cached_tokens(const struct exchange *x);
uint32_t exchange_answer_tokens(const struct exchange *x);
/* `"usage":{…}` as chat and completions have it. */
void exchange_add_usage(const struct exchange *x, struct page *p);

/* ---- giving answers, faults applied (deliver.c) ---- */

/* The head of a stream. */
void deliver_begin(struct exchange *x);
/* Tokens of c that were not sent yet; the end, when there is nothing else. May leave x->over. */
void deliver_tokens(struct exchange *x, struct choice *c);
/* The whole answer. May leave x->over. */
void deliver_whole(struct exchange *x);
/* One SSE event, sent as one chunk; frees the page. False: nothing more is to be sent. */
bool exchange_event(struct exchange *x, struct page *p);
void deliver_on_drip(struct timer *t, uint64_t now);

/* ---- what will be said (plan.c) ---- */

/* Fills in text, target and finish of a choice whose prompt is given. False: refused. */
bool plan_choice(struct ask *a, const struct exchange *x, struct choice *c, struct span prompt);

/* ---- answers (answer.c) ---- */

void answer_refusal(struct httpd_request *rq, const struct refusal *r);
/* {"error":{message,type,param,code}}. `param` may be NULL. */
void answer_error(struct httpd_request *rq, int status, const char *type, const char *param, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* {"detail":"…"}, as the framework under vLLM answers. */
void answer_detail(struct httpd_request *rq, int status, const char *detail, const char *allow);
void answer_json(struct httpd_request *rq, json_t *body);
void answer_text(struct httpd_request *rq, int status, const char *text);
/* Answers at once with a fault that needs no engine; true when it did. */
bool answer_fault(struct httpd_request *rq, const struct fault *f);
/* The head of a broken answer with further lines ("name: value\r\n"). */
void answer_raw_head(struct page *p, const char *content_type, const char *lines);

/* ---- small endpoints ---- */

void models_list(struct mock *m, struct httpd_request *rq);
void models_load_lora(struct mock *m, struct httpd_request *rq);
void models_unload_lora(struct mock *m, struct httpd_request *rq);
void models_tokenize(struct mock *m, struct httpd_request *rq);
bool models_name_is_plain(struct span name);
/* 0, -PS_EINVAL, -PS_EEXIST, -PS_ETOOBIG or -PS_ENOMEM. */
int models_add_lora(struct mock *m, struct span name, struct span path) MUST_CHECK;
/* The engine number of a model: 0 for the base, -PS_ENOTFOUND. *ret_name is a lasting spelling of it. */
int models_find(const struct mock *m, const char *name, const char **ret_name) MUST_CHECK;
/* Notes which adapters run and wait now. */
void models_note_loras(struct mock *m);
void metrics_answer(struct mock *m, struct httpd_request *rq, enum metrics_lie lie);
void faults_get(struct mock *m, struct httpd_request *rq);
void faults_put(struct mock *m, struct httpd_request *rq);
/* Opens or closes the listener as the faults want it, and sets the timer for their next change. */
void faults_apply(struct mock *m);

#endif
