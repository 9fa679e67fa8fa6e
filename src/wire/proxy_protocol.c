/* PROXY protocol, receiving side (HAProxy's doc/proxy-protocol.txt, 2020-03-05, §2). Before anything else on a
 * connection whose listener demands it; on a worker. What can no longer become a header is refused at once. */
#include "wire/proxy_protocol.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

enum {
	V1_BYTES_MAX = 107, /* CRLF included */
	V2_FIXED_BYTES = 16,
	V2_REST_BYTES_MAX = 4096, /* addresses and TLVs; guessed: certificates' names fit */
	V2_PATH_BYTES = 108,
};

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static int bad(struct err *e, const char *why)
{
	return err_set(e, PS_EBADHTTP, "PROXY protocol: %s", why);
}

static void put_ip4(struct sockaddr_storage *to, const void *address, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	memcpy(&in4.sin_addr, address, sizeof in4.sin_addr);
	memcpy(to, &in4, sizeof in4);
}

static void put_ip6(struct sockaddr_storage *to, const void *address, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&in6.sin6_addr, address, sizeof in6.sin6_addr);
	memcpy(to, &in6, sizeof in6);
}

/* One address and its port as text. */
static bool read_text(struct sockaddr_storage *to, int family, struct span host, struct span port)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char address[sizeof(struct in6_addr)];
	uint64_t number;
	if (host.n >= sizeof z || !span_to_u64(port, &number) || number > 65535 || (port.n > 1 && port.p[0] == '0'))
		return false;
	/* A NUL inside would end the text early for inet_pton. */
	if (span_find(host, '\0') >= 0)
		return false;
	span_copy(z, sizeof z, host);
	if (inet_pton(family, z, address) != 1)
		return false;
	(family == AF_INET ? put_ip4 : put_ip6)(to, address, (uint16_t)number);
	return true;
}

/* "PROXY TCP4 source destination port port", without the CRLF. */
static int v1_line(struct proxy_header *h, struct span line, struct err *e)
{
	struct span rest, part[4];
	span_cut(line, ' ', &rest);
	struct span protocol = span_cut(rest, ' ', &rest);
	if (span_eq(protocol, SPAN("UNKNOWN"))) {
		h->local = true;
		return 0;
	}
	int family = span_eq(protocol, SPAN("TCP4")) ? AF_INET : AF_INET6;
	if (family == AF_INET6 && !span_eq(protocol, SPAN("TCP6")))
		return bad(e, "neither TCP4, TCP6 nor UNKNOWN");
	for (int i = 0; i < 4; i++)
		part[i] = span_cut(rest, ' ', &rest);
	if (rest.p || !read_text(&h->source, family, part[0], part[2]) ||
	    !read_text(&h->destination, family, part[1], part[3]))
		return bad(e, "malformed addresses");
	return 0;
}

static ptrdiff_t v1_parse(struct proxy_header *h, struct span in, struct err *e)
{
	struct span text = span_head(in, V1_BYTES_MAX);
	ptrdiff_t cr = span_find(text, '\r');
	if (cr < 0)
		return text.n < V1_BYTES_MAX ? 0 : bad(e, "the line has no end");
	if ((size_t)cr + 1 == text.n)
		return text.n < V1_BYTES_MAX ? 0 : bad(e, "the line has no end");
	if (text.p[cr + 1] != '\n')
		return bad(e, "a CR without LF");
	int r = v1_line(h, span_head(text, (size_t)cr), e);
	return r < 0 ? r : cr + 2;
}

static uint16_t be16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void v2_ip4(struct proxy_header *h, const char *p)
{
	put_ip4(&h->source, p, be16(p + 8));
	put_ip4(&h->destination, p + 4, be16(p + 10));
}

static void v2_ip6(struct proxy_header *h, const char *p)
{
	put_ip6(&h->source, p, be16(p + 32));
	put_ip6(&h->destination, p + 16, be16(p + 34));
}

static void v2_unix(struct proxy_header *h, const char *p)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	_Static_assert(sizeof un.sun_path == V2_PATH_BYTES, "paths of unix sockets have another length here");
	memcpy(un.sun_path, p, V2_PATH_BYTES);
	un.sun_path[V2_PATH_BYTES - 1] = '\0';
	memcpy(&h->source, &un, sizeof un);
	memcpy(un.sun_path, p + V2_PATH_BYTES, V2_PATH_BYTES);
	un.sun_path[V2_PATH_BYTES - 1] = '\0';
	memcpy(&h->destination, &un, sizeof un);
}

/* By the family's nibble (§2.2); the transport's must be none, stream or datagram. */
static const struct {
	void (*read)(struct proxy_header *h, const char *p);
	uint16_t bytes;
} families[] = { { NULL, 0 }, { v2_ip4, 12 }, { v2_ip6, 36 }, { v2_unix, 2 * V2_PATH_BYTES } };

static ptrdiff_t v2_parse(struct proxy_header *h, struct span in, struct err *e)
{
	if (in.n < V2_FIXED_BYTES)
		return 0;
	unsigned command = (unsigned char)in.p[12], family = (unsigned char)in.p[13] >> 4;
	unsigned transport = (unsigned char)in.p[13] & 15U, rest = be16(in.p + 14);
	if (command != 0x20 && command != 0x21)
		return bad(e, "neither LOCAL nor PROXY of version 2");
	if (family > 3 || transport > 2 || rest > V2_REST_BYTES_MAX)
		return bad(e, "an unknown address family, or too long");
	h->local = command == 0x20 || family == 0 || transport == 0;
	if (!h->local && rest < families[family].bytes)
		return bad(e, "shorter than its addresses");
	if (in.n < V2_FIXED_BYTES + rest)
		return 0;
	if (!h->local)
		families[family].read(h, in.p + V2_FIXED_BYTES);
	return V2_FIXED_BYTES + (ptrdiff_t)rest;
}

ptrdiff_t proxy_header_parse(struct proxy_header *h, const char *p, size_t n, struct err *e)
{
	struct span in = span_of(p, n), v1 = SPAN("PROXY "), v2 = span_of(v2_signature, sizeof v2_signature);
	struct proxy_header found = { 0 };
	ptrdiff_t r = 0;
	if (!span_starts(v1, span_head(in, v1.n)) && !span_starts(v2, span_head(in, v2.n)))
		return bad(e, "the connection does not begin with a header");
	if (n > v1.n && p[0] == 'P')
		r = v1_parse(&found, in, e);
	else if (n > v2.n)
		r = v2_parse(&found, in, e);
	if (r > 0)
		*h = found;
	return r;
}
