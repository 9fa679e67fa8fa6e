/* The compiled table. Written by compile.c, read by match.c. Private to route.
 *
 *   listener ─┬─ exact hosts   map "api.example.com"   ─┐
 *             ├─ wildcards     map ".example.com"       ├─→ host ─┬─ exact    map "/v1/models" ─┐
 *             └─ any host                              ─┘         └─ prefixes map "/v1"        ─┴─→ run of candidates,
 * best first
 */
#ifndef PS_ROUTE_TABLE_H
#define PS_ROUTE_TABLE_H

#include "route/route.h"

enum {
	ROUTE_PATH_MAX =
		8192, /* a longer path is compared only when it needs no normalising: the scratch is on the stack */
	ROUTE_HOST_MAX = 256, /* a longer host matches only rules without hostnames (DNS allows 253) */
	ROUTE_KEYS_MAX = 1 << 20,
};

struct value_match {
	struct span name, value;
};

/* One match of one rule: everything but host and path, which lead to it. */
struct candidate {
	const struct route_rule *rule;
	struct span method; /* empty: any */
	struct span model;  /* of X-Gateway-Model-Name; .p NULL: not asked for */
	struct value_match *headers, *query;
	uint32_t header_count, query_count; /* without the model's */
	uint32_t specific;		    /* number of header matches, the model's included: for the order */
	int64_t created;
	uint32_t order; /* of its route by namespace and name, rule and match */
};

struct run {
	struct span path; /* normalised; of a prefix without its trailing slash */
	struct candidate *items;
	uint32_t count, room;
	struct run *next; /* all runs of a host, for compile.c */
};

struct host {
	struct span name;	    /* "", "api.example.com" or ".example.com" */
	struct map exact, prefixes; /* path → struct run */
	size_t longest_prefix;
	uint64_t prefix_lengths; /* bit n: there is a prefix of n bytes; bit 63: of 63 or more */
	struct run *runs;
	struct host *next; /* all hosts of the table, to be freed */
};

struct listener {
	struct map exact, wild; /* → struct host */
	struct host *any;	/* or NULL */
};

struct route_table {
	const struct config *config;
	struct arena arena;
	struct listener *listeners;
	uint32_t listener_count;
	struct host *hosts;
};

/* Decodes the escapes of unreserved characters and writes the others in upper case (RFC 3986 §6.2.2). `path` has at
 * most ROUTE_PATH_MAX bytes; the result lies in `out` and is never longer. */
struct span path_decode(struct span path, char out[ROUTE_PATH_MAX]);
/* True when an element is "." or "..". */
bool path_has_dot_segment(struct span path);
/* Compares a query's encoded name or value with a plain text: %XX and '+' are decoded on the way. */
bool query_text_eq(struct span encoded, struct span plain);

#endif
