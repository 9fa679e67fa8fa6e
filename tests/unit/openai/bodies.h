/* Scanning a body in a test, whole or in pieces. */
#ifndef PS_TESTS_OPENAI_BODIES_H
#define PS_TESTS_OPENAI_BODIES_H

#include "openai/openai.h"

/* Feeds and ends; 0 or the first error. */
static inline int scan_whole(struct openai_scan *s, struct span body, struct err *e)
{
	int r = openai_scan_feed(s, body, e);
	return r < 0 ? r : openai_scan_end(s, e);
}

/* The same in pieces of `step` bytes. */
static inline int scan_steps(struct openai_scan *s, struct span body, size_t step, struct err *e)
{
	int r = 0;
	for (; body.n && r == 0; body = span_skip(body, step))
		r = openai_scan_feed(s, span_head(body, step), e);
	return r < 0 ? r : openai_scan_end(s, e);
}

/* 64 bytes, 128, 512 of plain text. */
#define TEXT64 "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TEXT128 TEXT64 TEXT64
#define TEXT512 TEXT128 TEXT128 TEXT128 TEXT128

#endif
