/* The registry: which series there are, found by metric and label values. Any thread.
 *
 * Look-ups go through a small direct-mapped cache of the thread, so that the label sets in daily use cost a hash and a
 * comparison; only a miss takes the lock. The number of series per metric is bounded, because clients choose some of
 * the values: what is beyond counts as "other". A forgotten series is taken out of map and list at once and freed ten
 * seconds later, when nobody can still be counting on a pointer looked up before: that wait is what makes look-ups and
 * /metrics free of reference counts. */
#include "telemetry/series.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	CACHE_SLOTS = 256,
	KEY_BYTES_MAX = TM_LABELS_MAX * (2 + TM_VALUE_BYTES),
	NAME_BYTES_MAX = 64, /* of a label's name with the punctuation around it */
	LABELS_BYTES_MAX = TM_LABELS_MAX *
			   (NAME_BYTES_MAX + 3 * TM_VALUE_BYTES), /* U+FFFD for a bad byte is the longest */
	OTHER_BYTES_MAX = TM_LABELS_MAX * (NAME_BYTES_MAX + 8),
};
#define FORGOTTEN_LIVES_NS (10 * NS_PER_S)

#define TM_BUCKETS(name, ...) static const double bounds_##name[] = { __VA_ARGS__ };
#include "telemetry/buckets.def"
#undef TM_BUCKETS
#define TM_BUCKETS(name, ...)                                                                                          \
	_Static_assert(sizeof bounds_##name / sizeof(double) <= TM_BUCKETS_MAX, #name " has too many buckets");
#include "telemetry/buckets.def"
#undef TM_BUCKETS

static const struct tm_row rows[TM_METRIC_COUNT] = {
#define TM_COUNTER(id, name, labels, help) [TM_##id] = { TM_KIND_COUNTER, name, labels, help, { NULL, 0 } },
#define TM_GAUGE(id, name, labels, help) [TM_##id] = { TM_KIND_GAUGE, name, labels, help, { NULL, 0 } },
#define TM_HISTOGRAM(id, name, labels, buckets, help)                                                                  \
	[TM_##id] = {                                                                                                  \
		TM_KIND_HISTOGRAM, name, labels, help, { bounds_##buckets, sizeof bounds_##buckets / sizeof(double) }  \
	},
#include "telemetry/metrics.def"
#undef TM_COUNTER
#undef TM_GAUGE
#undef TM_HISTOGRAM
};

/* The series of one metric. `plain` is the one without labels; where there are labels, it is the one that stands for
 * "other". It needs no memory, so counting cannot fail. */
struct family {
	struct map by_labels;
	struct list series;
	struct tm_series plain;
	bool plain_listed; /* it appears in /metrics */
	uint8_t label_count;
	char other_labels[OTHER_BYTES_MAX];
};

/* `lock` guards everything here but the counting words. It is taken last: nothing is called while it is held. */
static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	struct family family[TM_METRIC_COUNT];
	struct list forgotten;	  /* oldest first */
	_Atomic uint64_t forgets; /* told to the caches: a change empties them */
} registry = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

/* Direct-mapped by hash. Valid while `forgets` is what the registry's is. */
static _Thread_local struct {
	uint64_t forgets;
	struct tm_series *slot[CACHE_SLOTS];
} cache;

/* The values of one look-up, cut to their bound. */
struct key {
	enum tm_metric metric;
	uint64_t hash;
	size_t n;
	char bytes[KEY_BYTES_MAX];
};

const struct tm_row *tm_row_of(enum tm_metric m)
{
	return &rows[m];
}

static uint8_t label_count(const char *labels)
{
	uint8_t n = *labels ? 1 : 0;
	for (; *labels; labels++)
		n = (uint8_t)(n + (*labels == ','));
	assert(n <= TM_LABELS_MAX);
	return n;
}

static void make_registry(void)
{
	list_init(&registry.forgotten);
	for (unsigned m = 0; m < TM_METRIC_COUNT; m++) {
		struct family *f = &registry.family[m];
		map_init(&f->by_labels, rows[m].kind == TM_KIND_HISTOGRAM ? TM_HISTOGRAMS_MAX : TM_SERIES_MAX);
		list_init(&f->series);
		f->plain.metric = (enum tm_metric)m;
		f->label_count = label_count(rows[m].labels);
		f->plain_listed = f->label_count == 0;
	}
}

static struct span value_at(const struct span *values, size_t n, size_t i)
{
	return i < n ? span_head(values[i], TM_VALUE_BYTES) : SPAN_NONE;
}

static uint64_t values_hash(enum tm_metric m, const struct span *values, size_t n)
{
	uint64_t hash = m;
	for (size_t i = 0; i < n; i++)
		hash = hash_mix(hash, hash_bytes(value_at(values, n, i)));
	return hash;
}

static void key_add(struct key *k, const void *from, size_t n)
{
	if (n) /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes with their length in front, no C string */
		memcpy(k->bytes + k->n, from, n);
	k->n += n;
}

static void key_make(struct key *k, enum tm_metric m, const struct span *values, size_t n)
{
	k->metric = m;
	k->hash = values_hash(m, values, n);
	k->n = 0;
	for (size_t i = 0; i < registry.family[m].label_count; i++) {
		struct span v = value_at(values, n, i);
		uint16_t length = (uint16_t)v.n;
		key_add(k, &length, sizeof length);
		key_add(k, v.p, v.n);
	}
}

/* A label value as the text format wants it: valid UTF-8; backslash, quote and newline escaped. Other control bytes,
 * which its readers do not agree on, become U+FFFD. */
static size_t escape(char *to, struct span v)
{
	size_t n = 0;
	for (size_t i = 0; i < v.n;) {
		size_t k = utf8_length(v.p + i, v.n - i);
		char c = v.p[i];
		if (c == '\\' || c == '"' || c == '\n') {
			to[n++] = '\\';
			to[n++] = c == '\n' ? 'n' : c;
		} else if (k == 0 || (unsigned char)c < 0x20) {
			memcpy(to + n, "\xef\xbf\xbd", 3);
			n += 3;
		} else {
			memcpy(to + n, v.p + i, k);
			n += k;
		}
		i += k ? k : 1;
	}
	return n;
}

static size_t label_write(char *to, struct span name, struct span value)
{
	size_t n = name.n;
	memcpy(to, name.p, n);
	to[n++] = '=';
	to[n++] = '"';
	n += escape(to + n, value);
	to[n++] = '"';
	return n;
}

/* Writes name="value",… of a key; every value becomes "other" when `other`. Returns the length. */
static size_t labels_write(char *to, const struct key *k, bool other)
{
	struct span names = span_str(rows[k->metric].labels);
	size_t n = 0;
	for (size_t at = 0; at < k->n;) {
		uint16_t length;
		memcpy(&length, k->bytes + at, sizeof length);
		at += sizeof length;
		struct span value = other ? SPAN("other") : span_of(k->bytes + at, length);
		if (n)
			to[n++] = ',';
		n += label_write(to + n, span_cut(names, ',', &names), value);
		at += length;
	}
	return n;
}

/* The series with its texts behind it; in no list yet. */
static struct tm_series *series_make(const struct key *k, struct span labels)
{
	struct tm_series *s = calloc(1, sizeof *s + k->n + labels.n);
	if (!s)
		return NULL;
	char *text = (char *)(s + 1);
	memcpy(text, k->bytes, k->n);
	memcpy(text + k->n, labels.p, labels.n);
	s->metric = k->metric;
	s->hash = k->hash;
	s->key = span_of(text, k->n);
	s->labels = span_of(text + k->n, labels.n);
	return s;
}

static void series_free(struct tm_series *s)
{
	for (unsigned i = 0; i < TM_SHARDS; i++)
		free(atomic_load_explicit(&s->shard[i], memory_order_relaxed));
	free(s);
}

/* The series for label sets that get none of their own. */
static struct tm_series *other_locked(struct family *f, const struct key *k)
{
	if (!f->plain_listed)
		f->plain.labels = span_of(f->other_labels, labels_write(f->other_labels, k, true));
	f->plain_listed = true;
	return &f->plain;
}

static struct tm_series *find_or_make_locked(const struct key *k)
{
	struct family *f = &registry.family[k->metric];
	char text[LABELS_BYTES_MAX];
	struct span labels = span_of(text, labels_write(text, k, false));
	struct tm_series *s = map_find(&f->by_labels, labels);
	if (s)
		return s;
	s = f->by_labels.count < f->by_labels.max ? series_make(k, labels) : NULL;
	if (!s || map_put(&f->by_labels, s->labels, s) < 0) {
		free(s);
		return other_locked(f, k);
	}
	list_push_back(&f->series, &s->node);
	return s;
}

/* Are these the values of s? Compared one by one with its key, so that nothing is copied for a look-up that succeeds.
 */
static bool matches(const struct tm_series *s, enum tm_metric m, uint64_t hash, const struct span *values, size_t n)
{
	if (!s || s->hash != hash || s->metric != m)
		return false;
	size_t at = 0;
	for (size_t i = 0; at < s->key.n; i++) {
		struct span v = value_at(values, n, i);
		uint16_t length;
		memcpy(&length, s->key.p + at, sizeof length);
		at += sizeof length;
		if (length != v.n || (v.n && memcmp(s->key.p + at, v.p, v.n) != 0))
			return false;
		at += length;
	}
	return true;
}

/* The cache slot of a hash, after emptying the cache when a series was forgotten since. */
static struct tm_series **cache_slot(uint64_t hash)
{
	/* Pairs with the release in tm_forget: whoever learned that labels are forgotten no longer finds them here. */
	uint64_t forgets = atomic_load_explicit(&registry.forgets, memory_order_acquire);
	if (cache.forgets != forgets) {
		memset(cache.slot, 0, sizeof cache.slot);
		cache.forgets = forgets;
	}
	return &cache.slot[hash % CACHE_SLOTS];
}

/* Kept out of line: its frame is some kilobytes, which the compiler clears. */
static __attribute__((noinline)) struct tm_series *look_up(enum tm_metric m, const struct span *values, size_t n)
{
	struct key k;
	(void)pthread_once(&registry.once, make_registry);
	assert(n <= registry.family[m].label_count);
	key_make(&k, m, values, n);
	(void)pthread_mutex_lock(&registry.lock);
	struct tm_series *s = find_or_make_locked(&k);
	(void)pthread_mutex_unlock(&registry.lock);
	return s;
}

struct tm_series *tm_series_of(enum tm_metric m, const struct span *values, size_t n)
{
	if (!*rows[m].labels)
		return tm_plain(m);
	uint64_t hash = values_hash(m, values, n);
	struct tm_series **slot = cache_slot(hash);
	if (matches(*slot, m, hash, values, n))
		return *slot;
	struct tm_series *s = look_up(m, values, n);
	if (matches(s, m, hash, values, n))
		*slot = s;
	if (s == &registry.family[m].plain)
		tm_add(tm_plain(TM_SERIES_FOLDED), 1);
	return s;
}

struct tm_series *tm_plain(enum tm_metric m)
{
	(void)pthread_once(&registry.once, make_registry);
	return &registry.family[m].plain;
}

/* Frees what was forgotten long enough ago. */
static void reap_locked(uint64_t now)
{
	list_each (it, next, &registry.forgotten) {
		struct tm_series *s = container_of(it, struct tm_series, node);
		if (now - s->forgotten_ns < FORGOTTEN_LIVES_NS)
			return;
		list_remove(it);
		series_free(s);
	}
}

void tm_forget(enum tm_metric m, const struct span *values, size_t n)
{
	struct key k;
	char text[LABELS_BYTES_MAX];
	uint64_t now = clock_now_ns();
	(void)pthread_once(&registry.once, make_registry);
	key_make(&k, m, values, n);
	(void)pthread_mutex_lock(&registry.lock);
	struct tm_series *s = map_take(&registry.family[m].by_labels, span_of(text, labels_write(text, &k, false)));
	if (s) {
		list_remove(&s->node);
		s->forgotten_ns = now;
		list_push_back(&registry.forgotten, &s->node);
		atomic_fetch_add_explicit(&registry.forgets, 1, memory_order_release);
	}
	reap_locked(now);
	(void)pthread_mutex_unlock(&registry.lock);
}

unsigned tm_series_list(enum tm_metric m, struct tm_series **ret)
{
	(void)pthread_once(&registry.once, make_registry);
	(void)pthread_mutex_lock(&registry.lock);
	struct family *f = &registry.family[m];
	unsigned n = 0;
	list_each (it, next, &f->series)
		ret[n++] = container_of(it, struct tm_series, node);
	if (f->plain_listed)
		ret[n++] = &f->plain;
	(void)pthread_mutex_unlock(&registry.lock);
	return n;
}
