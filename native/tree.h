/*
 * tree: removing and copying directory trees that mapped ids own.
 *
 * Both work on descriptors, follow no link, and take trees of any depth: their own list of levels grows, not the stack, and only the
 * upper levels keep a descriptor open.
 */
#ifndef PROA_TREE_H
#define PROA_TREE_H

#include "err.h"

/*
 * Remove PATH and everything below it without following a link or crossing into another mount; what is already gone is no error.
 * Directories without permissions are made searchable first. Goes on after a failure.
 * Return: 0, or -errno of the first failure with ERR.
 */
int tree_remove(const char *path, struct err *err);

/* The same for NAME in the directory DIR. */
int tree_remove_at(int dir, const char *name, struct err *err);

/*
 * Copy the content of directory FROM into the directory TO, and FROM's own attributes to TO: owners, modes, times to the nanosecond, extended
 * attributes, hard links within the tree, holes. Data is shared where the file system can (reflinks). Sockets and devices other
 * than overlay's whiteouts are left out. Stops at the first failure.
 * Return: 0 or -errno with ERR.
 */
int tree_copy(int from, int to, struct err *err);

#endif
