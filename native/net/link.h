/*
 * link: rtnetlink. Each link_…(batch, …) appends one message to a batch (netlink.h); each that takes a descriptor asks at once.
 * Indexes are those of the namespace that the batch's socket was opened in.
 */
#ifndef PROA_NET_LINK_H
#define PROA_NET_LINK_H

#include "net.h"
#include "netlink.h"

#define LINK_LOOPBACK 1 /* ifindex of lo: the kernel makes it first in every namespace */

struct link_bridge {
	const char *name;
	const unsigned char *mac;
	unsigned mtu;
	unsigned group; /* device group */
};

/*
 * A bridge that is up; fails with EEXIST. No spanning tree (its ports forward at once) and no multicast snooping: nobody would
 * send queries.
 */
void link_add_bridge(struct nl_batch *batch, const struct link_bridge *bridge);

struct link_veth {
	const char *name;         /* of the end that stays here, down */
	const unsigned char *mac; /* of that end, 6 bytes */
	const char *peer;         /* of the other end, in PEER_NETNS, down */
	int peer_netns;           /* descriptor */
	const unsigned char *peer_mac;
	unsigned mtu;
};

/* Fails with EEXIST when either name is taken. */
void link_add_veth(struct nl_batch *batch, const struct link_veth *veth);

struct link_port {
	bool isolated; /* sees the bridge itself and ports that are not isolated */
	bool locked;   /* takes only frames from addresses that stand in the forwarding table for it (kernel 5.18) */
};

/* Settings of a bridge's port. It learns nothing. */
void link_set_port(struct nl_batch *batch, int ifindex, const struct link_port *port);
/* Where frames to MAC go. Replaces. */
void link_add_forward(struct nl_batch *batch, int port, const unsigned char *mac);

void link_set_up(struct nl_batch *batch, int ifindex);
void link_set_name(struct nl_batch *batch, int ifindex, const char *name);
void link_set_master(struct nl_batch *batch, int ifindex, int master);
void link_set_mac(struct nl_batch *batch, int ifindex, const unsigned char *mac);
void link_set_mtu(struct nl_batch *batch, int ifindex, unsigned mtu);
void link_set_group(struct nl_batch *batch, int ifindex, unsigned group);
/*
 * Let TCP hand segments of up to 512 KiB at once to the link ("BIG TCP", kernel 5.19 for IPv6, 6.3 for IPv4; before that it has
 * no effect). Every link on the way must take them, or they are cut on it. Measured between two containers with an MTU of 1500:
 * 1.5 times the throughput for half of the CPU time, and three quarters of it for the relay to the outside; the largest MTU there
 * is brings less.
 */
void link_set_large(struct nl_batch *batch, int ifindex);

/* IPv6 addresses are usable at once: nobody is asked whether they are taken. Replaces one that is there. */
void link_add_address(struct nl_batch *batch, int ifindex, const struct address *address, unsigned prefix);
void link_delete_address(struct nl_batch *batch, int ifindex, const struct address *address, unsigned prefix);

/*
 * DESTINATION of family 0: the default route of GATEWAY's family. ONLINK: the gateway is in no network of the link. A gateway of
 * zeros is none: what is there is on the link itself. Replaces.
 */
struct link_route {
	const struct range *destination;
	const struct address *gateway;
	bool onlink;
};
void link_add_route(struct nl_batch *batch, int ifindex, const struct link_route *route);
/*
 * Every address of FAMILY that no other route has belongs to this host. In the main table, behind what the links' own networks
 * say. Replaces.
 */
void link_add_local_default(struct nl_batch *batch, sa_family_t family);
/* A neighbour that is known for good: nobody is asked and nobody can say otherwise. Replaces. */
void link_add_neighbour(struct nl_batch *batch, int ifindex, const struct address *address, const unsigned char *mac);
void link_delete_neighbour(struct nl_batch *batch, int ifindex, const struct address *address);

struct link {
	int ifindex;
	int master;      /* ifindex, 0: none */
	unsigned group;
	char kind[16];   /* "bridge", "veth"; "" for lo and real ones */
};

/* Ask for the link called NAME; the answer is for link_read() with a struct link. */
void link_get(struct nl_batch *batch, const char *name);
nl_reader link_read;

/* The link called NAME. Return: 0, or -errno (-ENODEV: none). */
int link_find(int fd, const char *name, struct link *out);
/* All links. *OUT is malloc'ed. Return: their number, or -errno. */
int link_list(int fd, struct link **out);
/* Counters of IFINDEX as its own side counts them, 64 bits. Return: 0 or -errno. */
int link_traffic(int fd, int ifindex, struct traffic *out);

#endif
