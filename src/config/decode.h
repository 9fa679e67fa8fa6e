/* Decoding by tables: a `record` lists the fields an object may have, with type, bounds, default and help; the decoder
 * walks the tree by it, the dump walks the typed object by it, the reference page is printed from it. One load, one
 * thread. */
#ifndef PS_CONFIG_DECODE_H
#define PS_CONFIG_DECODE_H

#include "config/report.h"
#include "config/scalar.h"
#include "config/tree.h"

enum field_type {
	F_TEXT,		  /* struct span */
	F_NUMBER16,	  /* uint16_t */
	F_NUMBER32,	  /* uint32_t */
	F_SIGNED32,	  /* int32_t */
	F_BOOL,		  /* bool */
	F_WORD,		  /* uint32_t: the place among `words`; a word with '!' before it is known but not supported */
	F_DURATION,	  /* uint64_t ns */
	F_TIME,		  /* int64_t s since the epoch */
	F_LABELS,	  /* struct config_labels, checked as labels */
	F_STRINGS,	  /* struct config_labels, values any text (annotations, ConfigMap) */
	F_BASE64,	  /* struct config_labels, values decoded */
	F_TEXT_OR_NUMBER, /* struct span: targetPort */
	F_RECORD,	  /* an object whose fields lie in the same struct, at `at` */
	F_LIST,		  /* pointer and count of records */
	F_OPTIONS,	  /* a group of option rows, named as the field, into a config_policy */
	F_IGNORED,	  /* known, of no effect here; not looked into */
	F_UNSUPPORTED,	  /* known, and refused: it would have an effect that is not built */
};

#define REQUIRED 1u
#define HAS_COUNT 2u /* F_RECORD: a bool at `count_at` says that it was there */
#define SENSITIVE 4u /* never dumped (and decode.c quotes no value of a map in an error) */

struct record;

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t at;		  /* offset of the value in the struct */
	size_t count_at;	  /* F_LIST: of its count (uint32_t); HAS_COUNT: of the bool */
	int64_t min, max;	  /* numbers: bounds; F_LIST: entries; 0, 0: none (lists: no bound) */
	int64_t initial;	  /* numbers, words, truth values: the default */
	const char *initial_text; /* F_TEXT, F_DURATION: the default; NULL: empty, 0 */
	const char *words;
	scalar_check *check; /* F_TEXT */
	const struct record *record;
	const char *help;
};

#define NO_POSITION SIZE_MAX

struct decoder;

struct record {
	const char *name;   /* for the reference page */
	size_t size;	    /* of the struct, when it stands in lists */
	size_t position_at; /* offset of its config_position, or NO_POSITION */
	bool scalar;	    /* a list's items are bare values: the first field is the value */
	bool lenient;	    /* unknown fields are let pass: other programs write here (metadata, status) */
	const struct field *fields;
	uint32_t field_count;
	/* Called when the fields are in; may complain and fill in what follows from them. May be NULL. */
	void (*finish)(struct decoder *d, const struct node *n, void *value);
};
#define FIELDS(array) .fields = (array), .field_count = sizeof(array) / sizeof((array)[0])

/* One link of the field path, on the stack of the recursion. */
struct crumb {
	const struct crumb *up;
	struct span name; /* a field; empty: an item of a list */
	uint32_t index;
};

struct decoder {
	struct arena *arena; /* of the store */
	struct report *report;
	const struct crumb *path;
	struct span namespace;	      /* of the object being decoded: default of references in it */
	struct config_policy *policy; /* while one is decoded */
	bool no_memory;
};

/* Decodes a map into `value`, with defaults for what is absent. */
void decode_record(struct decoder *d, const struct record *rec, const struct node *n, void *value);
/* Complains about `n` at the path in force; with `below`, about that field in it. */
void decode_complain(struct decoder *d, const struct node *n, const char *below, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A copy in the store's arena. */
struct span decode_keep(struct decoder *d, struct span text);
/* The words of a field's type, for the reference page and for "wanted …". */
const char *field_type_name(enum field_type type);

#endif
