/*
 * seccomp: `linux.seccomp` of the runtime spec as a filter program, compiled once and kept in a file.
 */
#ifndef PROA_SECCOMP_H
#define PROA_SECCOMP_H

#include <jansson.h>
#include <linux/filter.h>

#include "err.h"

struct seccomp_filter {
	struct sock_filter *code; /* owned; NULL: no filter is asked for */
	unsigned short length;
	unsigned int flags;       /* SECCOMP_FILTER_FLAG_* */
};

/*
 * Open the compiled filter at PATH. Return: a descriptor, or -1 where there is none that can be trusted: a regular file of
 * our own that nobody else can write, of a size that can be a program.
 */
int seccomp_open_cache(const char *path);

/*
 * Get the filter for CONFIG (`linux.seccomp`, or NULL for none): read from CACHE_FD (-1: none), else compiled, and then
 * written to CACHE_PATH where that is not NULL. Return: 0, or -errno with ERR.
 */
int seccomp_prepare(json_t *config, int cache_fd, const char *cache_path, struct seccomp_filter *out, struct err *err);

/* Install the filter. Needs CAP_SYS_ADMIN or no_new_privs. Return: 0, or -errno with ERR. */
int seccomp_install(const struct seccomp_filter *filter, struct err *err);

#endif
