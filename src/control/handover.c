/* The hand-over between two generations of the process. The listening sockets travel as plain descriptors over exec and
 * are named in the environment; so does the write end of a pipe on which the new process says that it is ready, and the
 * read ends of a pipe per living ancestor, whose end of file tells that it is gone. posix_spawn is used because the
 * process has threads: it clears the close-on-exec flag of just these descriptors in the child alone. Main thread. */
#include "control/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENV_SOCKETS "PENSTOCK_SOCKETS"
#define ENV_READY "PENSTOCK_READY"
#define ENV_ANCESTORS "PENSTOCK_ANCESTORS"

enum { LIST_BYTES_MAX = 64 * 1024 };

extern char **environ;

/* ---- what was inherited ---- */

static bool is_pipe_end(uint64_t fd)
{
	return fd <= INT_MAX && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
}

static int ancestors_take(struct inheritance *in, struct span list)
{
	uint64_t fd;
	in->ancestor_fds = calloc(GENERATIONS_MAX, sizeof *in->ancestor_fds);
	if (!in->ancestor_fds)
		return -PS_ENOMEM;
	while (list.n && in->ancestor_count < GENERATIONS_MAX) {
		if (span_to_u64(span_cut(list, ',', &list), &fd) && is_pipe_end(fd))
			in->ancestor_fds[in->ancestor_count++] = (int)fd;
	}
	return 0;
}

int inheritance_take(struct inheritance *in)
{
	uint64_t fd;
	*in = (struct inheritance){ .ready_fd = -1 };
	if (span_to_u64(span_str(getenv(ENV_READY)), &fd) && is_pipe_end(fd))
		in->ready_fd = (int)fd;
	if (sockets_inherit(&in->sockets, getenv(ENV_SOCKETS)) < 0 ||
	    ancestors_take(in, span_str(getenv(ENV_ANCESTORS))) < 0) {
		inheritance_free(in);
		return -PS_ENOMEM;
	}
	unsetenv(ENV_SOCKETS);
	unsetenv(ENV_READY);
	unsetenv(ENV_ANCESTORS);
	return 0;
}

void inheritance_ready(struct inheritance *in)
{
	if (in->ready_fd < 0)
		return;
	while (write(in->ready_fd, "r", 1) < 0 && errno == EINTR)
		continue;
	close(in->ready_fd);
	in->ready_fd = -1;
}

uint32_t inheritance_ancestors(struct inheritance *in)
{
	uint32_t alive = 0;
	for (uint32_t i = 0; i < in->ancestor_count; i++) {
		struct pollfd p = { .fd = in->ancestor_fds[i] };
		if (poll(&p, 1, 0) == 0)
			in->ancestor_fds[alive++] = p.fd;
		else
			close(p.fd);
	}
	in->ancestor_count = alive;
	return alive;
}

void inheritance_free(struct inheritance *in)
{
	sockets_close(&in->sockets);
	if (in->ready_fd >= 0)
		close(in->ready_fd);
	for (uint32_t i = 0; i < in->ancestor_count; i++)
		close(in->ancestor_fds[i]);
	free(in->ancestor_fds);
	*in = (struct inheritance){ .ready_fd = -1 };
}

/* ---- which program ---- */

static char *in_folder(struct span folder, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%.*s/%s", SPAN_ARG(folder), name);
	return n < (int)sizeof path && access(path, X_OK) == 0 ? span_dup(span_of(path, (size_t)n)) : NULL;
}

/* What the kernel runs, for who started us under a name that is no file: a path as it was then. */
static char *program_running(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	return n > 0 && n < (ssize_t)sizeof path ? span_dup(span_of(path, (size_t)n)) : NULL;
}

/* By the name it was called, symbolic links kept: an upgrade may move one. */
static char *program_find(const char *name)
{
	char cwd[PATH_MAX];
	char *found = NULL;
	if (name[0] == '/')
		found = in_folder(SPAN_NONE, name + 1);
	else if (strchr(name, '/'))
		found = getcwd(cwd, sizeof cwd) ? in_folder(span_str(cwd), name) : NULL;
	struct span path = span_str(strchr(name, '/') ? NULL : getenv("PATH"));
	while (path.n && !found)
		found = in_folder(span_cut(path, ':', &path), name);
	return found ? found : program_running();
}

int handover_init(struct handover *h, char **argv, struct err *e)
{
	int life[2];
	*h = (struct handover){ .argv = argv, .life_fd = -1, .life_reader_fd = -1, .ready_fd = -1 };
	h->program = program_find(argv[0]);
	if (!h->program)
		return err_set(e, PS_ENOTFOUND, "%s is found nowhere, so it could not be started again", argv[0]);
	if (pipe2(life, O_CLOEXEC) < 0)
		return err_set(e, PS_EIO, "no pipe: %s", strerror(errno));
	h->life_reader_fd = life[0];
	h->life_fd = life[1];
	return 0;
}

void handover_free(struct handover *h)
{
	free(h->program);
	if (h->life_fd >= 0)
		close(h->life_fd);
	if (h->life_reader_fd >= 0)
		close(h->life_reader_fd);
	if (h->ready_fd >= 0)
		close(h->ready_fd);
}

/* ---- starting the next one ---- */

/* What the child is given: descriptors to keep open, and the variables that name them. */
struct dowry {
	posix_spawn_file_actions_t keep;
	struct buf sockets, ready, ancestors; /* "NAME=value" with a NUL */
	char **environment;
	int failed;
};

/* One more descriptor in a list. */
static void give(struct dowry *d, struct buf *list, int fd)
{
	bool first = list->end && list->p[list->end - 1] == '=';
	/* dup2 onto itself: POSIX.1-2024 and glibc 2.29 clear close-on-exec then */
	if (posix_spawn_file_actions_adddup2(&d->keep, fd, fd) != 0 ||
	    buf_printf(list, "%s%d", first ? "" : ",", fd) < 0)
		d->failed = -PS_ENOMEM;
}

static void list_begin(struct dowry *d, struct buf *list, struct span name)
{
	buf_init(list, LIST_BYTES_MAX);
	if (buf_add(list, name) < 0)
		d->failed = -PS_ENOMEM;
}

static bool is_ours(const char *variable)
{
	static const struct span ours[] = { SPAN(ENV_SOCKETS "="), SPAN(ENV_READY "="), SPAN(ENV_ANCESTORS "=") };
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
		if (span_starts(span_str(variable), ours[i]))
			return true;
	}
	return false;
}

static void environment_make(struct dowry *d)
{
	struct buf *lists[] = { &d->sockets, &d->ready, &d->ancestors };
	size_t n = 0, count = 0;
	while (environ[count])
		count++;
	d->environment = calloc(count + 4, sizeof *d->environment);
	if (!d->environment) {
		d->failed = -PS_ENOMEM;
		return;
	}
	for (char **v = environ; *v; v++) {
		if (!is_ours(*v))
			d->environment[n++] = *v;
	}
	for (size_t i = 0; i < 3; i++) {
		if (buf_add(lists[i], span_of("", 1)) < 0)
			d->failed = -PS_ENOMEM;
		d->environment[n++] = lists[i]->p + lists[i]->at;
	}
}

static void dowry_make(struct dowry *d, const struct handover *h, const struct inheritance *in, const int *sockets,
		       uint32_t n, int ready)
{
	*d = (struct dowry){ 0 };
	d->failed = posix_spawn_file_actions_init(&d->keep) == 0 ? 0 : -PS_ENOMEM;
	list_begin(d, &d->sockets, SPAN(ENV_SOCKETS "="));
	list_begin(d, &d->ready, SPAN(ENV_READY "="));
	list_begin(d, &d->ancestors, SPAN(ENV_ANCESTORS "="));
	give(d, &d->ready, ready);
	give(d, &d->ancestors, h->life_reader_fd);
	for (uint32_t i = 0; i < in->ancestor_count; i++)
		give(d, &d->ancestors, in->ancestor_fds[i]);
	for (uint32_t i = 0; i < n; i++)
		give(d, &d->sockets, sockets[i]);
	environment_make(d);
}

static void dowry_free(struct dowry *d)
{
	(void)posix_spawn_file_actions_destroy(&d->keep);
	buf_free(&d->sockets);
	buf_free(&d->ready);
	buf_free(&d->ancestors);
	free(d->environment);
}

int handover_begin(struct handover *h, struct inheritance *in, const int *sockets, uint32_t n, uint64_t now,
		   struct err *e)
{
	struct dowry d;
	int ready[2];
	if (h->pid)
		return err_set(e, PS_EEXIST, "a hand-over is under way");
	(void)inheritance_ancestors(in);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_set(e, PS_EIO, "no pipe: %s", strerror(errno));
	dowry_make(&d, h, in, sockets, n, ready[1]);
	/* The new process inherits which signals are blocked: what is sent to it before it listens for them waits. */
	int r = d.failed ? ENOMEM : posix_spawn(&h->pid, h->program, &d.keep, NULL, h->argv, d.environment);
	dowry_free(&d);
	close(ready[1]); /* so that the end of the child is an end of file here */
	if (r != 0) {
		close(ready[0]);
		h->pid = 0;
		return err_set(e, PS_EIO, "cannot start %s: %s", h->program, strerror(r));
	}
	h->ready_fd = ready[0];
	h->until = now + HANDOVER_READY_NS;
	return 0;
}

static void end_failed(struct handover *h)
{
	(void)kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	h->pid = 0;
}

void handover_stop(struct handover *h)
{
	if (h->ready_fd >= 0)
		(void)kill(h->pid, SIGTERM);
}

enum handover_result handover_poll(struct handover *h, uint64_t now)
{
	char byte;
	struct pollfd p = { .fd = h->ready_fd, .events = POLLIN };
	if (h->ready_fd < 0)
		return HANDOVER_WAITING;
	bool told = poll(&p, 1, 0) > 0;
	if (!told && now < h->until)
		return HANDOVER_WAITING;
	bool ready = told && read(h->ready_fd, &byte, 1) == 1;
	close(h->ready_fd);
	h->ready_fd = -1;
	if (ready)
		return HANDOVER_DONE;
	end_failed(h);
	return HANDOVER_FAILED;
}
