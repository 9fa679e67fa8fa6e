/* The loop itself: a thread's turns, its clock and its mailbox.
 *
 * A turn is: timers that are due, then what the sockets have. Time is read once a turn, when first asked for. Mail is a
 * stack of intrusive messages (Treiber 1986) that the receiver takes whole and turns round, so order is kept and
 * nothing is allocated. */
#include "loop/loop.h"

#include <stdlib.h>

#include "loop/internal.h"
#include "telemetry/telemetry.h"

enum { LOOP_DESCRIPTORS = 3 /* epoll, eventfd, signal pipe */, LONG_TURN_NS = 1000000 };

static void deliver_all(uv_async_t *a)
{
	struct loop *l = a->data;
	struct mail *m = atomic_exchange_explicit(&l->box, NULL, memory_order_acquire);
	struct mail *in_order = NULL;
	while (m) {
		struct mail *older = m->next;
		m->next = in_order;
		in_order = m;
		m = older;
	}
	while (in_order) {
		struct mail *next = in_order->next;
		in_order->deliver(in_order);
		in_order = next;
	}
	if (atomic_load_explicit(&l->stopping, memory_order_acquire))
		uv_stop(&l->uv);
}

static void on_wake(uv_timer_t *t)
{
	struct loop *l = t->data;
	l->armed_ns = UINT64_MAX;
	wheel_advance(&l->wheel, loop_refresh_now(l));
}

static void arm(struct loop *l)
{
	uint64_t next = wheel_next_ns(&l->wheel);
	if (next == l->armed_ns)
		return;
	l->armed_ns = next;
	if (next == UINT64_MAX) {
		uv_timer_stop(&l->wake);
		return;
	}
	uint64_t now = clock_now_ns();
	uv_update_time(&l->uv);
	uv_timer_start(&l->wake, on_wake, next > now ? (next - now) / NS_PER_MS + 1 : 0, 0);
}

/* Between the end of a turn's work and waiting. */
static void before_wait(uv_prepare_t *p)
{
	struct loop *l = p->data;
	if (l->turn_end)
		l->turn_end(l->turn_end_arg);
	log_flush();
	arm(l);
	if (l->now_known && clock_now_ns() - l->now > LONG_TURN_NS)
		tm_add(l->slow_turns, 1);
	l->now_known = false;
}

struct loop *loop_new(const char *name, unsigned shard)
{
	struct loop *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	if (uv_loop_init(&l->uv) < 0) {
		free(l);
		return NULL;
	}
	descriptors_add(LOOP_DESCRIPTORS);
	if (uv_async_init(&l->uv, &l->async, deliver_all) < 0 || uv_prepare_init(&l->uv, &l->prepare) < 0 ||
	    uv_timer_init(&l->uv, &l->wake) < 0)
		abort(); /* cannot fail on a fresh loop but for memory, and this is the start */
	l->async.data = l->prepare.data = l->wake.data = l;
	uv_prepare_start(&l->prepare, before_wait);
	span_copy(l->name, sizeof l->name, span_str(name));
	l->shard = shard;
	l->slow_turns = tm_series_of(TM_SLOW_TURNS, &(struct span){ l->name, strlen(l->name) }, 1);
	l->armed_ns = UINT64_MAX;
	rng_seed(&l->rng, rng_entropy());
	wheel_init(&l->wheel, clock_now_ns());
	return l;
}

void loop_run(struct loop *l)
{
	tm_thread_shard(l->shard);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	log_flush();
}

static void *thread_main(void *arg)
{
	struct loop *l = arg;
	(void)pthread_setname_np(pthread_self(), l->name);
	loop_run(l);
	return NULL;
}

int loop_start(struct loop *l)
{
	return pthread_create(&l->thread, NULL, thread_main, l) == 0 ? 0 : -PS_ENOMEM;
}

void loop_join(struct loop *l)
{
	(void)pthread_join(l->thread, NULL);
}

void loop_stop(struct loop *l)
{
	atomic_store_explicit(&l->stopping, true, memory_order_release);
	uv_async_send(&l->async);
}

static void close_one(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void loop_free(struct loop *l)
{
	/* The owners of sockets have closed them; what is left are the loop's own handles and closings under way. */
	uv_walk(&l->uv, close_one, NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	(void)uv_loop_close(&l->uv);
	descriptors_add(-LOOP_DESCRIPTORS);
	free(l);
}

uint64_t loop_refresh_now(struct loop *l)
{
	l->now = clock_now_ns();
	l->now_known = true;
	return l->now;
}

uint64_t loop_now(struct loop *l)
{
	return l->now_known ? l->now : loop_refresh_now(l);
}

char *loop_scratch(struct loop *l)
{
	return l->scratch;
}

struct rng *loop_rng(struct loop *l)
{
	return &l->rng;
}

void loop_on_turn_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
	l->turn_end = fn;
	l->turn_end_arg = arg;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

void loop_post(struct loop *l, struct mail *m)
{
	struct mail *newest = atomic_load_explicit(&l->box, memory_order_relaxed);
	do {
		m->next = newest;
	} while (!atomic_compare_exchange_weak_explicit(&l->box, &newest, m, memory_order_release,
							memory_order_relaxed));
	if (!newest)
		uv_async_send(&l->async);
}
