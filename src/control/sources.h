/* The manifest files of `-f`: reading them, and noticing that they changed. Control's thread. */
#ifndef PS_CONTROL_SOURCES_H
#define PS_CONTROL_SOURCES_H

#include "base/base.h"
#include "config/config.h"

/* Files read at most, and levels of folders followed (a folder's own files only). */
enum { SOURCE_FILES_MAX = 10000 };

/* Texts and names on the heap. Owner: the caller, until sources_free. */
struct sources {
	struct config_source *items;
	uint32_t count, cap;
};

/* Reads each path: a file, or a folder's *.yaml, *.yml and *.json in the order of their names (hidden files and folders
 * left out, as Kubernetes mounts a ConfigMap with them). -PS_EIO, -PS_ETOOBIG, -PS_ENOMEM: `e` names the file; *s is
 * freed. */
int sources_read(struct sources *s, const struct span *paths, uint32_t n, struct err *e) MUST_CHECK;
/* One more text, copied (what the flags stand for). */
int sources_add(struct sources *s, struct span name, struct span bytes) MUST_CHECK;
void sources_free(struct sources *s);

/* A number that changes when one of the files changes, comes or goes: names, inodes, sizes and times of change. Reads
 * no contents. */
uint64_t sources_signature(const struct span *paths, uint32_t n);

#endif
