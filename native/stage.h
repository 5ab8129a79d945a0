/*
 * stage: the second half of starting a process in a container, run from a sealed copy of this executable.
 *
 * Whatever executes in a container can open /proc/self/exe of the process it came from: a program named `#!/proc/self/exe`
 * is enough. The user who runs proa owns the helper on the disk and is root in the container, so what is behind that link
 * must not be writable by anyone. Therefore the process that enters a container is first re-executed from a copy that is
 * sealed (seal.h), and everything that it needs is given to it again as JSON.
 *
 * The starter (container.c) and the stage talk over a SOCK_SEQPACKET pair, in `struct stage_message`s:
 *
 *     stage                                    starter
 *     (with a control group)               <-  GO: it is in there (also where it joins)
 *     (joins namespaces, forks) SPAWNED  ->    from now on the child is the container's process
 *                                          <-  MOUNT: an id-mapped mount (idmapped.h), with its descriptor
 *     makes namespaces; opens              <-  GO: the id maps are written, or SPAWNED was heard
 *     (with networks) NETNS, NETLINK ->        has netd connect the namespace, meanwhile
 *     mounts, devices, terminal  CONSOLE ->    keeps the pty's master
 *                                   FUSE ->    starts fuse-overlayfs on the descriptor, or serves missing layers
 *     (with networks)         CONNECTED? ->    waits for netd
 *                                          <-  GO: the network is there
 *     becomes the user        EXECUTING  ->
 *     execve                 end of file ->    success, if EXECUTING came before
 *     any step                   FAILED  ->    the facts, and then its end
 */
#ifndef PROA_STAGE_H
#define PROA_STAGE_H

#include <sched.h>
#include <sys/types.h>

#include "err.h"

#define STAGE_VERB "__stage"

/* CLONE_NEW*: made together with the process; the others by the stage, while the id maps are being written. */
#define STAGE_EARLY (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS)

/* The step of a stage that was not told to GO. */
#define STAGE_WAITED "wait for id maps"

/* `cgroup` of the stage's request: it has to be in its control group before it does anything, or before it is root. */
enum { STAGE_NO_CGROUP, STAGE_CGROUP_FIRST, STAGE_CGROUP_WITH_MAPS };

enum stage_kind {
	STAGE_GO, STAGE_SPAWNED, STAGE_NETNS, STAGE_NETLINK, STAGE_CONSOLE, STAGE_FUSE, STAGE_CONNECTED, STAGE_EXECUTING, STAGE_FAILED,
	STAGE_MOUNT
};

struct stage_message {
	enum stage_kind kind;
	pid_t pid;      /* SPAWNED; MOUNT: which one of the bundle's mounts it is */
	ino_t mark;     /* EXECUTING: of its mount namespace, leftover.h; GO: of its control group, 0: none of version 2 */
	struct err err; /* FAILED */
};

/* Send MESSAGE with the descriptor FD (-1: none). Return: 0 or -errno. */
int stage_send(int socket, const struct stage_message *message, int fd);

/* Receive a message, *FD becomes its descriptor or -1. Return: 1, 0 at end of file, or -errno. */
int stage_receive(int socket, struct stage_message *message, int *fd);

/*
 * Replace this process by the stage, whose program is SEALED (seal.h): REQUEST and SOCKET stay open in it, and also the descriptors that
 * the request names. Only returns with -errno and ERR. Safe in a child that shares nothing but copied memory with its parent.
 */
int stage_execute(int sealed, int request, int socket, struct err *err);

/* The stage's main(): the numbers of its two descriptors as text. */
int stage_main(const char *request_text, const char *socket_text);

/* Fork with clone3(2) and FLAGS; *PIDFD (may be NULL) becomes the child's. Return: the pid, 0 in the child, or -errno. */
pid_t stage_fork(unsigned long long flags, int *pidfd);

#endif
