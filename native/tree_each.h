/*
 * tree_each: something done to every file of a tree, on descriptors: no link is followed and no other mount entered.
 */
#ifndef PROA_TREE_EACH_H
#define PROA_TREE_EACH_H

#include <sys/stat.h>
#include <sys/types.h>

#include "err.h"

/*
 * Call VISIT for the directory FD itself (NAME "") and for everything below it: DIR is the directory that NAME is in, ST what it is.
 * Stops when VISIT returns less than 0. Return: 0, or -errno with ERR, whose step is STEP.
 */
int tree_each(int fd, int (*visit)(void *data, int dir, const char *name, const struct stat *st), void *data,
	      const char *step, struct err *err);

/* Give FD (O_PATH will do; a directory with all that is below) to UID and GID. Return: 0, or -errno with ERR. */
int tree_chown(int fd, uid_t uid, gid_t gid, struct err *err);

#endif
