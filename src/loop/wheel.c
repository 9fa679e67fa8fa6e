/* Timers: a hashed hierarchical wheel (Varghese and Lauck 1987, scheme 7).
 *
 *   level 0:  64 slots of 1 tick       what ends within 64 ticks (256 ms)
 *   level 1:  64 slots of 64 ticks     … 16 s
 *   level 2:  64 slots of 4096 ticks   … 17 min        and so on; beyond the last level it waits in its farthest slot
 *
 * Setting and clearing are constant time. When the wheel passes the start of a slot of a higher level, its timers move
 * down. A bitmap per level finds the next busy slot without looking at empty ones, so an idle loop does not wake. */
#include "loop/internal.h"

static uint64_t width(int level)
{
	return (uint64_t)1 << (6 * level);
}

void wheel_init(struct wheel *w, uint64_t now)
{
	*w = (struct wheel){ .tick = now / WHEEL_TICK_NS };
	for (int k = 0; k < WHEEL_LEVELS; k++)
		for (int i = 0; i < WHEEL_SLOTS; i++)
			list_init(&w->slot[k][i]);
}

void wheel_add(struct wheel *w, struct timer *t)
{
	uint64_t tick = t->at_ns / WHEEL_TICK_NS + 1; /* up to a tick late, never early */
	if (tick < w->tick)
		tick = w->tick;
	uint64_t far = tick - w->tick;
	int k = 0;
	while (k < WHEEL_LEVELS - 1 && far >= width(k + 1))
		k++;
	if (far >= width(WHEEL_LEVELS))
		tick = w->tick + width(WHEEL_LEVELS) - width(WHEEL_LEVELS - 1);
	unsigned i = (unsigned)(tick >> (6 * k)) % WHEEL_SLOTS;
	list_push_back(&w->slot[k][i], &t->node);
	w->busy[k] |= UINT64_C(1) << i;
}

/* Moves a slot's timers to `out` and marks it empty. */
static void take_slot(struct wheel *w, int k, unsigned i, struct list *out)
{
	list_init(out);
	struct list *slot = &w->slot[k][i];
	w->busy[k] &= ~(UINT64_C(1) << i);
	if (list_empty(slot))
		return;
	*out = *slot;
	out->next->prev = out->prev->next = out;
	list_init(slot);
}

/* The wheel has come to a tick where slots of higher levels begin: their timers belong lower now. */
static void cascade(struct wheel *w)
{
	for (int k = 1; k < WHEEL_LEVELS && w->tick % width(k) == 0; k++) {
		struct list moved;
		take_slot(w, k, (unsigned)(w->tick >> (6 * k)) % WHEEL_SLOTS, &moved);
		list_each (it, next, &moved) {
			list_remove(it);
			wheel_add(w, container_of(it, struct timer, node));
		}
	}
}

static void fire_due(struct wheel *w, struct list *due, uint64_t now)
{
	while (!list_empty(due)) {
		struct timer *t = list_first(due, struct timer, node);
		list_remove(&t->node);
		if (t->at_ns > now) {
			wheel_add(w, t);
			continue;
		}
		t->at_ns = 0;
		t->fire(t, now);
	}
}

/* Ticks from `tick` to the next busy slot of level k, counting the slot that begins at `tick`; UINT64_MAX when none is.
 */
static uint64_t ticks_to_busy(const struct wheel *w, int k)
{
	if (!w->busy[k])
		return UINT64_MAX;
	uint64_t at = w->tick >> (6 * k);
	unsigned i = (unsigned)at % WHEEL_SLOTS;
	bool begun = w->tick % width(k) != 0; /* the slot we stand in has been emptied already */
	unsigned from = (i + begun) % WHEEL_SLOTS;
	uint64_t turned = from ? (w->busy[k] >> from) | (w->busy[k] << (WHEEL_SLOTS - from)) : w->busy[k];
	uint64_t slots = (uint64_t)__builtin_ctzll(turned) + begun;
	return ((at + slots) << (6 * k)) - w->tick;
}

static uint64_t next_tick(const struct wheel *w)
{
	uint64_t best = UINT64_MAX;
	for (int k = 0; k < WHEEL_LEVELS; k++) {
		uint64_t d = ticks_to_busy(w, k);
		if (d < best)
			best = d;
	}
	return best == UINT64_MAX ? best : w->tick + best;
}

uint64_t wheel_next_ns(const struct wheel *w)
{
	uint64_t tick = next_tick(w);
	return tick == UINT64_MAX ? tick : tick * WHEEL_TICK_NS;
}

void wheel_advance(struct wheel *w, uint64_t now)
{
	uint64_t end = now / WHEEL_TICK_NS;
	for (;;) {
		uint64_t tick = next_tick(w);
		if (tick > end)
			break;
		struct list due;
		w->tick = tick;
		cascade(w);
		take_slot(w, 0, (unsigned)(tick % WHEEL_SLOTS), &due);
		/* First on to the next tick: what a timer sets while it fires must not land behind us. */
		w->tick = tick + 1;
		cascade(w);
		fire_due(w, &due, now);
	}
	if (w->tick <= end)
		w->tick = end;
}

void timer_init(struct timer *t, void (*fire)(struct timer *t, uint64_t now))
{
	list_init(&t->node);
	t->at_ns = 0;
	t->fire = fire;
}

void timer_set(struct loop *l, struct timer *t, uint64_t at_ns)
{
	list_remove(&t->node);
	t->at_ns = at_ns ? at_ns : 1;
	wheel_add(&l->wheel, t);
}

void timer_clear(struct timer *t)
{
	list_remove(&t->node);
	t->at_ns = 0;
}
