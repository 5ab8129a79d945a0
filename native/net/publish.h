/*
 * publish: host ports that lead into containers. publish_open() and publish_close() are in net.h; UDP is publish_udp.c's.
 *
 * A client is accepted on the host and connected inward from a transparent socket in N that is bound to the client's own address and port, so
 * that the server sees who calls. The container's answers come back to N, its default route, where every address is local. Three kinds
 * of clients cannot keep their address, because the container would not answer through N: those of the host's loopback, those with an address of a
 * network of containers, and link-local ones. For them it is the gateway's, with the client's port as long as that is free.
 *
 * A client of the family that the container lacks, or that its server does not listen on, is connected by the other one, from the gateway: a server on
 * 0.0.0.0 answers to "localhost", which is ::1 first. A connection that fails inward is reset.
 */
#ifndef PROA_NET_PUBLISH_H
#define PROA_NET_PUBLISH_H

#include "net.h"

/*
 * Where MEMBER's ports lead to: its endpoint with the default route, since answers to clients elsewhere leave by it and N takes an address from its
 * own bridge only; without one the first that is not of an internal network; not GOING, one that ends. NULL: none.
 */
struct endpoint *publish_target(const struct member *member, const struct endpoint *going);

/* Whether the server may see CLIENT as it is: N is where a container sends its answers to it, and it is nobody's address in there. */
bool publish_shows(const struct netd *netd, const struct address *client);

#endif
