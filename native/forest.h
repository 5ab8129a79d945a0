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
 * Build the tree of LOWER, an absolute path, in the directory "root" of the tmpfs BASE, whose "upper" and "work" take all that
 * is written. PATH is a name of BASE. What is mounted from memory or from the kernel (/proc, /dev, /run …) is left empty.
 * Return: 0, or -errno with ERR.
 */
int forest_mount(const char *lower, int base, const char *path, struct err *err);

#endif
