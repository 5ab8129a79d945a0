/*
 * bridge: networks and endpoints as links of the kernel. What others call is in net.h (bridge_…,
 * endpoint_by_address()).
 *
 * A network is a bridge in N, in the device group that the rules (nft.h) tell its kind by, with the gateways' addresses on it. An
 * endpoint is a veth whose outer end is a port of the bridge. Nothing is written down: a netd that was started again finds
 * bridges by the plan's name and veths by a name that is made of the container's and the network's ids, and takes over what is as
 * it must be, so that established bridged connections go on.
 *
 * Who is who is held by the kernel: a port takes only frames from its endpoint's MAC address (locked port with a fixed forwarding
 * entry, kernel 5.18), the rules let through only pairs of IP and MAC address that belong together, and N's neighbour entries are
 * fixed. So an address names the container that it was given to, also when another one on the same bridge may write any packet it
 * likes (CAP_NET_RAW, CAP_NET_ADMIN).
 */
#ifndef PROA_NET_BRIDGE_H
#define PROA_NET_BRIDGE_H

#include "net.h"

/* First three bytes of every bridge's MAC address; locally administered. */
#define BRIDGE_MAC_PREFIX { 0x06, 0x70, 0x72 }

/* A value below /proc/sys that N must have. Ends with a NULL path. */
struct bridge_setting {
	const char *path; /* "net/ipv4/ip_forward" */
	const char *value;
};

/*
 * For the factory to write once inside a fresh N, before any link is made, in this order. A file that does not exist belongs to a
 * kernel without the feature; a value that is refused costs speed or a message at most, since the rules hold what must hold:
 * neither is an error.
 */
extern const struct bridge_setting bridge_settings[];

#endif
