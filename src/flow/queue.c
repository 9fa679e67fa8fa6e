/* The queue of held requests: first come, first served. Between admission and the pick, under the pool's lock.
 *
 * Two intrusive lists over the same items: by arrival (the order of service) and by deadline (the order of giving up).
 * Both are nearly sorted as they are built, so an insertion looks from both ends at once and finds its place in a step
 * or two: newcomers belong at the back, repeats with their old arrival at the front. */
#include "flow/flow.h"

typedef uint64_t (*key_fn)(const struct list *node);

static uint64_t arrival(const struct list *node)
{
	return container_of((struct list *)(uintptr_t)node, struct flow_item, node)->arrived_ns;
}

static uint64_t deadline(const struct list *node)
{
	return container_of((struct list *)(uintptr_t)node, struct flow_item, by_deadline)->deadline_ns;
}

/* Behind the last node whose key is not greater. */
static void insert_sorted(struct list *head, struct list *n, key_fn key)
{
	uint64_t k = key(n);
	struct list *back = head->prev, *front = head->next;
	while (back != head && key(back) > k) {
		if (key(front) > k) {
			back = front->prev;
			break;
		}
		back = back->prev;
		front = front->next;
	}
	list_insert(n, back, back->next);
}

void flow_queue_init(struct flow_queue *q, uint32_t max)
{
	*q = (struct flow_queue){ .max = max };
	list_init(&q->items);
	list_init(&q->by_deadline);
}

int flow_queue_push(struct flow_queue *q, struct flow_item *it)
{
	if (q->count >= q->max)
		return -PS_EQUEUEFULL;
	flow_queue_push_back_in(q, it);
	return 0;
}

void flow_queue_push_back_in(struct flow_queue *q, struct flow_item *it)
{
	insert_sorted(&q->items, &it->node, arrival);
	insert_sorted(&q->by_deadline, &it->by_deadline, deadline);
	q->count++;
	q->bytes += it->bytes;
}

void flow_queue_remove(struct flow_queue *q, struct flow_item *it)
{
	list_remove(&it->node);
	list_remove(&it->by_deadline);
	q->count--;
	q->bytes -= it->bytes;
}

static struct flow_item *item_at(const struct flow_queue *q, struct list *node)
{
	return node == &q->items ? NULL : container_of(node, struct flow_item, node);
}

struct flow_item *flow_queue_head(const struct flow_queue *q)
{
	return item_at(q, q->items.next);
}

struct flow_item *flow_queue_after(const struct flow_queue *q, const struct flow_item *it)
{
	return item_at(q, it->node.next);
}

struct flow_item *flow_queue_expired(const struct flow_queue *q, uint64_t now)
{
	struct list *n = q->by_deadline.next;
	if (n == &q->by_deadline)
		return NULL;
	struct flow_item *it = container_of(n, struct flow_item, by_deadline);
	return it->deadline_ns <= now ? it : NULL;
}
