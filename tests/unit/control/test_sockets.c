/* Listening sockets: bound, shared, named and adopted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/control.h"

static struct address at(const char *text)
{
	struct address a;
	assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
	return a;
}

static int connects(const struct address *to)
{
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, (const struct sockaddr *)&to->sa, to->len);
	close(fd);
	return r == 0;
}

static void a_bound_socket_takes_connections_and_shares_its_port(void **state)
{
	(void)state;
	static const char *const hosts[] = { "127.0.0.1:0", "[::1]:0" };
	for (size_t i = 0; i < 2; i++) {
		struct address any = at(hosts[i]), is;
		struct err e = { 0 };
		int first = socket_bind(&any, &e);
		if (first < 0 && i == 1)
			continue; /* a machine without IPv6 */
		assert_true(first >= 0);
		assert_int_equal(socket_address(first, &is), 0);
		assert_true(address_port(&is) != 0);
		assert_true(connects(&is));
		int second = socket_bind(&is, &e);
		assert_true(second >= 0);
		assert_true(socket_try(&is, &e) < 0);
		assert_non_null(strstr(e.text, "Address already in use"));
		close(first);
		close(second);
		assert_int_equal(socket_try(&is, &e), 0);
	}
}

static void inherited_sockets_are_found_by_address(void **state)
{
	(void)state;
	struct address any = at("127.0.0.1:0"), one, two, other = at("127.0.0.1:1");
	int first = socket_bind(&any, NULL), second = socket_bind(&any, NULL), plain = socket(AF_INET, SOCK_STREAM, 0);
	char list[128];
	struct sockets s;
	assert_int_equal(socket_address(first, &one), 0);
	assert_int_equal(socket_address(second, &two), 0);
	assert_int_equal(fcntl(first, F_SETFD, 0), 0);
	snprintf(list, sizeof list, "%d,%d,%d,x,,-1,99999999999", first, second, plain);
	assert_int_equal(sockets_inherit(&s, list), 0);
	assert_int_equal(s.count, 2);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(sockets_take(&s, &other), -1);
	assert_int_equal(sockets_take(&s, &two), second);
	assert_int_equal(sockets_take(&s, &two), -1);
	assert_int_equal(sockets_take(&s, &any), first); /* port 0: any port of the host */
	sockets_close(&s);
	assert_true(connects(&one));
	close(first);
	close(second);
	close(plain);
}

static void sockets_nobody_takes_are_closed(void **state)
{
	(void)state;
	struct address any = at("127.0.0.1:0"), is;
	struct sockets s;
	char list[32];
	int fd = socket_bind(&any, NULL);
	assert_int_equal(socket_address(fd, &is), 0);
	snprintf(list, sizeof list, "%d", fd);
	assert_int_equal(sockets_inherit(&s, list), 0);
	sockets_close(&s);
	assert_false(connects(&is));
	assert_int_equal(sockets_inherit(&s, NULL), 0);
	assert_int_equal(s.count, 0);
	sockets_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bound_socket_takes_connections_and_shares_its_port),
		cmocka_unit_test(inherited_sockets_are_found_by_address),
		cmocka_unit_test(sockets_nobody_takes_are_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
