/*
 * policy: where a container may go outside (policy_way() in net.h).
 *
 * The relay connects in the name of the user, on the host: whatever the host can reach by an address, the container reaches. So
 * what must not be reached has to be said here, in every way that it can be written: the host's loopback, link-local IPv6
 * addresses (which mean another link on the host), other networks of containers, and the ranges that the configuration denies,
 * also as the IPv4 address inside of an IPv6 one that a translator would take out (NAT64, 6to4, Teredo, ISATAP).
 */
#ifndef PROA_NET_POLICY_H
#define PROA_NET_POLICY_H

#include "net.h"

/* The host for containers (host.containers.internal): an address of no real network. */
#define POLICY_HOST4 "169.254.1.2"
#define POLICY_HOST6 "fd00:70:726f:61::2"

/* Whether ADDRESS, as a container sees it, is the host's own. */
bool policy_is_host(const struct address *address);

/* Whether ADDRESS is in a network of containers that is in use: they meet on its bridge or not at all. */
bool policy_is_of_network(const struct netd *netd, const struct address *address);

#endif
