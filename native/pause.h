/*
 * pause: a container's processes stand still, all of them, until they go on.
 *
 * Where the container has a control group that we may write to, its freezer is the better way, which no process can see. Without one the
 * processes get SIGSTOP. First the container's first process, from outside (signals of its own namespace it would be
 * spared), so that it does not see its children stop; then all others by one kill(-1) inside of the pid namespace: the kernel
 * lets no fork complete in between, so none is missed. Where the pid namespace is shared with others, who must not be stopped, they are
 * found one by one (family.h). Who joined the container's pid namespace stands still with it. Going on is the reverse.
 *
 * What is started in the container meanwhile is stopped by the freezer, or by who starts it: the state says "paused" before the first process stops (exec.c).
 */
#ifndef PROA_PAUSE_H
#define PROA_PAUSE_H

#include "bundle.h"
#include "cgroup.h"
#include "health.h"
#include "live.h"
#include "relay.h"

struct pause {
	struct relay_guest guest;
	struct live *live;
	struct health *health;   /* NULL: there are no checks */
	int pidfd;               /* of the first process, borrowed */
	struct cgroup *cgroup;   /* NULL: it has no freezer */
	bool owns_pids;          /* the pid namespace is the container's own */
	bool owns_users;         /* and is to be entered through a user namespace */
};

/* A life begins: answer PAUSE and UNPAUSE from now on. CGROUP may be NULL. All of them must stay until pause_end(). */
void pause_begin(struct pause *pause, struct relay *relay, const struct bundle *bundle, struct live *live, int pidfd,
		 struct health *health, struct cgroup *cgroup);

/* The first process has ended. Nothing where it has not begun. */
void pause_end(struct pause *pause, struct relay *relay);

#endif
