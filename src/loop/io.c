/* Sockets: uv_poll_t for the waiting, our own system calls for the rest (docs/design/loop.md).
 *
 * Read interest is armed once and write interest only after a short write, because libuv changes interest by removing
 * and adding the descriptor. While reading is off, EPOLLRDHUP alone is watched, so that a peer that leaves is heard
 * behind bytes nobody reads. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/internal.h"

/* What carries the bytes: plain sockets; TLS is to be the second. Results and errno as of recv and sendmsg. */
struct transport {
	ptrdiff_t (*read)(struct io *io, char *p, size_t n);
	ptrdiff_t (*writev)(struct io *io, const struct iovec *iov, int n);
};

enum { GATHER_BYTES = 4096 };

struct io {
	uv_poll_t poll;
	const struct transport *transport;
	const struct io_ops *ops;
	void *owner;
	int fd;
	int connect_error; /* of an attempt that failed at once */
	uint8_t armed;	   /* uv events in force */
	bool reading, hangup, writing, connecting, closed;
};

static void on_poll(uv_poll_t *h, int status, int events);
static const struct transport plain;

static void update_interest(struct io *io)
{
	int events = io->connecting || io->writing ? UV_WRITABLE : 0;
	if (!io->connecting)
		events |= io->reading ? UV_READABLE : io->hangup ? UV_DISCONNECT : 0;
	if (events == io->armed)
		return;
	io->armed = (uint8_t)events;
	if (events)
		uv_poll_start(&io->poll, events, on_poll);
	else
		uv_poll_stop(&io->poll);
}

static void on_connect_event(struct io *io, int status)
{
	int so_error = io->connect_error;
	socklen_t n = sizeof so_error;
	if (so_error == 0 && getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &so_error, &n) < 0)
		so_error = errno;
	io->connecting = false;
	bool failed = so_error || status < 0;
	if (!failed)
		update_interest(io);
	io->ops->on_connected(io->owner, failed ? -PS_ECONNECT : 0);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct io *io = h->data;
	bool error = status < 0;
	if (error)
		io->armed = 0; /* libuv has stopped the handle (EPOLLERR) */
	if (io->connecting) {
		on_connect_event(io, status);
		return;
	}
	if (error)
		events = (io->writing ? UV_WRITABLE : 0) | (io->reading ? UV_READABLE : UV_DISCONNECT);
	if ((events & UV_WRITABLE) && io->writing) {
		io->writing = false;
		if (!error)
			update_interest(io);
		io->ops->on_writable(io->owner);
	}
	if (!io->closed && (events & UV_READABLE) && io->reading)
		io->ops->on_readable(io->owner);
	if (!io->closed && (events & UV_DISCONNECT) && !io->reading)
		io->ops->on_hangup(io->owner);
	if (!io->closed && error)
		update_interest(
			io); /* bytes may have stood before the error: what is left is heard of in the next turn */
}

static struct io *attach(struct loop *l, int fd, const struct io_ops *ops, void *owner)
{
	struct io *io = calloc(1, sizeof *io);
	if (!io || uv_poll_init(&l->uv, &io->poll, fd) < 0) {
		free(io);
		close(fd);
		return NULL;
	}
	io->poll.data = io;
	io->transport = &plain;
	io->ops = ops;
	io->owner = owner;
	io->fd = fd;
	io->reading = io->hangup = true;
	descriptors_add(1);
	return io;
}

struct io *io_open(struct loop *l, int fd, const struct io_ops *ops, void *owner)
{
	struct io *io = attach(l, fd, ops, owner);
	if (io)
		update_interest(io);
	return io;
}

struct io *io_connect(struct loop *l, const struct address *to, const struct io_ops *ops, void *owner)
{
	if (descriptors_in_use() >= descriptors_limit())
		return NULL;
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	int r = connect(fd, (const struct sockaddr *)&to->sa, to->len);
	int why = r < 0 && errno != EINPROGRESS ? errno : 0;
	struct io *io = attach(l, fd, ops, owner);
	if (!io)
		return NULL;
	io->connecting = true;
	io->connect_error = why;
	update_interest(io);
	return io;
}

static ptrdiff_t plain_read(struct io *io, char *p, size_t n)
{
	return recv(io->fd, p, n, 0);
}

static ptrdiff_t plain_writev(struct io *io, const struct iovec *iov, int n)
{
	/* Little in several pieces is cheaper copied than described to the kernel. */
	NOT_ZEROED char small[GATHER_BYTES];
	size_t all = 0;
	for (int i = 0; i < n && all <= sizeof small; i++)
		all += iov[i].iov_len;
	if (all <= sizeof small) {
		size_t at = 0;
		for (int i = 0; i < n; at += iov[i++].iov_len)
			if (iov[i].iov_len)
				memcpy(small + at, iov[i].iov_base, iov[i].iov_len);
		return send(io->fd, small, all, MSG_NOSIGNAL);
	}
	/* sendmsg does not write to it; its type only lacks the const. */
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
	return sendmsg(io->fd, &m, MSG_NOSIGNAL);
}

static const struct transport plain = { plain_read, plain_writev };

ptrdiff_t io_read(struct io *io, char *p, size_t n)
{
	for (;;) {
		ptrdiff_t r = io->transport->read(io, p, n);
		if (r >= 0)
			return r;
		if (errno == EAGAIN)
			return -PS_EAGAIN;
		if (errno != EINTR)
			return -PS_EIO;
	}
}

ptrdiff_t io_writev(struct io *io, const struct iovec *iov, int n)
{
	for (;;) {
		ptrdiff_t r = io->transport->writev(io, iov, n);
		if (r >= 0)
			return r;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -PS_EIO;
	}
}

void io_want_read(struct io *io, bool on, bool hangup)
{
	io->reading = on;
	io->hangup = hangup;
	update_interest(io);
}

void io_want_write(struct io *io)
{
	io->writing = true;
	update_interest(io);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void io_close(struct io *io, bool abort)
{
	if (io->closed)
		return;
	io->closed = true;
	uv_close((uv_handle_t *)&io->poll, on_closed);
	if (abort) {
		struct linger now = { .l_onoff = 1 };
		(void)setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	}
	close(io->fd);
	descriptors_add(-1);
}

int io_fd(const struct io *io)
{
	return io->fd;
}

void io_shutdown(struct io *io)
{
	(void)shutdown(io->fd, SHUT_WR);
}
