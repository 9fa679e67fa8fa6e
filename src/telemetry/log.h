/* Inside telemetry: how finished lines reach the thread that writes them. */
#ifndef PS_TELEMETRY_LOG_H
#define PS_TELEMETRY_LOG_H

#include <stdatomic.h>

#include "telemetry/telemetry.h"

/* What may be logged and how; -1: nothing. Written by log_start and log_stop, read relaxed by everybody: a thread that
 * sees it late logs or drops a line more. */
struct log_setting {
	_Atomic int level;
	_Atomic bool json;
};
extern struct log_setting log_setting;

/* Whole lines, on their way from a thread to the writer. */
struct log_block {
	struct log_block *next;
	struct buf lines;
	uint64_t count;
};

/* Takes the block, written and freed by the writer; or, when it is too far behind, dropped and counted. Any thread;
 * never waits. */
void log_hand_over(struct log_block *block);
/* Hands over what the calling thread has, without looking at the clock. */
void log_hand_over_mine(void);

#endif
