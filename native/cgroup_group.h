/*
 * cgroup_group: a control group of version 2 as a directory: made, filled, stopped, emptied, removed. Nothing here knows of managers or containers.
 */
#ifndef PROA_CGROUP_GROUP_H
#define PROA_CGROUP_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define GROUP_ROOT "/sys/fs/cgroup"
#define GROUP_DEPTH 32 /* of groups below a container's, which group_remove() walks: what a container may make, too */

/* Write TEXT to FILE of the group at PATH, in one write. Return: 0 or -errno. */
int group_write(const char *path, const char *file, const char *text);

/* Move PID into the group at PATH. Return: 0 or -errno. */
int group_move(const char *path, pid_t pid);

/* Move all processes of FROM, those of its children not, to TO. Return: 0 or -errno. */
int group_move_all(const char *from, const char *to);

/* The group that PID is in, by version 2, as a directory below MOUNT; or NULL. Owned. */
char *group_of(pid_t pid, const char *mount);

/* The number after KEY in FILE ("oom_kill" in "memory.events"); 0 where it cannot be read. */
uint64_t group_number(const char *path, const char *file, const char *key);

/* Stop (or let go on) all processes, and wait a while until it is so. Return: 0 or -errno (-ETIMEDOUT: it goes on stopping). */
int group_freeze(const char *path, bool frozen);

/* Kill all processes of the group and of those below it, also who forks; wait a while until they have ended. Return: 0 or -errno. */
int group_kill(const char *path);

/* Kill who stands in FILE (`cgroup.procs`) below AT, and is seen to stand there still once it cannot be mistaken. Return: whether there was one. */
bool group_kill_listed(int at, const char *file);

/*
 * Where the container below ROOT may write to its group, whose inode is GROUP (0: it has none), that is its root's as far as a group is delegated (cgroups(7)): what moves processes
 * and passes controllers on. What limits it stays the user's. Called as root of its user namespace; who made the group is perhaps not known there, and then
 * it can be read only.
 */
void group_delegate(int root, ino_t group);

/*
 * Remove the group and those below it, which have no processes. What others own in it is removed in the user namespace behind USERNS_FD (-1: there is
 * none). Return: 0 (also where it is not there) or -errno.
 */
int group_remove(const char *path, int userns_fd);

#endif
