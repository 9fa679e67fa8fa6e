/* A push parser of JSON (RFC 8259): bytes in, in any split, events out. It builds nothing and allocates nothing;
 * strings pass through decoded. Strict: UTF-8 is validated, lone surrogates are refused, nesting is bounded.
 * Private to openai. */
#ifndef PS_OPENAI_SCAN_H
#define PS_OPENAI_SCAN_H

#include "base/base.h"

enum {
	SCAN_TOKEN_BYTES = 64, /* keys and numbers are delivered whole up to this length */
	SCAN_UNIT_BYTES = 12,  /* the longest indivisible piece of a string: \uD83D\uDE00 */
};

/* Values come as OBJECT … OBJECT_END, ARRAY … ARRAY_END, STRING TEXT* STRING_END, NUMBER_PART* NUMBER, or one of the
 * literals; members as KEY_PART* KEY value. A PART has exactly SCAN_TOKEN_BYTES bytes, so the pieces do not depend on
 * the split. TEXT is decoded, its pieces do depend on it. */
enum scan_event {
	SCAN_OBJECT,
	SCAN_ARRAY,
	SCAN_STRING,
	SCAN_NUMBER,
	SCAN_TRUE,
	SCAN_FALSE,
	SCAN_NULL,
	SCAN_OBJECT_END,
	SCAN_ARRAY_END,
	SCAN_STRING_END,
	SCAN_KEY,
	SCAN_TEXT,
	SCAN_KEY_PART,
	SCAN_NUMBER_PART,
};

/* Gets every event; a negative result ends the scan and is what scan_feed returns. `text` dies with the call. */
typedef int scan_sink(void *arg, enum scan_event ev, struct span text);

/* Owner: whoever embeds it; one thread. */
struct scan {
	scan_sink *sink; /* NULL: only the syntax is of interest */
	void *arg;
	const char *why;  /* what was wrong, once scan_feed has returned -PS_EBADJSON or -PS_EDEPTH */
	size_t at;	  /* offset of the first byte of the newest value; of the fault after an error */
	size_t key_at;	  /* offset of the newest key's opening quote */
	size_t behind;	  /* offset behind the newest value that is complete */
	uint64_t objects; /* bit d - 1: the container at depth d is an object */
	size_t offset;	  /* bytes fed before `base` */
	const char *base; /* start of the piece being fed */
	const char *word; /* literal in progress */
	int failed;	  /* the error that ended it */
	uint8_t state;
	uint8_t depth;	   /* containers open around the newest value; its own END included, its own begin not */
	uint8_t muted;	   /* > 0: no events until the container at this depth ends */
	uint8_t number;	   /* state inside a number */
	uint8_t word_left; /* bytes of `word` still to come */
	uint8_t carried;
	uint8_t token_len;
	bool in_key;	/* the string in progress is a key */
	bool want_text; /* set by the sink on SCAN_STRING to get its TEXT */
	/* Not cleared: */
	char carry[SCAN_UNIT_BYTES]; /* begin of an escape or a UTF-8 sequence that a split has cut */
	char token[SCAN_TOKEN_BYTES];
};

void scan_init(struct scan *s, scan_sink *sink, void *arg);
/* Right after scan_init: as though an object's { had been fed, and nothing behind it but a comma. */
void scan_enter(struct scan *s);
/* 0, -PS_EBADJSON, -PS_EDEPTH, or what the sink returned. Errors stick. */
int scan_feed(struct scan *s, struct span in) MUST_CHECK;
/* No more bytes: 0 when exactly one value was there. */
int scan_end(struct scan *s) MUST_CHECK;
/* From the sink, on SCAN_OBJECT or SCAN_ARRAY: nothing more is wanted of it but its END. */
void scan_mute(struct scan *s);
/* The newest value is an element of an array. */
static inline bool scan_in_array(const struct scan *s)
{
	return s->depth && !(s->objects >> (s->depth - 1) & 1);
}
/* JSON's white space. */
static inline bool scan_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
/* Words for the error a scan ended with; returns it. */
int scan_explain(const struct scan *s, struct err *e);

#endif
