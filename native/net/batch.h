/*
 * batch: datagrams in numbers. Many are read by one system call, each with what the kernel tells beside it; runs of equal ones are sent as one
 * (UDP_SEGMENT) and arrive so (UDP_GRO), which is where the speed of the UDP relay comes from: the way through the kernel is paid for once a run.
 *
 * There is one store of buffers for all sockets, since netd is one thread: what batch_receive() gave is gone with the next call. Each slot
 * has room for the largest datagram, and is only address space until one comes; after a few idle seconds the pages go back to the kernel.
 */
#ifndef PROA_NET_BATCH_H
#define PROA_NET_BATCH_H

#include "net.h"

#define BATCH_DATAGRAMS 64 /* at most at once: the bound of one event's work, so that a flood on one socket delays the others little */

struct batch;

/* One that was received, or a run of them that came as one. */
struct datagram {
	unsigned char *data;
	uint32_t len;           /* bytes */
	uint16_t segment;       /* bytes of each datagram in DATA, the last may be shorter; 0: DATA is one datagram */
	int16_t hops;           /* TTL or hop limit as it came; -1: not told */
	uint8_t traffic;        /* TOS or traffic class */
	bool divided;           /* it came in fragments (IP_RECVFRAGSIZE) */
	int ifindex;            /* where it came in; 0: not told */
	union sockaddr_any from; /* family 0: not told */
	union sockaddr_any to;  /* IP_RECVORIGDSTADDR; family 0: not told */
	struct address local;   /* IP_PKTINFO: the address of this side that was meant; family 0: not told */
};

/* Where datagrams are sent through. */
struct outgoing {
	int fd;
	sa_family_t family;           /* of the socket */
	const union sockaddr_any *to; /* NULL: it is connected */
	const struct address *local;  /* source address; NULL or family 0: the kernel's choice */
	bool keep_hops;               /* hand on the hop limit, one less, where it is not the usual 64 */
	uint16_t *segment_limit;      /* from this size on runs are sent one by one; lowered when the kernel refuses a run */
	/*
	 * Told when DATAGRAM could not be sent for CODE; a run is told as one. Return: whether to try it once more (an error that was
	 * waiting on the socket belonged to an earlier one). NULL: losses are nobody's concern.
	 */
	bool (*failed)(void *context, const struct datagram *datagram, int code);
	void *context;
};

/* Return: a store; its buffers are mapped at the first use. */
struct batch *batch_new(void);

/*
 * Read what is there, up to BATCH_DATAGRAMS, without waiting. *OUT points into BATCH until the next call.
 * Return: how many; 0 when nothing is there; -errno, among them an ICMP error of a connected socket.
 */
int batch_receive(struct batch *batch, int fd, struct datagram **out);

/* As batch_receive(), from a connected socket: FROM is not filled in. */
int batch_receive_connected(struct batch *batch, int fd, struct datagram **out);

/* Let FD, a socket of FAMILY, tell which datagrams came in fragments: the kernel puts them together before anyone sees them. */
void batch_ask_divided(int fd, sa_family_t family);

/*
 * Let FD's receive buffer be as large as may be: BATCH_BUFFER_BYTES for who may (SO_RCVBUFFORCE asks for rights over the initial user namespace, also for a socket of N),
 * otherwise twice net.core.rmem_max.
 */
#define BATCH_BUFFER_BYTES (8 << 20)
void batch_widen(int fd, int share); /* one of SHARE that are filled together */

/* Send N datagrams in their order. They may be BATCH's own. */
void batch_send(struct batch *batch, const struct outgoing *out, const struct datagram *datagrams, size_t n);

/* Whether buffers were used since the last call; when not, their memory is given back. To be called every few seconds. */
bool batch_rest(struct batch *batch);

/* Largest datagram in D: its size, or that of its segments. */
static inline uint32_t datagram_unit(const struct datagram *d)
{
	return d->segment && d->segment < d->len ? d->segment : d->len;
}

#endif
