/* Listening sockets: bound here rather than by the workers, because an address that is in use must end the start with
 * one clear line, and because a hand-over (docs/howto/reload-and-upgrade.md) gives them from process to process.
 *
 * A socket survives its process: the descriptor is inherited over exec, the accept queue stays where it is, and closing
 * the old process's copy closes nothing. So no connection is refused between two generations. Main thread. */
#include "control/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* BACKLOG is capped by net.core.somaxconn. */
enum { BACKLOG = 4096, NOTSENT_LOWAT_BYTES = 128 * 1024 };

int socket_address(int fd, struct address *ret)
{
	struct address a = { .len = sizeof a.sa };
	if (getsockname(fd, (struct sockaddr *)&a.sa, &a.len) < 0)
		return -PS_EIO;
	*ret = a;
	return 0;
}

static int fail(const struct address *at, const char *what, int fd, struct err *e)
{
	int number = errno;
	char text[ADDRESS_TEXT_MAX];
	address_format(at, text);
	if (fd >= 0)
		close(fd);
	return err_set(e, PS_EIO, "cannot %s %s: %s", what, text, strerror(number));
}

/* How a bound socket is shared. */
enum sharing {
	SHARED, /* SO_REUSEPORT: each worker has one, and so has the next generation */
	ALONE,	/* fails when anybody listens there, ourselves included */
};

/* A bound socket that does not listen yet. */
static int bound(const struct address *at, enum sharing sharing, struct err *e)
{
	int on = 1, off = 0;
	int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(at, "open a socket for", fd, e);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return fail(at, "reuse", fd, e);
	if (sharing == SHARED && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
		return fail(at, "share", fd, e);
	/* "[::]:80" takes IPv4 as well, whatever net.ipv6.bindv6only says. */
	if (at->sa.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
		return fail(at, "open to IPv4", fd, e);
	if (bind(fd, (const struct sockaddr *)&at->sa, at->len) < 0)
		return fail(at, "listen on", fd, e);
	return fd;
}

/* Accepted sockets inherit both (Linux), as from loop's own listeners: no Nagle, and no megabytes in the kernel for a
 * client that does not read. Only worse, not wrong, without. */
static void tune(int fd)
{
	int on = 1, lowat = NOTSENT_LOWAT_BYTES;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

int socket_bind(const struct address *at, struct err *e)
{
	int fd = bound(at, SHARED, e);
	if (fd < 0)
		return fd;
	tune(fd);
	return listen(fd, BACKLOG) == 0 ? fd : fail(at, "listen on", fd, e);
}

int socket_try(const struct address *at, struct err *e)
{
	if (at->sa.ss_family == AF_UNIX)
		return 0; /* trying would leave a file behind */
	int fd = bound(at, ALONE, e);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static bool listens(int fd)
{
	int on = 0;
	socklen_t n = sizeof on;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

/* False when the number is no listening socket's. */
static bool inherit_one(struct span number, struct inherited_socket *ret)
{
	uint64_t v;
	if (!span_to_u64(number, &v) || v > INT32_MAX || !listens((int)v))
		return false;
	ret->fd = (int)v;
	return fcntl(ret->fd, F_SETFD, FD_CLOEXEC) == 0 && socket_address(ret->fd, &ret->address) == 0;
}

int sockets_inherit(struct sockets *s, const char *text)
{
	*s = (struct sockets){ 0 };
	struct span rest = span_str(text);
	if (!rest.n)
		return 0;
	s->rows = calloc(SOCKETS_INHERITED_MAX, sizeof *s->rows);
	if (!s->rows)
		return -PS_ENOMEM;
	while (rest.n && s->count < SOCKETS_INHERITED_MAX) {
		if (inherit_one(span_cut(rest, ',', &rest), &s->rows[s->count]))
			s->count++;
	}
	return 0;
}

static bool fits(const struct address *is, const struct address *wanted)
{
	struct address any = *is;
	if (address_port(wanted) == 0)
		address_set_port(&any, 0);
	return address_eq(&any, wanted);
}

int sockets_take(struct sockets *s, const struct address *at)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct inherited_socket *row = &s->rows[i];
		if (row->fd >= 0 && fits(&row->address, at)) {
			int fd = row->fd;
			row->fd = -1;
			return fd;
		}
	}
	return -1;
}

void sockets_close(struct sockets *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->rows[i].fd >= 0)
			close(s->rows[i].fd);
	}
	free(s->rows);
	*s = (struct sockets){ 0 };
}
