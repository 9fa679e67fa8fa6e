/* Reading one JSON document of an answer: a whole body as it passes, or one event. Finds usage where the API puts it,
 * and what an edit needs to know. Private to openai. */
#ifndef PS_OPENAI_USAGE_H
#define PS_OPENAI_USAGE_H

#include "openai/openai.h"
#include "openai/scan.h"

enum {
	ANSWER_NODES = 4, /* the deepest path is response.usage.input_tokens_details.cached_tokens */
	ANSWER_TYPE_MAX = 48,
};

/* Owner: one answer. No memory of its own. */
struct answer_doc {
	struct scan json;
	struct openai_usage *usage; /* what is found goes here; fields that are absent stay as they are */
	uint8_t nodes[ANSWER_NODES];
	uint8_t row;  /* of the member in progress, counted from 1; 0: not wanted */
	uint8_t have; /* which of `numbers` the usage object in progress has had */
	uint32_t numbers[5];
	bool error;	   /* an error object at the top */
	bool no_choices;   /* there is a list of choices and it is empty */
	bool usage_member; /* `usage` at the top, null included, at … */
	bool usage_object;
	size_t usage_at;     /* … this offset (of its key's quote) */
	size_t usage_behind; /* behind its value */
	uint8_t type_n;
	char type[ANSWER_TYPE_MAX]; /* `type` at the top, cut when longer */
};

void answer_doc_begin(struct answer_doc *d, struct openai_usage *usage);
/* The next bytes. After something that is no JSON the rest is ignored: answers pass whatever they hold. */
void answer_doc_feed(struct answer_doc *d, struct span in);

/* The value of the first member called `quoted` (quotes included) at any depth: a pointer to its first byte, or NULL.
 * Looks for bytes, 16 at a time; a text inside a string cannot look like a member, since its quotes are escaped. */
const char *member_find(struct span json, struct span quoted);

#endif
