/* The hand-over, with this test program as both generations: argv[1] says what the new one does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/control.h"

static char program[4096];
static char role_word[16];
static char *argv_next[] = { program, role_word, NULL };

/* ---- the new generation ---- */

static int accept_and_greet(struct inheritance *in)
{
	struct address any;
	if (address_parse(&any, SPAN("127.0.0.1:0"), NULL) < 0)
		return 1;
	int fd = sockets_take(&in->sockets, &any);
	if (fd < 0 || sockets_take(&in->sockets, &any) < 0)
		return 1;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	inheritance_ready(in);
	if (poll(&p, 1, 5000) != 1)
		return 1;
	int c = accept(fd, NULL, NULL);
	return write(c, "hello", 5) == 5 && close(c) == 0 ? 0 : 1;
}

static int next_generation(const char *role)
{
	struct inheritance in;
	int r = 0;
	if (inheritance_take(&in) < 0 || getenv("PENSTOCK_SOCKETS") || getenv("PENSTOCK_READY"))
		return 1;
	if (strcmp(role, "greets") == 0)
		r = accept_and_greet(&in);
	if (strcmp(role, "hangs") == 0)
		pause();
	if (strcmp(role, "counts") == 0 && inheritance_ancestors(&in) == 1) /* ready only with one living ancestor */
		inheritance_ready(&in);
	inheritance_free(&in);
	return r; /* "dies": without a word */
}

/* ---- the old one ---- */

static void begin(struct handover *h, struct inheritance *in, const char *role, const int *s, uint32_t n)
{
	struct err e = { 0 };
	span_copy(role_word, sizeof role_word, span_str(role));
	assert_int_equal(handover_init(h, argv_next, &e), 0);
	*in = (struct inheritance){ .ready_fd = -1 };
	if (handover_begin(h, in, s, n, clock_now_ns(), &e) < 0)
		fail_msg("%s", e.text);
}

static enum handover_result wait_for(struct handover *h, int ms)
{
	struct pollfd p = { .fd = h->ready_fd, .events = POLLIN };
	(void)poll(&p, 1, ms);
	return handover_poll(h, clock_now_ns());
}

static void the_new_process_serves_the_same_socket(void **state)
{
	(void)state;
	struct address any, is;
	struct handover h;
	struct inheritance in;
	char text[8] = "";
	int status;
	assert_int_equal(address_parse(&any, SPAN("127.0.0.1:0"), NULL), 0);
	int s[] = { socket_bind(&any, NULL), socket_bind(&any, NULL) };
	assert_int_equal(socket_address(s[0], &is), 0);
	int c = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (struct sockaddr *)&is.sa, is.len), 0); /* waits in the queue from before */
	begin(&h, &in, "greets", s, 2);
	assert_int_equal(wait_for(&h, 5000), HANDOVER_DONE);
	close(s[0]);
	close(s[1]);
	assert_int_equal(read(c, text, 5), 5);
	assert_string_equal(text, "hello");
	close(c);
	assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
	assert_int_equal(status, 0);
	handover_free(&h);
}

static void a_process_that_dies_early_leaves_the_old_one_in_place(void **state)
{
	(void)state;
	struct handover h;
	struct inheritance in;
	begin(&h, &in, "dies", NULL, 0);
	assert_int_equal(wait_for(&h, 5000), HANDOVER_FAILED);
	assert_int_equal(h.pid, 0); /* reaped: another attempt may follow */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	handover_free(&h);
}

static void one_that_hangs_is_ended_when_its_time_is_over(void **state)
{
	(void)state;
	struct handover h;
	struct inheritance in;
	struct err e;
	begin(&h, &in, "hangs", NULL, 0);
	assert_int_equal(wait_for(&h, 50), HANDOVER_WAITING);
	assert_int_equal(handover_begin(&h, &in, NULL, 0, clock_now_ns(), &e), -PS_EEXIST);
	h.until = clock_now_ns();
	assert_int_equal(wait_for(&h, 0), HANDOVER_FAILED);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	handover_free(&h);
}

static void one_that_was_told_to_end_ends(void **state)
{
	(void)state;
	struct handover h;
	struct inheritance in;
	begin(&h, &in, "hangs", NULL, 0);
	handover_stop(&h);
	assert_int_equal(wait_for(&h, 5000), HANDOVER_FAILED);
	handover_free(&h);
}

static void only_living_ancestors_are_counted(void **state)
{
	(void)state;
	struct handover h;
	struct inheritance in;
	int dead[2];
	struct err e = { 0 };
	assert_int_equal(pipe(dead), 0);
	close(dead[1]);
	span_copy(role_word, sizeof role_word, SPAN("counts"));
	assert_int_equal(handover_init(&h, argv_next, &e), 0);
	in = (struct inheritance){ .ready_fd = -1, .ancestor_fds = &dead[0], .ancestor_count = 1 };
	assert_int_equal(handover_begin(&h, &in, NULL, 0, clock_now_ns(), &e), 0);
	assert_int_equal(in.ancestor_count, 0);
	assert_int_equal(wait_for(&h, 5000), HANDOVER_DONE);
	assert_int_equal(waitpid(h.pid, NULL, 0), h.pid);
	handover_free(&h);
}

static void the_program_is_found_as_it_was_called(void **state)
{
	(void)state;
	static char shell[] = "sh", absolute[] = "/bin/sh", nowhere[] = "no-such-program-anywhere",
		    missing[] = "./no/such";
	static const struct {
		char *name;
		const char *wanted; /* NULL: this test program itself */
	} cases[] = { { shell, "/sh" }, { absolute, "/bin/sh" }, { nowhere, NULL }, { missing, NULL } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *argv[] = { cases[i].name, NULL };
		struct handover h;
		struct err e;
		assert_int_equal(handover_init(&h, argv, &e), 0);
		assert_int_equal(h.program[0], '/');
		if (!span_ends(span_str(h.program), span_str(cases[i].wanted ? cases[i].wanted : "/test_handover")))
			fail_msg("%s: %s", cases[i].name, h.program);
		handover_free(&h);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return next_generation(argv[1]);
	span_copy(program, sizeof program, span_str(argv[0]));
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_process_serves_the_same_socket),
		cmocka_unit_test(a_process_that_dies_early_leaves_the_old_one_in_place),
		cmocka_unit_test(one_that_hangs_is_ended_when_its_time_is_over),
		cmocka_unit_test(one_that_was_told_to_end_ends),
		cmocka_unit_test(only_living_ancestors_are_counted),
		cmocka_unit_test(the_program_is_found_as_it_was_called),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
