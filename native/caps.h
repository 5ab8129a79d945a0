/*
 * caps: capability sets of the runtime spec.
 */
#ifndef PROA_CAPS_H
#define PROA_CAPS_H

#include <jansson.h>
#include <stdint.h>

#include "err.h"

/* One bit a capability, numbered as in linux/capability.h. */
struct caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

/*
 * Read `process.capabilities` (NULL: no capability at all). Names that this kernel does not have are left out, as a
 * container made for another kernel must start. Return: 0, or -errno with ERR for what is no list of names.
 */
int caps_parse(json_t *object, struct caps *out, struct err *err);

/* Shrink the bounding set; needs CAP_SETPCAP. Return: 0, or -errno with ERR. */
int caps_bound(const struct caps *caps, struct err *err);

/* Take exactly the other sets. After the change of user, with PR_SET_KEEPCAPS before it. Return: 0, or -errno with ERR. */
int caps_apply(const struct caps *caps, struct err *err);

/*
 * Let all capabilities survive execve. Without it the exec of a process in a user namespace whose ids are not mapped yet
 * takes them, for its user is not root. caps_apply() ends it. Return: 0, or -errno with ERR.
 */
int caps_keep(struct err *err);

#endif
