/* JSON pages: values with commas in the right places, a line each. Control thread. */
#include "admin/page.h"

#include <inttypes.h>
#include <math.h>

static void put(struct page *p, struct span s)
{
	if (p->result == 0)
		p->result = buf_add(p->b, s);
}

static void put_text(struct page *p, struct span s)
{
	if (p->result == 0)
		p->result = json_add_string(p->b, s);
}

static void put_key(struct page *p, const char *key)
{
	put(p, p->comma ? SPAN(",\n") : SPAN("\n"));
	if (key) {
		put_text(p, span_str(key));
		put(p, SPAN(": "));
	}
	p->comma = true;
}

void page_open(struct page *p, const char *key, char bracket)
{
	put_key(p, key);
	put(p, span_of(&bracket, 1));
	p->comma = false;
}

void page_close(struct page *p, char bracket)
{
	put(p, SPAN("\n"));
	put(p, span_of(&bracket, 1));
	p->comma = true;
}

void page_text(struct page *p, const char *key, struct span v)
{
	put_key(p, key);
	put_text(p, v);
}

void page_u64(struct page *p, const char *key, uint64_t v)
{
	put_key(p, key);
	if (p->result == 0)
		p->result = buf_printf(p->b, "%" PRIu64, v);
}

void page_number(struct page *p, const char *key, double v)
{
	put_key(p, key);
	if (p->result == 0)
		p->result = isfinite(v) ? buf_printf(p->b, "%.10g", v) : buf_add(p->b, SPAN("null"));
}

void page_bool(struct page *p, const char *key, bool v)
{
	put_key(p, key);
	put(p, v ? SPAN("true") : SPAN("false"));
}

void page_age(struct page *p, const char *key, uint64_t at, uint64_t now)
{
	double age = now > at ? (double)(now - at) : 0;
	page_number(p, key, at ? age / (double)NS_PER_MS : (double)INFINITY);
}
