/* See address.h. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static int from_unix(struct address *a, struct span path, struct err *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	if (path.n == 0 || path.n >= sizeof un.sun_path)
		return err_set(e, PS_EINVAL, "\"unix:%.*s\" is no usable socket path", SPAN_ARG(path));
	span_copy(un.sun_path, sizeof un.sun_path, path);
	memcpy(&a->sa, &un, sizeof un);
	a->len = (socklen_t)sizeof un;
	return 0;
}

int address_from_host(struct address *a, struct span host, uint16_t port, struct err *e)
{
	char z[INET6_ADDRSTRLEN + 1];
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = span_of(host.p + 1, host.n - 2);
	memset(&a->sa, 0, sizeof a->sa);
	if (host.n && host.n < sizeof z && span_find(host, '\0') < 0) {
		span_copy(z, sizeof z, host);
		if (inet_pton(AF_INET, z, &in4.sin_addr) == 1) {
			memcpy(&a->sa, &in4, sizeof in4);
			a->len = (socklen_t)sizeof in4;
			return 0;
		}
		if (inet_pton(AF_INET6, z, &in6.sin6_addr) == 1) {
			memcpy(&a->sa, &in6, sizeof in6);
			a->len = (socklen_t)sizeof in6;
			return 0;
		}
	}
	return err_set(e, PS_EINVAL, "\"%.*s\" is no IP address", SPAN_ARG(host));
}

int address_parse(struct address *a, struct span text, struct err *e)
{
	uint64_t port;
	if (span_starts(text, SPAN("unix:")))
		return from_unix(a, span_skip(text, 5), e);
	size_t colon = text.n;
	while (colon && text.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !span_to_u64(span_skip(text, colon), &port) || port > 65535)
		return err_set(e, PS_EINVAL, "\"%.*s\" is no HOST:PORT", SPAN_ARG(text));
	struct span host = span_of(text.p, colon - 1);
	if (host.n == 0)
		host = SPAN("::");
	else if (span_find(host, ':') >= 0 && host.p[0] != '[')
		return err_set(e, PS_EINVAL, "\"%.*s\": an IPv6 address stands in brackets: [::1]:8000",
			       SPAN_ARG(text));
	return address_from_host(a, host, (uint16_t)port, e);
}

void address_format_host(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	out[0] = '\0';
	if (a->sa.ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)&a->sa)->sin_addr, out, ADDRESS_TEXT_MAX);
	else if (a->sa.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a->sa)->sin6_addr, out, ADDRESS_TEXT_MAX);
	else if (a->sa.ss_family == AF_UNIX)
		(void)snprintf(out, ADDRESS_TEXT_MAX, "unix:%s", ((const struct sockaddr_un *)&a->sa)->sun_path);
}

void address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];
	address_format_host(a, host);
	bool v6 = a->sa.ss_family == AF_INET6;
	if (a->sa.ss_family == AF_UNIX)
		memcpy(out, host, sizeof host);
	else
		(void)snprintf(out, ADDRESS_TEXT_MAX, "%s%.100s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
			       address_port(a));
}

bool address_eq(const struct address *a, const struct address *b)
{
	char ta[ADDRESS_TEXT_MAX], tb[ADDRESS_TEXT_MAX];
	if (a->sa.ss_family != b->sa.ss_family)
		return false;
	address_format(a, ta);
	address_format(b, tb);
	return strcmp(ta, tb) == 0;
}

uint16_t address_port(const struct address *a)
{
	if (a->sa.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
	if (a->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&a->sa)->sin6_port);
	return 0;
}

void address_set_port(struct address *a, uint16_t port)
{
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)&a->sa)->sin_port = htons(port);
	else if (a->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons(port);
}
