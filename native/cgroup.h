/*
 * cgroup: a container's control group, through all of its lives.
 *
 * Version 2. The plan names a manager, which gives a group of its own, SCOPE: the user's systemd (asked over its bus, with the processes that are
 * to be in it), or a directory that was delegated. Below it
 *
 *     SCOPE/supervisor   the supervisor, and what it starts for itself
 *     SCOPE/container    the container: its limits, and the root of its cgroup namespace. Made anew for each life, so its figures are that life's
 *     SCOPE/container-2… the same, where that of a life before could not be removed
 *
 * so that SCOPE itself has no processes and its controllers can be passed on. The stage (stage.h) is forked where we are and waits
 * until it is in its group: systemd moves it and us at once, while the id maps are being written. Whoever follows is moved by us.
 * Version 1: one directory for each controller that is the user's, for the container alone.
 *
 * What cannot be had is a warning, unless the plan says that it is required, and the container runs without; a value that the kernel refuses is an error
 * (cgroup_limits.h). A further life that loses the group which one before it had fails to start where the user has set limits; otherwise it goes on, and
 * the journal has the event `cgroup_lost`.
 *
 *     cgroup_parse -> [ cgroup_begin -> cgroup_ask -> cgroup_enter -> (runs) -> cgroup_end ] for each life -> cgroup_leave -> cgroup_free
 */
#ifndef PROA_CGROUP_H
#define PROA_CGROUP_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "journal.h"
#include "relay.h"
#include "request.h"

struct cgroup;

/* Take OBJECT, `cgroup` of the request of `run`; NULL or null: *OUT is NULL, as it may be below. Return: 0, or -errno with ERR. */
int cgroup_parse(json_t *object, const char *id, struct cgroup **out, struct err *err);
void cgroup_free(struct cgroup *cgroup);

/*
 * A life is to begin: begin to talk to the manager. What fails is told by cgroup_enter(). CONTROL is the socket of the client that waits for the start (-1: nobody does), which
 * may end it (netclient.h).
 */
void cgroup_begin(struct cgroup *cgroup, int control);

/* Its first process was forked, PID: ask for the group. */
void cgroup_ask(struct cgroup *cgroup, pid_t pid);

/*
 * Wait for the group, limit it by RESOURCES (`linux.resources`; may be NULL), and have PID in it. Call before PID may make a cgroup namespace, or
 * anything. Return: 0, or -errno with ERR.
 */
int cgroup_enter(struct cgroup *cgroup, pid_t pid, json_t *resources, struct err *err);

/*
 * Whether the last cgroup_enter() has failed because the manager did not answer. What it was asked for it may still do one day, to the processes that it was told of, and nobody would
 * know: they have to go, and the life is begun again with others, without a group. WITH_US: the calling process is one of them.
 */
bool cgroup_unsure(const struct cgroup *cgroup, bool *with_us);

/* The inode of the group of version 2 that this life has; 0: none. */
ino_t cgroup_mark(const struct cgroup *cgroup);

/*
 * Let the root of a container with MAPS divide the group of version 2 that this life has, where the caller, who owns it, is nobody in MAPS: only the root of OWNERS, MAPPINGS in which both are
 * somebody, can give it away. What fails leaves it as it is.
 */
void cgroup_give(const struct cgroup *cgroup, json_t *owners, const struct id_maps *maps);

/* Facts of what the last cgroup_enter() has done without, as a JSON array; NULL: nothing. Owned. */
char *cgroup_warnings(struct cgroup *cgroup);

/* A process could not be started in the group. Where that was for want of memory, ERR says so. */
void cgroup_explain(struct cgroup *cgroup, struct err *err);

/* The members of state.json that say where it is (live.h); borrowed, until the life's end. */
const char *cgroup_state(const struct cgroup *cgroup);

/* The life is at work: out of memory is an event from now on. JOURNAL must stay. */
void cgroup_watch(struct cgroup *cgroup, struct relay *relay, const struct journal *journal);

/* Change the limits by RESOURCES, which also hold for lives to come. Return: 0, or -errno with ERR. */
int cgroup_update(struct cgroup *cgroup, json_t *resources, struct err *err);

/* Whether there is a freezer; let all processes stand still, or go on. Return: 0, or -errno with ERR. */
bool cgroup_can_freeze(const struct cgroup *cgroup);
int cgroup_freeze(struct cgroup *cgroup, bool frozen, struct err *err);

/* The life has ended, or could not begin: kill whatever is left in the group, and remove it. Return: whether something was killed for want of memory. */
bool cgroup_end(struct cgroup *cgroup, int userns_fd);

/* No life follows: out of SCOPE, and away with it where no manager does that. */
void cgroup_leave(struct cgroup *cgroup);

/* ---- for those who join a running container ---- */

struct cgroup_place {
	char *path;    /* version 2: SCOPE/container */
	char *bus;     /* of the manager, or NULL */
	json_t *paths; /* version 1, or NULL */
};

/* Where the state in the directory behind RUN_DIR_FD says that the container is. Return: whether it has a group; OUT is freed by cgroup_place_free(). */
bool cgroup_find(int run_dir_fd, struct cgroup_place *out);
void cgroup_place_free(struct cgroup_place *place);

/* Move PID in, by the manager where we may not. FIRST is the container's first process, FIRST_FD its pidfd; PID goes with it where the group has others below it. Return: 0, or -errno with ERR. */
int cgroup_join(const struct cgroup_place *place, pid_t pid, pid_t first, int first_fd, struct err *err);

#endif
