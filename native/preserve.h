/*
 * preserve: open descriptors of the caller's that a container's first process gets, under the numbers that they have. In every process on the
 * way they are close-on-exec, so that no program that helps us inherits them, until the stage is executed.
 */
#ifndef PROA_PRESERVE_H
#define PROA_PRESERVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct preserved {
	int *fds; /* owned; in any order */
	size_t n;
};

/* Read LIST, an array of numbers above 2, or NULL for none. Return: 0 with OUT, or -errno with ERR. */
int preserve_parse(json_t *list, struct preserved *out, struct err *err);

/* As a list for preserve_parse(); NULL where there are none. */
json_t *preserve_list(const struct preserved *preserved);

/* Whether they are closed when a program is executed. NULL: none. */
void preserve_on_exec(const struct preserved *preserved, bool keep);

/* Close and forget them: the container has its own. NULL: none. */
void preserve_close(struct preserved *preserved);

/* Close every descriptor above 2 but those of PRESERVED (may be NULL) and the N in MORE; negative ones there count as none. Return: 0 or -errno. */
int preserve_close_others(const struct preserved *preserved, const int *more, size_t n);

#endif
