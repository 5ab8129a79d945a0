/*
 * forest: an overlay over a directory that has other file systems mounted in it, as `/` has.
 *
 * In a user namespace the kernel refuses that: what lies below the host's mounts would come to light. So each directory
 * that is free of mounts gets an overlay of its own, and the few above them are made anew on a tmpfs.
 */
#ifndef PROA_FOREST_H
#define PROA_FOREST_H

#include "err.h"

/*
 * Build the tree of LOWER, an absolute path, in "root" of the tmpfs BASE, which is attached at the path TARGET and
 * also takes all that is written. What is mounted from memory or from the kernel (/proc, /dev, /run …) is left empty.
 * Return: a detached mount of the whole tree, or -errno with ERR.
 */
int forest_mount(const char *lower, int base, const char *target, struct err *err);

#endif
