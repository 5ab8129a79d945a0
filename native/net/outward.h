/*
 * outward: TCP from containers to the world. N's own stack ends each connection at a transparent listening socket; its other half is a
 * socket on the host. Where SYNs are held (hold.h) the host's half is there first. Where they are not, or where the one that was held is gone
 * (netd was restarted between the two), the connection is accepted first, and a failure outside is a reset.
 *
 * What reaches the host is decided by policy_way(). outward_begin() and outward_forget() are in net.h.
 */
#ifndef PROA_NET_OUTWARD_H
#define PROA_NET_OUTWARD_H

#include "net.h"

/*
 * Begin to connect on the host to HOST (as policy_way() gave it). Return: a non-blocking socket that connects, or -errno; an outcome
 * that is known at once is an error as well.
 */
int outward_connect(const union sockaddr_any *host);

/* A listening socket was without descriptors: pause it, and try again after a moment. Embedded beside a watch by outward.c and publish.c. */
struct listener {
	struct watch watch;
	struct timer again;
};

/*
 * Accept one connection of LISTENER with its peer. After an error that would only repeat itself (EMFILE, no room for a connection more) the listener is
 * paused for a moment. Return: a non-blocking socket, or -1 when this round is over.
 */
int listener_accept(struct netd *netd, struct listener *listener, union sockaddr_any *peer);

/* Watch a listening socket, which is the listener's from now on: READY is called with its watch. Return: 0 or -errno. */
int listener_open(struct netd *netd, struct listener *listener, int fd,
	void (*ready)(struct netd *netd, struct watch *watch, uint32_t events));
void listener_close(struct netd *netd, struct listener *listener);

#endif
