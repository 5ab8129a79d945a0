/*
 * tree_internal: the list of levels that tree_remove() and tree_copy() walk with.
 */
#ifndef PROA_TREE_INTERNAL_H
#define PROA_TREE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "tree.h"

/* Names of a directory, each with a NUL, one behind the other. */
struct tree_names {
	char *text;
	size_t size, room, at; /* at: of the next name to be taken */
};

/* One open directory on the way down. */
struct tree_level {
	int fd;             /* -1 while it is closed to save descriptors */
	dev_t dev;
	ino_t ino;          /* to know it again when it is opened through ".." */
	struct tree_names names;
};

#define TREE_OPEN_LEVELS 64 /* the upper levels whose descriptors stay open */

void tree_names_add(struct tree_names *names, const char *name);

/* In the order of their bytes, before any is taken: what is made of them does not depend on the file system. */
void tree_names_sort(struct tree_names *names);

/* The next name, or NULL. */
const char *tree_names_next(struct tree_names *names);

/*
 * Open the directory NAME in PARENT for reading, without following a link or entering another mount.
 * Return: the descriptor, or -errno (-EXDEV: another mount).
 */
int tree_open(int parent, const char *name);

/* Start a level with FD, which is taken. Return: 0 or -errno. */
int tree_level_begin(struct tree_level *level, int fd);

/* Open LEVEL again from FD, a directory just below it. Return: 0, or -errno (-ESTALE: the tree was moved about). */
int tree_level_reopen(struct tree_level *level, int below);

void tree_level_end(struct tree_level *level);

/* Call VISIT for each entry of the directory FD but "." and "..": its d_type may be DT_UNKNOWN. Return: 0, -errno, or what VISIT returned if not 0. */
int tree_list(int fd, int (*visit)(void *data, int fd, const char *name, unsigned char type), void *data);

#endif
