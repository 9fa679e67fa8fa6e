/* What request and answer heads have in common (RFC 9112 §2.2, §5): lines, fields, and what those that govern
 * connection and framing mean. Called for every head on a worker; allocates nothing.
 *
 * A head arrives in pieces. As long as its end is missing, each call looks at the new bytes only (and once more at a
 * line whose end is among them), so that a dripped head costs as much as a whole one, but rubbish is refused when it
 * arrives. When the end is there, all lines are read into the head. Faults of grammar come first, left to right, then
 * the count of fields, then what the fields mean: so any split of the bytes gives the same verdict. */
#include "wire/h1_private.h"

#include <stddef.h>

int h1_bad(const struct h1_input *in, const char *why)
{
	return err_set(in->e, in->bad, "%s", why);
}

void h1_head_clear(struct h1_head *h)
{
	memset(h, 0, offsetof(struct h1_head, fields));
}

bool h1_is_token(struct span s)
{
	return s.n > 0 && h1_all(s, C_TOKEN);
}

#define OCTETS(c) (UINT64_C(0x0101010101010101) * (c))

/* True when one of eight octets is a control or DEL, or a tab, which only the slow look can tell from the others.
 * Exact for the word as a whole: a borrow starts only at an octet that is one. */
static bool has_control(uint64_t w)
{
	uint64_t del = w ^ OCTETS(0x7f);
	return (((w - OCTETS(0x20)) & ~w) | ((del - OCTETS(1)) & ~del)) & OCTETS(0x80);
}

bool h1_is_value(struct span s)
{
	size_t i = 0;
	for (uint64_t w; i + sizeof w <= s.n; i += sizeof w) {
		memcpy(&w, s.p + i, sizeof w);
		if (has_control(w) && !h1_all(span_of(s.p + i, sizeof w), C_VALUE))
			return false;
	}
	return h1_all(span_skip(s, i), C_VALUE);
}

bool h1_list_next(struct span *list, struct span *ret_item)
{
	if (!list->p)
		return false;
	*ret_item = span_trim(span_cut(*list, ',', list));
	return true;
}

int h1_version(struct span s)
{
	bool formed = s.n == 8 && span_starts(s, SPAN("HTTP/")) && s.p[5] >= '0' && s.p[5] <= '9' && s.p[6] == '.' &&
		      s.p[7] >= '0' && s.p[7] <= '9';
	if (!formed)
		return -PS_EBADHTTP;
	if (s.p[5] != '1' || s.p[7] > '1')
		return -PS_EVERSION;
	return s.p[7] - '0';
}

/* The new bytes of a line without an end, which is at most [at, n): octets of the class, of which the last may be a CR
 * that waits for its LF. The byte before the new ones is looked at again, for it may have been such a CR. */
static int open_line(const struct h1_input *in, size_t at, size_t n, uint8_t class)
{
	if (in->seen > at + 1)
		at = in->seen - 1;
	if (n > at && in->p[n - 1] == '\r')
		n--;
	return n <= at || h1_all(span_of(in->p + at, n - at), class)
		       ? 0
		       : h1_bad(in, "a control character, a lone CR or an octet that must not be there");
}

ptrdiff_t h1_first_line(const struct h1_input *in, size_t from, uint8_t class)
{
	size_t bound = from + in->limits->line_bytes + 2;
	size_t n = in->n < bound ? in->n : bound;
	if (n == from)
		return 0;
	const char *start = in->p + from, *lf = memchr(start, '\n', n - from);
	if (!lf) {
		int r = open_line(in, from, n, class);
		if (r < 0 || n < bound)
			return r;
		return err_set(in->e, in->long_line, "the first line is over %u bytes", in->limits->line_bytes);
	}
	if (lf == start || lf[-1] != '\r')
		return h1_bad(in, "a line ends in LF without CR");
	return lf + 1 - start;
}

static const char *why_no_field(const char *line, const char *stop)
{
	if (*line == ' ' || *line == '\t')
		return "a field line begins with a blank (folded lines are not taken)";
	if (stop == line)
		return *stop == ':' ? "a field name is empty" : "a field name has a character that is none of a token";
	return *stop == ' ' || *stop == '\t' ? "blanks between field name and colon"
					     : "a field name has a character that is none of a token, or no colon";
}

/* One field line, [line, lf]. */
static int field_line(struct h1_head *h, const struct h1_input *in, const char *line, const char *lf)
{
	const char *end = lf - 1, *colon = line;
	if (lf == line || *end != '\r')
		return h1_bad(in, "a line ends in LF without CR");
	while (h1_is(*colon, C_TOKEN))
		colon++;
	if (*colon != ':' || colon == line)
		return h1_bad(in, why_no_field(line, colon));
	struct span name = span_of(line, (size_t)(colon - line));
	struct span value = span_trim(span_of(colon + 1, (size_t)(end - colon - 1)));
	if (!h1_is_value(value))
		return h1_bad(in, "a field value has a control character or a lone CR");
	if (value.n > in->limits->value_bytes)
		return err_set(in->e, in->big, "a field value is over %u bytes", in->limits->value_bytes);
	if (h->field_count < H1_FIELDS_MAX)
		h->fields[h->field_count] = (struct h1_field){ name, value, h1_name_find(name) };
	h->field_count++;
	return 0;
}

/* True when the empty line is among the bytes; only the new ones (and the two before) are searched. */
static bool has_end(const struct h1_input *in, size_t from, size_t n)
{
	size_t at = in->seen > from + 1 ? in->seen - 2 : from - 1;
	while (n > at + 2) {
		const char *lf = memchr(in->p + at, '\n', n - at - 2);
		if (!lf)
			return false;
		if (lf[1] == '\r' && lf[2] == '\n')
			return true;
		at = (size_t)(lf + 1 - in->p);
	}
	return false;
}

/* Where to begin: at the first field when the whole head is there (or nothing of it was seen), else at the line
 * that the new bytes go on with, if they end it. */
static size_t where_to_begin(const struct h1_input *in, size_t from, size_t n)
{
	if (in->seen <= from || in->seen >= n || has_end(in, from, n))
		return from;
	if (in->p[in->seen - 1] == '\n')
		return in->seen;
	if (!memchr(in->p + in->seen, '\n', n - in->seen))
		return in->seen - 1;
	const char *before = memrchr(in->p + from, '\n', in->seen - from);
	return before ? (size_t)(before + 1 - in->p) : from;
}

static ptrdiff_t fields_end(const struct h1_head *h, const struct h1_input *in, size_t end)
{
	uint32_t most = in->limits->fields < H1_FIELDS_MAX ? in->limits->fields : H1_FIELDS_MAX;
	if (h->field_count > most)
		return err_set(in->e, in->big, "more than %u fields", most);
	return (ptrdiff_t)end;
}

ptrdiff_t h1_field_lines(struct h1_head *h, const struct h1_input *in, size_t from)
{
	size_t bound = from + in->limits->head_bytes;
	size_t n = in->n < bound ? in->n : bound;
	size_t at = where_to_begin(in, from, n);
	h->field_count = 0;
	for (const char *lf; at < n && (lf = memchr(in->p + at, '\n', n - at)); at = (size_t)(lf + 1 - in->p)) {
		const char *line = in->p + at;
		if (lf == line + 1 && *line == '\r')
			return fields_end(h, in, at + 2);
		int r = field_line(h, in, line, lf);
		if (r < 0)
			return r;
	}
	if (at < n && in->p[at - 1] == '\n' && (in->p[at] == ' ' || in->p[at] == '\t'))
		return h1_bad(in, why_no_field(in->p + at, in->p + at));
	int r = open_line(in, at, n, C_VALUE);
	if (r < 0 || n < bound)
		return r;
	return err_set(in->e, in->big, "the fields are over %u bytes", in->limits->head_bytes);
}

static int on_host(struct h1_meaning *m, struct span value)
{
	m->hosts++;
	m->host = value;
	return 0;
}

/* Digits alone, and no more than a signed 64-bit reader can hold: others would read something else. */
static int on_length(struct h1_meaning *m, struct span value)
{
	uint64_t length;
	if (!span_to_u64(value, &length) || length > INT64_MAX)
		return -PS_EBADHTTP;
	m->lengths_differ |= m->lengths && m->length != length;
	m->lengths++;
	m->length = length;
	return 0;
}

static int on_coding(struct h1_meaning *m, struct span value)
{
	m->coded = true;
	for (struct span item; h1_list_next(&value, &item);) {
		/* Nothing may follow chunked, not even itself (RFC 9112 §6.1); parameters are none of ours. */
		if (!h1_is_token(item) || m->chunked)
			return -PS_EBADHTTP;
		if (span_eq_nocase(item, SPAN("chunked")))
			m->chunked = true;
		else
			m->unknown_coding = true;
	}
	return 0;
}

static int on_connection(struct h1_meaning *m, struct span value)
{
	for (struct span item; h1_list_next(&value, &item);) {
		if (item.n && !h1_is_token(item))
			return -PS_EBADHTTP;
		m->close |= span_eq_nocase(item, SPAN("close"));
		m->keep_alive |= span_eq_nocase(item, SPAN("keep-alive"));
		m->upgrade |= span_eq_nocase(item, SPAN("upgrade"));
	}
	return 0;
}

static int on_upgrade(struct h1_meaning *m, struct span value)
{
	m->upgrade_field |= value.n > 0;
	return 0;
}

static int on_expect(struct h1_meaning *m, struct span value)
{
	bool known = span_eq_nocase(value, SPAN("100-continue"));
	m->expect |= known;
	m->expect_other |= !known;
	return 0;
}

static const struct {
	int (*read)(struct h1_meaning *m, struct span value);
	const char *fault;
} readers[H1_NAME_COUNT] = {
	[H1_HOST] = { on_host, NULL },
	[H1_CONTENT_LENGTH] = { on_length, "Content-Length is no number" },
	[H1_TRANSFER_ENCODING] = { on_coding, "Transfer-Encoding is malformed or goes on after chunked" },
	[H1_CONNECTION] = { on_connection, "Connection is no list of tokens" },
	[H1_UPGRADE] = { on_upgrade, NULL },
	[H1_EXPECT] = { on_expect, NULL },
};

int h1_meaning_read(struct h1_meaning *m, const struct h1_head *h, const struct h1_input *in)
{
	*m = (struct h1_meaning){ 0 };
	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct h1_field *f = &h->fields[i];
		if (readers[f->id].read && readers[f->id].read(m, f->value) < 0)
			return h1_bad(in, readers[f->id].fault);
	}
	if (m->coded && m->lengths)
		return h1_bad(in, "both Content-Length and Transfer-Encoding");
	if (m->coded && h->minor == 0)
		return h1_bad(in, "Transfer-Encoding in HTTP/1.0");
	return 0;
}

const struct h1_field *h1_field_find(const struct h1_head *h, enum h1_name id)
{
	for (uint32_t i = 0; i < h->field_count; i++)
		if (h->fields[i].id == id)
			return &h->fields[i];
	return NULL;
}

const struct h1_field *h1_field_named(const struct h1_head *h, struct span name)
{
	for (uint32_t i = 0; i < h->field_count; i++)
		if (span_eq_nocase(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

bool h1_named_by_connection(const struct h1_head *h, struct span name)
{
	/* A client must not be able to have the message's own frame or target taken away. */
	enum h1_name id = h1_name_find(name);
	if (id == H1_HOST || id == H1_CONTENT_LENGTH || id == H1_TRANSFER_ENCODING)
		return false;
	for (uint32_t i = 0; i < h->field_count; i++) {
		if (h->fields[i].id != H1_CONNECTION)
			continue;
		struct span value = h->fields[i].value;
		for (struct span item; h1_list_next(&value, &item);)
			if (item.n && span_eq_nocase(item, name))
				return true;
	}
	return false;
}
