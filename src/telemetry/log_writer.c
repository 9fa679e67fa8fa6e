/* The thread that writes the log, so that a slow disk, a full pipe or a stopped terminal stops nobody.
 *
 *     threads ──push──▶ stack of blocks (newest first) ──take all, reverse──▶ writer ──write(2)──▶ fd
 *
 * A Treiber stack (1986): pushing is one compare-and-swap, and as the writer only ever takes everything there is no
 * ABA. What is queued is bounded by LOG_QUEUE_BYTES; beyond it blocks are dropped and their lines counted. */
#include "telemetry/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WRITE_FILE_BYTES = 64 * 1024,
	WRITE_PIPE_BYTES = 4096, /* PIPE_BUF: what poll(2) promises a pipe will take without blocking */
	POLL_MS = 100,
	STOP_MS = 1000, /* what a reader that has stopped is waited for at the end */
};

struct log_setting log_setting = { .level = -1 };

static struct {
	_Atomic(struct log_block *) stack;
	_Atomic size_t queued_bytes;
	_Atomic bool stopping; /* set by log_stop before its wake-up, read by the writer after it */
	sem_t wake;	       /* posted when the stack was empty, and by log_stop */
	pthread_t thread;
	size_t piece_bytes;
	int fd;
	bool given_up; /* the writer's own while it runs */
	bool running;  /* of the thread that starts and stops */
} writer;

static void drop(struct log_block *block)
{
	tm_add(tm_plain(TM_LOG_DROPPED), block->count);
	buf_free(&block->lines);
	free(block);
}

void log_hand_over(struct log_block *block)
{
	size_t n = buf_len(&block->lines);
	bool wanted = atomic_load_explicit(&log_setting.level, memory_order_relaxed) >= 0;
	if (atomic_fetch_add_explicit(&writer.queued_bytes, n, memory_order_relaxed) + n > LOG_QUEUE_BYTES || !wanted) {
		atomic_fetch_sub_explicit(&writer.queued_bytes, n, memory_order_relaxed);
		drop(block);
		return;
	}
	/* Release: what is in the block goes before the pointer, which the writer takes by acquire. After the exchange
	 * the block is the writer's, so whether the stack was empty is known from `top` alone. */
	struct log_block *top = atomic_load_explicit(&writer.stack, memory_order_relaxed);
	do
		block->next = top;
	while (!atomic_compare_exchange_weak_explicit(&writer.stack, &top, block, memory_order_release,
						      memory_order_relaxed));
	if (!top)
		(void)sem_post(&writer.wake);
}

/* Everything that was pushed, oldest first. */
static struct log_block *take_all(void)
{
	struct log_block *newest = atomic_exchange_explicit(&writer.stack, NULL, memory_order_acquire), *oldest = NULL;
	while (newest) {
		struct log_block *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}

/* Waits until the descriptor takes bytes; false: the log is being stopped and its reader does not read. That is found
 * out once: what is queued behind is given up with it. */
static bool wait_writable(void)
{
	for (int waited_ms = 0; !writer.given_up; waited_ms += POLL_MS) {
		struct pollfd p = { .fd = writer.fd, .events = POLLOUT };
		if (poll(&p, 1, POLL_MS) > 0)
			return true;
		writer.given_up = waited_ms >= STOP_MS && atomic_load_explicit(&writer.stopping, memory_order_relaxed);
	}
	return false;
}

static bool write_all(struct buf *b)
{
	while (buf_len(b) && wait_writable()) {
		size_t n = buf_len(b) < writer.piece_bytes ? buf_len(b) : writer.piece_bytes;
		ssize_t done = write(writer.fd, buf_span(b).p, n);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		buf_skip(b, done > 0 ? (size_t)done : 0);
	}
	return buf_len(b) == 0;
}

static void write_blocks(void)
{
	for (struct log_block *block = take_all(), *next; block; block = next) {
		next = block->next;
		size_t n = buf_len(&block->lines);
		bool written = write_all(&block->lines);
		atomic_fetch_sub_explicit(&writer.queued_bytes, n, memory_order_relaxed);
		block->count = written ? 0 : block->count;
		drop(block);
	}
}

static void *writer_main(void *arg)
{
	/* A reader that has gone must be an error of write(2), not the end of the process. */
	sigset_t all;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	(void)pthread_setname_np(pthread_self(), "log");
	bool last;
	do {
		while (sem_wait(&writer.wake) < 0 && errno == EINTR)
			;
		last = atomic_load_explicit(&writer.stopping, memory_order_acquire);
		write_blocks();
	} while (!last);
	return arg;
}

static void make_wake(void)
{
	(void)sem_init(&writer.wake, 0, 0);
}

int log_start(int fd, enum log_level level, enum log_format format, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct stat st;
	if (writer.running)
		return err_set(e, PS_EEXIST, "the log runs already");
	if (fstat(fd, &st) < 0)
		return err_set(e, PS_EIO, "the log's descriptor %d cannot be used", fd);
	(void)pthread_once(&once, make_wake);
	writer.fd = fd;
	writer.given_up = false;
	writer.piece_bytes = S_ISREG(st.st_mode) ? WRITE_FILE_BYTES : WRITE_PIPE_BYTES;
	atomic_store(&writer.stopping, false);
	if (pthread_create(&writer.thread, NULL, writer_main, NULL) != 0)
		return err_set(e, PS_ENOMEM, "the log's thread cannot be started");
	writer.running = true;
	atomic_store_explicit(&log_setting.json, format == LOG_JSON, memory_order_relaxed);
	atomic_store_explicit(&log_setting.level, (int)level, memory_order_relaxed);
	return 0;
}

void log_stop(void)
{
	if (!writer.running)
		return;
	log_hand_over_mine();
	atomic_store_explicit(&log_setting.level, -1, memory_order_relaxed);
	atomic_store_explicit(&writer.stopping, true, memory_order_release);
	(void)sem_post(&writer.wake);
	(void)pthread_join(writer.thread, NULL);
	writer.running = false;
	/* What another thread pushed between the writer's last look and its end. */
	for (struct log_block *block = take_all(), *next; block; block = next) {
		next = block->next;
		atomic_fetch_sub_explicit(&writer.queued_bytes, buf_len(&block->lines), memory_order_relaxed);
		drop(block);
	}
}
