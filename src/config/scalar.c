/* Texts to values and the rules that names keep. Cold path; pure functions. Edit distance: optimal string alignment
 * (Damerau 1964), three rows. */
#include "config/scalar.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

enum {
	NEAR_BYTES_MAX = 64,
	NEAR_PART_MIN = 3,

	NEAR_EDITS_MAX = 4,
	DNS_LABEL_MAX = 63,
	DNS_NAME_MAX = 253,
	PATH_BYTES_MAX = 1024,
	MODEL_BYTES_MAX = 256
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t scalar_distance(struct span a, struct span b)
{
	if (a.n > NEAR_BYTES_MAX || b.n > NEAR_BYTES_MAX)
		return UINT32_MAX;
	uint32_t rows[3][NEAR_BYTES_MAX + 1];
	for (uint32_t j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a.n; i++) {
		uint32_t *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
		now[0] = i;
		for (uint32_t j = 1; j <= b.n; j++) {
			char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
			now[j] = least(least(one[j], now[j - 1]) + 1, one[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && lower(a.p[i - 2]) == y)
				now[j] = least(now[j], two[j - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}

bool scalar_next_word(const char **words, struct span *ret, bool *ret_refused)
{
	const char *p = *words + strspn(*words, " ");
	if (!*p)
		return false;
	*ret_refused = *p == '!';
	p += *ret_refused;
	size_t n = strcspn(p, " ");
	*ret = span_of(p, n);
	*words = p + n;
	return true;
}

/* A beginning ("prot" for "protocol") is nearer than any slip, an end ("Prefix" for "PathPrefix") as near as one. */
static uint32_t nearness(struct span text, struct span word)
{
	if (text.n >= NEAR_PART_MIN && span_starts(word, text))
		return 0;
	if (text.n >= NEAR_PART_MIN && span_ends(word, text))
		return 1;
	uint32_t d = scalar_distance(text, word);
	return d < word.n ? d : UINT32_MAX;
}

struct span scalar_near(struct span text, const char *words)
{
	struct span best = SPAN_NONE, w;
	uint32_t limit = least((uint32_t)(text.n + 2) / 3, NEAR_EDITS_MAX), best_distance = UINT32_MAX;
	bool refused;
	while (scalar_next_word(&words, &w, &refused)) {
		uint32_t d = refused ? UINT32_MAX : nearness(text, w);
		if (d <= limit && (d < best_distance || (d == best_distance && w.n < best.n))) {
			best_distance = d;
			best = w;
		}
	}
	return best;
}

void scalar_words_format(const char *words, char *out, size_t cap)
{
	struct span w, ahead = SPAN_NONE;
	bool refused;
	size_t used = 0;
	out[0] = 0;
	while (scalar_next_word(&words, &w, &refused)) {
		if (refused)
			continue;
		if (ahead.n && used < cap)
			used += (size_t)snprintf(out + used, cap - used, "%s%.*s", used ? ", " : "", SPAN_ARG(ahead));
		ahead = w;
	}
	if (used < cap)
		(void)snprintf(out + used, cap - used, "%s%.*s", used ? " or " : "", SPAN_ARG(ahead));
}

int scalar_word(struct span text, const char *words, bool *ret_refused)
{
	struct span w;
	bool refused;
	for (int i = 0; scalar_next_word(&words, &w, &refused); i++) {
		if (span_eq(text, w)) {
			*ret_refused = refused;
			return i;
		}
	}
	return -1;
}

/* Two or four digits at p, or -1. */
static int digits(const char *p, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

/* "Z" or "+hh:mm" behind an optional fraction; *ret is the offset in seconds. */
static bool zone(struct span t, int64_t *ret)
{
	if (t.n > 1 && t.p[0] == '.') {
		t = span_skip(t, 1);
		while (t.n && is_digit(t.p[0]))
			t = span_skip(t, 1);
	}
	if (t.n == 1 && (t.p[0] == 'Z' || t.p[0] == 'z')) {
		*ret = 0;
		return true;
	}
	if (t.n != 6 || (t.p[0] != '+' && t.p[0] != '-') || t.p[3] != ':')
		return false;
	int h = digits(t.p + 1, 2), m = digits(t.p + 4, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return false;
	*ret = (h * 3600 + m * 60) * (t.p[0] == '-' ? -1 : 1);
	return true;
}

bool scalar_time(struct span t, int64_t *ret)
{
	if (t.n < 20 || t.p[4] != '-' || t.p[7] != '-' || (t.p[10] != 'T' && t.p[10] != 't') || t.p[13] != ':' ||
	    t.p[16] != ':')
		return false;
	const int at[] = { 0, 5, 8, 11, 14, 17 }, width[] = { 4, 2, 2, 2, 2, 2 };
	const int low[] = { 1970, 1, 1, 0, 0, 0 }, high[] = { 9999, 12, 31, 23, 59, 60 };
	int v[6];
	for (int i = 0; i < 6; i++) {
		v[i] = digits(t.p + at[i], width[i]);
		if (v[i] < low[i] || v[i] > high[i])
			return false;
	}
	int64_t offset;
	if (!zone(span_skip(t, 19), &offset))
		return false;
	struct tm tm = { .tm_year = v[0] - 1900,
			 .tm_mon = v[1] - 1,
			 .tm_mday = v[2],
			 .tm_hour = v[3],
			 .tm_min = v[4],
			 .tm_sec = v[5] };
	*ret = (int64_t)timegm(&tm) - offset;
	return true;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (is_lower(c))
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool scalar_base64(struct span text, char *out, size_t *ret_n)
{
	uint32_t bits = 0, have = 0, pad = 0;
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\n' || c == '\r')
			continue;
		int v = c == '=' ? 0 : base64_value(c);
		if (v < 0 || (pad && c != '='))
			return false;
		pad += c == '=';
		bits = bits << 6 | (uint32_t)v;
		if (++have % 4 == 0) {
			for (uint32_t k = 0; k + pad < 3; k++)
				out[n++] = (char)(bits >> (16 - 8 * k));
			bits = 0;
		}
	}
	*ret_n = n;
	return have % 4 == 0 && pad <= 2;
}

static bool is_label(struct span t)
{
	if (!t.n || t.n > DNS_LABEL_MAX || t.p[0] == '-' || t.p[t.n - 1] == '-')
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (!is_lower(t.p[i]) && !is_digit(t.p[i]) && t.p[i] != '-')
			return false;
	return true;
}

static bool is_subdomain(struct span t)
{
	if (!t.n || t.n > DNS_NAME_MAX || t.p[t.n - 1] == '.')
		return false;
	while (t.n)
		if (!is_label(span_cut(t, '.', &t)))
			return false;
	return true;
}

const char *scalar_is_dns_label(struct span t)
{
	return is_label(t) ? NULL : "lower case letters, digits and '-', at most 63";
}

const char *scalar_is_dns_subdomain(struct span t)
{
	return is_subdomain(t) ? NULL : "lower case letters, digits, '-' and '.', at most 253";
}

const char *scalar_is_ip(struct span t)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	(void)span_copy(z, sizeof z, t);
	bool ok = t.n && t.n < sizeof z && !memchr(t.p, 0, t.n) &&
		  (inet_pton(AF_INET, z, bytes) == 1 || inet_pton(AF_INET6, z, bytes) == 1);
	return ok ? NULL : "an IP address";
}

const char *scalar_is_hostname(struct span t)
{
	if (!scalar_is_ip(t))
		return "a host name, not an IP address";
	if (span_starts(t, SPAN("*.")))
		t = span_skip(t, 2);
	return is_subdomain(t) ? NULL : "a host name in lower case, which may begin with \"*.\"";
}

/* Letters, digits, '-', '_', '.'; first and last a letter or digit. */
static bool is_qualified(struct span t)
{
	if (!t.n || t.n > DNS_LABEL_MAX || !is_alnum(t.p[0]) || !is_alnum(t.p[t.n - 1]))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (!is_alnum(t.p[i]) && !is_one_of(t.p[i], "-_."))
			return false;
	return true;
}

const char *scalar_is_label_key(struct span t)
{
	ptrdiff_t slash = span_find(t, '/');
	bool ok = slash < 0
			  ? is_qualified(t)
			  : is_subdomain(span_head(t, (size_t)slash)) && is_qualified(span_skip(t, (size_t)slash + 1));
	return ok ? NULL : "a label key such as app or example.com/app";
}

const char *scalar_is_label_value(struct span t)
{
	return !t.n || is_qualified(t) ? NULL : "letters, digits, '-', '_' and '.', at most 63";
}

const char *scalar_is_field_name(struct span t)
{
	static const char *const want = "a header name (RFC 9110 token)";
	if (!t.n || t.n > MODEL_BYTES_MAX)
		return want;
	for (size_t i = 0; i < t.n; i++)
		if (!is_alnum(t.p[i]) && !is_one_of(t.p[i], "!#$%&'*+-.^_`|~"))
			return want;
	return NULL;
}

const char *scalar_is_field_value(struct span t)
{
	static const char *const want =
		"text without control characters and without blanks at its ends, at most 4096 bytes";
	if (t.n > 4096 || span_trim(t).n != t.n)
		return want;
	for (size_t i = 0; i < t.n; i++)
		if (((unsigned char)t.p[i] < 0x20 && t.p[i] != '\t') || t.p[i] == 0x7f)
			return want;
	return NULL;
}

/* The rules of the Gateway API's own validation. */
const char *scalar_is_path(struct span t)
{
	static const char *const bad[] = { "//", "/./", "/../", "%2f", "%2F", "#", "?" };
	if (!t.n || t.p[0] != '/' || t.n > PATH_BYTES_MAX)
		return "a path that begins with '/', at most 1024 bytes";
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (span_search(t, span_str(bad[i])) >= 0)
			return "a path without \"//\", \"/./\", \"/../\", \"%2F\", '#' and '?'";
	if (span_ends(t, SPAN("/..")) || span_ends(t, SPAN("/.")))
		return "a path that does not end in \"/..\" or \"/.\"";
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] <= 0x20 || t.p[i] == 0x7f)
			return "a path without blanks and control characters";
	return NULL;
}

const char *scalar_is_not_empty(struct span t)
{
	return t.n ? NULL : "a text that is not empty";
}

const char *scalar_is_model(struct span t)
{
	static const char *const want = "a model name of 1 to 256 bytes without control characters";
	if (!t.n || t.n > MODEL_BYTES_MAX)
		return want;
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] < 0x20 || t.p[i] == 0x7f)
			return want;
	return NULL;
}
