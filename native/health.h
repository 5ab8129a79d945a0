/*
 * health: the checks of a container, made by its own supervisor as a guest of its loop. A container without checks has none of this.
 *
 *   waiting   a timer: the interval, counted from the end of the check before; Docker's shorter one while the container is in its start period
 *   probing   a process of ours (probe.h) runs the program in the container, judges the outcome, writes health.json and tells us; it is killed
 *             where it takes much longer than the program may
 *   paused    neither; a check that was under way is cancelled and counts for nothing
 *
 * Docker's rules: "starting" until the first success or `retries` failures in a row; failures of the start period do not count. With a startup
 * check (podman's) that one runs in place of the other until it has succeeded often enough, and too many failures of it start the container again.
 *
 * health.json in the run directory is what inspect shows as State.Health: {"Status","FailingStreak","Log":[{"Start","End","ExitCode","Output"}]}. It is written by
 * the probes' processes, temporary name and rename, so the supervisor never holds any output.
 */
#ifndef PROA_HEALTH_H
#define PROA_HEALTH_H

#include <jansson.h>

#include "err.h"
#include "journal.h"
#include "life.h"
#include "live.h"
#include "relay.h"

#define HEALTH_FILE "health.json" /* in the run directory */

struct health;

/* What it needs to know of the container; the strings are copied. */
struct health_place {
	const char *id, *bundle, *run_dir, *seccomp_cache;
	const struct journal *journal; /* borrowed, may be NULL */
};

/* Read `health` of a request; NULL or null: *OUT is NULL. Return: 0, or -errno with ERR. */
int health_parse(json_t *object, const struct health_place *place, struct health **out, struct err *err);

/*
 * A life begins: its first process is PID, behind PIDFD. Sets LIVE's health to "starting" and writes health.json; LIVE's file is the caller's to write.
 * HEALTH may be NULL, here and below. Everything must stay until health_end().
 */
void health_begin(struct health *health, struct relay *relay, struct live *live, struct life *life, pid_t pid, int pidfd);

/* The life has ended: no process of ours is left. */
void health_end(struct health *health);

/* Cancel a check that is under way, and make none; or make them again. */
void health_pause(struct health *health, bool paused);

void health_free(struct health *health);

#endif
