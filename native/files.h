/*
 * files: the root file system that a verb looks at from outside, whatever its container does: that of one that runs, through its own namespaces, that of one that
 * does not, through a mount made for the call, or the host's.
 *
 * Nothing is ever loaded or executed from it: this program is static, asks no name service and starts nothing once it is inside. Paths are resolved below the root's
 * descriptor (path.h).
 */
#ifndef PROA_FILES_H
#define PROA_FILES_H

#include <jansson.h>
#include <stdbool.h>

#include "err.h"

#define FILES_EXIT 1 /* exit status of a command whose files could not be read or written: no container has failed to run */

/*
 * Read ROOT of PROTOCOL.md (PIDFD, taken, is of a running container's first process, else -1), go there, and run FUNCTION(ROOT, DATA), where ROOT is a descriptor of the top. It runs in this process or in a child, and returns the
 * exit status. FUNCTION is called at most once.
 * Return: its exit status, or -errno with ERR when it was not called.
 */
int files_in_root(json_t *root, int pidfd, int (*function)(int root, void *data), void *data, struct err *err);

#endif
