/*
 * flow: UDP between containers and the outside, in both directions; udp.c and publish_udp.c begin the flows, this carries them.
 *
 *     peer <---> map's socket (host) --- netd --- flow's socket (N, bound to the peer as the container sees it) <---> container
 *
 * A MAP is one unconnected host socket for one (address, port) of a container. All that the container sends from there leaves through it, so
 * every peer sees the same port (endpoint-independent mapping, RFC 4787 4.1: STUN and hole punching work). What comes in passes only from a
 * peer that the container has written to (5: address and port dependent filtering, as the kernel's NAT has it), except through the map of a
 * published port, which is open to all. A published port's map also carries what its server begins by itself.
 *
 * A FLOW is a map and a peer. Its socket in N is transparent, bound to the peer's address as the container knows it and connected to the
 * container: N's packets find it before the listener that takes first packets, and answers leave it with the right source.
 *
 * Life: 30 s without an answer, 120 s from the last datagram once both sides have spoken (net.netfilter.nf_conntrack_udp_timeout*). A map without
 * flows ends, unless it is published.
 *
 * Bounds: FLOWS_PER_ENDPOINT and a share of netd's descriptors overall; the flow that was idle longest goes, that of the endpoint
 * with the most where all together are too many. New flows are counted against a budget, so that a container which sends to a thousand addresses a
 * millisecond costs netd little more than reading its datagrams. Each event reads one batch.
 */
#ifndef PROA_NET_FLOW_H
#define PROA_NET_FLOW_H

#include "batch.h"
#include "budget.h"
#include "bulk.h"
#include "icmp.h"
#include "net.h"
#include "rules.h"

#define FLOWS_PER_ENDPOINT 4096
#define BEGINNINGS_RATE 2000  /* new flows of an endpoint, a second: about a tenth of what one processor can begin */
#define BEGINNINGS_BURST 1000

struct flow;
struct udp_map;

/* What an endpoint uses; from its first datagram until it goes. */
struct udp_user {
	struct udp_user *next;
	struct endpoint *endpoint;
	struct flow *oldest, *newest; /* by last datagram */
	struct budget beginnings;     /* new flows */
	struct budget errors;         /* ICMP errors */
};

struct udp_map {
	struct watch watch;        /* the host's socket */
	struct bulk bulk;
	struct udp_map *chain;     /* in the table by INSIDE */
	struct udp_user *user;     /* NULL: published, with no endpoint to lead to now */
	struct flow *flows;
	union sockaddr_any inside; /* the container's address and port; family 0: none now */
	sa_family_t family;        /* of the host's socket */
	uint16_t segment_limit;
	int8_t whole;              /* the socket sends with "don't fragment": 1; without: -1; not set yet: 0 */
	bool wide;                 /* the receive buffer was enlarged */
	struct published_udp *published; /* NULL: begun by the container */
};

struct flow {
	struct watch watch;        /* the socket in N */
	struct bulk bulk;
	struct flow *chain;        /* in the table by map and host */
	struct flow *older, *newer;
	struct flow *sibling, **sibling_at; /* of the map */
	struct udp_map *map;
	struct timer timer;
	int64_t last_ms;
	union sockaddr_any host;   /* the peer as this host reaches it */
	union sockaddr_any seen;   /* the peer as the container sees it */
	struct address local;      /* published: the address of this host that the peer used; family 0: the kernel's choice */
	uint16_t segment_limit;
	bool sent, answered;       /* datagrams came out of the container, into it */
	bool wide;                 /* the receive buffer was enlarged */
	bool sampled;              /* HOPS and TRAFFIC stand for all datagrams, while there are so many that asking for each would cost */
	int16_t hops;              /* as the container's last datagram had it */
	uint8_t traffic;
};

struct flow_table {
	void **heads;
	size_t n, size; /* SIZE: a power of two, or 0 */
	uint32_t seed;  /* random: what collides is not a container's to choose */
};

struct udp_room {
	struct batch *batch;
	struct timer rest;          /* gives the batch's memory back */
	struct bulk_clock clock;
	struct icmp *icmp;
	struct udp_user *users;
	struct flow_table maps, flows;
	uint32_t descriptors;       /* of maps and flows */
	uint32_t descriptors_limit;
	struct watch listen4[RULES_UDP_PORTS], listen6[RULES_UDP_PORTS]; /* udp.c: first packets */
	struct published_udp *published;
};

/* The user that stands for ENDPOINT, made where there is none. */
struct udp_user *flow_user(struct udp_room *room, struct endpoint *endpoint);
/* Forget USER; no map may refer to it any more. */
void flow_user_end(struct netd *netd, struct udp_user *user);

/* The map of INSIDE whose host socket has FAMILY; NULL: none. */
struct udp_map *map_find(struct udp_room *room, const union sockaddr_any *inside, sa_family_t family);
/* A new map over FD, a host socket that becomes its own (and is closed on error). USER may be NULL where PUBLISHED is not. Return: it, or NULL with errno. */
struct udp_map *map_new(struct netd *netd, struct udp_user *user, int fd, sa_family_t family, const union sockaddr_any *inside,
			struct published_udp *published);
/* Lead MAP to INSIDE of USER from now on, or (NULL) nowhere. Its flows must have ended. */
void map_lead(struct netd *netd, struct udp_map *map, struct udp_user *user, const union sockaddr_any *inside);
void map_end_flows(struct netd *netd, struct udp_map *map);
/* End MAP with its flows. */
void map_end(struct netd *netd, struct udp_map *map);
/* A host socket of FAMILY as maps need it, not bound; room is made where descriptors are short. Return: descriptor or -errno. */
int map_socket(struct netd *netd, struct udp_user *user, sa_family_t family);

/* The flow of MAP to the peer HOST; NULL: none. */
struct flow *flow_find(struct udp_room *room, const struct udp_map *map, const union sockaddr_any *host);
/*
 * Begin one; the caller has asked the user's budget. SEEN is where its socket in N is bound; its port 0: any free one. Return: it, or NULL with
 * errno: EEXIST where another map of the same container socket already has a flow that the container could not tell from this one.
 */
struct flow *flow_new(struct netd *netd, struct udp_map *map, const union sockaddr_any *host, const union sockaddr_any *seen);
void flow_end(struct netd *netd, struct flow *flow);

/* Carry N datagrams that came out of the container, or into it. */
void flow_send_out(struct netd *netd, struct flow *flow, const struct datagram *datagrams, size_t n);
void flow_send_in(struct netd *netd, struct flow *flow, const struct datagram *datagrams, size_t n);

/* publish_udp.c: PEER, unknown so far, wrote to a published MAP at LOCAL. Return: a flow, or NULL where there can be none. */
struct flow *published_flow(struct netd *netd, struct udp_map *map, const union sockaddr_any *peer, const struct address *local);
/* publish_udp.c: ENDPOINT goes; maps that lead to it lead nowhere, or to another of its member. */
void published_forget(struct netd *netd, const struct endpoint *endpoint);
/* publish_udp.c: let the maps of MEMBER's published ports lead to where they should by now. */
void published_lead(struct netd *netd, const struct member *member);

/* Let the batch's memory rest when the traffic is over. */
void flow_used_batch(struct netd *netd);

#endif
