/* The kinds a manifest may hold: their records and the reading of one document. Private to config. */
#ifndef PS_CONFIG_KINDS_H
#define PS_CONFIG_KINDS_H

#include "config/decode.h"

struct kind_row {
	const char *name;
	const char *versions; /* apiVersions, separated by blanks, the best one first */
	bool cluster_wide;    /* has no namespace */
	const struct record *record;
	const char *help;
};

extern const struct kind_row config_kinds[CONFIG_KIND_COUNT];

extern const struct record record_gateway_class, record_gateway, record_http_route, record_reference_grant;
extern const struct record record_service, record_endpoint_slice, record_pod, record_secret, record_config_map;
extern const struct record record_inference_pool, record_objective, record_model_rewrite;
extern const struct record record_inference_policy, record_listener_policy;

/* Shared parts: the fields every document has, and references. */
extern const struct record record_metadata;
/* Fills the namespace of a config_ref that has none. A record's `finish`. */
void finish_ref(struct decoder *d, const struct node *n, void *value);

/* Rows of a record's fields. `type` and `member`: the struct and where in it the value goes. */
#define TEXT(name_, flags_, type_, member_, check_, initial_, help_)                                                   \
	{                                                                                                              \
		.name = name_, .type = F_TEXT, .flags = flags_, .at = offsetof(type_, member_), .check = check_,       \
		.initial_text = initial_, .help = help_                                                                \
	}
#define NUMBER(name_, field_type, flags_, type_, member_, min_, max_, initial_, help_)                                 \
	{                                                                                                              \
		.name = name_, .type = field_type, .flags = flags_, .at = offsetof(type_, member_), .min = min_,       \
		.max = max_, .initial = initial_, .help = help_                                                        \
	}
#define WORD(name_, flags_, type_, member_, words_, initial_, help_)                                                   \
	{                                                                                                              \
		.name = name_, .type = F_WORD, .flags = flags_, .at = offsetof(type_, member_), .words = words_,       \
		.initial = initial_, .help = help_                                                                     \
	}
#define TRUTH(name_, type_, member_, initial_, help_)                                                                  \
	{                                                                                                              \
		.name = name_, .type = F_BOOL, .at = offsetof(type_, member_), .initial = initial_, .help = help_      \
	}
#define LIST(name_, flags_, type_, items_, count_, min_, max_, record_, help_)                                         \
	{                                                                                                              \
		.name = name_, .type = F_LIST, .flags = flags_, .at = offsetof(type_, items_),                         \
		.count_at = offsetof(type_, count_), .min = min_, .max = max_, .record = record_, .help = help_        \
	}
#define OBJECT(name_, flags_, record_, help_)                                                                          \
	{                                                                                                              \
		.name = name_, .type = F_RECORD, .flags = flags_, .record = record_, .help = help_                     \
	}
/* Types that need no bounds: labels, texts, durations, … */
#define PLAIN(name_, field_type, flags_, type_, member_, help_)                                                        \
	{                                                                                                              \
		.name = name_, .type = field_type, .flags = flags_, .at = offsetof(type_, member_), .help = help_      \
	}
#define IGNORED(name_)                                                                                                 \
	{                                                                                                              \
		.name = (name_), .type = F_IGNORED, .help = "accepted, of no effect"                                   \
	}
#define UNSUPPORTED(name_, instead)                                                                                    \
	{                                                                                                              \
		.name = (name_), .type = F_UNSUPPORTED, .help = (instead)                                              \
	}

/* What every document has. */
#define HEAD_FIELDS                                                                                                    \
	PLAIN("apiVersion", F_IGNORED, 0, struct config_meta, kind, "group and version"),                              \
		PLAIN("kind", F_IGNORED, 0, struct config_meta, kind, "the kind"),                                     \
		OBJECT("metadata", REQUIRED, &record_metadata, "name, namespace, labels")
#define STATUS_FIELD                                                                                                   \
	{                                                                                                              \
		.name = "status", .type = F_IGNORED, .help = "written by others; not read"                             \
	}

/* Records: of a list's items, of fields that lie in the surrounding struct, of a whole kind. */
#define ITEM(name_, type_, position_, fields_)                                                                         \
	.name = name_, .size = sizeof(type_), .position_at = offsetof(type_, position_), FIELDS(fields_)
#define GROUP(name_, fields_) .name = name_, .position_at = NO_POSITION, FIELDS(fields_)
#define KIND(name_, type_, fields_) .name = name_, .size = sizeof(type_), .position_at = NO_POSITION, FIELDS(fields_)

/* Decodes one document (or the items of a List) and hands each object to `each`. */
void kinds_decode(struct decoder *d, const struct node *doc, void (*each)(void *arg, struct config_meta *object),
		  void *arg);

#endif
