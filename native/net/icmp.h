/*
 * icmp: what containers hear by ICMP from netd. An error on the host side of a datagram (its peer's port is closed, a router dropped it, it was too
 * big) is told to the container as if the path had been one: an ICMP error whose quotation is the datagram as the container had sent it, so that
 * the container's kernel finds the socket. Also answers to echo requests. All go through one raw socket a family in N, from any source address:
 * in N every address is local, and the sockets are transparent.
 */
#ifndef PROA_NET_ICMP_H
#define PROA_NET_ICMP_H

#include "budget.h"
#include "net.h"

#define ICMP_QUOTED_BYTES 512 /* of the datagram's content, in an error: all stays below 576 bytes (RFC 1812, 4.3.2.3) */

struct icmp;

/* What an error says, in the family's own numbers. */
struct icmp_news {
	uint8_t type, code;
	uint32_t info;       /* MTU, or pointer of a parameter problem; else 0 */
	struct address from; /* who says so; family 0: the container's gateway */
};

/* The datagram that an error is about, as the container had sent it. */
struct icmp_subject {
	union sockaddr_any inside; /* the container; port 0 for echo */
	union sockaddr_any seen;   /* where it went to, as the container knows it */
	uint8_t protocol;          /* IPPROTO_UDP: header made of the ports; IPPROTO_ICMP, IPPROTO_ICMPV6: the header is in DATA */
	const void *data;          /* what followed the UDP header, or from the ICMP header on; as much as is known */
	size_t len;
	size_t whole;              /* bytes that there were of it in all */
};

/* The raw sockets. Return: a room, or NULL with ERR. IPv6 is left out where the kernel has none. */
struct icmp *icmp_new(struct netd *netd, struct err *err);

/* Tell the container. BUDGET bounds the errors of one endpoint. GATEWAY is the source where NEWS names none, or none of the family. */
void icmp_tell(struct netd *netd, struct icmp *icmp, struct budget *budget, const struct address *gateway, const struct icmp_news *news,
	       const struct icmp_subject *subject);

/*
 * Send one ICMP message of LEN bytes, header included, from FROM to TO. HOPS and TRAFFIC are the IP header's, 0 for the usual ones. The checksum
 * is filled in. Return: 0 or -errno.
 */
int icmp_send(struct icmp *icmp, const struct address *from, const struct address *to, unsigned char *message, size_t len, int hops, int traffic);

/* The internet checksum (RFC 1071) over LEN bytes. */
uint16_t icmp_checksum(const void *data, size_t len);

/* The errors that netd itself finds. */
struct icmp_news icmp_prohibited(sa_family_t family);
struct icmp_news icmp_expired(sa_family_t family);

/* What an errno of sending to a host means. Return: whether it means anything that a container should hear. */
bool icmp_of_errno(sa_family_t family, int code, struct icmp_news *out);

/*
 * Take one error from FD's error queue (IP_RECVERR). TO gets where the datagram was sent to, DATA (up to ICMP_QUOTED_BYTES) what was quoted of it.
 * Return: 1 with NEWS about a datagram (FROM is the host's view), 0 when there is no more, -1 for one that means nothing here.
 */
int icmp_read_error(int fd, sa_family_t family, struct icmp_news *news, union sockaddr_any *to, unsigned char data[static ICMP_QUOTED_BYTES], size_t *len);

/* ENDPOINT's gateway of FAMILY; family 0 where its network has none. */
struct address icmp_gateway(const struct endpoint *endpoint, sa_family_t family);

#endif
