/* Request heads (RFC 9112 §3, §6, §9.3). First thing that happens to a client's bytes; on a worker.
 * Stricter than the RFC where it lets a recipient choose: what another parser could read otherwise is refused. */
#include "wire/h1_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum {
	METHOD_LOOK = 32, /* octets checked for a method before the request line is complete; guessed: longer than any
			     in use */
	PORT_DIGITS = 5,
};

/* "[" IPv6 address "]", of which the "[" has been seen. No zone: it means something on the client's machine only. */
static bool is_literal(struct span s)
{
	char z[INET6_ADDRSTRLEN];
	struct in6_addr a;
	if (s.p[s.n - 1] != ']' || s.n - 2 >= sizeof z)
		return false;
	span_copy(z, sizeof z, span_of(s.p + 1, s.n - 2));
	return inet_pton(AF_INET6, z, &a) == 1;
}

/* uri-host [ ":" port ] (RFC 3986 §3.2). Narrower for names: no sub-delims and no escapes, which no
 * resolver takes and readers decode differently. */
static bool is_authority(struct span s, bool port_needed)
{
	size_t host = s.n;
	while (host && s.p[host - 1] >= '0' && s.p[host - 1] <= '9')
		host--;
	uint64_t port = 0;
	if (host && s.p[host - 1] == ':') {
		struct span digits = span_skip(s, host);
		if (digits.n ? digits.n > PORT_DIGITS || !span_to_u64(digits, &port) || port > 65535 : port_needed)
			return false;
		s.n = host - 1;
	} else if (port_needed) {
		return false;
	}
	return s.n && (s.p[0] == '[' ? is_literal(s) : h1_all(s, C_NAME));
}

/* Escapes must be whole, and none may hide a NUL. */
static bool escapes_are_sound(struct span path)
{
	for (ptrdiff_t at; (at = span_find(path, '%')) >= 0; path = span_skip(path, (size_t)at + 3)) {
		if (path.n - (size_t)at < 3)
			return false;
		int high = h1_hex(path.p[at + 1]), low = h1_hex(path.p[at + 2]);
		if (high < 0 || low < 0 || (high | low) == 0)
			return false;
	}
	return true;
}

/* "/path?query" into its parts. */
static int split_path(struct h1_head *h, const struct h1_input *in, struct span s)
{
	size_t n = 0;
	while (n < s.n && h1_is(s.p[n], C_PATH))
		n++;
	h->path = span_head(s, n);
	h->query = span_skip(s, n + 1);
	if (n < s.n && s.p[n] != '?')
		return h1_bad(in, "the path has a character that must be escaped");
	if (!h1_all(h->query, C_QUERY))
		return h1_bad(in, "the query has a character that must be escaped");
	if (!escapes_are_sound(h->path))
		return h1_bad(in, "the path has a malformed escape or %00");
	return 0;
}

/* "http://authority/path?query" behind its "://". */
static int absolute_form(struct h1_head *h, const struct h1_input *in, struct span s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
		n++;
	h->authority = span_head(s, n);
	if (!is_authority(h->authority, false))
		return h1_bad(in, "the target's authority is malformed");
	s = span_skip(s, n);
	if (s.n && s.p[0] == '/')
		return split_path(h, in, s);
	int r = s.n ? split_path(h, in, s) : 0;
	/* Without a path it means the root, and for OPTIONS the server as a whole (RFC 9112 §3.2.4). */
	h->path = h->method == H1_OPTIONS && !s.n ? SPAN("*") : SPAN("/");
	return r;
}

static int read_target(struct h1_head *h, const struct h1_input *in)
{
	struct span t = h->target;
	if (h->method == H1_CONNECT) {
		h->authority = t;
		return is_authority(t, true) ? 0 : h1_bad(in, "CONNECT needs host:port");
	}
	if (t.p[0] == '/')
		return split_path(h, in, t);
	if (h->method == H1_OPTIONS && span_eq(t, SPAN("*"))) {
		h->path = t;
		return 0;
	}
	if (span_eq_nocase(span_head(t, 7), SPAN("http://")))
		return absolute_form(h, in, span_skip(t, 7));
	if (span_eq_nocase(span_head(t, 8), SPAN("https://")))
		return absolute_form(h, in, span_skip(t, 8));
	return h1_bad(in, "the target is neither a path nor an http URL");
}

/* method SP request-target SP HTTP-version, without the CRLF. The version is judged before the target, so that one who
 * speaks HTTP/2 is told so. */
static int request_line(struct h1_head *h, const struct h1_input *in, struct span line)
{
	struct span rest, version;
	h->method_text = span_cut(line, ' ', &rest);
	h->target = span_cut(rest, ' ', &version);
	if (!h1_is_token(h->method_text) || !h->target.n || !h1_all(line, C_LINE))
		return h1_bad(in, "the request line is not METHOD SP TARGET SP VERSION");
	int minor = h1_version(version);
	if (minor == -PS_EVERSION)
		return err_set(in->e, minor, "%.*s is not spoken here", SPAN_ARG(version));
	if (minor < 0)
		return h1_bad(in, "the request line does not end in an HTTP version");
	h->method = h1_method_find(h->method_text);
	h->minor = (uint8_t)minor;
	return read_target(h, in);
}

/* Octets to skip before the request line: one empty line is forgiven (RFC 9112 §2.2). */
static int empty_line(const struct h1_input *in)
{
	if (in->n == 0 || in->p[0] != '\r')
		return 0;
	if (in->n > 1 && in->p[1] != '\n')
		return h1_bad(in, "a CR without LF before the request line");
	return in->n > 1 ? 2 : 1;
}

/* Refuses at its first octets what is no request at all, such as a TLS hello. */
static int method_start(const struct h1_input *in, size_t from)
{
	for (size_t i = from; i < in->n && i < from + METHOD_LOOK; i++) {
		if (in->p[i] == ' ' && i > from)
			return 0;
		if (!h1_is(in->p[i], C_TOKEN))
			return h1_bad(in, "what arrives does not begin with a method");
	}
	return 0;
}

/* `transfer_encoding` and the like: some servers behind us take "_" for "-" (CGI), so what governs framing, connection,
 * credentials or routing must not come under such a name. */
static int disguised_field(const struct h1_head *h, const struct h1_input *in)
{
	char plain[64]; /* longer than any known name */
	for (uint32_t i = 0; i < h->field_count; i++) {
		struct span name = h->fields[i].name;
		if (h->fields[i].id != H1_OTHER || name.n >= sizeof plain || span_find(name, '_') < 0)
			continue;
		for (size_t k = 0; k < name.n; k++)
			plain[k] = name.p[k] == '_' ? '-' : name.p[k];
		enum h1_name id = h1_name_find(span_of(plain, name.n));
		if (h1_field_flags(id) || id == H1_HOST || id == H1_AUTHORIZATION)
			return h1_bad(in, "a field that governs the connection is spelt with \"_\"");
	}
	return 0;
}

static int check_host(struct h1_head *h, const struct h1_input *in, const struct h1_meaning *m)
{
	if (m->hosts > 1)
		return h1_bad(in, "more than one Host");
	if (m->hosts == 0)
		return h->minor ? h1_bad(in, "no Host") : 0;
	if (!is_authority(m->host, false))
		return h1_bad(in, "Host is not a host with an optional port");
	if (!h->authority.n)
		h->authority = m->host;
	return 0;
}

/* RFC 9112 §6.3. */
static int choose_framing(struct h1_head *h, const struct h1_input *in, const struct h1_meaning *m)
{
	if (m->lengths > 1)
		return h1_bad(in, "more than one Content-Length");
	if (m->unknown_coding)
		return err_set(in->e, PS_ECODING, "a transfer coding other than chunked");
	h->framing = m->chunked ? H1_BODY_CHUNKED : m->lengths ? H1_BODY_LENGTH : H1_BODY_NONE;
	h->length = m->length;
	return 0;
}

/* What the head as a whole means. */
static int conclude(struct h1_head *h, const struct h1_input *in)
{
	struct h1_meaning m;
	int r = h1_meaning_read(&m, h, in);
	if (r < 0 || (r = disguised_field(h, in)) < 0 || (r = check_host(h, in, &m)) < 0 ||
	    (r = choose_framing(h, in, &m)) < 0)
		return r;
	/* An expectation in HTTP/1.0 is to be ignored (RFC 9110 §10.1.1). */
	if (m.expect_other && h->minor)
		return err_set(in->e, PS_EEXPECT, "an expectation other than 100-continue");
	h->expect_continue = m.expect && h->minor && (h->framing == H1_BODY_CHUNKED || h->length);
	h->keep_alive = !m.close && (h->minor || m.keep_alive);
	h->upgrade = h->method == H1_CONNECT || (m.upgrade && m.upgrade_field && h->minor);
	return 0;
}

ptrdiff_t h1_request_parse(struct h1_head *h, const char *p, size_t n, size_t seen, const struct h1_limits *limits,
			   struct err *e)
{
	struct h1_input in = { p, n, seen, limits, e, PS_EBADHTTP, PS_EURITOOLONG, PS_EHEADTOOBIG };
	h1_head_clear(h);
	int r = empty_line(&in);
	if (r < 0)
		return r;
	size_t from = (size_t)r;
	if ((r = method_start(&in, from)) < 0)
		return r;
	ptrdiff_t line = h1_first_line(&in, from, C_LINE);
	if (line <= 0)
		return line;
	size_t fields = from + (size_t)line;
	struct span text = span_of(p + from, (size_t)line - 2);
	/* While fields drip in, the line is not read again. */
	if (seen < fields && (r = request_line(h, &in, text)) < 0)
		return r;
	ptrdiff_t head = h1_field_lines(h, &in, fields);
	if (head <= 0)
		return head;
	if (seen >= fields && (r = request_line(h, &in, text)) < 0)
		return r;
	r = conclude(h, &in);
	return r < 0 ? r : head;
}
