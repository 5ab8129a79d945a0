/*
 * session: the record of one `exec`, for who asks for it while the container lives: runDir/exec/ID.json. It is an object of the request as it came (docker's
 * ExecInspect), with "Pid", "Running" and "ExitCode" set. Those that have ended are removed by the ends of others after
 * a while, and the directory goes with the container.
 */
#ifndef PROA_SESSION_H
#define PROA_SESSION_H

#include <jansson.h>

#include "err.h"
#include "journal.h"

#define SESSION_DIRECTORY "exec" /* in the run directory */

struct session {
	const char *id;                /* NULL: it is not recorded; borrowed */
	json_t *record;                /* owned */
	const char *run_dir;           /* borrowed */
	char *command;                 /* owned, for the events */
	const struct journal *journal; /* borrowed, or NULL */
};

/* Take OBJECT, `session` of the request: NULL or null is none. Return: 0, or -errno with ERR. */
int session_parse(json_t *object, json_t *process, const char *run_dir, const struct journal *journal, struct session *out,
		  struct err *err);

/*
 * Its program is executed, as PID: the record, and what the journal says of it, which nobody need wait for; it has ended with STATUS. None fails:
 * the program does not depend on its record.
 */
void session_begin(struct session *session, pid_t pid);
void session_tell(const struct session *session);
void session_end(struct session *session, int status);

/* A life begins in RUN_DIR: the records of the one before go. */
void session_forget(const char *run_dir);

/* Remove the records that nobody asks for any more. */
void session_sweep(const struct session *session);

#endif
