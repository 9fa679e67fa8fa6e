/* The small HTTP/1 server of the control side and the mock: listener, connections, and helpers for handlers.
 * Not in the path of proxied requests. Thread: the loop it was made on. */
#include "httpd/httpd.h"

#include <stdlib.h>
#include <unistd.h>

#include "httpd/conn.h"

struct httpd_options httpd_options_default(void)
{
	return (struct httpd_options){
		.body_max_bytes = 8 << 20,
		.out_max_bytes = 256 << 10,
		.connections_max = 1024,
		.head_timeout_ns = 10 * NS_PER_S,
		.body_timeout_ns = 30 * NS_PER_S,
		.idle_timeout_ns = 60 * NS_PER_S,
		.send_timeout_ns = 60 * NS_PER_S,
	};
}

static struct httpd_options options_filled(const struct httpd_options *given)
{
	struct httpd_options o = httpd_options_default();
	if (!given)
		return o;
	o.server = given->server;
	o.fields = given->fields;
	o.body_max_bytes = given->body_max_bytes ? given->body_max_bytes : o.body_max_bytes;
	o.out_max_bytes = given->out_max_bytes ? given->out_max_bytes : o.out_max_bytes;
	o.connections_max = given->connections_max ? given->connections_max : o.connections_max;
	o.head_timeout_ns = given->head_timeout_ns ? given->head_timeout_ns : o.head_timeout_ns;
	o.body_timeout_ns = given->body_timeout_ns ? given->body_timeout_ns : o.body_timeout_ns;
	o.idle_timeout_ns = given->idle_timeout_ns ? given->idle_timeout_ns : o.idle_timeout_ns;
	o.send_timeout_ns = given->send_timeout_ns ? given->send_timeout_ns : o.send_timeout_ns;
	return o;
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

static void on_accept(void *owner, int fd, const struct address *peer)
{
	struct httpd *h = owner;
	if (h->conn_count >= h->options.connections_max || (h->wanted && !h->wanted(h->wanted_arg)))
		reset(fd);
	else
		conn_open(h, fd, peer);
}

static const struct listener_ops ops = { .on_accept = on_accept };

struct httpd *httpd_new(struct loop *l, const struct address *at, const struct httpd_options *options,
			httpd_handler *handler, void *arg, struct err *e)
{
	struct httpd *h = calloc(1, sizeof *h);
	if (!h) {
		(void)err_set(e, PS_ENOMEM, "no memory for a server");
		return NULL;
	}
	h->loop = l;
	h->options = options_filled(options);
	h->limits = h1_limits_default();
	h->handler = handler;
	h->arg = arg;
	h->address = *at;
	list_init(&h->conns);
	if (httpd_listen(h, true, e) < 0) {
		free(h);
		return NULL;
	}
	h->address = *listener_address(h->listener);
	return h;
}

static void stop_listening(struct httpd *h)
{
	if (h->listener)
		listener_close(h->listener);
	h->listener = NULL;
}

int httpd_listen(struct httpd *h, bool on, struct err *e)
{
	if (!on)
		stop_listening(h);
	if (!on || h->listener)
		return 0;
	h->listener = listener_open(h->loop, &h->address, -1, &ops, h, e);
	return h->listener ? 0 : -PS_EIO;
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	stop_listening(h);
	list_each (it, next, &h->conns) {
		struct conn *c = container_of(it, struct conn, node);
		conn_enter(c);
		conn_lose(c);
		conn_leave(c);
	}
	free(h);
}

const struct address *httpd_address(const struct httpd *h)
{
	return &h->address;
}

void httpd_on_connection(struct httpd *h, bool (*wanted)(void *arg), void *arg)
{
	h->wanted = wanted;
	h->wanted_arg = arg;
}

/* ---- helpers for handlers ---- */

bool httpd_path_is(const struct httpd_request *rq, const char *path)
{
	return span_eq(rq->head->path, span_str(path));
}
