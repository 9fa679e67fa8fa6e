/* Request bodies, kept in the buffers they arrived in until the commit point, and sent from them with small
 * replacements on the way.
 *
 * Received:  [....A....][......B......][..C..]        chunks, as the socket gave them
 * Sent:      the same bytes, but for splices (model name, usage option): walked as received ranges and texts in turn
 *
 * One counter for the process bounds what all bodies hold together (design §7, body-memory). */
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/internal.h"

enum { CHUNK_BYTES = 64 * 1024, CHUNK_FIRST_BYTES = 2048 };

/* Relaxed: a level to compare with, it orders nothing. */
static _Atomic uint64_t memory_used, memory_limit = UINT64_MAX;

void body_memory_limit(uint64_t bytes)
{
	atomic_store_explicit(&memory_limit, bytes, memory_order_relaxed);
}

uint64_t body_memory_used(void)
{
	return atomic_load_explicit(&memory_used, memory_order_relaxed);
}

bool body_memory_short(void)
{
	return body_memory_used() >= atomic_load_explicit(&memory_limit, memory_order_relaxed);
}

static struct chunk *chunk_new(size_t cap)
{
	if (body_memory_used() + cap > atomic_load_explicit(&memory_limit, memory_order_relaxed))
		return NULL;
	struct chunk *c = malloc(sizeof *c + cap);
	if (!c)
		return NULL;
	c->next = NULL;
	c->len = 0;
	c->cap = (uint32_t)cap;
	atomic_fetch_add_explicit(&memory_used, cap, memory_order_relaxed);
	return c;
}

static void chunk_free(struct chunk *c)
{
	atomic_fetch_sub_explicit(&memory_used, c->cap, memory_order_relaxed);
	free(c);
}

char *body_room(struct body *b, uint64_t hint, size_t *ret_room)
{
	if (!b->last || b->last->len == b->last->cap) {
		size_t cap = hint ? hint : b->last ? (size_t)b->last->cap * 4 : CHUNK_FIRST_BYTES;
		struct chunk *c = chunk_new(cap < CHUNK_BYTES ? cap : CHUNK_BYTES);
		if (!c)
			return NULL;
		if (b->last)
			b->last->next = c;
		else
			b->first = c;
		b->last = c;
	}
	*ret_room = b->last->cap - b->last->len;
	return b->last->data + b->last->len;
}

void body_received(struct body *b, size_t n)
{
	b->last->len += (uint32_t)n;
	b->received += n;
}

int body_add(struct body *b, struct span s, uint64_t hint)
{
	while (s.n) {
		size_t room;
		char *to = body_room(b, hint > s.n ? hint : s.n, &room);
		if (!to)
			return -PS_EBODYMEMORY;
		size_t n = s.n < room ? s.n : room;
		memcpy(to, s.p, n);
		body_received(b, n);
		s = span_skip(s, n);
		hint = hint > n ? hint - n : 0;
	}
	return 0;
}

uint64_t body_held(const struct body *b)
{
	return b->received - b->freed;
}

uint64_t body_output_length(const struct body *b, uint64_t received)
{
	uint64_t n = received;
	for (unsigned i = 0; i < b->splice_count; i++)
		n += b->splice[i].text.n - b->splice[i].len;
	return n;
}

/* Collects pieces of a walk that begins `skip` bytes into the output. */
struct walk {
	struct iovec *iov;
	int count, max;
	uint64_t skip;
	const struct chunk *chunk; /* where the received position stands, and where in it that chunk begins */
	uint64_t chunk_at;
};

static void walk_piece(struct walk *w, const char *p, size_t n)
{
	if (w->skip >= n) {
		w->skip -= n;
		return;
	}
	if (w->count < w->max)
		w->iov[w->count] = (struct iovec){ (char *)(uintptr_t)p + w->skip, n - (size_t)w->skip };
	w->count++;
	w->skip = 0;
}

/* The received range [from, to). What was let go lies before `skip`, so it is only counted. */
static void walk_range(struct walk *w, const struct body *b, uint64_t from, uint64_t to)
{
	if (from < b->freed) {
		uint64_t gone = (to < b->freed ? to : b->freed) - from;
		w->skip -= gone < w->skip ? gone : w->skip;
		from += gone;
	}
	while (from < to && w->chunk && w->count <= w->max) {
		uint64_t end = w->chunk_at + w->chunk->len;
		if (from >= end) {
			if (!w->chunk->next)
				return;
			w->chunk_at = end;
			w->chunk = w->chunk->next;
			continue;
		}
		uint64_t stop = to < end ? to : end;
		walk_piece(w, w->chunk->data + (from - w->chunk_at), (size_t)(stop - from));
		from = stop;
	}
}

int body_pieces(const struct body *b, struct iovec *iov, int max, bool *last)
{
	struct walk w = { .iov = iov, .max = max, .skip = b->taken, .chunk = b->first, .chunk_at = b->freed };
	uint64_t at = 0;
	for (unsigned i = 0; i < b->splice_count && b->splice[i].at + b->splice[i].len <= b->received; i++) {
		walk_range(&w, b, at, b->splice[i].at);
		walk_piece(&w, b->splice[i].text.p, b->splice[i].text.n);
		at = b->splice[i].at + b->splice[i].len;
	}
	walk_range(&w, b, at, b->received);
	*last = b->complete && w.count <= max;
	return w.count < max ? w.count : max;
}

void body_took(struct body *b, size_t n)
{
	b->taken += n;
}

void body_free_taken(struct body *b)
{
	/* Splices make output and input positions differ by little and only near the front: a chunk goes when the
	 * output is past its end and past every splice. */
	int64_t shift = 0;
	for (unsigned i = 0; i < b->splice_count; i++)
		shift += (int64_t)b->splice[i].text.n - (int64_t)b->splice[i].len;
	while (b->first) {
		uint64_t end = b->freed + b->first->len;
		if ((int64_t)b->taken < (int64_t)end + shift)
			return;
		if (b->splice_count && end < b->splice[b->splice_count - 1].at + b->splice[b->splice_count - 1].len)
			return;
		struct chunk *c = b->first;
		b->first = c->next;
		b->last = b->first ? b->last : NULL;
		b->freed = end;
		chunk_free(c);
	}
}

void body_free(struct body *b)
{
	while (b->first) {
		struct chunk *c = b->first;
		b->first = c->next;
		chunk_free(c);
	}
	b->last = NULL;
	b->freed = b->received;
}
