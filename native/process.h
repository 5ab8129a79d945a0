/*
 * process: the `process` object of the runtime spec applied to ourselves, up to execve.
 */
#ifndef PROA_PROCESS_H
#define PROA_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "caps.h"
#include "err.h"
#include "preserve.h"
#include "seccomp.h"

struct process {
	char **args, **env; /* NULL-terminated; the arrays are owned, the strings borrowed */
	const char *cwd;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	mode_t umask;
	bool no_new_privileges;
	bool terminal;
	bool keeps_groups;  /* the caller's supplementary groups stay */
	bool joins;         /* a running container: what is missing there is not made */
	int init_fd;        /* the init that is to be its parent (initial.h), or -1 */
	bool init_starts;   /* that one starts the program itself */
	int rows, columns;  /* 0: as it comes */
	struct caps caps;
	const char *oom_score_adj; /* digits, or NULL; owned */
	struct process_limit {
		int resource;
		const char *name;
		struct rlimit limit;
	} *limits;
	size_t n_limits;
	const struct preserved *preserved; /* descriptors that it gets, or NULL */
};

/* Read OBJECT, which must outlive *OUT. Nothing is freed: execve does. Return: 0, or -errno with ERR. */
int process_parse(json_t *object, struct process *out, struct err *err);

/*
 * All signals to their defaults and unblocked: Bun leaves SIGPIPE and SIGXFSZ ignored. SIGHUP, SIGINT and SIGQUIT stay ignored
 * where they are: that is the caller's wish (nohup). Who starts a process for a container undoes that, see relay_separate().
 */
void process_reset_signals(void);

/* Write oom_score_adj; while the host's /proc is still in view. Return: 0, or -errno with ERR. */
int process_set_oom_score(const struct process *process, struct err *err);

/* A new pty: the slave by its PTMX, with rows and columns of PROCESS and owned by its user. Return: 0, or -errno with ERR. */
int process_open_terminal(const struct process *process, int ptmx, int *slave, struct err *err);

/*
 * Become PROCESS in the root file system that is our root already: session, terminal (SLAVE, -1 for none), limits, working
 * directory (created when missing, unless it joins), capabilities, user, filter. Of the descriptors above 2 only KEEP stays open, close-on-exec
 * as it must be. DEATH_SIGNAL (0: none) comes when our parent ends. Afterwards only process_execute() is left.
 * Return: 0, or -errno with ERR.
 */
int process_become(const struct process *process, int slave, const struct seccomp_filter *filter, int keep,
	int death_signal, struct err *err);

/*
 * Execute the program; with an init, in a child, and the init here. Return, in either: -errno with ERR, exit 127 when it was not found and 126 when
 * it cannot be executed.
 */
int process_execute(const struct process *process, struct err *err);

#endif
