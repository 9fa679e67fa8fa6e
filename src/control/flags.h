/* The command line of `penstock serve`: what may stand there, read into one struct. Every field of ListenerPolicy and
 * InferencePolicy is a flag too (config's option rows). Main thread, at start. */
#ifndef PS_CONTROL_FLAGS_H
#define PS_CONTROL_FLAGS_H

#include <stdio.h>

#include "base/base.h"
#include "config/config.h"
#include "telemetry/telemetry.h"

enum { FLAG_FILES_MAX = 256, FLAG_BACKENDS_MAX = 1024, FLAG_LISTENS_MAX = 64, FLAG_WORKERS_MAX = 48 };

/* Texts are borrowed from argv. */
struct serve_flags {
	struct span files[FLAG_FILES_MAX];
	struct span backends[FLAG_BACKENDS_MAX];
	struct span listens[FLAG_LISTENS_MAX];
	uint32_t file_count, backend_count, listen_count;
	struct address admin; /* [127.0.0.1:9090] */
	uint32_t workers;     /* [cores] */
	enum log_format log_format;
	enum log_level log_level;
	const char *log_file;	    /* NULL: standard error */
	const char *pid_file;	    /* NULL: none */
	uint64_t drain_delay_ns;    /* [0] still accepting after SIGTERM, not ready any more */
	uint64_t body_memory_bytes; /* [0: a quarter of the memory limit] */
	uint32_t generations;	    /* [32] processes of one chain of hand-overs alive at a time */
	struct config_base base;    /* options given as flags, over the defaults */
	bool help, reference;
};

/* Defaults, then argv[1…]. -PS_EINVAL: `e` names the flag, what was wrong and what was wanted. */
int serve_flags_parse(struct serve_flags *f, int argc, char *const *argv, struct err *e) MUST_CHECK;
/* What `penstock serve --help` prints. */
void serve_flags_help(FILE *out);

/* What `penstock serve --reference` prints: docs/reference/flags.md. */
void serve_flags_reference(FILE *out);

#endif
