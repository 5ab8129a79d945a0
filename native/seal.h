/*
 * seal: this executable in a form that nobody can write, to be executed where a container can see it (stage.h says why).
 *
 * Either an overlay of read-only layers alone, made in the mount namespace of the process that is about to enter the container:
 * such a file system can never be made writable, whatever capabilities one has, and its pages are those of the file on the disk.
 * Or, where that cannot be had, a copy in a memfd that is sealed against writing, which costs a millisecond or two.
 * A read-only bind mount would be no protection: with CAP_SYS_ADMIN it can be cloned and made writable.
 */
#ifndef PROA_SEAL_H
#define PROA_SEAL_H

#include <stddef.h>

#include "err.h"

/*
 * Open the sealed executable. EMPTY, an absolute path, is any directory; NULL says that we have no mount namespace of our own,
 * so that only the memfd is left. Return: a close-on-exec descriptor to be executed, or -errno with ERR.
 */
int seal_open(const char *empty, struct err *err);

/* A program of LEN bytes in a sealed memfd called NAME. Return: a close-on-exec descriptor to be executed, or -errno with ERR. */
int seal_copy(const char *name, const void *program, size_t len, struct err *err);

#endif
