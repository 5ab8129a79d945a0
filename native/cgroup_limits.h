/*
 * cgroup_limits: `linux.resources` of the runtime spec as files of a control group.
 *
 * On version 2 the values of version 1 that the spec has are translated as the reference runtime does it: cpu.shares 2..262144 to cpu.weight 1..10000,
 * swap as what is left of memory and swap together, reservation as memory.low, blockIO.weight 10..1000 to io.weight. A value that the kernel refuses
 * is an error "limit" with the file for its object and the value in its detail. A file that is not there, because its controller is not or
 * the kernel has it not, is for the caller to judge.
 */
#ifndef PROA_CGROUP_LIMITS_H
#define PROA_CGROUP_LIMITS_H

#include <jansson.h>
#include <stdbool.h>

#include "err.h"

#define LIMITS_STEP "limit"

/* A group to be limited, and its keeper. */
struct limits {
	const char *path;  /* version 2: of its directory; NULL where there is no group: then every file is missing */
	json_t *paths;     /* version 1: its directories by controller; NULL: it is of version 2 */
	bool runs;         /* it has processes: it is not limited to less than they cannot give up */
	/* Try to have the controller in the group. Return: whether it may have come. */
	bool (*enable)(void *data, const char *controller);
	/* A limit that is not to be had. Return: 0 to do without, or -errno (*FACTS are the error). */
	int (*missing)(void *data, const struct err *facts);
	void *data;
};

/* Write RESOURCES (may be NULL), and its `unified`. Return: 0, or -errno with ERR: what comes before is written. */
int limits_write(const struct limits *limits, json_t *resources, struct err *err);

/* Write an object of file names and values, each line of a value on its own. Return: the same. */
int limits_write_files(const struct limits *limits, json_t *files, struct err *err);

#endif
