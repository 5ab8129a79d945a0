/*
 * userns: user namespaces and their id maps.
 */
#ifndef PROA_USERNS_H
#define PROA_USERNS_H

#include <sys/types.h>

#include "err.h"
#include "request.h"

/*
 * Write the id maps of PID, a child that waits in a fresh user namespace: one line that maps our own id is written
 * directly (setgroups denied), real root writes any, otherwise newuidmap and newgidmap run, both at once.
 * Return: 0 or -errno with ERR (the words of newuidmap in detail).
 */
int userns_write_maps(pid_t pid, const struct id_maps *maps, struct err *err);

/*
 * As real root, for whom the root of the container is another id: give PATH, where it is real root's, to that id. An ordinary
 * user's directories are the container root's already. Return: 0, or -errno with ERR.
 */
int userns_give(const char *path, const struct id_maps *maps, struct err *err);

/*
 * Fork a child that is root (0:0, all capabilities) of a new user namespace with MAPS and of a new private mount
 * namespace, and run FUNCTION(DATA) in it; its return value is the child's exit status.
 * Return: 0 with *PID, or -errno with ERR and no child.
 */
int userns_spawn(const struct id_maps *maps, int (*function)(void *), void *data, pid_t *pid, struct err *err);

/*
 * As userns_spawn(); before the maps are written, in the mount namespace of its own but still with the caller's own user id, PREPARE(DATA, ERR) opens what only that may
 * be let to. It returns 0, or -errno with ERR, and then there is no child.
 */
int userns_spawn_prepared(const struct id_maps *maps, int (*prepare)(void *, struct err *), int (*function)(void *), void *data,
			  pid_t *pid, struct err *err);

/*
 * As userns_spawn(), inside the user namespace behind FD instead of a new one, and wait for the end.
 * Return: the exit status of FUNCTION (0-255), or -errno with ERR.
 */
int userns_enter_and_run(int fd, int (*function)(void *), void *data, struct err *err);

#endif
