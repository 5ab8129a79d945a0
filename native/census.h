/*
 * census: which processes are whose, told by /proc: all of the host are looked at once, however many containers there are.
 */
#ifndef PROA_CENSUS_H
#define PROA_CENSUS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct census_owner {
	pid_t first;      /* its first process */
	pid_t *pids;      /* owned */
	size_t n, room;
	uint64_t ticks;   /* of the CPU, 1/sysconf(_SC_CLK_TCK) s, with those of children that have ended */
};

void census_add(struct census_owner *owner, pid_t pid);

/*
 * Give each owner its processes: those in the mount namespace of its first one, which it shares with no other as it may a pid namespace, and all below them.
 * Return: 0, or -errno where /proc cannot be read.
 */
int census_take(struct census_owner *owners, size_t n);

#endif
