/* See value.h. Runs inside the body scan, on the worker; cost per token about that of hashing its text. */
#include "openai/value.h"

/* Kinds of values, so that "1" and 1, {} and [] differ. Any distinct numbers would do. */
enum { KIND_OBJECT = 1, KIND_ARRAY, KIND_STRING, KIND_NUMBER, KIND_WORD };

void value_hash_begin(struct value_hash *v)
{
	v->sum = v->bytes = v->key = 0;
	v->path[0] = 0;
	v->depth = 0;
	v->in_key = v->in_number = false;
}

/* Where the value that begins now stands. */
static uint64_t place(struct value_hash *v, const struct scan *s)
{
	uint64_t *p = &v->path[v->depth];
	if (v->depth && scan_in_array(s))
		return *p = hash_mix(*p, KIND_ARRAY);
	return hash_mix(*p, v->key);
}

static void leaf(struct value_hash *v, const struct scan *s, unsigned kind, uint64_t h)
{
	v->sum += hash_mix(hash_mix(place(v, s), kind), h);
}

static void open_container(struct value_hash *v, const struct scan *s, unsigned kind)
{
	uint64_t p = hash_mix(place(v, s), kind);
	v->sum += p;
	v->path[++v->depth] = p;
}

static void key_piece(struct value_hash *v, struct span text, bool last)
{
	v->key = hash_mix(v->in_key ? v->key : 0, hash_bytes(text));
	v->in_key = !last;
	v->bytes += text.n;
}

static void number_piece(struct value_hash *v, struct span text)
{
	if (!v->in_number)
		text_hash_begin(&v->text);
	v->in_number = true;
	text_hash_add(&v->text, text);
}

static void text_leaf(struct value_hash *v, const struct scan *s, unsigned kind)
{
	v->bytes += v->text.n;
	leaf(v, s, kind, text_hash_end(&v->text));
}

bool value_hash_event(struct value_hash *v, struct scan *s, enum scan_event ev, struct span text)
{
	switch (ev) {
	case SCAN_OBJECT:
	case SCAN_ARRAY:
		open_container(v, s, ev == SCAN_OBJECT ? KIND_OBJECT : KIND_ARRAY);
		return false;
	case SCAN_OBJECT_END:
	case SCAN_ARRAY_END:
		return --v->depth == 0;
	case SCAN_STRING:
		s->want_text = true;
		text_hash_begin(&v->text);
		return false;
	case SCAN_TEXT:
		text_hash_add(&v->text, text);
		return false;
	case SCAN_KEY_PART:
	case SCAN_KEY:
		key_piece(v, text, ev == SCAN_KEY);
		return false;
	case SCAN_NUMBER_PART:
		number_piece(v, text);
		return false;
	case SCAN_NUMBER:
		number_piece(v, text);
		v->in_number = false;
		text_leaf(v, s, KIND_NUMBER);
		break;
	case SCAN_STRING_END:
		text_leaf(v, s, KIND_STRING);
		break;
	default:
		leaf(v, s, KIND_WORD, ev);
	}
	return v->depth == 0;
}
