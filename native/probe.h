/*
 * probe: one run of a health check's program in a container, in a process that the supervisor has forked for it and that ends with it.
 */
#ifndef PROA_PROBE_H
#define PROA_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define PROBE_FAILED (-1) /* exit code of what did not run, or not end in time, as Docker has it */

struct probe_plan {
	const char *process;        /* runtime spec's process, as JSON */
	const char *bundle, *run_dir, *seccomp_cache;
	pid_t pid;                  /* the container's first process, and its pidfd */
	int pidfd;
	int64_t timeout_ms;
	size_t output_limit;        /* bytes that are kept of what it prints */
};

struct probe_outcome {
	bool counts;                /* false: it was cancelled, or the container has ended meanwhile */
	int exit_code;
	struct timespec start, end; /* of the wall clock */
	char *output;               /* owned; may hold any bytes */
	size_t length;
};

/*
 * Become the process of a probe: of the supervisor's descriptors only KEEP stay open (ended by -1), and it dies with the supervisor. SIGTERM
 * cancels the probe.
 */
void probe_separate(const int *keep);

/* Run PLAN to its end, or kill it with all that it has forked. Never fails: what goes wrong is an outcome. */
void probe_run(const struct probe_plan *plan, struct probe_outcome *out);

#endif
