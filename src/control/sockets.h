/* The listening sockets of the process: bound at start so that a failure is fatal and clear, adopted from the process
 * before this one in a hand-over, and named to the next one. Main thread. */
#ifndef PS_CONTROL_SOCKETS_H
#define PS_CONTROL_SOCKETS_H

#include "base/base.h"

/* Sockets handed over at most: workers × listeners. */
enum { SOCKETS_INHERITED_MAX = 4096 };

struct inherited_socket {
	int fd;			/* -1: taken */
	struct address address; /* it is bound to */
};

/* Owner: serve; the sockets not taken are closed by sockets_close. */
struct sockets {
	struct inherited_socket *rows;
	uint32_t count;
};

/* Reads "3,4,5" and checks that each is a listening socket (others are left alone); `text` may be
 * NULL: none. 0 or -PS_ENOMEM. */
int sockets_inherit(struct sockets *s, const char *text) MUST_CHECK;
/* An inherited socket bound to `at` (port 0: any port of that host), which is then the caller's; -1 when there is none
 * (left). */
int sockets_take(struct sockets *s, const struct address *at);
void sockets_close(struct sockets *s);

/* Binds and listens at an IP address, with SO_REUSEPORT: each worker has a queue of its own. Non-blocking, closed on
 * exec. The descriptor, or -PS_EIO with the reason. */
int socket_bind(const struct address *at, struct err *e) MUST_CHECK;
/* Whether `at` is free now, not even used by a process that would share it; nothing stays open. Unix sockets are not
 * tried. 0 or -PS_EIO with the reason. */
int socket_try(const struct address *at, struct err *e) MUST_CHECK;
/* The address it is bound to: the port that 0 became. */
int socket_address(int fd, struct address *ret) MUST_CHECK;

#endif
