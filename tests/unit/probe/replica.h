/* A scripted replica for tests: a thread per connection that answers each GET as its script says at that moment. */
#ifndef PS_TEST_PROBE_REPLICA_H
#define PS_TEST_PROBE_REPLICA_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

enum { SCRIPTS = 4, CONNECTIONS = 64 };

enum how_to_answer {
	WHOLE,
	HANG,  /* nothing comes, ever */
	DRIP,  /* a byte every 20 ms */
	CLOSE, /* FIN instead of an answer */
	CUT,   /* half of it, then FIN */
	NO_HTTP,
	LAST_ANSWER, /* whole, then FIN without having said so: what an engine does with an idle connection */
};

struct script {
	const char *path;
	int status;
	const char *body; /* not ended by NUL when `bytes` is given */
	size_t bytes;
	enum how_to_answer how;
};

/* Scripts may be changed under `lock`. */
struct replica_server {
	pthread_mutex_t lock;
	struct script script[SCRIPTS];
	unsigned asked[SCRIPTS];
	_Atomic unsigned connections;
	_Atomic bool stopping;
	struct address address;
	int listen_fd;
	int fds[CONNECTIONS];
	pthread_t thread, threads[CONNECTIONS];
};

struct served {
	struct replica_server *server;
	int fd;
};

static inline bool served_send(int fd, const char *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* False: close the connection. */
static inline bool served_answer(struct replica_server *r, int fd, const struct script *s)
{
	char head[200];
	const char *body = s->body ? s->body : "";
	size_t bytes = s->bytes ? s->bytes : strlen(body);
	int n = snprintf(head, sizeof head, "HTTP/1.1 %d Whatever\r\ncontent-length: %zu\r\n\r\n", s->status, bytes);
	if (s->how == NO_HTTP)
		return served_send(fd, "\x16\x03\x01 what\r\n\r\n", 12);
	while (s->how == HANG && !atomic_load(&r->stopping))
		usleep(5000);
	if (s->how == HANG || s->how == CLOSE || !served_send(fd, head, (size_t)n))
		return false;
	if (s->how == CUT)
		return served_send(fd, body, bytes / 2) && false;
	for (size_t at = 0; s->how == DRIP && at < bytes && !atomic_load(&r->stopping); at++) {
		if (!served_send(fd, body + at, 1))
			return false;
		usleep(20000);
	}
	return s->how == DRIP || (served_send(fd, body, bytes) && s->how != LAST_ANSWER);
}

static inline struct script served_script(struct replica_server *r, const char *request)
{
	struct script found = { .status = 404, .body = "no such path" };
	(void)pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < SCRIPTS; i++) {
		size_t n = r->script[i].path ? strlen(r->script[i].path) : 0;
		if (n && strncmp(request + 4, r->script[i].path, n) == 0 && request[4 + n] == ' ') {
			found = r->script[i];
			r->asked[i]++;
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
	return found;
}

static inline void *served_main(void *arg)
{
	struct served s = *(struct served *)arg;
	char request[4096];
	size_t n = 0;
	free(arg);
	for (ssize_t k; (k = recv(s.fd, request + n, sizeof request - 1 - n, 0)) > 0;) {
		n += (size_t)k;
		request[n] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		struct script script = served_script(s.server, request);
		if (!served_answer(s.server, s.fd, &script))
			break;
		n = 0;
	}
	(void)shutdown(s.fd, SHUT_RDWR);
	return NULL;
}

static inline void *replica_server_main(void *arg)
{
	struct replica_server *r = arg;
	for (;;) {
		int fd = accept(r->listen_fd, NULL, NULL);
		unsigned i = atomic_load(&r->connections);
		if (fd < 0 || i == CONNECTIONS)
			return NULL;
		struct served *s = malloc(sizeof *s);
		*s = (struct served){ r, fd };
		r->fds[i] = fd;
		(void)pthread_create(&r->threads[i], NULL, served_main, s);
		atomic_store(&r->connections, i + 1);
	}
}

static inline void replica_server_start(struct replica_server *r)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	(void)pthread_mutex_init(&r->lock, NULL);
	r->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r->address.len = sizeof r->address.sa;
	(void)bind(r->listen_fd, (struct sockaddr *)&in, sizeof in);
	(void)listen(r->listen_fd, CONNECTIONS);
	(void)getsockname(r->listen_fd, (struct sockaddr *)&r->address.sa, &r->address.len);
	(void)pthread_create(&r->thread, NULL, replica_server_main, r);
}

static inline void replica_server_stop(struct replica_server *r)
{
	atomic_store(&r->stopping, true);
	(void)shutdown(r->listen_fd, SHUT_RDWR);
	(void)pthread_join(r->thread, NULL);
	(void)close(r->listen_fd);
	for (unsigned i = 0; i < atomic_load(&r->connections); i++) {
		(void)shutdown(r->fds[i], SHUT_RDWR);
		(void)pthread_join(r->threads[i], NULL);
		(void)close(r->fds[i]);
	}
}

static inline void replica_script(struct replica_server *r, unsigned i, struct script s)
{
	(void)pthread_mutex_lock(&r->lock);
	r->script[i] = s;
	r->asked[i] = 0;
	(void)pthread_mutex_unlock(&r->lock);
}

static inline unsigned replica_asked(struct replica_server *r, unsigned i)
{
	(void)pthread_mutex_lock(&r->lock);
	unsigned n = r->asked[i];
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}

#endif
