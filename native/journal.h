/*
 * journal: the events of a container, appended to the journal that TypeScript's side of it describes (src/state/events.ts): one JSON
 * object a line, one write(2) each, rotated under a lock. Written by the supervisor, and by the process of `exec` for its own end.
 *
 * Nothing here fails: what happened has happened, whether or not there is room to tell it. A journal costs the supervisor the text of the
 * container's image and labels and no descriptor; the file is opened for each event.
 */
#ifndef PROA_JOURNAL_H
#define PROA_JOURNAL_H

#include <jansson.h>

#include "err.h"

#define JOURNAL_RENAMED "name" /* in the run directory: the container's name, where it has got another since its start */

struct journal;

/*
 * Take OBJECT, `journal` of the request of `run` or `exec` (NULL or null: none), for the container ID. RUN_DIR is asked at each event
 * for JOURNAL_RENAMED. Nothing of OBJECT is kept. Return: 0 with *OUT (NULL where OBJECT is none), or -errno with ERR.
 */
int journal_parse(json_t *object, const char *id, const char *run_dir, struct journal **out, struct err *err);

/*
 * Tell that ACTION happened to the container (TYPE "container"). Behind it pairs of name and value of further attributes, and NULL:
 *
 *     journal_write(journal, "container", "die", "execDuration", "3", "exitCode", "0", (char *)NULL);
 *
 * JOURNAL may be NULL.
 */
void journal_write(const struct journal *journal, const char *type, const char *action, ...) __attribute__((sentinel));

/* The same of something else, which has its own ID and only the attributes that are given. */
void journal_write_of(const struct journal *journal, const char *type, const char *id, const char *action, ...)
	__attribute__((sentinel));

/* Tell ACTION, "connect" or "disconnect", of each network that the plan in the run directory (network.json) names. */
void journal_write_networks(const struct journal *journal, const char *action);

/* Tell ACTION, "mount" or "unmount", of each volume that `volumes.json` in the run directory names. */
void journal_write_volumes(const struct journal *journal, const char *action);

void journal_free(struct journal *journal);

#endif
