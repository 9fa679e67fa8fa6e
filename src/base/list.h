/* Intrusive doubly linked list: a node lives in what it links, the head is a node too. */
#ifndef PS_BASE_LIST_H
#define PS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define list_first(head, type, member) container_of((head)->next, type, member)
/* `next` lets the body unlink `it`. */
#define list_each(it, next_, head)                                                                                     \
	for (struct list *it = (head)->next, *next_ = it->next; it != (head); it = next_, next_ = it->next)

static inline void list_init(struct list *h)
{
	h->next = h->prev = h;
}
static inline bool list_empty(const struct list *h)
{
	return h->next == h;
}
static inline void list_insert(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}
static inline void list_push_back(struct list *h, struct list *n)
{
	list_insert(n, h->prev, h);
}
static inline void list_push_front(struct list *h, struct list *n)
{
	list_insert(n, h, h->next);
}
/* Safe on a node that is in no list, if it was list_init'ed. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#endif
