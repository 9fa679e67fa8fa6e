/* Writing JSON: small pieces appended to a buffer, always valid UTF-8 and escaped. Reading is openai's
 * scanner on the request path and jansson on the control side. */
#ifndef PS_BASE_JSON_H
#define PS_BASE_JSON_H

#include "base/buf.h"

/* A quoted string; control bytes are escaped, bytes that are no UTF-8 become U+FFFD. 0 or buf_add's errors. */
int json_add_string(struct buf *b, struct span s);
/* Length of the valid UTF-8 sequence at p (RFC 3629; 1 to 4), or 0. */
size_t utf8_length(const char *p, size_t n);

#endif
