/*
 * container: from an OCI bundle to a running process in namespaces of its own, and into those of a running one.
 * The supervisor and exec verbs own pipes, terminals and life; this room owns everything up to execve.
 */
#ifndef PROA_CONTAINER_H
#define PROA_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct bundle;  /* bundle.h: config.json parsed and checked */
struct rootfs;  /* mount.h: ROOTFS of the request */
struct cgroup;  /* cgroup.h */

/* Who connects a container's new network namespace, while the container goes on being made. Each returns 0, or -errno with ERR: it is not started then. */
struct container_network {
	/* Its first process was forked. */
	int (*begin)(struct container_network *network, struct err *err);
	/* The namespace is behind NETNS, NETLINK is a NETLINK_ROUTE socket in it; both are taken. */
	int (*attach)(struct container_network *network, int netns, int netlink, struct err *err);
	/* Nothing is left to do but to execute the process: return when it is connected. */
	int (*await)(struct container_network *network, struct err *err);
};

/* What a container is started with. Descriptors stay the caller's. */
struct container_request {
	const struct bundle *bundle;
	const struct rootfs *rootfs;
	const char *runtime;       /* NULL, or the OCI runtime to run the bundle with */
	const char *seccomp_cache; /* NULL, or the file of the compiled filter */
	const char *run_dir;
	bool init;                 /* an init is to be its first process (initial.h) */
	const char *init_path;     /* NULL: ours */
	const struct preserved *preserved; /* descriptors of ours that the process gets */
	json_t *group_owners;      /* MAPPINGS in which the group is given to the container's root, who may divide it; NULL: that is the stage's to do, or nobody's */
	struct cgroup *cgroup;     /* NULL: it stays in the control group that we are in */
	int keeper;                /* fetcher.h; -1: nobody has layers fetched that are on their way */
	struct container_network *network; /* NULL: it stays as it was made, with loopback only */
	int stdio[3];              /* the process's 0, 1, 2; ignored with a terminal */
};

/* A started container. */
struct container {
	pid_t pid;       /* its first process: our child, to be waited for with WNOWAIT */
	int pidfd;
	int console_fd;  /* the pty's master with process.terminal, else -1; O_NONBLOCK is not set */
	int userns_fd;   /* its user namespace, to clean up in when the process is gone; -1 where it has the host's */
	ino_t mark;      /* for leftover_kill(): 0 where its pid namespace is its own */
	int ipc_fd;      /* reserved, -1 */
};

/*
 * Make every namespace of the bundle, its rootfs and mounts, and execute its process in them. Returns when execve
 * has succeeded (a close-on-exec pipe tells), or has failed.
 * Nothing the process can reach holds a descriptor or an executable of ours that it could write (sealed copy).
 * Return: 0 with OUT filled, or -errno with ERR (exit 126/127 for the program itself) and no process left.
 */
int container_start(const struct container_request *request, struct container *out, struct err *err);

/* A further process in a running container. */
struct join_request {
	pid_t pid;                   /* of the container's first process */
	int pidfd;                   /* the same, already verified against the lock */
	const struct bundle *bundle; /* for seccomp and the namespaces to join */
	json_t *process;             /* runtime spec's process */
	const char *seccomp_cache;
	const char *run_dir;         /* tells whether another runtime has started the container, and which control group it has */
	int stdio[3];                /* ignored with process.terminal */
	const struct preserved *preserved; /* descriptors that it gets as well; NULL: none */
	bool keeps_orphans;          /* what it forks is below it as long as it lives, to be found (family.h) */
};

/*
 * Join all namespaces of the container and execute a process there, as our child. Same promises as container_start().
 * Return: 0 with *PID, *PIDFD and (terminal) *CONSOLE_FD, or -errno with ERR.
 */
int container_join(const struct join_request *request, pid_t *pid, int *pidfd, int *console_fd, struct err *err);

#endif
