/* The options of Penstock: one row each (options.def). The row makes the manifest field, the command-line flag, the
 * bounds check and the reference page. Plain values: control copies them into the structs of the rooms that use them.
 */
#ifndef PS_CONFIG_OPTIONS_H
#define PS_CONFIG_OPTIONS_H

#include "base/base.h"

enum { OPTION_TEXT_MAX = 128 };

/* Values as options.def stores them. The order is that of the words in the option's row. */
enum config_half_close { CONFIG_HALF_CLOSE_ABORT, CONFIG_HALF_CLOSE_TOLERATE };
enum config_on_abort { CONFIG_ON_ABORT_CLOSE, CONFIG_ON_ABORT_DRAIN };
enum config_usage { CONFIG_USAGE_INJECT, CONFIG_USAGE_OBSERVE, CONFIG_USAGE_OFF };
enum config_engine { CONFIG_ENGINE_AUTO, CONFIG_ENGINE_VLLM, CONFIG_ENGINE_SGLANG, CONFIG_ENGINE_NONE };

/* ListenerPolicy: what each field means stands in its row of options.def. */
struct config_listener_options {
	/* limits */
	uint32_t line_bytes;
	uint32_t head_bytes;
	uint32_t fields;
	uint32_t value_bytes;
	uint32_t trailer_bytes;
	uint32_t chunk_ext_bytes;
	uint32_t chunk_ext_total_bytes;
	uint64_t body_bytes;
	uint64_t body_rate_bytes; /* a second */
	uint32_t requests_per_connection;
	uint32_t connections;
	/* timeouts */
	uint64_t head_timeout_ns;
	uint64_t idle_timeout_ns;
	uint64_t body_grace_ns;
	uint64_t write_stall_ns;
	uint64_t drain_ns;
	/* client */
	uint32_t half_close; /* enum config_half_close */
	bool proxy_protocol;
	bool client_hints;
	uint32_t trusted_hops;
};

/* InferencePolicy. */
struct config_pool_options {
	/* timeouts */
	uint64_t connect_timeout_ns;
	uint64_t first_byte_timeout_ns;
	uint64_t between_timeout_ns;
	uint64_t total_timeout_ns; /* 0: none */
	/* bodies, retry, abort, usage */
	uint64_t body_hold_bytes;
	uint32_t tries;
	uint32_t on_abort; /* enum config_on_abort */
	uint64_t abort_drain_ns;
	uint32_t usage; /* enum config_usage */
	/* holding */
	uint32_t requests_per_replica; /* 0: from the engine */
	uint32_t queue_requests;
	uint64_t queue_ns;
	/* signals and health */
	uint32_t engine; /* enum config_engine */
	uint64_t signal_interval_ns;
	uint64_t signal_stale_ns; /* 0: three intervals */
	char metrics_path[OPTION_TEXT_MAX];
	char health_path[OPTION_TEXT_MAX]; /* empty: not asked */
	char models_path[OPTION_TEXT_MAX]; /* empty: not asked */
	uint64_t health_interval_ns;
	uint64_t health_timeout_ns;
	/* ejection */
	uint64_t slow_start_ns;
	uint32_t eject_after;
	uint64_t eject_min_ns;
	uint64_t eject_max_ns;
	uint32_t eject_permille;
};

enum option_scope { OPTION_LISTENER, OPTION_POOL, OPTION_SCOPE_COUNT };

enum option_type {
	OPTION_DURATION, /* uint64_t ns; text as "10s", "1m30s", "250ms" (GEP-2257) */
	OPTION_SIZE,	 /* uint64_t bytes; text as "4Mi", "64Ki", "1G" or digits */
	OPTION_SIZE32,	 /* the same in a uint32_t */
	OPTION_COUNT,	 /* uint32_t */
	OPTION_PERCENT,	 /* uint32_t permille; text as "50%", "12.5%" or "50" */
	OPTION_BOOL,	 /* bool; "true" or "false" */
	OPTION_WORD,	 /* uint32_t: the place of the text among `words` */
	OPTION_PATH,	 /* char[OPTION_TEXT_MAX]: begins with '/', or is empty */
};

/* One option. Static; any thread. */
struct option_row {
	enum option_scope scope;
	const char *group; /* the object in spec it stands in: "limits"; "" when directly in spec */
	const char *name;  /* "headTimeout" */
	const char *flag;  /* without dashes: "head-timeout" */
	enum option_type type;
	uint32_t offset;       /* in the scope's struct */
	const char *initial;   /* the default, as text */
	const char *min, *max; /* bounds as text (DURATION, SIZE, COUNT, PERCENT); "" where there is none */
	const char *words;     /* OPTION_WORD: "abort tolerate" */
	const char *unit;      /* for the reference page: "bytes", "requests", … */
	const char *help;      /* one sentence */
};

/* All rows, scope by scope. */
const struct option_row *option_rows(size_t *ret_n);
/* By flag name without dashes, or NULL. */
const struct option_row *option_find_flag(struct span flag);
/* Nearest flag name to a mistyped one, or NULL when none is near. */
const char *option_near_flag(struct span flag);
/* Checks `text` and stores it in `options` (the struct of the row's scope). -PS_ECONFIG: `e` says what was wrong and
 * what was wanted, without naming the option; `options` is untouched then. */
int option_set(const struct option_row *row, void *options, struct span text, struct err *e) MUST_CHECK;
/* The value as text option_set would take: "10s", "4Mi". Returns its length. */
size_t option_format(const struct option_row *row, const void *options, char out[OPTION_TEXT_MAX]);

/* Copies one option's value between two structs of the row's scope. */
void option_copy(const struct option_row *row, void *to, const void *from);

struct config_listener_options config_listener_options_default(void);
struct config_pool_options config_pool_options_default(void);

/* "1h30m", "10s", "250ms" (GEP-2257: up to four pairs of 1–5 digits and h, m, s, ms). -PS_ECONFIG. Any thread. */
int config_duration_parse(struct span text, uint64_t *ret_ns, struct err *e) MUST_CHECK;
/* "4Mi", "64Ki", "2Gi", "10k", "5M", "1G" or digits: bytes. -PS_ECONFIG. Any thread. */
int config_size_parse(struct span text, uint64_t *ret_bytes, struct err *e) MUST_CHECK;

#endif
