/*
 * factory: netd's process inside N, which makes what can only be made there: sockets, and at first the settings of bridge.h. factory_socket() is in net.h.
 *
 * The two talk over a SOCK_SEQPACKET pair, one request at a time but for refills of the store, whose answers carry the kind they belong to. The
 * factory is a fork of netd that has closed everything else; it ends with the pair. When it is killed, netd starts another one in the same N.
 */
#ifndef PROA_NET_FACTORY_H
#define PROA_NET_FACTORY_H

#include <sys/types.h>

#include "net.h"

/*
 * Start the factory in the N behind NETNS (which stays the caller's), or in a new one where that is -1, without waiting for it: so that
 * the kernel's work overlaps with ours. Return: 0, or -errno with ERR.
 */
int factory_start(struct netd *netd, int netns, struct err *err);

/* Wait until it is in N. Return: 0, or -errno with ERR. */
int factory_ready(struct netd *netd, struct err *err);

/* A descriptor of N itself, the factory's to close. */
int factory_netns(const struct netd *netd);

pid_t factory_pid(const struct netd *netd);

#endif
