/* PROXY protocol v1 and v2, receiving side (HAProxy's proxy-protocol.txt, 2020-03-05). */
#ifndef PS_WIRE_PROXY_PROTOCOL_H
#define PS_WIRE_PROXY_PROTOCOL_H

#include <sys/socket.h>

#include "base/base.h"

struct proxy_header {
	bool local; /* LOCAL command or UNKNOWN: use the connection's own addresses */
	struct sockaddr_storage source, destination;
};

/* Parses a header at p: its length, 0 when more bytes are needed, -PS_EBADHTTP when it is none. TLVs are skipped.
 * At most 107 bytes for v1, 16 + 65535 for v2 of which no more than 4 KiB are taken. */
ptrdiff_t proxy_header_parse(struct proxy_header *h, const char *p, size_t n, struct err *e) MUST_CHECK;

#endif
