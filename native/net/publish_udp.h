/*
 * publish_udp: UDP ports of containers on the host. Each is one host socket (two where both families are asked for): a map of flow.h that is
 * open to all. The server sees its client's real address and port; a client on the host's loopback, or with an address that means something
 * else inside (link-local, the network's own range), appears as the network's gateway with a port of its own.
 */
#ifndef PROA_NET_PUBLISH_UDP_H
#define PROA_NET_PUBLISH_UDP_H

#include "net.h"

struct published_udp;

/*
 * Take HOST_PORT (0: any free one) of HOST (family 0: every address, both families) for PORT of MEMBER. port->host_port becomes the one taken.
 * Return: 0 with *OUT, or -errno of bind(2): -EADDRINUSE, -EADDRNOTAVAIL, -EACCES below the host's first unprivileged port.
 */
int publish_udp_open(struct netd *netd, struct member *member, struct port *port, const struct address *host, uint16_t host_port,
		     struct published_udp **out);

/* Give the port back; its flows end. */
void publish_udp_close(struct netd *netd, struct published_udp *published);

#endif
