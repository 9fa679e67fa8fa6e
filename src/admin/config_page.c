/* /debug/config: the configuration in force as JSON: sockets, listeners and pools with every option as it applies, and
 * the objects they were compiled from. Secrets' values never: config_dump leaves them out. Control thread. */
#include "admin/internal.h"

#include "config/config.h"

enum { DUMP_BYTES_MAX = ADMIN_PAGE_BYTES_MAX / 2 };

/* Every option of a scope under its manifest name. */
static void options_write(struct page *page, enum option_scope scope, const void *options)
{
	size_t n;
	const struct option_row *rows = option_rows(&n);
	char text[OPTION_TEXT_MAX];
	page_open(page, "options", '{');
	for (size_t i = 0; i < n; i++) {
		if (rows[i].scope != scope)
			continue;
		size_t length = option_format(&rows[i], options, text);
		page_text(page, rows[i].name, span_of(text, length));
	}
	page_close(page, '}');
}

static void listeners_write(struct page *page, const struct config *c)
{
	page_open(page, "listeners", '[');
	for (uint32_t i = 0; i < config_listener_count(c); i++) {
		const struct config_listener_entry *entry = config_listener_at(c, i);
		char address[ADDRESS_TEXT_MAX];
		address_format(&config_socket_at(c, entry->socket)->address, address);
		page_open(page, NULL, '{');
		page_text(page, "gateway", entry->gateway->meta.name);
		page_text(page, "name", entry->listener->name);
		page_text(page, "address", span_str(address));
		options_write(page, OPTION_LISTENER, &entry->options);
		page_close(page, '}');
	}
	page_close(page, ']');
}

static void pools_write(struct page *page, const struct config *c)
{
	page_open(page, "pools", '[');
	for (uint32_t i = 0; i < config_pool_count(c); i++) {
		const struct config_pool *pool = config_pool_at(c, i);
		page_open(page, NULL, '{');
		page_text(page, "name", pool->name);
		options_write(page, OPTION_POOL, &pool->options);
		page_close(page, '}');
	}
	page_close(page, ']');
}

/* The objects' text, a line each. */
static int objects_write(struct page *page, const struct config *c)
{
	struct buf text;
	buf_init(&text, DUMP_BYTES_MAX);
	int r = config_dump(c, &text);
	struct span rest = r == 0 ? buf_span(&text) : SPAN_NONE;
	page_open(page, "objects", '[');
	while (rest.n)
		page_text(page, NULL, span_cut(rest, '\n', &rest));
	page_close(page, ']');
	buf_free(&text);
	return r;
}

int config_page(struct admin *a, struct buf *b)
{
	struct page page = { .b = b };
	const struct snapshot *s = a->snapshot;
	int r = 0;
	page_open(&page, NULL, '{');
	page_u64(&page, "generation", s ? s->generation : 0);
	if (s) {
		page_u64(&page, "body_memory_bytes", s->body_memory_bytes);
		listeners_write(&page, s->config);
		pools_write(&page, s->config);
		r = objects_write(&page, s->config);
	}
	page_close(&page, '}');
	return page.result < 0 ? page.result : r;
}
