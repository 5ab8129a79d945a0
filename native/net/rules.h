/*
 * rules: which packets of containers N's kernel takes, by nf_tables. Made once for a netd; networks and endpoints are elements of
 * its sets.
 */
#ifndef PROA_NET_RULES_H
#define PROA_NET_RULES_H

#include "net.h"

#define RULES_QUEUE 0 /* number of the NFQUEUE that SYNs are held in */
#define RULES_UDP_PORTS 8

/* What hold.c answers for a SYN, as the mark of its verdict (NF_ACCEPT); without a mark it goes to the relay. */
enum rules_mark {
	RULES_RELAY = 0,
	RULES_REFUSE = 1,           /* RST: ECONNREFUSED */
	RULES_HOST_UNREACHABLE = 2, /* EHOSTUNREACH */
	RULES_NET_UNREACHABLE = 3,  /* ENETUNREACH */
	RULES_PROHIBITED = 4,       /* administratively: EACCES on IPv6, EHOSTUNREACH on IPv4 */
};

struct rules_wanted {
	uint16_t tcp_port;  /* of the relay's transparent socket in N */
	uint16_t udp_ports; /* the first of RULES_UDP_PORTS, a multiple of that: the lowest bits of a container's address choose */
	bool ipv6;          /* N has it */
};

struct rules_made {
	bool ipv4, ipv6; /* rules of that family are in force */
	bool hold;       /* SYNs are held */
	char why[160];   /* the kernel's reason for the first that is not; "" */
};

/*
 * Put the rules in force, in the place of those of an earlier netd, in one step. FD: NETLINK_NETFILTER, opened in N.
 * What the kernel does not have is told in OUT.
 */
void rules_make(int fd, const struct rules_wanted *wanted, struct rules_made *out);

/* An address of N itself on BRIDGE, where names are asked and published ports come from. Return: 0 or -errno with ERR. */
struct rules_gateway {
	int bridge; /* ifindex */
	struct address address;
};
/* A container's address, with the only MAC address that it may come from. */
struct rules_member {
	int bridge;
	struct address address;
	unsigned char mac[6];
};
int rules_add_gateways(int fd, const struct rules_gateway *gateways, size_t n, struct err *err);
void rules_remove_gateway(int fd, const struct rules_gateway *gateway);
int rules_add_members(int fd, const struct rules_member *members, size_t n, struct err *err);
void rules_remove_member(int fd, const struct rules_member *member);

#endif
