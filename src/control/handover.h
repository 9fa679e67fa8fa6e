/* Handing over to a new process (SIGUSR2): the same command line, the same listening sockets, no connection refused.
 * Main thread.
 *
 *   old                                       new
 *   ---                                       ---
 *   dup sockets, spawn --- sockets, pipe ---> adopts the sockets, loads, listens
 *   waits, goes on serving  <--- one byte --- is ready (both accept now)
 *   drains, ends                              serves
 *
 * Without the byte within HANDOVER_READY_NS, or when the new process ends, it is killed and the old one goes on. */
#ifndef PS_CONTROL_HANDOVER_H
#define PS_CONTROL_HANDOVER_H

#include <sys/types.h>

#include "base/base.h"
#include "control/sockets.h"

#define HANDOVER_READY_NS (30 * NS_PER_S)
enum { GENERATIONS_MAX = 1000 };

/* What this process was given by the one before it, if any. */
struct inheritance {
	struct sockets sockets;
	int ready_fd;	   /* write end of the pipe; -1: nobody waits */
	int *ancestor_fds; /* ends of file of these: that ancestor is gone */
	uint32_t ancestor_count;
};

/* Reads and removes PENSTOCK_SOCKETS, PENSTOCK_READY and PENSTOCK_ANCESTORS. 0 or -PS_ENOMEM. */
int inheritance_take(struct inheritance *in) MUST_CHECK;
/* Tells the process before this one that it may drain. Once; without one, nothing happens. */
void inheritance_ready(struct inheritance *in);
/* Ancestors still alive. */
uint32_t inheritance_ancestors(struct inheritance *in);
/* Closes what was not taken. */
void inheritance_free(struct inheritance *in);

/* This process as the start of the next one. */
struct handover {
	char *program;	    /* absolute path, found at start: the file may be replaced since */
	char **argv;	    /* borrowed */
	int life_fd;	    /* write end, held until this process ends */
	int life_reader_fd; /* the end the next generation watches */
	pid_t pid;	    /* of the new process; 0: none under way */
	int ready_fd;	    /* read end; -1: none under way */
	uint64_t until;	    /* when it must have been ready, CLOCK_MONOTONIC */
};

/* Finds the program of argv[0]. 0 or -PS_ENOTFOUND, -PS_EIO, -PS_ENOMEM. */
int handover_init(struct handover *h, char **argv, struct err *e) MUST_CHECK;
/* Starts the new process with `sockets`, which stay the caller's. `in`: for the list of ancestors. -PS_EEXIST: one is
 * under way. */
int handover_begin(struct handover *h, struct inheritance *in, const int *sockets, uint32_t n, uint64_t now,
		   struct err *e) MUST_CHECK;

enum handover_result { HANDOVER_WAITING, HANDOVER_DONE, HANDOVER_FAILED };
/* Call when ready_fd is readable, or at `until`. FAILED: the new process is gone, this one goes on. */
enum handover_result handover_poll(struct handover *h, uint64_t now);
/* This process is told to end: so is one that is about to take over. */
void handover_stop(struct handover *h);
void handover_free(struct handover *h);

#endif
