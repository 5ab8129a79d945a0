/*
 * life: how often a container lives, and how long. The restart policy, its back-off, and the limit of `--timeout`; served by the supervisor's loop as
 * the relay's guest.
 *
 *   living    the process runs; the limit's clock too. An UPDATE changes the policy, and the limits of its control group
 *   resting   the process has ended and is to be started again; the back-off passes. An UPDATE that takes the policy away ends the wait, and so does
 *             SIGTERM to the supervisor; clients that connect wait for the next life
 *
 * The rules are Docker's: the first wait takes 100 ms, each further one twice the one before, at most a minute, and begins anew after a life of 10 s;
 * `on-failure` counts the restarts since the start that a user asked for.
 */
#ifndef PROA_LIFE_H
#define PROA_LIFE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"
#include "err.h"
#include "relay.h"

#define LIFE_TIMED_OUT 255 /* exit status of a life that the limit has ended, as podman has it */

enum life_policy { LIFE_NO, LIFE_ALWAYS, LIFE_UNLESS_STOPPED, LIFE_ON_FAILURE };

struct life_rules {
	enum life_policy policy;
	unsigned maximum;           /* restarts of LIFE_ON_FAILURE; 0: no limit */
	int64_t limit_ms, grace_ms; /* of a life, 0: none; and from the signal to SIGKILL */
	int limit_signal;
};

struct life {
	struct relay_guest guest;
	struct cgroup *cgroup;      /* whose limits an UPDATE changes, or NULL; borrowed */
	struct relay *relay;
	struct life_rules rules;
	int pidfd;                  /* borrowed; -1 while resting */
	int term_fd;                /* signalfd while resting, or -1 */
	unsigned restarts;          /* since the supervisor began */
	int64_t back_off_ms;        /* 0: none yet */
	bool timed_out;             /* this life */
	bool signalled;             /* the limit's first signal was sent */
	bool cancelled;             /* the rest ended without a next life */
	bool last;                  /* whoever took the policy away is about to end this life: life_restart() comes too late */
	bool by_user;               /* a user has asked for the next life: at once, and it is not counted */
	bool again;                 /* one more life, whatever the policy: life_restart() */
};

/* Read `restart` and `timeLimit` of a request; each may be NULL or null. Return: 0, or -errno with ERR. */
int life_parse(json_t *restart, json_t *limit, struct life_rules *rules, struct err *err);

void life_init(struct life *life, const struct life_rules *rules);

/*
 * Signals of the supervisor, from before the first process is started. Other processes' dispositions are not changed by it: what is executed finds
 * defaults. SIGTERM is the process's, and says that no life is to follow; others that can be are disregarded.
 */
void life_handle_signals(void);

/* While this is set, SIGTERM to the supervisor also sets it to 1: the time at which a guest is served that lets a paused container go on. */
extern int64_t *volatile life_wake_on_term;

/* A process lives behind PIDFD, which must stay until life_ended(). */
void life_begins(struct life *life, struct relay *relay, int pidfd);

/* It has ended. Return: the exit status to tell, STATUS or what the limit makes of it. */
int life_ended(struct life *life, int status);

/* Is there to be another? LIVED_MS: how long the last one was. Counts it, and sets the wait. */
bool life_goes_on(struct life *life, int status, int64_t lived_ms);

/* Wait before the next life, serving RELAY's clients. Return: false when there is none. */
bool life_rest(struct life *life, struct relay *relay);

/* When this life has ended there is to be another at once, whatever the policy says, unless its end was asked for meanwhile. Nobody is signalled here. */
void life_restart(struct life *life);

/* The process is killed, or the wait for the next one ended, and no life is to follow. */
void life_end(struct life *life);

#endif
