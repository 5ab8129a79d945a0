/*
 * record: what is left of a container when it has ended: exit.json, or with --rm nothing; and the lock, free.
 */
#ifndef PROA_RECORD_H
#define PROA_RECORD_H

#include <stdint.h>

#include "err.h"
#include "live.h"
#include "request.h"
#include "run.h"

/* What the supervisor keeps for the end, of its own when the request is freed. */
struct afterwards {
	char *run_dir, *exit_file;
	char **remove;
	size_t n_remove;
	char *reserved;                       /* path of the file with room for exit.json, or NULL */
	int lock_fd, userns_fd, reserved_fd;
	struct journal *journal;              /* or NULL */
	const struct id_maps *maps;           /* before the start; afterwards the namespace itself is at hand */
	struct id_maps owners;                /* of REMOVE, where they are more than the container's; else empty */
};

/* How it ended. */
struct record {
	int status, signal_number;
	int64_t started_ms, finished_ms;
	uint64_t lost;
	const struct live *live;              /* its restarts and its health; NULL where it never ran */
	bool oom_killed;
	const struct err *err;                /* why it did not start, or NULL */
};

/* Prepare for the end of RUN. MAPS: its id maps, which must stay until the container's user namespace is at hand; NULL: not known. */
void record_plan(const struct run *run, const struct id_maps *maps, struct afterwards *after);

/*
 * Take the room for exit.json while there is some: a container that fills its disk still has its end recorded. A file system that
 * cannot reserve, or has no room now either, is no reason not to start.
 */
void record_reserve(struct afterwards *after);

/* From ended to unlocked: everything that must be true before anyone hears of the end. */
void record_settle(const struct afterwards *after, const struct record *record);

/* The same for a start that failed. */
void record_failure(const struct afterwards *after, const struct err *err);

/* The exit status that ERR means. */
int record_exit_of(const struct err *err);

#endif
