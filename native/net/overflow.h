/*
 * overflow: processes beside netd for connections beyond what one process may hold descriptors for (20,000 of them are 10,000 connections,
 * and netd has others to hold). Each is a fork of netd with a loop and an engine of its own (splice.h), and one SOCK_SEQPACKET to netd:
 *
 *   netd to it:  JOIN, the share's key, with both sockets beside it;  FORGET, the key
 *   it to netd:  a share's key, and how many of its connections have ended since it last said so; at most every REPORT_MS
 *
 * netd counts what it has sent and not heard the end of, ends one that has nothing any more by closing the socket, and starts another one when
 * all that live are full, up to OVERFLOWS. They end with netd.
 */
#ifndef PROA_NET_OVERFLOW_H
#define PROA_NET_OVERFLOW_H

#include "net.h"

struct tcp_share;

/*
 * Give a connection away. OUTER and INNER are closed here when that has succeeded and stay the caller's otherwise.
 * WATCHED: OUTER is in the loop. Return: 0 or -errno.
 */
int overflow_join(struct netd *netd, struct tcp_share *share, int outer, int inner, bool watched);

/* End all connections of SHARE. */
void overflow_forget(struct netd *netd, const struct tcp_share *share);

/* Whether one of them can take a connection, or another one may be started. */
bool overflow_room_left(const struct netd *netd);

/* Connections that all of them together may carry. */
size_t overflow_capacity(void);

#endif
