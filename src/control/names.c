/* DNS names to addresses, kept fresh.
 *
 * One entry per name: asked at once, again 30 s after each answer, one question per name at a time. What an answer
 * does:
 *
 *   addresses         they replace the last ones
 *   no such name      the last ones stay for NAMES_KEEP_NS after the last good answer, then go
 *   cannot be asked   the last ones stay: a resolver that is down says nothing of the replicas
 *
 * IPv4 addresses are used when there are any, else IPv6 ones: "localhost" and dual-stack names give both for the same
 * server, which would then be counted as two replicas. getaddrinfo (RFC 3493) runs on libuv's threads. Control's
 * thread. */
#include "control/names.h"

#include <netdb.h>
#include <stdlib.h>

#include <uv.h>

#include "telemetry/telemetry.h"

struct name {
	struct names *owner; /* NULL: names_free came first; the answer on its way frees it */
	char host[NAME_TEXT_MAX];
	struct address *addresses;
	uint32_t count;
	bool asked, asking, wanted;
	bool failing; /* the last answer was none: said once in the log */
	uint64_t good_at, next_at;
	uv_getaddrinfo_t rq;
};

struct names {
	struct loop *loop;
	struct map all; /* host -> struct name */
	unsigned waiting;
	void (*changed)(void *arg);
	void *arg;
	struct timer timer; /* for the one that is due next */
};

static void name_free(struct name *n)
{
	free(n->addresses);
	free(n);
}

/* ---- answers ---- */

/* The list's addresses of one family, appended; the number so far. */
static uint32_t copy_family(struct address *to, uint32_t n, const struct addrinfo *list, int family)
{
	for (; list && n < NAME_ADDRESSES_MAX; list = list->ai_next) {
		if (list->ai_family != family || list->ai_addrlen > sizeof to->sa)
			continue;
		to[n] = (struct address){ .len = list->ai_addrlen };
		memcpy(&to[n].sa, list->ai_addr, list->ai_addrlen);
		n++;
	}
	return n;
}

static bool holds(const struct address *set, uint32_t n, const struct address *a)
{
	for (uint32_t i = 0; i < n; i++) {
		if (address_eq(&set[i], a))
			return true;
	}
	return false;
}

/* Resolvers rotate their answers: the order means nothing. */
static bool same_set(const struct address *a, uint32_t an, const struct address *b, uint32_t bn)
{
	for (uint32_t i = 0; i < an; i++) {
		if (!holds(b, bn, &a[i]))
			return false;
	}
	for (uint32_t i = 0; i < bn; i++) {
		if (!holds(a, an, &b[i]))
			return false;
	}
	return true;
}

/* Takes over `fresh`; true when the set has changed. */
static bool replace(struct name *n, struct address *fresh, uint32_t count)
{
	bool same = same_set(n->addresses, n->count, fresh, count);
	free(n->addresses);
	n->addresses = fresh;
	n->count = count;
	return !same;
}

static bool good_answer(struct name *n, const struct addrinfo *list, uint64_t now)
{
	struct address *fresh = calloc(NAME_ADDRESSES_MAX, sizeof *fresh);
	if (!fresh)
		return false; /* the last ones stay */
	uint32_t count = copy_family(fresh, 0, list, AF_INET);
	if (count == 0)
		count = copy_family(fresh, 0, list, AF_INET6);
	n->good_at = now;
	return replace(n, fresh, count);
}

static bool no_such_name(int status)
{
	return status == EAI_NONAME || status == EAI_NODATA;
}

/* True when what is known has changed. */
static bool answer(struct name *n, int status, const struct addrinfo *list, uint64_t now)
{
	bool first = !n->asked;
	n->asked = true;
	if (status == 0)
		return good_answer(n, list, now) || first;
	if (no_such_name(status) && n->count && now - n->good_at >= NAMES_KEEP_NS)
		return replace(n, NULL, 0);
	return first;
}

static void note(struct name *n, int status)
{
	if (status != 0 && !n->failing)
		log_event(LOG_WARN, "name_unresolved", "name", n->host, "reason", gai_strerror(status), NULL);
	else if (status == 0 && n->failing)
		log_event(LOG_INFO, "name_resolved", "name", n->host, NULL);
	n->failing = status != 0;
}

void names_answered(struct names *all, struct span host, int status, const struct addrinfo *list, uint64_t now)
{
	struct name *n = map_find(&all->all, host);
	if (!n)
		return;
	if (!n->asked)
		all->waiting--;
	note(n, status);
	n->next_at = now + (status == 0 ? NAMES_INTERVAL_NS : NAMES_RETRY_NS);
	if (answer(n, status, list, now))
		all->changed(all->arg);
}

/* ---- asking ---- */

/* libuv has error numbers of its own. */
static int eai_of(int uv_status)
{
	switch (uv_status) {
	case 0:
		return 0;
	case UV_EAI_NONAME:
		return EAI_NONAME;
	case UV_EAI_NODATA:
		return EAI_NODATA;
	default:
		return EAI_AGAIN;
	}
}

static void arm(struct names *all)
{
	uint64_t next = UINT64_MAX;
	uint32_t i = 0;
	for (struct name *n = map_next(&all->all, &i); n; n = map_next(&all->all, &i)) {
		if (!n->asking && n->next_at < next)
			next = n->next_at;
	}
	if (next == UINT64_MAX)
		timer_clear(&all->timer);
	else
		timer_set(all->loop, &all->timer, next);
}

static void on_answer(uv_getaddrinfo_t *rq, int status, struct addrinfo *list)
{
	struct name *n = container_of(rq, struct name, rq);
	struct names *all = n->owner;
	n->asking = false;
	if (all) {
		names_answered(all, span_str(n->host), eai_of(status), list, loop_now(all->loop));
		arm(all);
	} else {
		name_free(n);
	}
	uv_freeaddrinfo(list);
}

static void ask(struct names *all, struct name *n, uint64_t now)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	n->asking = uv_getaddrinfo(loop_uv(all->loop), &n->rq, on_answer, n->host, NULL, &hints) == 0;
	n->next_at = now + NAMES_INTERVAL_NS;
	if (!n->asking && !n->asked) { /* a text that can be no name */
		n->asked = true;
		all->waiting--;
	}
}

static void on_due(struct timer *t, uint64_t now)
{
	struct names *all = container_of(t, struct names, timer);
	uint32_t i = 0;
	for (struct name *n = map_next(&all->all, &i); n; n = map_next(&all->all, &i)) {
		if (!n->asking && n->next_at <= now)
			ask(all, n, now);
	}
	arm(all);
}

/* ---- the table ---- */

struct names *names_new(struct loop *l, void (*changed)(void *arg), void *arg)
{
	struct names *all = calloc(1, sizeof *all);
	if (!all)
		return NULL;
	*all = (struct names){ .loop = l, .changed = changed, .arg = arg };
	map_init(&all->all, NAMES_MAX);
	timer_init(&all->timer, on_due);
	return all;
}

static int name_add(struct names *all, struct span host, struct name **ret)
{
	if (host.n >= NAME_TEXT_MAX)
		return -PS_ETOOBIG;
	struct name *n = calloc(1, sizeof *n);
	if (!n)
		return -PS_ENOMEM;
	n->owner = all;
	span_copy(n->host, sizeof n->host, host);
	int r = map_put(&all->all, span_of(n->host, host.n), n);
	if (r < 0) {
		free(n);
		return r;
	}
	all->waiting++;
	ask(all, n, loop_now(all->loop));
	arm(all);
	*ret = n;
	return 0;
}

int names_find(struct names *all, struct span host, struct name_answer *ret)
{
	struct name *n = map_find(&all->all, host);
	int r = n ? 0 : name_add(all, host, &n);
	if (r < 0)
		return r;
	n->wanted = true;
	*ret = (struct name_answer){ n->addresses, n->count, n->asked };
	return 0;
}

/* Out of the table; an answer still on its way finds no owner. */
static void name_drop(struct names *all, struct name *n)
{
	(void)map_take(&all->all, span_str(n->host));
	if (!n->asked)
		all->waiting--;
	n->owner = NULL;
	if (!n->asking)
		name_free(n);
	else
		(void)uv_cancel((uv_req_t *)&n->rq);
}

/* One that is not wanted, or NULL. The map may not change while it is walked. */
static struct name *unwanted(struct names *all)
{
	uint32_t i = 0;
	for (struct name *n = map_next(&all->all, &i); n; n = map_next(&all->all, &i)) {
		if (!n->wanted)
			return n;
	}
	return NULL;
}

void names_sweep(struct names *all)
{
	for (struct name *n = unwanted(all); n; n = unwanted(all))
		name_drop(all, n);
	uint32_t i = 0;
	for (struct name *n = map_next(&all->all, &i); n; n = map_next(&all->all, &i))
		n->wanted = false;
}

unsigned names_waiting(const struct names *all)
{
	return all->waiting;
}

void names_free(struct names *all)
{
	uint32_t i = 0;
	if (!all)
		return;
	for (struct name *n = map_next(&all->all, &i); n; n = map_next(&all->all, &i))
		n->wanted = false;
	names_sweep(all);
	timer_clear(&all->timer);
	map_free(&all->all);
	free(all);
}
