/* What the files of loop share. Not for other rooms. */
#ifndef PS_LOOP_INTERNAL_H
#define PS_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "loop/loop.h"

enum { WHEEL_LEVELS = 5, WHEEL_SLOTS = 64, WHEEL_TICK_NS = 4000000 };

/* Timers by the tick they end in. Level k's slots are 64^k ticks wide. */
struct wheel {
	uint64_t tick;		     /* everything before it has fired */
	uint64_t busy[WHEEL_LEVELS]; /* a bit per slot that may hold timers */
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, uint64_t now);
void wheel_add(struct wheel *w, struct timer *t);
/* Fires what is due. */
void wheel_advance(struct wheel *w, uint64_t now);
/* When wheel_advance should be called next; UINT64_MAX while nothing is set. */
uint64_t wheel_next_ns(const struct wheel *w);

struct loop {
	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_timer_t wake;
	_Atomic(struct mail *) box; /* newest first; senders push, the loop takes all (release/acquire by exchange) */
	_Atomic bool stopping;
	bool now_known;
	uint64_t now, armed_ns;
	struct wheel wheel;
	struct rng rng;
	char name[16];
	struct tm_series *slow_turns;
	unsigned shard;
	pthread_t thread;
	void (*turn_end)(void *arg);
	void *turn_end_arg;
	char scratch[LOOP_SCRATCH_BYTES];
};

/* Sockets and other descriptors of ours come and go. */
void descriptors_add(int n);

#endif
