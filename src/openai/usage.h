/* Reading the JSON of an answer: one event, or a whole body as it passes (body.c). Finds usage where the API puts it,
 * and what an edit needs to know. Private to openai. */
#ifndef PS_OPENAI_USAGE_H
#define PS_OPENAI_USAGE_H

#include "openai/openai.h"
#include "openai/scan.h"

enum {
	ANSWER_NODES = 4, /* the deepest path is response.usage.input_tokens_details.cached_tokens */
	ANSWER_TYPE_MAX = 48,
};

struct answer_row;

/* Owner: one answer. No memory of its own. */
struct answer_doc {
	struct openai_usage *usage;   /* what is found goes here; fields that are absent stay as they are */
	const struct answer_row *row; /* of the member in progress; NULL: not wanted */
	uint8_t nodes[ANSWER_NODES];
	uint8_t have;	   /* which of `numbers` the usage object in progress has had */
	bool error;	   /* an error object at the top */
	bool no_choices;   /* there is a list of choices and it is empty */
	bool usage_member; /* `usage` at the top, null included, at … */
	bool usage_object;
	size_t usage_at;     /* … this offset (of its key's quote) */
	size_t usage_behind; /* behind its value */
	uint8_t type_n;
	/* Not cleared: */
	struct scan json;
	uint32_t numbers[5];
	char type[ANSWER_TYPE_MAX]; /* `type` at the top, cut when longer */
};

void answer_doc_begin(struct answer_doc *d, struct openai_usage *usage);
/* The same for the rest of a document whose object has been entered: keys come first. */
void answer_doc_begin_inside(struct answer_doc *d, struct openai_usage *usage);
/* The next bytes. After something that is no JSON the rest is ignored: answers pass whatever they hold. */
void answer_doc_feed(struct answer_doc *d, struct span in);

enum { BODY_NAME_BYTES = 7 }; /* of "usage" and "error", quotes included */

/* A whole body as it passes; see body.c. Owner: one answer. No memory of its own. */
struct answer_body {
	struct answer_doc doc;
	uint8_t state;
	uint8_t kept_n;
	char kept[BODY_NAME_BYTES]; /* the last bytes searched: what a split may have cut, and one before it */
};

void answer_body_begin(struct answer_body *b, struct openai_usage *usage);
/* The next bytes. Until the body is whole, usage may be that of an object inside it. */
void answer_body_feed(struct answer_body *b, struct span in);
/* At the body's end: there is an error object at its top. */
bool answer_body_error(const struct answer_body *b);

/* The value of the first member called `quoted` (quotes included) at any depth: a pointer to its first byte, or NULL.
 * Looks for bytes, 16 at a time; a text inside a string cannot look like a member, since its quotes are escaped. */
const char *member_find(struct span json, struct span quoted);

#endif
