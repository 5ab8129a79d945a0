/*
 * leftover: what a container has left running whose pid namespace is another's. Where it is its own the kernel ends all with the first process;
 * where it is shared they are known by their mount namespace, which every container has for itself.
 */
#ifndef PROA_LEFTOVER_H
#define PROA_LEFTOVER_H

#include <sys/types.h>

/* The inode of the mount namespace of PID (0: our own), or 0. */
ino_t leftover_mark(pid_t pid);

/*
 * Kill every process in the mount namespace MARK (0: none), as root of the user namespace behind USERNS_FD: the ids of such
 * processes may not be the caller's.
 */
void leftover_kill(ino_t mark, int userns_fd);

#endif
