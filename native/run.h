/*
 * run: the request of `run` (PROTOCOL.md), read and checked.
 */
#ifndef PROA_RUN_H
#define PROA_RUN_H

#include <jansson.h>
#include <stdbool.h>

#include "client.h"
#include "err.h"
#include "journal.h"
#include "life.h"
#include "log.h"
#include "preserve.h"

/* The request of `run`. Strings are borrowed from its JSON. */
struct run {
	const char *id, *proa, *bundle, *run_dir, *exit_file;
	const char *runtime, *seccomp_cache;  /* NULL for none */
	const char *init_path;                /* NULL: our own */
	int lock_fd;
	json_t *rootfs;
	struct log_options log;               /* its path NULL: nothing is logged */
	bool stdin_open, stdin_once, print_id, attached, init;
	bool passthrough;                     /* the container has the standard streams of who starts it, and nobody is between */
	struct client_options attach;
	json_t *remove;
	json_t *owners;                       /* MAPPINGS of the ids that own what is in REMOVE; NULL: the container's own */
	json_t *network, *usernet;            /* null: not by netd, not by another program */
	struct journal *journal;              /* NULL: no events are written */
	json_t *health;                       /* NULL or null: nothing is checked */
	json_t *group_owners;                 /* MAPPINGS; NULL: see container_request */
	json_t *cgroup;                       /* NULL or null: it has no control group of its own */
	struct preserved *preserved;          /* owned: the caller's descriptors for the first life; NULL: none */
	const char *pid_file, *supervisor_pid_file; /* NULL for none */
	const char *notify_socket;            /* of the service manager; NULL for none */
	bool notify_ready;                    /* the service is ready when the container has started */
	struct life_rules life;               /* whether it is started again, and how long it may run */
};

/* Read REQUEST, which must outlive RUN. Return: 0, or -errno with ERR. */
int run_parse(json_t *request, struct run *run, struct err *err);

#endif
