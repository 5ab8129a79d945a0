/*
 * family: signals to processes that belong together, found in the host's /proc. For those who cannot ask a control group or a pid
 * namespace. It allocates for every process of the host: call it in a process that ends soon.
 */
#ifndef PROA_FAMILY_H
#define PROA_FAMILY_H

#include <stdbool.h>
#include <sys/types.h>

/* Whose. A process whose parents have ended and that has begun a session of its own is only found where FIRST keeps its orphans. */
enum family_kind {
	FAMILY_DESCENT,   /* FIRST and its descendants, with all of their sessions and process groups that FIRST leads */
	FAMILY_CONTAINER, /* FIRST, its descendants, and all in its mount namespace */
};

/*
 * Send SIGNAL, SIGKILL, SIGSTOP or SIGCONT, to the family of FIRST, again and again until every member is what it is to be, and those
 * that were forked meanwhile, too. FIRST itself is left out where SPARE says so. Gives up after some seconds.
 */
void family_signal(pid_t first, enum family_kind kind, bool spare, int number);

#endif
