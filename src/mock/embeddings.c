/* /v1/embeddings: a prefill without decode. The vectors are of length one and follow from the text alone. */
#include <math.h>
#include <stdlib.h>

#include "mock/internal.h"

enum { DIMENSIONS_DEFAULT = 384, DIMENSIONS_MAX = 8192 };

static bool read_embeddings(struct ask *a)
{
	const json_t *input = json_object_get(a->body, "input"), *first = json_array_get(input, 0);
	int64_t dimensions = DIMENSIONS_DEFAULT;
	if (!ask_common(a))
		return false;
	a->stream = false;
	if (!json_is_string(input) && !first)
		return ask_missing(a, "input");
	if (!ask_int(a, "dimensions", 1, &dimensions))
		return false;
	if (dimensions > DIMENSIONS_MAX)
		return ask_refuse(a, 400, "BadRequestError", "dimensions", "Model has at most %d dimensions.",
				  DIMENSIONS_MAX);
	if (json_is_string(input) || json_is_integer(first))
		return ask_add_plain(a, input);
	for (size_t i = 0; i < json_array_size(input); i++)
		if (!ask_add_plain(a, json_array_get(input, i)))
			return false;
	return true;
}

static void keep(struct exchange *x, const struct ask *a)
{
	const char *format = json_string_value(json_object_get(a->body, "encoding_format"));
	const json_t *dimensions = json_object_get(a->body, "dimensions");
	x->base64 = format && strcmp(format, "base64") == 0;
	x->dimensions = json_is_integer(dimensions) ? json_integer_value(dimensions) : DIMENSIONS_DEFAULT;
}

static void vector(float *v, size_t n, uint64_t seed)
{
	struct rng rng;
	double sum = 0;
	rng_seed(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		v[i] = (float)(2 * rng_unit(&rng) - 1);
		sum += (double)v[i] * (double)v[i];
	}
	for (size_t i = 0; i < n; i++)
		v[i] = (float)((double)v[i] / sqrt(sum));
}

static void add_base64(struct page *p, const unsigned char *bytes, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		uint32_t left = (uint32_t)(n - i), w = (uint32_t)bytes[i] << 16;
		w |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		w |= left > 2 ? bytes[i + 2] : 0;
		page_add(p, "%c%c%c%c", digits[w >> 18], digits[w >> 12 & 63], left > 1 ? digits[w >> 6 & 63] : '=',
			 left > 2 ? digits[w & 63] : '=');
	}
}

static void add_vector(const struct exchange *x, const float *v, struct page *p)
{
	size_t n = (size_t)x->dimensions;
	page_add(p, x->base64 ? "\"" : "[");
	if (x->base64)
		add_base64(p, (const unsigned char *)v,
			   n * sizeof *v); /* little-endian floats, as this machine has them */
	for (size_t i = 0; i < n && !x->base64; i++)
		page_add(p, "%s%.9g", i ? "," : "", (double)v[i]);
	page_add(p, x->base64 ? "\"" : "]");
}

static void whole(struct exchange *x, struct page *p)
{
	static _Thread_local float v[DIMENSIONS_MAX];
	page_add(p, "{\"id\":\"%s\",\"object\":\"list\",\"created\":%llu,\"model\":", x->id,
		 (unsigned long long)x->created_s);
	page_quote(p, span_str(x->model));
	page_add(p, ",\"data\":[");
	for (size_t i = 0; i < x->count; i++) {
		page_add(p, "%s{\"index\":%zu,\"object\":\"embedding\",\"embedding\":", i ? "," : "", i);
		vector(v, (size_t)x->dimensions, x->choices[i].seed);
		add_vector(x, v, p);
		page_add(p, "}");
	}
	page_add(p, "],");
	exchange_add_usage(x, p);
	page_add(p, "}");
}

const struct api api_embeddings = {
	.path = "/v1/embeddings", .id_prefix = "embd-", .read = read_embeddings, .keep = keep, .whole = whole
};
