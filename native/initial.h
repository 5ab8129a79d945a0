/*
 * initial: the program of `--init` on its way into a container: ours (init/init.c), or one that the user names (`--init-path`).
 *
 * Neither lies anywhere that the container could write: each is executed by descriptor, from a sealed memfd.
 */
#ifndef PROA_INITIAL_H
#define PROA_INITIAL_H

#include <signal.h>

#include "err.h"

#define INITIAL_NAME "/sbin/docker-init" /* what it is called in the container, as Docker has it */
#define INITIAL_LIMIT (16 << 20)         /* bytes of a program of the user's own */

/* Open the program at PATH of the host, or ours where that is NULL. Return: a descriptor, sealed and close-on-exec, or -errno with ERR. */
int initial_open(const char *path, struct err *err);

/*
 * Fork the container's program off: our init is to be its parent. All signals are blocked afterwards in the parent, which becomes the init by
 * initial_become(); the child is as it was, in a process group of its own, in the foreground where there is a terminal; it returns when the parent has become the init.
 * Return: the child's pid, 0 in the child, or -errno with ERR.
 */
pid_t initial_fork(struct err *err);

/*
 * Become the init behind FD, for the program ARGS in ENV. PROGRAM: what initial_fork() returned, or 0: the init starts the program itself.
 * Return: -errno with ERR.
 */
int initial_become(int fd, char *const *args, char *const *env, pid_t program, struct err *err);

#endif
