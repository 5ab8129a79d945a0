/*
 * tree: removing and copying directory trees that mapped ids own.
 *
 * Both work on descriptors, follow no link, and take trees of any depth: their own list of levels grows, not the stack, and only the
 * upper levels keep a descriptor open.
 */
#ifndef PROA_TREE_H
#define PROA_TREE_H

#include <stddef.h>
#include <stdint.h>

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

/* A line of a table of owners: ids from INSIDE on are to be OUTSIDE and on. */
struct id_map;

enum tree_data {
	TREE_DATA_COPY,
	TREE_DATA_REDIRECT,        /* files without data, which overlay finds in a data layer at the same path (metacopy, redirect) */
	TREE_DATA_REDIRECT_PUBLIC, /* only those that everybody may read on their way and themselves; the others are copied */
};

/* How a copy differs from what it is made of. All ids are those of the user namespace that this runs in. */
struct tree_change {
	const struct id_map *uid, *gid; /* an id that has no line becomes ROOT_*, and loses its set-id bits */
	size_t n_uid, n_gid;
	uint32_t root_uid, root_gid;    /* file capabilities hold for a user namespace whose root this is */
	enum tree_data data;
	const int *layers;              /* what a merged view that is copied is made of: data is looked for in each */
	size_t n_layers;
};

/* As tree_copy(), with owners that are changed by CHANGE. */
int tree_copy_changed(int from, int to, const struct tree_change *change, struct err *err);

#endif
