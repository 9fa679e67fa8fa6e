/* A gate with a pool, and a sink that only remembers: the place where one test thread plays driver. */
#ifndef TESTS_GATE_DESK_H
#define TESTS_GATE_DESK_H

#include <stdio.h>

#include "gate/gate.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define T0 (1000 * S)

enum { DESK_REPLICAS_MAX = 64, DESK_MAIL_MAX = 1024 };

struct desk {
	struct pool *pool;
	struct gate *gate;
	uint64_t id[DESK_REPLICAS_MAX];
	uint32_t replicas;
	struct ticket *mail[DESK_MAIL_MAX]; /* in the order the sink was called */
	void *owner[DESK_MAIL_MAX];
	uint32_t mails, flushes;
	struct gate_sink sink;
};

static inline void desk_mail(void *arg, void *owner, struct ticket *t)
{
	struct desk *d = arg;
	assert_true(d->mails < DESK_MAIL_MAX);
	d->mail[d->mails] = t;
	d->owner[d->mails++] = owner;
}

static inline void desk_flush(void *arg)
{
	((struct desk *)arg)->flushes++;
}

static inline uint64_t desk_add(struct desk *d, uint64_t now)
{
	char text[32];
	struct address a;
	uint32_t i = d->replicas++;
	(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
	assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
	assert_int_equal(pool_added(d->pool, span_str(text), &a, 0, now, &d->id[i]), 0);
	return d->id[i];
}

/* `bound` requests per replica; 0: none. */
static inline void desk_open(struct desk *d, uint32_t replicas, uint32_t bound)
{
	struct pool_options o = pool_options_default();
	*d = (struct desk){ .sink = { desk_mail, desk_flush, d } };
	o.requests_per_replica = bound;
	d->pool = pool_new(&o);
	d->gate = gate_new(d->pool, NULL, 7, NULL);
	for (uint32_t i = 0; i < replicas; i++)
		(void)desk_add(d, T0);
}

static inline void desk_close(struct desk *d)
{
	gate_free(d->gate);
	pool_free(d->pool);
}

static inline unsigned desk_advance(struct desk *d, uint64_t now)
{
	return gate_advance(d->gate, now, &d->sink);
}

static inline uint32_t desk_in_flight(struct desk *d, uint32_t replica)
{
	pool_lock(d->pool);
	const struct replica *r = pool_replica_locked(d->pool, d->id[replica]);
	uint32_t n = r ? r->in_flight : 0;
	pool_unlock(d->pool);
	return n;
}

#endif
