/* Errors: one table of codes (errors.def), and a caller-owned record for the words. */
#ifndef PS_BASE_ERR_H
#define PS_BASE_ERR_H

#include <stdbool.h>

enum ps_error {
	PS_OK = 0,
#define PS_ERROR(name, code, status, retryable, text) PS_##name,
#include "base/errors.def"
#undef PS_ERROR
	PS_ERROR_COUNT
};

/* Functions that can fail return 0 or a positive result on success and -PS_E… on failure. */
#define MUST_CHECK __attribute__((warn_unused_result))
/* A large local that is written before it is read: spared the zeroing that the build gives every other one. */
#define NOT_ZEROED __attribute__((uninitialized))

/* The words of one failure. The caller owns it; nothing is written to it on success. */
struct err {
	int code;	/* a positive enum ps_error; 0 when nothing was reported */
	char text[320]; /* for people, NUL-terminated, cut when longer */
};

struct error_row {
	const char *name; /* "EBADHTTP" */
	const char *code; /* "bad_request" */
	int status;	  /* HTTP status, 0 when never told to a client */
	bool retryable;
	const char *text;
};

/* The row of a code given as -PS_E… or PS_E…; an unknown number gives the row of EINVAL. Any thread. */
const struct error_row *error_row(int code);

/* Notes why `code` (PS_E… of either sign) happened and returns -code. `e` may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts words before a message already there ("file.yaml:3:1: …"). Any thread. */
void err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
