/* penstock serve: N workers, a signals thread, a control thread, and the main thread, which waits for signals.
 *
 *   main      flags, sockets, threads; then SIGTERM, SIGINT, SIGHUP, SIGUSR2; ends the process
 *   worker k  accepts and serves (proxy); gets each new snapshot by mail
 *   signals   asks replicas (probe)
 *   control   files, names, snapshots (control), and the admin server (admin)
 *
 * Order of the start: flags, configuration, sockets, threads, so that whatever is wrong is said at once and nothing is
 * half up. The end goes through the phases below; each row of `phases` says what a signal or the time does there. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin/admin.h"
#include "control/control.h"
#include "loop/loop.h"
#include "probe/probe.h"
#include "proxy/proxy.h"
#include "telemetry/telemetry.h"

/* After a hand-over streams run to their end; a day is the bound that every process needs. */
#define HANDOVER_DRAIN_NS (24 * 3600 * NS_PER_S)
enum { LISTEN_TEXT_MAX = 1024 /* of the log line "ready" */ };
#define LOG_OPEN_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC)

enum phase {
	PHASE_SERVING,
	PHASE_LINGERING, /* --drain-delay: not ready any more, still accepting */
	PHASE_DRAINING,	 /* not accepting; until the last connection is gone or the time is over */
	PHASE_ENDED,
};

/* What /readyz is told. */
enum standing { STANDING_STARTING, STANDING_READY, STANDING_LEAVING, STANDING_HANDED_OVER };

struct serve;

struct worker {
	struct serve *serve;
	struct loop *loop;
	struct proxy *proxy;
	struct mail drain, close_idle;
	bool started;
};

/* The process. Main thread, except what says otherwise. */
struct serve {
	struct serve_flags flags;
	struct inheritance inherited;
	struct handover handover;
	struct loop *control_loop, *signals_loop;
	bool control_started, signals_started;
	struct control *control;
	struct admin *admin; /* control's thread */
	struct probe *probe; /* signals thread */
	struct mail close_admin;
	_Atomic(enum standing) standing; /* a word by itself: nothing is ordered by it */
	struct worker workers[FLAG_WORKERS_MAX];
	uint32_t worker_count;
	_Atomic uint32_t undrained; /* workers that still have connections; the last one writes drained_fd */
	int drained_fd, signal_fd, log_fd;
	enum phase phase;
	bool stopping; /* a first SIGTERM or SIGINT came */
	_Atomic bool
		leaving; /* draining: control puts nothing into force any more; a snapshot on its way does no harm */
	uint64_t phase_until;
	uint64_t drain_until;	   /* for the workers; written before the drain mails are posted */
	_Atomic uint64_t drain_ns; /* drainTimeout, the longest of the listeners; control writes, main reads: a number
				      by itself */
};

/* ---- readiness ---- */

/* Any thread. */
static void set_standing(struct serve *sv, enum standing standing)
{
	atomic_store_explicit(&sv->standing, standing, memory_order_relaxed);
}

/* For /readyz; control's thread. */
static bool is_ready(void *arg, struct buf *why)
{
	static const char *const words[] = {
		[STANDING_STARTING] = "starting: replicas are being resolved and asked\n",
		[STANDING_LEAVING] = "leaving: this process is draining\n",
		[STANDING_HANDED_OVER] = "leaving: another process has taken over\n",
	};
	struct serve *sv = arg;
	enum standing standing = atomic_load_explicit(&sv->standing, memory_order_relaxed);
	if (standing == STANDING_READY)
		return true;
	(void)buf_printf(why, "%s", words[standing]);
	return false;
}

/* The process id of the generation that serves; each writes its own over the last one's. */
static void write_pid_file(const struct serve *sv)
{
	FILE *f = sv->flags.pid_file ? fopen(sv->flags.pid_file, "we") : NULL;
	if (f) {
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
	} else if (sv->flags.pid_file) {
		log_event(LOG_ERROR, "pid_file_failed", "file", sv->flags.pid_file, "reason", strerror(errno), NULL);
	}
}

/* Unless the next generation has written its own. */
static void remove_pid_file(const struct serve *sv)
{
	char text[32];
	uint64_t pid;
	FILE *f = sv->flags.pid_file ? fopen(sv->flags.pid_file, "re") : NULL;
	if (!f)
		return;
	struct span rest, line = span_cut(span_of(text, fread(text, 1, sizeof text, f)), '\n', &rest);
	if (span_to_u64(line, &pid) && pid == (uint64_t)getpid())
		(void)unlink(sv->flags.pid_file);
	fclose(f);
}

/* Addresses that do not fit the line are in /debug/config. */
static void log_ready(const struct serve *sv)
{
	const struct snapshot *s = control_snapshot(sv->control);
	char text[ADDRESS_TEXT_MAX];
	struct buf listen;
	struct log_line line = log_begin(LOG_INFO, "ready");
	if (!line.b)
		return;
	buf_init(&listen, LISTEN_TEXT_MAX);
	for (uint32_t i = 0; i < s->listener_count; i++) {
		address_format(&s->listeners[i].address, text);
		(void)buf_printf(&listen, "%s%s", i ? "," : "", text);
	}
	log_str(&line, "listen", buf_span(&listen));
	address_format(admin_address(sv->admin), text);
	log_str(&line, "admin", span_str(text));
	log_str(&line, "version", SPAN(PENSTOCK_VERSION));
	log_end(&line);
	buf_free(&listen);
}

/* Control's thread, once: workers listen, the first configuration is in force, its names have been asked. */
static void on_settled(void *arg)
{
	struct serve *sv = arg;
	tm_set(tm_series_of(TM_BUILD_INFO, (struct span[]){ SPAN(PENSTOCK_VERSION), SPAN(__VERSION__) }, 2), 1);
	write_pid_file(sv);
	enum standing starting = STANDING_STARTING;
	/* not over what a signal said meanwhile */
	(void)atomic_compare_exchange_strong(&sv->standing, &starting, STANDING_READY);
	inheritance_ready(&sv->inherited);
	log_ready(sv);
}

/* ---- snapshots to workers ---- */

struct snapshot_mail {
	struct mail mail;
	struct proxy *to;
	struct snapshot *snapshot;
};

static void deliver_snapshot(struct mail *m)
{
	struct snapshot_mail *letter = container_of(m, struct snapshot_mail, mail);
	proxy_apply(letter->to, letter->snapshot);
	snapshot_unref(letter->snapshot);
	free(letter);
}

static uint64_t longest_drain(const struct snapshot *s)
{
	uint64_t longest = 0;
	for (uint32_t i = 0; i < s->listener_count; i++) {
		if (s->listeners[i].policy.drain_ns > longest)
			longest = s->listeners[i].policy.drain_ns;
	}
	return longest;
}

/* Control's thread. The first snapshot finds no workers: they are made from it. */
static void on_snapshot(void *arg, struct snapshot *s)
{
	struct serve *sv = arg;
	if (sv->admin)
		admin_publish(sv->admin, s);
	atomic_store_explicit(&sv->drain_ns, longest_drain(s), memory_order_relaxed);
	if (atomic_load_explicit(&sv->leaving, memory_order_relaxed))
		return; /* nothing new is begun, least of all a listener */
	for (uint32_t i = 0; i < sv->worker_count; i++) {
		struct snapshot_mail *letter = malloc(sizeof *letter);
		if (!letter) {
			log_event(LOG_ERROR, "snapshot_undelivered", "reason", error_row(PS_ENOMEM)->text, NULL);
			continue; /* this worker goes on with the last one, which is whole */
		}
		*letter = (struct snapshot_mail){ { .deliver = deliver_snapshot },
						  sv->workers[i].proxy,
						  snapshot_ref(s) };
		loop_post(sv->workers[i].loop, &letter->mail);
	}
}

/* ---- listening ---- */

/* One address for all workers: inherited sockets first, round robin; then one of its own for each worker without. */
static int listen_at(struct serve *sv, uint32_t number, struct err *e)
{
	struct address at = control_snapshot(sv->control)->listeners[number].address;
	uint32_t n = 0;
	int fd;
	while ((fd = sockets_take(&sv->inherited.sockets, &at)) >= 0) {
		struct proxy *to = sv->workers[n++ % sv->worker_count].proxy;
		if (socket_address(fd, &at) < 0 || proxy_listen(to, number, fd, e) < 0)
			return -PS_EIO;
	}
	/* Sharing it with a stranger of the same user would go unnoticed; with the process before this one it is meant.
	 */
	if (n == 0 && sv->inherited.ready_fd < 0 && socket_try(&at, e) < 0)
		return -PS_EIO;
	for (; n < sv->worker_count; n++) {
		fd = socket_bind(&at, e);
		if (fd < 0 || socket_address(fd, &at) < 0 || proxy_listen(sv->workers[n].proxy, number, fd, e) < 0)
			return -PS_EIO;
	}
	return 0;
}

/* ---- hand-over ---- */

/* Asks a worker for copies of its listening sockets: they are its own, and a reload may close them meanwhile. */
struct gather {
	struct mail mail;
	struct proxy *from;
	int *to;
	unsigned room, count;
	sem_t done;
};

static void deliver_gather(struct mail *m)
{
	struct gather *g = container_of(m, struct gather, mail);
	int fds[SOCKETS_INHERITED_MAX];
	uint32_t numbers[SOCKETS_INHERITED_MAX];
	unsigned n = proxy_listener_fds(g->from, fds, numbers, SOCKETS_INHERITED_MAX);
	for (unsigned i = 0; i < n && g->count < g->room; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			g->to[g->count++] = fd;
	}
	sem_post(&g->done);
}

/* Main thread: waits for a turn of each worker. */
static uint32_t gather_sockets(struct serve *sv, int *to)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < sv->worker_count; i++) {
		struct gather g = { .mail.deliver = deliver_gather, .from = sv->workers[i].proxy };
		g.to = to + n;
		g.room = SOCKETS_INHERITED_MAX - n;
		if (sem_init(&g.done, 0, 0) < 0)
			break;
		loop_post(sv->workers[i].loop, &g.mail);
		while (sem_wait(&g.done) < 0 && errno == EINTR)
			continue;
		sem_destroy(&g.done);
		n += g.count;
	}
	return n;
}

static int hand_over(struct serve *sv, struct err *e)
{
	int *sockets = calloc(SOCKETS_INHERITED_MAX, sizeof *sockets);
	if (!sockets)
		return err_set(e, PS_ENOMEM, "no memory for a list of sockets");
	uint32_t n = gather_sockets(sv, sockets);
	int r = handover_begin(&sv->handover, &sv->inherited, sockets, n, clock_now_ns(), e);
	for (uint32_t i = 0; i < n; i++)
		close(sockets[i]);
	free(sockets);
	return r;
}

static void on_usr2(struct serve *sv)
{
	struct err e = { 0 };
	uint32_t alive = inheritance_ancestors(&sv->inherited) + 1;
	if (sv->phase != PHASE_SERVING)
		err_set(&e, PS_EDRAINING, "this process is on its way out");
	else if (alive >= sv->flags.generations)
		err_set(&e, PS_ETOOBIG, "%u generations are alive (--generations)", alive);
	else if (hand_over(sv, &e) == 0)
		log_event(LOG_INFO, "handover_begins", "program", sv->handover.program, NULL);
	if (e.code)
		log_event(LOG_ERROR, "handover_refused", "reason", e.text, NULL);
}

/* ---- the end ---- */

static void on_drained(void *arg)
{
	struct serve *sv = arg;
	uint64_t one = 1;
	/* acq_rel: the last worker's write happens after what the others did */
	if (atomic_fetch_sub_explicit(&sv->undrained, 1, memory_order_acq_rel) == 1)
		(void)!write(sv->drained_fd, &one, sizeof one);
}

static void deliver_drain(struct mail *m)
{
	struct worker *w = container_of(m, struct worker, drain);
	proxy_drain(w->proxy, w->serve->drain_until, on_drained, w->serve);
}

/* Not after a hand-over: there a kept connection may wait, and its next answer tells the client to come again. */
static void deliver_close_idle(struct mail *m)
{
	proxy_close_idle(container_of(m, struct worker, close_idle)->proxy);
}

static void drain(struct serve *sv, uint64_t for_ns)
{
	sv->phase = PHASE_DRAINING;
	atomic_store_explicit(&sv->leaving, true, memory_order_relaxed);
	sv->drain_until = sv->phase_until = clock_now_ns() + for_ns;
	atomic_store_explicit(&sv->undrained, sv->worker_count, memory_order_release);
	for (uint32_t i = 0; i < sv->worker_count; i++)
		loop_post(sv->workers[i].loop, &sv->workers[i].drain);
	log_event(LOG_INFO, "draining", NULL);
}

static void close_idle(struct serve *sv)
{
	for (uint32_t i = 0; i < sv->worker_count; i++)
		loop_post(sv->workers[i].loop, &sv->workers[i].close_idle);
}

/* SIGTERM's way of draining: nobody takes over, so nobody is waited for who asks for nothing. */
static void drain_and_close(struct serve *sv)
{
	drain(sv, atomic_load_explicit(&sv->drain_ns, memory_order_relaxed));
	close_idle(sv);
}

static void on_stop(struct serve *sv)
{
	if (sv->stopping) {
		sv->phase = PHASE_ENDED;
		return;
	}
	sv->stopping = true;
	set_standing(sv, STANDING_LEAVING);
	handover_stop(&sv->handover);
	uint64_t now = clock_now_ns(), drain_ns = atomic_load_explicit(&sv->drain_ns, memory_order_relaxed);
	if (sv->phase == PHASE_DRAINING) { /* after a hand-over: from now on the time is measured */
		if (now + drain_ns < sv->phase_until)
			sv->phase_until = now + drain_ns;
		close_idle(sv);
	} else if (sv->flags.drain_delay_ns) {
		sv->phase = PHASE_LINGERING;
		sv->phase_until = now + sv->flags.drain_delay_ns;
		log_event(LOG_INFO, "stopping", NULL);
	} else {
		drain_and_close(sv);
	}
}

static void on_time(struct serve *sv)
{
	if (sv->phase == PHASE_LINGERING) {
		drain_and_close(sv);
	} else {
		log_event(LOG_WARN, "drain_timeout", NULL);
		sv->phase = PHASE_ENDED;
	}
}

/* Control's thread: whoever asks now is to reach the process that serves. */
static void deliver_close_admin(struct mail *m)
{
	struct serve *sv = container_of(m, struct serve, close_admin);
	admin_free(sv->admin);
	sv->admin = NULL;
}

static void on_handover(struct serve *sv)
{
	switch (handover_poll(&sv->handover, clock_now_ns())) {
	case HANDOVER_WAITING:
		break;
	case HANDOVER_DONE:
		log_event(LOG_INFO, "handed_over", NULL);
		set_standing(sv, STANDING_HANDED_OVER);
		loop_post(sv->control_loop, &sv->close_admin);
		if (sv->phase == PHASE_SERVING)
			drain(sv, HANDOVER_DRAIN_NS);
		break;
	case HANDOVER_FAILED:
		log_event(LOG_ERROR, "handover_failed", "reason", "the new process did not become ready", NULL);
		break;
	}
}

/* ---- waiting for signals ---- */

/* A log file that was moved away is opened anew. */
static void reopen_log(struct serve *sv)
{
	if (!sv->flags.log_file)
		return;
	int fd = open(sv->flags.log_file, LOG_OPEN_FLAGS, 0640);
	if (fd < 0 || dup3(fd, sv->log_fd, O_CLOEXEC) < 0)
		log_event(LOG_ERROR, "log_reopen_failed", "reason", strerror(errno), NULL);
	if (fd >= 0)
		close(fd);
}

static void on_hup(struct serve *sv)
{
	reopen_log(sv);
	control_reload(sv->control);
}

static const struct {
	int number;
	void (*on)(struct serve *sv);
} handled[] = {
	{ SIGTERM, on_stop },
	{ SIGINT, on_stop },
	{ SIGHUP, on_hup },
	{ SIGUSR2, on_usr2 },
};
enum { HANDLED_COUNT = sizeof handled / sizeof handled[0] };

/* Before any thread is made: all of them inherit the mask, so that the signals wait for the main thread. */
static int open_signals(struct serve *sv)
{
	sigset_t set;
	sigemptyset(&set);
	for (unsigned i = 0; i < HANDLED_COUNT; i++)
		sigaddset(&set, handled[i].number);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -PS_EIO;
	sv->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sv->drained_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return sv->signal_fd < 0 || sv->drained_fd < 0 ? -PS_EIO : 0;
}

static void take_signals(struct serve *sv)
{
	struct signalfd_siginfo info;
	while (read(sv->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		for (unsigned i = 0; i < HANDLED_COUNT; i++) {
			if (info.ssi_signo == (uint32_t)handled[i].number)
				handled[i].on(sv);
		}
	}
}

/* Milliseconds until the phase or a hand-over runs out of time; -1: nothing does. */
static int patience(const struct serve *sv, uint64_t now)
{
	uint64_t until = sv->phase == PHASE_SERVING ? UINT64_MAX : sv->phase_until;
	if (sv->handover.ready_fd >= 0 && sv->handover.until < until)
		until = sv->handover.until;
	if (until == UINT64_MAX)
		return -1;
	return until <= now ? 0 : (int)((until - now) / NS_PER_MS) + 1;
}

static void wait_for_events(struct serve *sv)
{
	struct pollfd fds[] = {
		{ .fd = sv->signal_fd, .events = POLLIN },
		{ .fd = sv->drained_fd, .events = POLLIN },
		{ .fd = sv->handover.ready_fd, .events = POLLIN },
	};
	(void)poll(fds, 3, patience(sv, clock_now_ns()));
	if (fds[0].revents)
		take_signals(sv);
	on_handover(sv);
	if (fds[1].revents)
		sv->phase = PHASE_ENDED;
	else if (sv->phase != PHASE_SERVING && sv->phase != PHASE_ENDED && clock_now_ns() >= sv->phase_until)
		on_time(sv);
}

/* ---- the start ---- */

/* Prompts may be in memory at any time: no core files, and no reading of it by other processes of the user. */
static void harden(void)
{
	const struct rlimit none = { 0, 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its leak checker has to look into the process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static int open_log(struct serve *sv, struct err *e)
{
	const char *name = sv->flags.log_file;
	sv->log_fd = name ? open(name, LOG_OPEN_FLAGS, 0640) : STDERR_FILENO;
	if (sv->log_fd < 0)
		return err_set(e, PS_EIO, "%s: %s", name, strerror(errno));
	return log_start(sv->log_fd, sv->flags.log_level, sv->flags.log_format, e);
}

static int make_worker(struct serve *sv, struct err *e)
{
	struct worker *w = &sv->workers[sv->worker_count];
	char name[24]; /* the loop keeps what fits a thread's name */
	snprintf(name, sizeof name, "worker-%u", sv->worker_count);
	w->serve = sv;
	w->drain.deliver = deliver_drain;
	w->close_idle.deliver = deliver_close_idle;
	w->loop = loop_new(name, sv->worker_count);
	w->proxy = w->loop ? proxy_new(w->loop, control_snapshot(sv->control), sv->worker_count == 0) : NULL;
	if (!w->proxy) {
		if (w->loop)
			loop_free(w->loop);
		return err_set(e, PS_ENOMEM, "no memory for a worker");
	}
	sv->worker_count++;
	return 0;
}

static int make_workers(struct serve *sv, struct err *e)
{
	int r = 0;
	while (r == 0 && sv->worker_count < sv->flags.workers)
		r = make_worker(sv, e);
	for (uint32_t i = 0; r == 0 && i < control_snapshot(sv->control)->listener_count; i++)
		r = listen_at(sv, i, e);
	return r;
}

/* What is wrong with the configuration is told as it is, a line each: that is what editors understand. */
static int load(struct serve *sv)
{
	struct config_errors errors;
	config_errors_init(&errors);
	int r = control_load(sv->control, &errors);
	if (r < 0)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_span(&errors.text)));
	config_errors_free(&errors);
	return r;
}

static int make_control(struct serve *sv, struct err *e)
{
	sv->signals_loop = loop_new("signals", sv->flags.workers);
	sv->control_loop = loop_new("control", sv->flags.workers + 1);
	if (!sv->signals_loop || !sv->control_loop)
		return err_set(e, PS_ENOMEM, "no memory for the service threads");
	sv->probe = probe_new(sv->signals_loop, proxy_sink());
	sv->control = control_new(&(struct control_options){ .loop = sv->control_loop,
							     .flags = &sv->flags,
							     .sink = proxy_sink(),
							     .probe = sv->probe,
							     .on_snapshot = on_snapshot,
							     .on_settled = on_settled,
							     .arg = sv });
	return sv->probe && sv->control ? 0 : err_set(e, PS_ENOMEM, "no memory for the service threads");
}

/* Beside the process before this one, while there is one; beside nobody else. */
static int make_admin(struct serve *sv, struct err *e)
{
	sv->close_admin.deliver = deliver_close_admin;
	if (sv->inherited.ready_fd < 0 && socket_try(&sv->flags.admin, e) < 0)
		return -PS_EIO;
	sv->admin = admin_new(sv->control_loop, &sv->flags.admin, is_ready, sv, e);
	if (!sv->admin)
		return -PS_EIO;
	admin_publish(sv->admin, control_snapshot(sv->control));
	return 0;
}

/* Everything there is, made but not running. */
static int make(struct serve *sv, struct err *e)
{
	descriptors_init();
	int r = open_signals(sv);
	if (r < 0)
		return err_set(e, PS_EIO, "signals: %s", strerror(errno));
	if ((r = inheritance_take(&sv->inherited)) < 0)
		return err_set(e, -r, "no memory for inherited sockets");
	if ((r = handover_init(&sv->handover, cmd_argv, e)) < 0 || (r = open_log(sv, e)) < 0 ||
	    (r = make_control(sv, e)) < 0)
		return r;
	if ((r = load(sv)) < 0 || (r = make_workers(sv, e)) < 0 || (r = make_admin(sv, e)) < 0)
		return r;
	control_watch(sv->control);
	sockets_close(&sv->inherited.sockets);
	return 0;
}

static int start_threads(struct serve *sv, struct err *e)
{
	for (uint32_t i = 0; i < sv->worker_count; i++) {
		if (loop_start(sv->workers[i].loop) < 0)
			return err_set(e, PS_ENOMEM, "no thread for a worker");
		sv->workers[i].started = true;
	}
	sv->signals_started = loop_start(sv->signals_loop) == 0;
	sv->control_started = loop_start(sv->control_loop) == 0;
	return sv->signals_started && sv->control_started ? 0 : err_set(e, PS_ENOMEM, "no service threads");
}

/* One whose thread was never started takes one turn here, for the messages in its box own what they carry. */
static void stop_loop(struct loop *l, bool started)
{
	if (!l)
		return;
	loop_stop(l);
	if (started)
		loop_join(l);
	else
		loop_run(l);
}

static void free_loop(struct loop *l)
{
	if (l)
		loop_free(l);
}

/* Threads in the order in which they write to each other, so that no message is left; then what they used. */
static void unmake(struct serve *sv)
{
	stop_loop(sv->control_loop, sv->control_started);
	stop_loop(sv->signals_loop, sv->signals_started);
	for (uint32_t i = 0; i < sv->worker_count; i++)
		stop_loop(sv->workers[i].loop, sv->workers[i].started);
	if (sv->admin)
		admin_free(sv->admin);
	for (uint32_t i = 0; i < sv->worker_count; i++) {
		proxy_free(sv->workers[i].proxy);
		loop_free(sv->workers[i].loop);
	}
	if (sv->control)
		control_free(sv->control);
	if (sv->probe)
		probe_free(sv->probe);
	free_loop(sv->control_loop);
	free_loop(sv->signals_loop);
	remove_pid_file(sv);
	log_stop();
	handover_free(&sv->handover);
	inheritance_free(&sv->inherited);
}

static int run(struct serve *sv)
{
	struct err e = { 0 };
	if (make(sv, &e) < 0 || start_threads(sv, &e) < 0) {
		if (e.code)
			fprintf(stderr, "penstock serve: %s\n", e.text);
		return 1;
	}
	while (sv->phase != PHASE_ENDED)
		wait_for_events(sv);
	log_event(LOG_INFO, "ended", NULL);
	return 0;
}

int cmd_serve(int argc, char **argv)
{
	struct err e = { 0 };
	struct serve *sv = calloc(1, sizeof *sv);
	if (!sv)
		return 1;
	int r = serve_flags_parse(&sv->flags, argc, argv, &e);
	if (r < 0) {
		fprintf(stderr, "penstock serve: %s\n", e.text);
	} else if (sv->flags.help) {
		serve_flags_help(stdout);
	} else if (sv->flags.reference) {
		serve_flags_reference(stdout);
	} else {
		harden();
		r = run(sv);
		unmake(sv);
	}
	free(sv);
	return r == 0 ? 0 : 1;
}
