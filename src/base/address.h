/* Socket addresses as text and back. Names are not resolved here. */
#ifndef PS_BASE_ADDRESS_H
#define PS_BASE_ADDRESS_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/span.h"

enum { ADDRESS_TEXT_MAX = 128 };

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "10.0.0.1:8000", "[::1]:8000", ":8000" (every address of the machine) or "unix:/path"; -PS_EINVAL otherwise. */
int address_parse(struct address *a, struct span text, struct err *e) MUST_CHECK;
/* From a host part without a port ("10.0.0.1", "::1", "[::1]") and a port. */
int address_from_host(struct address *a, struct span host, uint16_t port, struct err *e) MUST_CHECK;
/* "10.0.0.1:8000", "[::1]:8000". NUL-terminated. */
void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
/* Only the host, without brackets: what X-Forwarded-For carries. */
void address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX]);
bool address_eq(const struct address *a, const struct address *b);
/* 0 for unix sockets. */
uint16_t address_port(const struct address *a);
void address_set_port(struct address *a, uint16_t port);

#endif
