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

#define HEAD_FIELDS                                                                                                    \
	{ .name = "apiVersion", .type = F_IGNORED, .help = "group and version" },                                      \
		{ .name = "kind", .type = F_IGNORED, .help = "the kind" },                                             \
	{                                                                                                              \
		.name = "metadata", .type = F_RECORD, .flags = FIELD_REQUIRED, .record = &record_metadata,             \
		.help = "name, namespace, labels"                                                                      \
	}
#define STATUS_FIELD                                                                                                   \
	{                                                                                                              \
		.name = "status", .type = F_IGNORED, .help = "written by others; not read"                             \
	}
#define IGNORED(name_)                                                                                                 \
	{                                                                                                              \
		.name = (name_), .type = F_IGNORED, .help = "accepted, of no effect"                                   \
	}
#define UNSUPPORTED(name_, instead)                                                                                    \
	{                                                                                                              \
		.name = (name_), .type = F_UNSUPPORTED, .help = (instead)                                              \
	}

/* Decodes one document (or the items of a List) and hands each object to `each`. */
void kinds_decode(struct decoder *d, const struct node *doc, void (*each)(void *arg, struct config_meta *object),
		  void *arg);

#endif
