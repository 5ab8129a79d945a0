/* cgroup_internal: between cgroup.c and the other files of its name. */
#ifndef PROA_CGROUP_INTERNAL_H
#define PROA_CGROUP_INTERNAL_H

#include <stdint.h>

#include "cgroup.h"

enum cgroup_manager { CGROUP_SYSTEMD, CGROUP_DIRECTORY, CGROUP_V1 };

struct cgroup {
	struct relay_guest guest;      /* out of memory: inotify, or version 1's eventfd */
	enum cgroup_manager manager;
	bool split;                    /* SCOPE is the group that we are in */
	bool required;                 /* what cannot be had is an error */
	bool lives;                    /* from cgroup_enter() to cgroup_end() */
	bool alone;                    /* the supervisor stays where it is */
	char *id;
	int patience_ms;               /* with it */
	char *bus_path, *name, *slice; /* of systemd: NAME is the scope's */
	char *plan_name;               /* NAME as it was asked for, once it had to be another */
	unsigned renamed;              /* how often */
	char *parent;                  /* of a directory: NAME is made in it */
	json_t *parents;               /* of version 1: by controller */
	json_t *conf;                  /* files and values that the user has named, or NULL */
	json_t *updates;               /* resources as they were changed, or NULL */
	struct bus *bus;               /* while it is asked */
	struct err failed;             /* why there is no bus; in a life that has lost its group: why */
	bool unsure;                   /* the manager was asked and has not answered */
	bool had, lost;                /* a life before had a group; this one has lost it */
	char *origin;                  /* where we came from, below the mount */
	char *top;                     /* SCOPE, when it is there */
	char *path;                    /* SCOPE/container, in a life */
	json_t *paths;                 /* of version 1, in a life */
	char *state;
	json_t *warnings;              /* or NULL */
	uint64_t oom_kills, oom_before; /* counted up to now, and before this life */
	int oom_fd;                    /* of version 1: held for its eventfd */
	pid_t hastener;                /* a child while a group is asked for, or 0 */
	const struct journal *journal;
};

/*
 * Processes are about to be moved into a group: have the kernel make ready for it, which takes a child that moves nobody else. It ends soon, or by
 * cgroup_hasten_no_more(), which does not wait for that; cgroup_hasten_reap() does.
 */
void cgroup_hasten(struct cgroup *cgroup);
void cgroup_hasten_no_more(struct cgroup *cgroup);
void cgroup_hasten_reap(struct cgroup *cgroup);

/* A cpuset of version 1 begins with nothing: what its parent has. */
void group_inherit_cpuset(const char *parent, const char *path);

/* Be told of version 1's out of memory. Return: an eventfd with *HELD to be kept open, or -1. */
int group_oom_events(const char *path, int *held);

/* Return: 0 or -errno. */
int group_freeze_v1(const char *path, bool frozen);

/* Kill all processes of a container by PATHS, again and again while there are any. */
void group_kill_v1(json_t *paths);

#endif
