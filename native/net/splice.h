/*
 * splice: two connected TCP sockets, one on the host and one in N, made into one connection. What outward.c, hold.c and publish.c share.
 *
 * Each socket is registered once, edge-triggered. A direction is at any moment
 *
 *   waiting     its source has nothing to read: an edge of the source wakes it
 *   blocked     its destination takes nothing: an edge of the destination wakes it; what was read already stays in a pipe of its own
 *   out of turn it has moved TURN_BYTES in this event: the source is registered again, which puts it behind the others that are ready
 *   ended       the source's end of file has been passed on (half-close)
 *
 * Small transfers are received and sent through one buffer that all connections share; once a direction fills it, it goes by splice(2)
 * through a pipe from a pool, without a copy. A pipe is the direction's only while something is in it, so an idle connection has two
 * descriptors, its struct and nothing else, and one pipe serves all directions that are not blocked. When no pipe is to be had, data is
 * peeked at, sent, and only what was taken is received: then everything stays in the sockets.
 *
 * Urgent data: a receive that begins in front of the mark never goes past it, one that begins at the mark does and loses the byte. Whoever
 * receives without a fresh EPOLLIN (which an urgent byte alone does not raise) therefore asks SIOCATMARK first. splice(2) never passes a mark.
 *
 * A reset or a timeout of one side is a reset of the other (SO_LINGER 0), after what had arrived before it has been passed on. A socket that
 * is still connecting may be joined already: it is blocked, and its failure is a reset of the other side.
 *
 * A process may hold RLIMIT_NOFILE descriptors. When three quarters of them are connections, further ones go to processes beside netd
 * (overflow.h) that do nothing but this.
 */
#ifndef PROA_NET_SPLICE_H
#define PROA_NET_SPLICE_H

#include "net.h"

struct joined;
struct held;

/* The TCP of one endpoint, both directions. */
struct tcp_share {
	struct endpoint *endpoint;
	struct joined *joined;
	uint32_t n_joined;
	uint32_t n_given; /* connections in processes beside, as far as they have told */
	struct held *oldest, *newest; /* hold.c's: connections that are being opened */
	uint32_t n_held;
};

/*
 * The engine; ignores SIGPIPE, which splice(2) to a closed connection would raise. ALONE: this process carries all that it is given by itself.
 * Return: 0, or -errno with ERR.
 */
int splice_begin(struct netd *netd, bool alone, struct err *err);

/* The share of ENDPOINT, made when it is not there. */
struct tcp_share *splice_share(struct endpoint *endpoint);

/* Another socket in N in the place of one that was refused there. PORT: as given. Return: a socket that connects, or -errno. */
typedef int splice_again(struct netd *netd, struct endpoint *endpoint, int outer, uint16_t port);

/*
 * Join OUTER (on the host) and INNER (in N), which are the engine's from then on, also when it fails. The options of both sockets are the
 * caller's: see splice_options(). Return: 0 or -errno.
 */
int splice_join(struct netd *netd, struct tcp_share *share, int outer, int inner);

/* The same of an OUTER that is in the loop already, with a watch of the caller's, which is replaced. */
int splice_join_watched(struct netd *netd, struct tcp_share *share, int outer, int inner);

/* The same of an INNER that is still connecting: AGAIN is asked once when it is refused. */
int splice_join_trying(struct netd *netd, struct tcp_share *share, int outer, int inner, splice_again *again, uint16_t port);

/*
 * What a relayed socket needs: a reset when it is closed (also by the kernel, when netd is killed: half a transfer must not look like a whole
 * one), no delay, keep-alive; on the host's side (HOST) probes after a minute of silence, so that routers on the way
 * keep the connection as they would the client's own, and patience for two hours. Accepted sockets inherit these from the listening one.
 */
void splice_options(int fd, bool host);

/* Close FD with a reset. */
void splice_reset(int fd);

/* End every connection of ENDPOINT with a reset and free its share. */
void splice_forget(struct netd *netd, struct endpoint *endpoint);

/* Whether there is room for one more connection, here or in a process beside. */
bool splice_room_left(const struct netd *netd);

/* Whether SHARE may have one more: half of all is the most for one endpoint, so that it leaves the others something. */
bool splice_share_left(const struct netd *netd, const struct tcp_share *share);

#endif
