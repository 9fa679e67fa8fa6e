/* YAML (and so JSON) as a tree that keeps positions. Only what Kubernetes manifests need: no anchors, aliases, tags,
 * merge keys; no key twice. One load, one thread; a tree lives in the caller's arena. */
#ifndef PS_CONFIG_TREE_H
#define PS_CONFIG_TREE_H

#include "config/report.h"

enum { TREE_NODES_MAX = 1 << 20 }; /* values of one source: bounds memory at about 150 MiB beside the texts */

enum node_type { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_type type;
	bool plain; /* NODE_SCALAR: not in quotes, so it may be a number, a truth value or null */
	struct config_position at;
	struct span text; /* NODE_SCALAR */
	struct span key;  /* when it stands in a map */
	struct config_position key_at;
	struct node *first, *last, *next; /* children; next sibling, or next document */
	uint32_t count;			  /* children */
};

/* The documents of a source, linked by `next`; empty documents are left out. What is wrong goes to the report and ends
 * the reading; the documents before it are returned. */
struct node *tree_read(struct arena *a, const struct config_source *src, struct report *r);
/* The child of a map with that key, or NULL; a null value counts as absent. */
const struct node *tree_child(const struct node *map, struct span key);
/* Written as null, ~ or nothing. */
bool node_is_null(const struct node *n);
/* What it is, for messages: "a number", "a list", … */
const char *node_describe(const struct node *n);
/* True when a plain scalar reads as something else than text (number, truth value, null): such a text needs quotes. */
bool node_is_text(const struct node *n);

#endif
