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
 * Write linux.sysctl through PROC, a descriptor of a proc mounted in the container's namespaces. FRESH has the CLONE_NEW* of
 * the namespaces that are its own: what belongs to others or to no namespace at all is refused. Return: 0, or -errno with ERR.
 */
int settings_sysctls(const struct bundle *bundle, int proc, unsigned int fresh, struct err *err);

#endif
