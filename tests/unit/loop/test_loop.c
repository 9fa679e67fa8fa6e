/* Loops on real sockets and threads: mail keeps its order, a leaving peer is heard behind unread bytes, a refused
 * connection is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/internal.h"

/* ---- mail ---- */

enum { SENDERS = 3, LETTERS = 20000 };

struct letter {
	struct mail mail;
	unsigned sender, number;
};

static struct loop *receiver;
static unsigned next_number[SENDERS], delivered;

static void on_letter(struct mail *m)
{
	struct letter *l = container_of(m, struct letter, mail);
	assert_int_equal(l->number, next_number[l->sender]);
	next_number[l->sender]++;
	free(l);
	if (++delivered == SENDERS * LETTERS)
		loop_stop(receiver);
}

static void *sender_main(void *arg)
{
	for (unsigned i = 0; i < LETTERS; i++) {
		struct letter *l = calloc(1, sizeof *l);
		if (!l)
			abort();
		l->mail.deliver = on_letter;
		l->sender = (unsigned)(uintptr_t)arg;
		l->number = i;
		loop_post(receiver, &l->mail);
	}
	return NULL;
}

static void mail_of_each_sender_arrives_once_and_in_order(void **state)
{
	(void)state;
	pthread_t t[SENDERS];
	receiver = loop_new("receiver", 0);
	assert_non_null(receiver);
	assert_int_equal(loop_start(receiver), 0);
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sender_main, (void *)i), 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(t[i], NULL);
	loop_join(receiver);
	loop_free(receiver);
	assert_int_equal(delivered, SENDERS * LETTERS);
}

/* ---- sockets ---- */

static struct side {
	struct loop *loop;
	struct listener *listener;
	struct io *accepted, *connected;
	int connect_result;
	bool hung_up;
} side;

static void connected(void *owner, int result)
{
	(void)owner;
	side.connect_result = result;
	if (result < 0) {
		io_close(side.connected, false);
		loop_stop(side.loop);
		return;
	}
	struct iovec iov = { (char *)(uintptr_t) "unread", 6 };
	assert_int_equal(io_writev(side.connected, &iov, 1), 6);
	io_close(side.connected, false);
}
static void nothing(void *owner)
{
	(void)owner;
}
static void hangup(void *owner)
{
	(void)owner;
	char text[16];
	side.hung_up = true;
	assert_int_equal(io_read(side.accepted, text, sizeof text), 6);
	io_close(side.accepted, false);
	listener_close(side.listener);
	loop_stop(side.loop);
}
static const struct io_ops client_events = { connected, nothing, nothing, nothing };
static const struct io_ops server_events = { connected, nothing, nothing, hangup };

static void accepted(void *owner, int fd, const struct address *peer)
{
	(void)owner, (void)peer;
	side.accepted = io_open(side.loop, fd, &server_events, NULL);
	io_want_read(side.accepted, false, true);
}
static const struct listener_ops listening = { accepted };

static void a_peer_that_leaves_is_heard_behind_unread_bytes(void **state)
{
	(void)state;
	struct address a;
	struct err e;
	side = (struct side){ .loop = loop_new("loop", 0) };
	assert_int_equal(address_parse(&a, SPAN("127.0.0.1:0"), &e), 0);
	side.listener = listener_open(side.loop, &a, -1, &listening, NULL, &e);
	assert_non_null(side.listener);
	side.connected = io_connect(side.loop, listener_address(side.listener), &client_events, NULL);
	loop_run(side.loop);
	assert_true(side.hung_up);
	loop_free(side.loop);
}

/* ---- a reset behind unread bytes ---- */

static struct timer enough;

static void end_it(struct timer *t, uint64_t now)
{
	(void)t, (void)now;
	loop_stop(side.loop);
}

static unsigned taken_bytes;
static bool saw_error;

static void read_a_little(void *owner)
{
	(void)owner;
	char text[4];
	ptrdiff_t n = io_read(side.accepted, text, sizeof text);
	if (n > 0) {
		taken_bytes += (unsigned)n;
		return;
	}
	if (n == -PS_EAGAIN)
		return;
	saw_error = n < 0;
	io_close(side.accepted, false);
	listener_close(side.listener);
	loop_stop(side.loop);
}
static const struct io_ops slow_reader = { connected, read_a_little, nothing, nothing };

static void accept_slowly(void *owner, int fd, const struct address *peer)
{
	(void)owner, (void)peer;
	usleep(20000); /* the reset is there before the first look */
	side.accepted = io_open(side.loop, fd, &slow_reader, NULL);
}
static const struct listener_ops listening_slowly = { accept_slowly };

static void *write_and_reset(void *arg)
{
	const struct address *to = arg;
	struct linger now = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to->sa, to->len), 0);
	assert_int_equal(send(fd, "unread bytes", 12, 0), 12);
	usleep(5000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
	return NULL;
}

static void a_reset_behind_unread_bytes_is_always_heard_of(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct address a;
		pthread_t t;
		side = (struct side){ .loop = loop_new("loop", 0) };
		taken_bytes = 0;
		saw_error = false;
		assert_int_equal(address_parse(&a, SPAN("127.0.0.1:0"), NULL), 0);
		side.listener = listener_open(side.loop, &a, -1, &listening_slowly, NULL, NULL);
		struct address to = *listener_address(side.listener);
		assert_int_equal(pthread_create(&t, NULL, write_and_reset, &to), 0);
		timer_init(&enough, end_it);
		timer_set(side.loop, &enough, loop_now(side.loop) + 2 * NS_PER_S);
		loop_run(side.loop);
		timer_clear(&enough);
		pthread_join(t, NULL);
		assert_true(saw_error);
		loop_free(side.loop);
	}
}

static void a_refused_connection_is_told_later_not_at_once(void **state)
{
	(void)state;
	struct address a;
	assert_int_equal(address_parse(&a, SPAN("127.0.0.1:1"), NULL), 0);
	side = (struct side){ .loop = loop_new("loop", 0), .connect_result = 1 };
	side.connected = io_connect(side.loop, &a, &client_events, NULL);
	assert_non_null(side.connected);
	assert_int_equal(side.connect_result, 1);
	loop_run(side.loop);
	assert_int_equal(side.connect_result, -PS_ECONNECT);
	loop_free(side.loop);
}

static unsigned taken;
static int taken_fd[64];

static void take(void *owner, int fd, const struct address *peer)
{
	(void)owner, (void)peer;
	taken_fd[taken++] = fd;
	descriptors_add(1);
}
static const struct listener_ops taking = { take };

static void accepting_rests_when_descriptors_run_short(void **state)
{
	(void)state;
	struct address a;
	int client[40];
	side = (struct side){ .loop = loop_new("loop", 0) };
	assert_int_equal(address_parse(&a, SPAN("127.0.0.1:0"), NULL), 0);
	side.listener = listener_open(side.loop, &a, -1, &taking, NULL, NULL);
	unsigned limit = descriptors_init();
	descriptors_add((int)limit * DESCRIPTORS_ACCEPT_PERMILLE / 1000 - (int)descriptors_in_use() - 4);
	for (int i = 0; i < 40; i++) {
		client[i] = socket(AF_INET, SOCK_STREAM, 0);
		const struct address *to = listener_address(side.listener);
		assert_int_equal(connect(client[i], (const struct sockaddr *)&to->sa, to->len), 0);
	}
	timer_init(&enough, end_it);
	timer_set(side.loop, &enough, loop_now(side.loop) + 200 * NS_PER_MS);
	loop_run(side.loop);
	assert_in_range(taken, 1, 6);
	for (int i = 0; i < 40; i++)
		close(client[i]);
	for (unsigned i = 0; i < taken; i++)
		close(taken_fd[i]);
	listener_close(side.listener);
	loop_free(side.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_of_each_sender_arrives_once_and_in_order),
		cmocka_unit_test(a_peer_that_leaves_is_heard_behind_unread_bytes),
		cmocka_unit_test(a_reset_behind_unread_bytes_is_always_heard_of),
		cmocka_unit_test(a_refused_connection_is_told_later_not_at_once),
		cmocka_unit_test(accepting_rests_when_descriptors_run_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
