/* Texts to values: base64, times, nearest names, and the name rules of Kubernetes and HTTP. Pure functions; any thread.
 */
#ifndef PS_CONFIG_SCALAR_H
#define PS_CONFIG_SCALAR_H

#include "base/base.h"

/* Of the names in `words` (separated by blanks), the nearest to `text`: one that begins with it, else one that ends
 * with it or is few edits away (a third of its length rounded up, four at most); SPAN_NONE when none is. */
struct span scalar_near(struct span text, const char *words);
/* "A, B or C" of the words that are supported, NUL-terminated and cut at `cap`. */
void scalar_words_format(const char *words, char *out, size_t cap);
/* How far apart two texts are: insertions, deletions, changes and swaps of neighbours, without case. Texts over 64
 * bytes are never near. */
uint32_t scalar_distance(struct span a, struct span b);
/* The place of `text` among `words`, or -1. A word may begin with '!': it is known but not supported; *ret_refused says
 * so. */
int scalar_word(struct span text, const char *words, bool *ret_refused);
/* Cuts the first word off; false when there is none. A leading '!' is dropped and told. */
bool scalar_next_word(const char **words, struct span *ret, bool *ret_refused);

/* RFC 3339 to seconds since the epoch; false when it is none. */
bool scalar_time(struct span text, int64_t *ret);
/* RFC 4648 base64 with padding; line breaks are skipped. `out` has room for 3/4 of text.n. False when it is none. */
bool scalar_base64(struct span text, char *out, size_t *ret_n);

/* A check of a text: NULL when it is right, else what was wanted ("wanted …" follows the complaint). */
typedef const char *scalar_check(struct span text);
scalar_check scalar_is_dns_label;     /* RFC 1123 label */
scalar_check scalar_is_dns_subdomain; /* RFC 1123 subdomain: object names */
scalar_check scalar_is_hostname;      /* the same, and "*." before it; no IP address */
scalar_check scalar_is_label_key;
scalar_check scalar_is_label_value;
scalar_check scalar_is_field_name;  /* RFC 9110 token */
scalar_check scalar_is_field_value; /* no control bytes, no blanks at the ends */
scalar_check scalar_is_path;	    /* begins with '/', no "//", "/./", "/../", "%2f", '#', '?' */
scalar_check scalar_is_not_empty;
scalar_check scalar_is_model; /* 1 to 256 bytes without control bytes */
scalar_check scalar_is_ip;

#endif
