/* DNS names of replicas: asked through libuv's threads, asked again every 30 s, never on a worker. Control's thread. */
#ifndef PS_CONTROL_NAMES_H
#define PS_CONTROL_NAMES_H

#include "base/base.h"
#include "loop/loop.h"

struct addrinfo;

enum {
	NAMES_MAX = 10000,
	NAME_TEXT_MAX = 256,	 /* RFC 1035 §2.3.4: 255 bytes */
	NAME_ADDRESSES_MAX = 64, /* per name; more are cut */
};

#define NAMES_INTERVAL_NS (30 * NS_PER_S)
#define NAMES_RETRY_NS (2 * NS_PER_S) /* after a failure */
/* A name that is known not to exist any more keeps its last addresses for so long. One that only cannot be asked keeps
 * them. */
#define NAMES_KEEP_NS (600 * NS_PER_S)

struct names;

/* What is known of a name. Without a port. */
struct name_answer {
	const struct address *addresses; /* borrowed until the next turn */
	uint32_t count;
	bool asked; /* false: the first answer is still to come */
};

/* `changed` is called on the loop when some name's addresses have become others, or its first answer came. NULL without
 * memory. */
struct names *names_new(struct loop *l, void (*changed)(void *arg), void *arg);
/* What is known of a name now; a new one is asked. -PS_ENOMEM, -PS_ETOOBIG. */
int names_find(struct names *all, struct span host, struct name_answer *ret) MUST_CHECK;
/* Names not looked up since the last call are forgotten. */
void names_sweep(struct names *all);
/* Names whose first answer is still to come. */
unsigned names_waiting(const struct names *all);
/* The loop must have ended, or none be under way. */
void names_free(struct names *all);

/* An answer as getaddrinfo gives it (status 0 or EAI_…), for the resolver and for tests. */
void names_answered(struct names *all, struct span host, int status, const struct addrinfo *list, uint64_t now);

#endif
