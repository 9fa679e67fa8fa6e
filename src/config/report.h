/* Gathers what is wrong in the course of a load, to be told in the order of the sources. One load, one thread. */
#ifndef PS_CONFIG_REPORT_H
#define PS_CONFIG_REPORT_H

#include "config/config.h"

struct complaint {
	struct config_position at;
	uint32_t source; /* number of the source among those given */
	uint32_t order;	 /* of being found */
	struct span text;
};

struct report {
	struct arena arena;
	uint32_t source; /* the one being read */
	uint32_t count;	 /* also those beyond the bound */
	struct complaint items[CONFIG_ERRORS_MAX];
};

void report_init(struct report *r);
void report_free(struct report *r);
/* Notes one. `path` may be "". */
void report_add(struct report *r, const struct config_position *at, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* True when no more are kept: a costly search for the right words can be left out, and only `count` goes on. */
bool report_is_full(const struct report *r);
/* Sorts them by source and position and appends them to `out`. */
void report_tell(struct report *r, struct config_errors *out);

#endif
