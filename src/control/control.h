/* The door of control: sources → configuration → snapshot → workers.
 *
 * Control reads what the flags and files say, keeps the live pools and their replicas, compiles a snapshot for each
 * accepted change and publishes it. A change that does not validate changes nothing. Everything on control's loop,
 * except what says otherwise. */
#ifndef PS_CONTROL_CONTROL_H
#define PS_CONTROL_CONTROL_H

#include "control/flags.h"
#include "control/handover.h"
#include "control/memory_limit.h"
#include "control/sockets.h"
#include "gate/gate.h"
#include "loop/loop.h"
#include "probe/probe.h"

struct control;

/* What control is made of; all of it is borrowed for its life. */
struct control_options {
	struct loop *loop;
	const struct serve_flags *flags;
	const struct gate_sink *sink; /* for requests that a change of replicas lets go */
	struct probe *probe;	      /* who asks replicas; must live longer than control. NULL: nobody does */
	/* A new snapshot is in force. Borrowed during the call: take a reference for each worker. */
	void (*on_snapshot)(void *arg, struct snapshot *s);
	/* Once: the first configuration's names and replicas have been asked, or 2 s have passed. */
	void (*on_settled)(void *arg);
	void *arg;
};

/* NULL without memory. */
struct control *control_new(const struct control_options *o);
/* Reads everything and puts it into force. The first time: before the loop runs, on the thread that made it.
 * -PS_ECONFIG, -PS_ENOMEM: what is wrong is in `errors`, a line each, and nothing has changed. */
int control_load(struct control *c, struct config_errors *errors) MUST_CHECK;
/* From here on changes are noticed and on_settled will be called. After the first load, before the loop runs. */
void control_watch(struct control *c);
/* Reads everything again, soon. Any thread (SIGHUP). */
void control_reload(struct control *c);
/* The snapshot in force; borrowed. On the loop, or before it runs. */
struct snapshot *control_snapshot(struct control *c);
/* Stops watching and asking, on the loop or after it has ended. */
void control_stop(struct control *c);
/* The workers must have given back every snapshot and the loop must have ended. */
void control_free(struct control *c);

#endif
