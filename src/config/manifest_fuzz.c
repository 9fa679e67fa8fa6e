/* Any bytes as a manifest: never a crash; what is refused has a reason with a line, what is accepted is accepted again
 * and alike, and strict acceptance implies lenient acceptance. */
#include "config/config.h"

#include <stdlib.h>

enum { FUZZ_TEXT_MAX = 16 << 20 };

static struct config *load(const uint8_t *data, size_t n, enum config_strictness how, struct buf *dump)
{
	struct config *c = NULL;
	struct config_errors errors;
	struct config_source src = { SPAN("f"), span_of((const char *)data, n) };
	config_errors_init(&errors);
	int r = config_load(&src, 1, NULL, how, &errors, &c);
	struct span text = buf_span(&errors.text);
	if (r == -PS_ECONFIG && (!errors.count || !span_starts(text, SPAN("f:")) || !span_ends(text, SPAN("\n"))))
		abort();
	if (!r && (errors.count || config_dump(c, dump)))
		abort();
	config_errors_free(&errors);
	return c;
}

static int count_endpoint(void *arg, const struct config_endpoint *ep)
{
	*(size_t *)arg += ep->port;
	return ep->name.n == 0;
}

/* Nothing that lookups over the store may not do. */
static void walk(const struct config *c)
{
	size_t sum = 0;
	for (uint32_t i = 0; i < config_pool_count(c); i++)
		if (config_pool_endpoints(c, i, count_endpoint, &sum))
			abort();
	for (uint32_t i = 0; i < config_socket_count(c); i++)
		if (config_socket_listener(c, i, SPAN("a.example.com")) >= config_listener_count(c) &&
		    config_socket_listener(c, i, SPAN("a.example.com")) != UINT32_MAX)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf dumps[3];
	struct config *stores[3];
	for (int i = 0; i < 3; i++) {
		buf_init(&dumps[i], FUZZ_TEXT_MAX);
		stores[i] = load(data, n, i == 2 ? CONFIG_LENIENT : CONFIG_STRICT, &dumps[i]);
	}
	if (!stores[0] != !stores[1] || (stores[0] && !stores[2]))
		abort();
	if (stores[0] &&
	    (!span_eq(buf_span(&dumps[0]), buf_span(&dumps[1])) || !span_eq(buf_span(&dumps[0]), buf_span(&dumps[2]))))
		abort();
	if (stores[2])
		walk(stores[2]);
	for (int i = 0; i < 3; i++) {
		config_unref(stores[i]);
		buf_free(&dumps[i]);
	}
	return 0;
}
