/* How much memory this process may use: the bound that body memory is a quarter of (design §7). */
#ifndef PS_CONTROL_MEMORY_LIMIT_H
#define PS_CONTROL_MEMORY_LIMIT_H

#include <stdint.h>

/* The smallest of the machine's memory and the limits of this process's control groups (v2 memory.max, v1
 * memory.limit_in_bytes), in bytes. `proc` and `sys` are "/proc" and "/sys" (tests give folders of their own). Reads
 * files: at start only. */
uint64_t memory_limit_bytes(const char *proc, const char *sys);

#endif
