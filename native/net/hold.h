/*
 * hold: the first SYN of a connection to the outside waits in the kernel (NFQUEUE 0 of N) until the host's side has connected or failed, so
 * that connect(2) in a container has the outcome of the real one, when the real one has it.
 *
 *   SYN queued --> CONNECTING --> the peer answered: verdict "accept"  --> AWAITED --> accepted by outward.c: taken, joined
 *                       |                                                     `-> nobody comes for AWAITED_MS: closed
 *                       |--> the peer refused, or there is no way: verdict "accept" with a mark that the rules turn into the same error
 *                       `--> no answer: verdict "drop"; the client's own clock has run as long
 *
 * A second SYN of the same pair of addresses is the client's retransmission: dropped while CONNECTING, let through while AWAITED.
 * An endpoint has at most HELD_MOST of them, fewer where descriptors are few; the oldest makes room for the next, so that a flood
 * harms only who floods. Without room for a descriptor the SYN is dropped: the client sends it again after a second.
 */
#ifndef PROA_NET_HOLD_H
#define PROA_NET_HOLD_H

#include "syn.h"

/*
 * The host's side of the connection from CLIENT to SERVER, which has been let through: a connected socket that is in the loop, the caller's
 * from now on, or -1 when there is none.
 */
int hold_take(struct netd *netd, const union sockaddr_any *client, const union sockaddr_any *server);

/* There are no descriptors: give up the oldest of the endpoint that has most pending. Return: whether there was one. */
bool hold_make_room(struct netd *netd);

/* Give up what ENDPOINT has opened. */
void hold_forget(struct netd *netd, struct endpoint *endpoint);

#endif
