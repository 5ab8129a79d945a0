/*
 * going: links of N that are to go. Deleting one takes the kernel 10 to 20 ms, in which it waits for its own readers with the
 * lock of all network settings in its hand; netd does not wait for it, and does not ask for it when it can be spared:
 *
 *   - the veth of a container that has ended goes with the container's network namespace, in the kernel's own time;
 *   - a bridge without containers is kept for a while, since the next container often comes at once;
 *   - what has to go now, or was left over, goes in one request for all (device group GOING_GROUP), which a thread waits for.
 *
 * The thread does nothing else than this one system call: it shares no memory with the rest but the flags here, under their
 * mutex.
 */
#ifndef PROA_NET_GOING_H
#define PROA_NET_GOING_H

#include "net.h"

#define GOING_GROUP 3 /* device group; see NET_GROUP_… for the others */
#define GOING_NOW 0

struct going;

/* FD: a NETLINK_ROUTE socket of N for the thread alone, which becomes the room's; ROUTE: the caller's. */
struct going *going_new(int fd, int route);
/* Take IFINDEX down AFTER_MS from now, if it is still there then. Harmless when it is not. */
void going_add(struct netd *netd, struct going *going, int ifindex, int64_t after_ms);
/* It is in use again. Return: whether it was to go, and has not gone. */
bool going_keep(struct going *going, int ifindex);
/* Wait until all that is to go has gone. Return: whether there was any. */
bool going_finish(struct netd *netd, struct going *going);

#endif
