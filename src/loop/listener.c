/* Listening sockets: accept4 until there is nothing more, at most a batch a turn; silent for a while when descriptors
 * run short, so that nothing spins on a connection that cannot be taken. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/internal.h"
#include "telemetry/telemetry.h"

enum { ACCEPT_BATCH = 64, ACCEPT_RETRY_NS = 20000000, NOTSENT_LOWAT_BYTES = 128 * 1024 };

struct listener {
	uv_poll_t poll;
	struct loop *loop;
	const struct listener_ops *ops;
	void *owner;
	int fd;
	bool closed;
	struct address address;
	struct timer retry;
};

static void on_poll(uv_poll_t *h, int status, int events);

static bool descriptors_short(void)
{
	return (uint64_t)descriptors_in_use() * 1000 >= (uint64_t)descriptors_limit() * DESCRIPTORS_ACCEPT_PERMILLE;
}

static void rest(struct listener *ln)
{
	uv_poll_stop(&ln->poll);
	tm_add(tm_plain(TM_ACCEPT_PAUSES), 1);
	timer_set(ln->loop, &ln->retry, loop_now(ln->loop) + ACCEPT_RETRY_NS);
}

static void on_retry(struct timer *t, uint64_t now)
{
	struct listener *ln = container_of(t, struct listener, retry);
	if (descriptors_short())
		timer_set(ln->loop, t, now + ACCEPT_RETRY_NS);
	else
		uv_poll_start(&ln->poll, UV_READABLE, on_poll);
}

/* True when another connection may be waiting. */
static bool accept_one(struct listener *ln)
{
	struct address peer = { .len = sizeof peer.sa };
	int fd = accept4(ln->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		ln->ops->on_accept(ln->owner, fd, &peer);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		rest(ln);
	return errno == EINTR || errno == ECONNABORTED;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct listener *ln = h->data;
	(void)events;
	if (status < 0) {
		rest(ln);
		return;
	}
	for (int i = 0; i < ACCEPT_BATCH && !ln->closed; i++) {
		if (descriptors_short()) {
			rest(ln);
			return;
		}
		if (!accept_one(ln))
			return;
	}
}

static int open_socket(const struct address *at, struct err *e)
{
	char text[ADDRESS_TEXT_MAX];
	int on = 1, off = 0, lowat = NOTSENT_LOWAT_BYTES;
	int fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	address_format(at, text);
	if (fd < 0)
		return err_set(e, PS_EIO, "socket for %s: %s", text, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	/* Accepted sockets inherit both (Linux): no Nagle, and no megabytes in the kernel for a client that does not
	 * read. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
	if (bind(fd, (const struct sockaddr *)&at->sa, at->len) < 0 || listen(fd, SOMAXCONN) < 0) {
		int why = errno;
		close(fd);
		return err_set(e, PS_EIO, "cannot listen on %s: %s", text, strerror(why));
	}
	return fd;
}

struct listener *listener_open(struct loop *l, const struct address *at, int fd, const struct listener_ops *ops,
			       void *owner, struct err *e)
{
	struct listener *ln = calloc(1, sizeof *ln);
	if (!ln) {
		err_set(e, PS_ENOMEM, "no memory for a listener");
		return NULL;
	}
	ln->fd = fd >= 0 ? fd : open_socket(at, e);
	if (ln->fd < 0 || uv_poll_init(&l->uv, &ln->poll, ln->fd) < 0) {
		if (ln->fd >= 0) {
			close(ln->fd);
			err_set(e, PS_EIO, "descriptor %d cannot be listened on", ln->fd);
		}
		free(ln);
		return NULL;
	}
	ln->address.len = sizeof ln->address.sa;
	(void)getsockname(ln->fd, (struct sockaddr *)&ln->address.sa, &ln->address.len);
	ln->poll.data = ln;
	ln->loop = l;
	ln->ops = ops;
	ln->owner = owner;
	timer_init(&ln->retry, on_retry);
	descriptors_add(1);
	uv_poll_start(&ln->poll, UV_READABLE, on_poll);
	return ln;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void listener_close(struct listener *ln)
{
	ln->closed = true;
	timer_clear(&ln->retry);
	uv_close((uv_handle_t *)&ln->poll, on_closed);
	close(ln->fd);
	descriptors_add(-1);
}

const struct address *listener_address(const struct listener *ln)
{
	return &ln->address;
}

int listener_fd(const struct listener *ln)
{
	return ln->fd;
}
