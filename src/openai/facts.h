/* Inside the body scanner: which members of a body the gateway acts on (rules.c, a table), what it does with them
 * (acts.c), and the walk that brings the two together (facts.c). Private to openai. */
#ifndef PS_OPENAI_FACTS_H
#define PS_OPENAI_FACTS_H

#include "openai/chain.h"
#include "openai/openai.h"
#include "openai/scan.h"
#include "openai/value.h"

enum {
	FRAMES_MAX = 10, /* the deepest path in rules.c has 8: a part inside a tool result inside a message */
	USER_MAX = 128,	 /* bytes kept of `user`; OpenAI allows 64 characters of safety_identifier */
};

/* What is done with a value; one row each in acts.c. */
enum act {
	ACT_GROUP, /* only what is inside matters */
	ACT_TOP,
	ACT_MODEL,
	ACT_STREAM,
	ACT_OPTIONS,
	ACT_INCLUDE_USAGE,
	ACT_MAX_TOKENS,
	ACT_N,
	ACT_USER,
	ACT_SALT,
	ACT_NEVER,
	ACT_TOOLS,
	ACT_TOOL,
	ACT_SYSTEM,
	ACT_MESSAGES,
	ACT_MESSAGE,
	ACT_ROLE,
	ACT_NAME,
	ACT_CONTENT,
	ACT_CALLS,
	ACT_FUNCTION,
	ACT_PART,
	ACT_TEXT,
	ACT_NESTED,
	ACT_ARGUMENTS,
	ACT_VALUE,
	ACT_MEDIA,
	ACT_PROMPT,
	ACT_PROMPT_ITEM,
	ACT_TOKEN,
	ACT_COUNT
};

/* What an object's or array's inside is looked up in. */
enum node {
	NODE_NONE,
	NODE_TOP,
	NODE_OPTIONS,
	NODE_METADATA,
	NODE_TOOLS,
	NODE_MESSAGES,
	NODE_MESSAGE,
	NODE_CALLS,
	NODE_CALL,
	NODE_FUNCTION,
	NODE_PARTS,
	NODE_PART,
	NODE_INNER_PARTS,
	NODE_INNER_PART,
	NODE_PROMPTS,
	NODE_INPUTS,
	NODE_TOKENS,
	NODE_COUNT
};

/* Texts of a message that wait for its end because what the template puts before them may still come. */
enum held { HELD_CONTENT, HELD_REASONING, HELD_CALLS, HELD_COUNT };

/* One member (or the elements) of a node. */
struct rule {
	struct span key; /* empty: every element of an array */
	uint8_t apis;	 /* bit per enum openai_api */
	uint8_t types;	 /* bit per enum scan_event: what the value may be */
	uint8_t act;	 /* enum act */
	uint8_t node;	 /* of the value, when it is a container */
	uint8_t arg;	 /* what the act wants to know */
};

/* The rule of an object's member, NULL when it is not acted on. *ret_index is its place in the node. */
const struct rule *rule_member(enum node node, enum openai_api api, struct span key, unsigned *ret_index);
/* The rule of an array's elements. */
const struct rule *rule_elements(enum node node);
extern const struct rule rule_body;

/* A container that is being read and matters. */
struct frame {
	const struct rule *rule;
	uint64_t extra; /* what has no order among its members (names, media), summed */
	uint32_t seen;	/* members already met, by place in the node */
	uint32_t items; /* elements begun */
};

/* Where text goes. */
enum sink { SINK_COUNT, SINK_BLOCKS, SINK_HELD };

/* Offsets for the splice that asks for usage. */
struct splice {
	size_t top_at;	    /* behind the body's { */
	size_t options_at;  /* value of stream_options */
	size_t options_len; /* 0: it is an object */
	size_t usage_at;    /* value of include_usage */
	size_t usage_len;
	bool options;	      /* there is a stream_options */
	bool options_members; /* and it is not empty */
	bool usage;	      /* there is an include_usage */
};

/* The longer texts of a scanner, apart from it: each of the two is below the 1032 bytes up to which glibc keeps freed
 * blocks at hand (tcache), which spares 350 instructions for each request. Not cleared. */
struct texts {
	struct blocks_room blocks;
	char model[OPENAI_MODEL_MAX];
	char user[USER_MAX];
};

/* See openai.h. */
struct openai_scan {
	struct scan json;
	enum openai_api api;
	struct openai_facts facts;
	struct err *err; /* the caller's, during a call */
	struct frame frames[FRAMES_MAX];
	uint8_t depth;	 /* frames in use */
	uint8_t sink;	 /* enum sink */
	uint8_t held_at; /* enum held: which one, for SINK_HELD */
	bool skipped;	 /* the next END belongs to a container without a frame */
	bool role_seen;
	bool long_key;	       /* the key in progress is longer than any that matters */
	bool long_number;      /* the number in progress is longer than any that matters */
	bool completion_limit; /* max_completion_tokens was there: it wins over max_tokens */
	bool salted;
	const struct rule *rule;       /* of the value in progress, or about to come */
	const struct rule *value_rule; /* not NULL: events go to `value` */
	struct value_hash *value;      /* allocated at first use */
	size_t value_at;	       /* where it begins in the body */
	bool chain_fresh;	       /* nothing was fed since facts.chain was made … */
	uint64_t chain_seed;	       /* … with this seed */
	uint64_t salt;
	struct blocks blocks;
	struct buf held[HELD_COUNT];
	struct splice splice;
	uint16_t model_n;
	uint8_t user_n, user_rank;
	struct texts *texts;
};

/* One act. Each may be NULL; results: 0 or an error. */
struct act_ops {
	int (*begin)(struct openai_scan *s, const struct rule *r, enum scan_event ev); /* string, object or array */
	int (*text)(struct openai_scan *s, const struct rule *r, struct span text);    /* of a string */
	int (*end)(struct openai_scan *s, const struct rule *r);		       /* of string, object or array */
	int (*scalar)(struct openai_scan *s, const struct rule *r, enum scan_event ev, struct span text);
	int (*value)(struct openai_scan *s, const struct rule *r,
		     uint64_t hash); /* any value, by its hash; with `text`: objects */
};
extern const struct act_ops acts[ACT_COUNT];

/* Faults and what else is rare, and wants a stack frame that the frequent way should not have to set up. */
#define COLD __attribute__((cold, noinline))

/* The error of a member whose value is not what it should be. */
COLD int facts_bad_field(struct openai_scan *s, const char *why);

static inline struct frame *frame_top(struct openai_scan *s)
{
	return &s->frames[s->depth - 1];
}

#endif
