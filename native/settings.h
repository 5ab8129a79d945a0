/*
 * settings: what the kernel keeps for each of a container's fresh namespaces.
 */
#ifndef PROA_SETTINGS_H
#define PROA_SETTINGS_H

#include "bundle.h"
#include "err.h"

/* Host name and domain name. Return: 0, or -errno with ERR. */
int settings_names(const struct bundle *bundle, struct err *err);

/* Bring up the loopback device of a fresh network namespace, and nothing else. Return: 0, or -errno with ERR. */
int settings_loopback(struct err *err);

/*
 * Tell the fresh network namespace that we are in how its interfaces are to begin: with the addresses and routes that they are given, and none that
 * another container on the same bridge offers (router advertisements, redirects). Must come before the first one. What fails is left as it is.
 */
void settings_interfaces(void);

/*
 * Write linux.sysctl through PROC, a descriptor of a proc mounted in the container's namespaces. FRESH has the CLONE_NEW* of
 * the namespaces that are its own: what belongs to others or to no namespace at all is refused. Return: 0, or -errno with ERR.
 */
int settings_sysctls(const struct bundle *bundle, int proc, unsigned int fresh, struct err *err);

/* linux.personality. Before the filter of system calls, which may forbid it. Return: 0, or -errno with ERR. */
int settings_personality(const struct bundle *bundle, struct err *err);

/* crun's annotation run.oci.keep_original_groups: the process keeps the supplementary groups of who started it. */
bool settings_keep_groups(const struct bundle *bundle);

#endif
