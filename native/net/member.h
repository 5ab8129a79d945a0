/*
 * member: a container's plan made real. All or nothing: a plan that fails leaves the one before in force.
 */
#ifndef PROA_NET_MEMBER_H
#define PROA_NET_MEMBER_H

#include <jansson.h>

#include "plan.h"

/*
 * A new member without endpoints. The descriptors become the member's, and are closed with it. It is in netd->members from here on.
 */
struct member *member_new(struct netd *netd, const char *id, int netns_fd, int netlink_fd);

/*
 * Put PLAN (which is consumed) in force: what is new is made, what is gone is taken down, what stays is not touched. HELD, of N_HELD ports
 * or NULL, are the host ports that the container had under the netd before: they are taken again where the plan leaves the choice.
 * Return: 0, or -errno with ERR and everything as it was.
 */
int member_apply(struct netd *netd, struct member *member, struct plan *plan, const uint16_t *held, size_t n_held, struct err *err);

/* Take everything down and free it. */
void member_remove(struct netd *netd, struct member *member);

/* `ports` of an answer: a new reference. */
json_t *member_ports(const struct member *member);

#endif
