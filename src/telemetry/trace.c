/* Trace context (W3C Trace Context level 1, 2021-11-23): the traceparent header in and out. Pure; any thread.
 *
 *     version "-" trace-id (32 hex) "-" parent-id (16 hex) "-" flags (2 hex)        all hex in lower case, ids not all
 * zero
 */
#include "telemetry/telemetry.h"

enum {
	PARENT_LENGTH = 55,
	PARENT_TRACE_AT = 3,
	PARENT_SPAN_AT = 36,
	PARENT_FLAGS_AT = 53,
	TRACE_SAMPLED = 1, /* the only flag of level 1; others must be sent as 0 (§3.2.2.5) */
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n ≤ 16 digits. False on anything but lower-case hex. */
static bool hex_read(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++) {
		int d = hex_digit(p[i]);
		if (d < 0)
			return false;
		v = v << 4 | (uint64_t)d;
	}
	*ret = v;
	return true;
}

/* Versions above 00 may carry more behind a dash (§3.2.4); ff is no version. */
static bool length_fits(struct span s, uint64_t version)
{
	if (version == 0xff || s.n < PARENT_LENGTH)
		return false;
	return s.n == PARENT_LENGTH || (version > 0 && s.p[PARENT_LENGTH] == '-');
}

static bool parent_read(struct trace *t, struct span s)
{
	uint64_t version, hi, lo, parent, flags;
	if (s.n < PARENT_LENGTH || !hex_read(s.p, 2, &version) || !length_fits(s, version))
		return false;
	if (s.p[2] != '-' || s.p[PARENT_SPAN_AT - 1] != '-' || s.p[PARENT_FLAGS_AT - 1] != '-')
		return false;
	if (!hex_read(s.p + PARENT_TRACE_AT, 16, &hi) || !hex_read(s.p + PARENT_TRACE_AT + 16, 16, &lo) ||
	    !hex_read(s.p + PARENT_SPAN_AT, 16, &parent) || !hex_read(s.p + PARENT_FLAGS_AT, 2, &flags))
		return false;
	if ((hi | lo) == 0 || parent == 0)
		return false;
	*t = (struct trace){ hi, lo, parent, 0, (uint8_t)(flags & TRACE_SAMPLED), true };
	return true;
}

/* An id must not be all zero. */
static uint64_t draw_id(struct rng *r)
{
	uint64_t id = rng_next(r);
	return id ? id : 1;
}

void trace_begin(struct trace *t, struct span traceparent, struct rng *r)
{
	if (!parent_read(t, traceparent))
		*t = (struct trace){ .trace_hi = draw_id(r), .trace_lo = draw_id(r), .flags = TRACE_SAMPLED };
	t->span = draw_id(r);
}

void trace_format(const struct trace *t, char out[56])
{
	memcpy(out, "00-", 3);
	text_hex(out + 3, t->trace_hi, 16);
	text_hex(out + 19, t->trace_lo, 16);
	out[35] = '-';
	text_hex(out + 36, t->span, 16);
	out[52] = '-';
	text_hex(out + 53, t->flags, 2);
	out[PARENT_LENGTH] = '\0';
}
