/* Hash of any JSON value, the same for any order of its keys and any white space: tools, tool inputs, images. The sum
 * over its leaves of (path, value): a sum does not know an order, the path knows array positions. Private to openai. */
#ifndef PS_OPENAI_VALUE_H
#define PS_OPENAI_VALUE_H

#include "openai/chain.h"
#include "openai/scan.h"

/* Owner: one scanner, which allocates it when a body first has such a value. */
struct value_hash {
	uint64_t sum;
	uint64_t bytes;			     /* of keys, strings and numbers */
	uint64_t key;			     /* of the member in progress */
	uint64_t path[OPENAI_DEPTH_MAX + 1]; /* one for each open container; an array's moves on with each element */
	uint8_t depth; /* containers open inside the value; 0 after its last event: it is complete */
	bool in_key;
	bool in_number;
	struct text_hash text;
};

void value_hash_begin(struct value_hash *v);
/* The next event of the value, its own first one included. True when the value is complete. */
bool value_hash_event(struct value_hash *v, struct scan *s, enum scan_event ev, struct span text);

#endif
