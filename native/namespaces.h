/*
 * namespaces: `linux.namespaces` of the runtime spec.
 */
#ifndef PROA_NAMESPACES_H
#define PROA_NAMESPACES_H

#include <stdbool.h>

#include "bundle.h"
#include "err.h"

#define NAMESPACE_TYPES 8

/* A path below /proc is another's when its pid is, and a bundle is used again when a container is started again. */
#define NAMESPACE_ANNOTATION "proa.namespace."

struct namespaces {
	unsigned int fresh;  /* CLONE_NEW*: to be made */
	unsigned int joined; /* CLONE_NEW*: of the paths below */
	struct namespace_path {
		int flag;
		const char *path; /* borrowed from the bundle */
		ino_t inode;      /* which one it was when the bundle was written (annotation NAMESPACE_ANNOTATION and its type); 0: not told */
	} paths[NAMESPACE_TYPES];
	unsigned int n_paths; /* the user namespace comes first */
};

/* Read the bundle's list; a type that is absent is shared with the host. Return: 0, or -errno with ERR. */
int namespaces_parse(const struct bundle *bundle, struct namespaces *out, struct err *err);

/* Make the namespaces FLAGS. Return: 0, or -errno with ERR naming the first that cannot be made. */
int namespaces_unshare(unsigned int flags, struct err *err);

/* Enter those with a path, for this process (pid: for its children). Return: 0, or -errno with ERR. */
int namespaces_join(const struct namespaces *namespaces, struct err *err);

/* Fill ERR for a user namespace that could not be made, with the kernel's setting that forbids it. Return: -CODE. */
int namespaces_user_error(int code, struct err *err);

#endif
