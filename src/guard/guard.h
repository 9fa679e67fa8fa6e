/* The door of guard: who may ask and what may be asked. Two tables of checks, empty for now; each runs at its place in
 * the request path. */
#ifndef PS_GUARD_GUARD_H
#define PS_GUARD_GUARD_H

#include "base/base.h"
#include "wire/wire.h"

/* What is known before the body: a refusal here reads none of it. */
struct guard_head {
	const struct h1_head *head;
	const struct address *client; /* after PROXY protocol and trusted hops */
};

/* 0, or -PS_E… with the reason in e. Any thread; the first check that refuses decides. */
int guard_by_head(const struct guard_head *g, struct err *e) MUST_CHECK;

#endif
