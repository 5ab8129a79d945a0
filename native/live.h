/*
 * live: what is true of a container while its supervisor lives. Kept in the run directory as state.json, for everybody to read, and written anew at
 * every change (temporary name, rename): PROTOCOL.md, `run`.
 *
 * The supervisor has one, and whoever changes a field calls live_write(). The pid is good as long as the file names it and the lock is held
 * (live_find()): before a first process is reaped the file no longer has it.
 */
#ifndef PROA_LIVE_H
#define PROA_LIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define LIVE_FILE "state.json" /* in the run directory; the runtime spec's state, and more */

enum live_health { LIVE_HEALTH_NONE, LIVE_STARTING, LIVE_HEALTHY, LIVE_UNHEALTHY };

struct live {
	int run_dir_fd;          /* borrowed */
	char *id, *bundle;       /* owned */
	pid_t pid;               /* of the first process; 0 while restarting */
	int64_t started_ms;      /* of this life, or of the last one; wall clock */
	bool paused;
	bool restarting;         /* between two lives; then: */
	int exit_code;           /*   how the last one ended */
	int64_t finished_ms;     /*   and when; wall clock */
	unsigned restart_count;
	const char *cgroup;      /* members that say where it is (cgroup.h), or NULL; borrowed */
	enum live_health health; /* LIVE_HEALTH_NONE: there are no checks */
	unsigned failing_streak;
};

/* Write state.json. Return: 0, or -errno with ERR (NULL: nobody wants to know). */
int live_write(const struct live *live, struct err *err);

/* The name that people see: "starting", "healthy", "unhealthy"; "none" where there are no checks. */
const char *live_health_name(enum live_health health);

/* Health as it stands in state.json and exit.json: an object, or null. */
#define LIVE_HEALTH_BYTES 64
void live_health_json(const struct live *live, char text[LIVE_HEALTH_BYTES]);

/* The state in the directory behind RUN_DIR_FD, owned; NULL where it cannot be read, with -errno in *WHY (which may be NULL), or is no JSON, with 0. */
json_t *live_read(int run_dir_fd, int *why);

/*
 * Open the first process of a container that runs, from the state in the directory behind RUN_DIR_FD; RUN_DIR is its name for errors. It is
 * that process for sure, also while its supervisor starts it again.
 * Return: 0 with *PID and *PIDFD (owned), or -errno with ERR: -ESRCH where there is none, between two lives too.
 */
int live_find(int run_dir_fd, const char *run_dir, pid_t *pid, int *pidfd, struct err *err);

/* Whether the state in that directory says "paused". */
bool live_is_paused(int run_dir_fd);

#endif
