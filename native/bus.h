/*
 * bus: the few words of D-Bus that it takes to have the user's systemd make and change a scope.
 *
 * A connection is one socket, and everything that can be said without an answer is said at once: authentication, Hello, the match for JobRemoved, and
 * the request itself travel together, and are answered while the caller does something else. What the other side says is bounded: a message of
 * at most BUS_MESSAGE_BYTES, and one time limit for the whole connection. Errors have the step "ask systemd"; the name of an error
 * that the other side has answered stands in front of the detail.
 */
#ifndef PROA_BUS_H
#define PROA_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"

#define BUS_STEP "ask systemd"
#define BUS_MESSAGE_BYTES (64 << 10)
#define BUS_PATIENCE_MS 25000 /* for all answers of a connection, where nothing else is said: as D-Bus libraries have it */

struct bus;

/* Connect to the socket at PATH and begin to talk; all of it may take PATIENCE_MS. Nothing is waited for: where the other side has its hands full, that is done with the first request. Return: 0 with *OUT owned, or -errno with ERR. */
int bus_open(const char *path, int patience_ms, struct bus **out, struct err *err);
void bus_close(struct bus *bus);

/*
 * While BUS is waited for, ask INTERRUPTION about FD, which is a socket, when something was said there: 0 to go on waiting. Otherwise the wait ends with -EINTR and,
 * where it is positive, that as the exit status.
 */
void bus_heed(struct bus *bus, int fd, int (*interruption)(int fd));

/* A scope to be made of processes that live. */
struct bus_scope {
	const char *name;        /* "x.scope" */
	const char *slice;       /* "x.slice", or "": where the manager puts it */
	const char *description;
	const pid_t *pids;
	size_t n_pids;
};

/* Ask for SCOPE, delegated, gone when it is empty, without limits of its own. Return: 0 when it is sent, or -errno with ERR. */
int bus_start_scope(struct bus *bus, const struct bus_scope *scope, struct err *err);

/* Wait until the scope NAME that was asked for is there. Return: 0, or -errno with ERR: -EEXIST where the name is in use, -ETIMEDOUT: it may still come to be. Nothing is
 * done here about that: to have it stopped would be the end of the processes in it (cgroup_unsure()). */
int bus_await_scope(struct bus *bus, const char *name, struct err *err);

/* Have PID moved to SUBGROUP ("/x") of UNIT, and wait for it. Return: 0, or -errno with ERR. */
int bus_attach(struct bus *bus, const char *unit, const char *subgroup, pid_t pid, struct err *err);

#endif
