/*
 * foreign: a bundle given to another OCI runtime (crun, runc). We make the user namespace and the root file system, which the
 * runtime then finds as a root of the host would have it; it does the rest.
 */
#ifndef PROA_FOREIGN_H
#define PROA_FOREIGN_H

#include "bundle.h"
#include "err.h"

struct foreign {
	const char *runtime; /* absolute path */
	const struct bundle *bundle;
	const char *run_dir; /* absolute; "oci", "bundle" and FOREIGN_NETWORK below it are ours */
	const char *network; /* NULL, or the path of a network namespace to take instead of a new one */
};

#define FOREIGN_NETWORK "netns"

/*
 * As root of the new user namespace, in a mount namespace of our own: write the bundle that is left when the user
 * namespace is taken out, and see to a /proc that fits a new pid namespace. Return: 0, or -errno with ERR.
 */
int foreign_prepare(const struct foreign *foreign, struct err *err);

/*
 * Execute the runtime on it, with SLAVE (-1: none) as its terminal; KEEP is closed on success. Return: -errno with ERR.
 */
int foreign_execute(const struct foreign *foreign, int slave, int keep, struct err *err);

/* As foreign_execute(), for PROCESS in the container that runs already; from within its namespaces of foreign_prepare(). */
int foreign_execute_further(const struct foreign *foreign, json_t *process, int slave, int keep, struct err *err);

/* The runtime that the container of RUN_DIR was started with: owned, NULL when that was us. */
char *foreign_runtime_of(const char *run_dir);

#endif
