/* Log lines under construction. Any thread, each in a buffer of its own; nothing here waits or makes a system call but
 * the clock's.
 *
 * logfmt (a value is quoted where it holds anything but plain ASCII) or JSON, one line per event. What strangers chose
 * is escaped: control bytes, the line separators of Unicode and bytes that are no UTF-8 never reach the log, so nobody
 * can forge a line or drive a terminal. Finished lines are handed to the writer in blocks: at once when a thread logs
 * now and then, every 20 ms under load. */
#include "telemetry/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BLOCK_BYTES_MAX = 64 * 1024,
	BLOCK_FULL_BYTES = 24 * 1024,  /* handed over without waiting; leaves more than one line of room */
	BLOCK_FIRST_BYTES = 32 * 1024, /* taken at once: growing would copy every line some times over */
	STAMP_LENGTH = 19,
	STAMP_BYTES = 32,
	NUMBER_BYTES = 24, /* 2^64 has 20 digits */
	KEY_EXTRA = 4,
};
#define HAND_OVER_NS (20 * NS_PER_MS)

/* What a thread has written and not handed over. */
struct pen {
	struct buf lines;
	uint64_t count;
	uint64_t handed_at;
	uint64_t second;	 /* the second that `stamp` was made for */
	char stamp[STAMP_BYTES]; /* "2026-01-31T23:59:59" */
	bool registered;	 /* pen_key's destructor will see this thread end */
};

static _Thread_local struct pen pen;
static pthread_once_t pen_once = PTHREAD_ONCE_INIT;
static pthread_key_t pen_key;

void log_hand_over_mine(void)
{
	if (pen.count == 0)
		return;
	struct log_block *block = malloc(sizeof *block);
	pen.handed_at = clock_now_ns();
	if (!block) {
		tm_add(tm_plain(TM_LOG_DROPPED), pen.count);
		buf_clear(&pen.lines);
		pen.count = 0;
		return;
	}
	*block = (struct log_block){ NULL, pen.lines, pen.count };
	buf_init(&pen.lines, BLOCK_BYTES_MAX);
	pen.count = 0;
	log_hand_over(block);
}

static void on_thread_end(void *arg)
{
	(void)arg;
	log_hand_over_mine();
	buf_free(&pen.lines);
	pen.registered = false;
}

static void make_key(void)
{
	(void)pthread_key_create(&pen_key, on_thread_end);
}

/* Makes the thread's buffer known to its end, and room for one more line. */
static bool pen_ready(void)
{
	if (!pen.registered) {
		(void)pthread_once(&pen_once, make_key);
		buf_init(&pen.lines, BLOCK_BYTES_MAX);
		pen.registered = pthread_setspecific(pen_key, &pen) == 0;
	}
	if (buf_len(&pen.lines) >= BLOCK_FULL_BYTES)
		log_hand_over_mine();
	return pen.registered && (pen.lines.cap || buf_reserve(&pen.lines, BLOCK_FIRST_BYTES));
}

static const char *stamp(uint64_t wall_ns)
{
	uint64_t second = wall_ns / NS_PER_S;
	if (second != pen.second) {
		time_t t = (time_t)second;
		struct tm parts;
		(void)gmtime_r(&t, &parts);
		(void)strftime(pen.stamp, sizeof pen.stamp, "%Y-%m-%dT%H:%M:%S", &parts);
		pen.second = second;
	}
	return pen.stamp;
}

/* ---- pieces of a line ---- */

static void put(struct log_line *l, struct span s)
{
	if (!l->broken)
		l->broken = buf_add(l->b, s) < 0;
}

/* Room for a whole field, so that what is usual costs one check; NULL: the line is broken. To be followed by a commit.
 */
static char *room(struct log_line *l, size_t n)
{
	char *to = l->broken ? NULL : buf_reserve(l->b, n);
	l->broken = !to;
	return to;
}

static char *copy(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

/* At least `width` digits, zeroes in front. */
static char *copy_number(char *to, uint64_t v, unsigned width)
{
	char text[NUMBER_BYTES];
	size_t at = sizeof text;
	while (v || width || at == sizeof text) {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
		width -= width > 0;
	}
	return copy(to, text + at, sizeof text - at);
}

/* ` key=` or `,"key":`, which needs KEY_EXTRA bytes more than the key. */
static char *copy_key(char *to, bool json, const char *key, size_t n)
{
	to = json ? copy(to, ",\"", 2) : copy(to, " ", 1);
	to = copy(to, key, n);
	return json ? copy(to, "\":", 2) : copy(to, "=", 1);
}

static void commit(struct log_line *l, const char *end)
{
	buf_commit(l->b, (size_t)(end - (l->b->p + l->b->end)));
}

/* The code point of the valid UTF-8 sequence of k bytes at p. */
static uint32_t code_point(const char *p, size_t k)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t c = k == 1 ? u[0] : u[0] & (0xffu >> (k + 1));
	for (size_t i = 1; i < k; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

/* Would it end a line or speak to a terminal? C0, DEL, C1 (with NEL), LINE and PARAGRAPH SEPARATOR, and the marks that
 * turn the direction of text. */
static bool must_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '"' || c == '\\' || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void put_escaped(struct log_line *l, uint32_t c)
{
	char text[8];
	if (c == '"' || c == '\\')
		put(l, c == '"' ? SPAN("\\\"") : SPAN("\\\\"));
	else if (c == '\n' || c == '\r' || c == '\t')
		put(l, c == '\n' ? SPAN("\\n") : c == '\r' ? SPAN("\\r") : SPAN("\\t"));
	else
		put(l, span_of(text, (size_t)snprintf(text, sizeof text, "\\u%04x", (unsigned)c)));
}

/* A JSON string, which is also how logfmt quotes. */
static void put_quoted(struct log_line *l, struct span v)
{
	struct span cut = span_head(v, LOG_VALUE_BYTES);
	size_t plain = 0;
	put(l, SPAN("\""));
	for (size_t i = 0; i < cut.n;) {
		size_t k = utf8_length(cut.p + i, cut.n - i);
		uint32_t c = k ? code_point(cut.p + i, k) : 0;
		if (k && !must_escape(c)) {
			i += k;
			continue;
		}
		put(l, span_of(cut.p + plain, i - plain));
		if (k)
			put_escaped(l, c);
		else
			put(l, SPAN("\xef\xbf\xbd"));
		i += k ? k : 1;
		plain = i;
	}
	put(l, span_of(cut.p + plain, cut.n - plain));
	put(l, cut.n < v.n ? SPAN("\xe2\x80\xa6\"") : SPAN("\""));
}

/* Printable ASCII without blank, quote, equals sign and backslash, and not empty. */
static bool is_bare(struct span v)
{
	unsigned odd = v.n == 0 || v.n > LOG_VALUE_BYTES;
	for (size_t i = 0; i < v.n; i++) { /* no early way out: so it is eight or sixteen bytes at a time */
		unsigned char c = (unsigned char)v.p[i];
		odd |= (unsigned)(c <= ' ') | (unsigned)(c >= 0x7f) | (unsigned)(c == '"') | (unsigned)(c == '=') |
		       (unsigned)(c == '\\');
	}
	return !odd;
}

/* ---- the door ---- */

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_setting.level, memory_order_relaxed);
}

static void put_head(struct log_line *l, enum log_level level, const char *event)
{
	static const struct span names[] = { { "error", 5 }, { "warn", 4 }, { "info", 4 }, { "debug", 5 } };
	uint64_t wall = clock_wall_ns();
	size_t n = strlen(event);
	char *to = room(l, 2 * STAMP_BYTES + NUMBER_BYTES + n);
	if (!to)
		return;
	to = l->json ? copy(to, "{\"ts\":\"", 7) : copy(to, "ts=", 3);
	to = copy(to, stamp(wall), STAMP_LENGTH);
	*to++ = '.';
	to = copy_number(to, wall / NS_PER_MS % 1000, 3);
	to = l->json ? copy(to, "Z\",\"level\":\"", 12) : copy(to, "Z level=", 8);
	to = copy(to, names[level].p, names[level].n);
	to = l->json ? copy(to, "\",\"event\":\"", 11) : copy(to, " event=", 7);
	to = copy(to, event, n);
	commit(l, l->json ? copy(to, "\"", 1) : to);
}

struct log_line log_begin(enum log_level level, const char *event)
{
	struct log_line l = { .b = NULL };
	if (!log_enabled(level))
		return l;
	if (!pen_ready()) {
		tm_add(tm_plain(TM_LOG_DROPPED), 1);
		return l;
	}
	l.b = &pen.lines;
	l.start = pen.lines.end;
	l.json = atomic_load_explicit(&log_setting.json, memory_order_relaxed);
	put_head(&l, level, event);
	return l;
}

void log_str(struct log_line *l, const char *key, struct span v)
{
	if (!l->b)
		return;
	size_t n = strlen(key);
	bool bare = !l->json && is_bare(v);
	char *to = room(l, n + KEY_EXTRA + (bare ? v.n : 0));
	if (!to)
		return;
	to = copy_key(to, l->json, key, n);
	commit(l, bare ? copy(to, v.p, v.n) : to);
	if (!bare)
		put_quoted(l, v);
}

void log_word(struct log_line *l, const char *key, struct span v)
{
	if (!l->b)
		return;
	size_t n = strlen(key);
	char *to = room(l, n + KEY_EXTRA + v.n + 2);
	if (!to)
		return;
	to = copy_key(to, l->json, key, n);
	if (l->json)
		*to++ = '"';
	to = copy(to, v.p, v.n);
	if (l->json)
		*to++ = '"';
	commit(l, to);
}

void log_u64(struct log_line *l, const char *key, uint64_t v)
{
	if (!l->b)
		return;
	size_t n = strlen(key);
	char *to = room(l, n + KEY_EXTRA + NUMBER_BYTES);
	if (to)
		commit(l, copy_number(copy_key(to, l->json, key, n), v, 0));
}

void log_ms(struct log_line *l, const char *key, uint64_t ns)
{
	if (!l->b)
		return;
	size_t n = strlen(key);
	char *to = room(l, n + KEY_EXTRA + 2 * NUMBER_BYTES);
	if (!to)
		return;
	to = copy_number(copy_key(to, l->json, key, n), ns / NS_PER_MS, 0);
	*to++ = '.';
	commit(l, copy_number(to, ns % NS_PER_MS / NS_PER_US, 3));
}

void log_end(struct log_line *l)
{
	if (!l->b)
		return;
	put(l, l->json ? SPAN("}\n") : SPAN("\n"));
	if (l->broken) {
		l->b->end = l->start;
		tm_add(tm_plain(TM_LOG_DROPPED), 1);
	} else {
		pen.count++;
	}
	l->b = NULL;
}

void log_flush(void)
{
	if (pen.count == 0)
		return;
	if (buf_len(&pen.lines) >= BLOCK_FULL_BYTES || clock_now_ns() - pen.handed_at >= HAND_OVER_NS)
		log_hand_over_mine();
}

void log_event(enum log_level level, const char *event, ...)
{
	struct log_line l = log_begin(level, event);
	if (!l.b)
		return;
	va_list ap;
	va_start(ap, event);
	for (const char *key; (key = va_arg(ap, const char *));)
		log_str(&l, key, span_str(va_arg(ap, const char *)));
	va_end(ap);
	log_end(&l);
	log_hand_over_mine();
}
