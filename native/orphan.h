/*
 * orphan: the end of a supervisor whose run directory was removed (a logout that takes XDG_RUNTIME_DIR away, an `rm -rf`). Nobody finds its lock or its
 * socket any more, so to everyone else the container has ended and may be started again, on the same files: it must not live on.
 *
 * The directory is open here, for the lock, and is told about in a way of its own then: not as deleted, only what is in it. So after each deletion in
 * it the count of its links is looked at, for a moment.
 */
#ifndef PROA_ORPHAN_H
#define PROA_ORPHAN_H

#include "life.h"
#include "relay.h"

struct orphan {
	struct relay_guest guest;
	struct life *life;
	int run_dir_fd; /* borrowed */
	unsigned looks; /* still to be taken */
};

/* Watch the directory RUN_DIR_FD: LIFE is ended when it goes. Where that cannot be watched nothing is. */
void orphan_watch(struct orphan *orphan, int run_dir_fd, struct life *life);

#endif
