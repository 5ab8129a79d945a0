/*
 * net: what the rooms of netd share. netd is one process a user, outside of every namespace of ours, with one epoll loop;
 * a second tiny one (factory.h) stays inside the network namespace N, where the bridges are, and makes sockets there.
 *
 *   host                 netd (host's network namespace)          N (bridges, AnyIP)            container
 *   server  <---- connect, send -- outward, udp, echo <---- tproxy, raw sockets <---- veth --- client
 *   client  ----- listening socket -> publish ---- transparent socket, the client's address --> server
 *
 * Rights: netd runs as the user outside of N's user namespace U, and owns it. The kernel gives the owner of a user namespace who
 * stands in its parent all capabilities over it, so that netd may set IP_TRANSPARENT, bind to low ports and configure links on
 * sockets that the factory has made in N, and likewise in the namespaces of containers. What it cannot do is make a socket there.
 * A netlink message that touches two namespaces (a veth) must be sent with an explicit destination address (nl_pid 0): only then the
 * kernel asks for the sender's rights instead of those of whoever opened the socket.
 *
 * In N every address that is no container's is local ("AnyIP": `local 0.0.0.0/0 dev lo`), so N's own TCP ends each connection
 * that a container opens to the world; there is no conntrack and no NAT.
 */
#ifndef PROA_NET_H
#define PROA_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../err.h"

#define NET_NAME_BYTES 256 /* a DNS name as text, with its NUL */
#define NET_BRIDGE_BYTES 16 /* IFNAMSIZ */
#define NET_GROUP_OUTSIDE 1 /* device group of the bridges whose networks reach the outside: the rules tell by it */
#define NET_GROUP_INTERNAL 2 /* that of --internal ones */

struct netd;

/* ---- the loop (loop.c) ---- */

/* A descriptor in the loop. Embedded in what it belongs to; found again with container_of(). */
struct watch {
	int fd;
	void (*ready)(struct netd *netd, struct watch *watch, uint32_t events); /* EPOLL* */
};

/* A moment in the loop. Zeroed: not set. */
struct timer {
	int64_t at_ms; /* of the monotonic clock */
	void (*expired)(struct netd *netd, struct timer *timer);
	size_t slot; /* in the loop's heap, from 1; 0: not set */
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* Begin to watch. EVENTS may hold EPOLLET. Return: 0 or -errno. */
int loop_watch(struct netd *netd, struct watch *watch, uint32_t events);
/* Change what is waited for. Return: 0 or -errno. */
int loop_change(struct netd *netd, struct watch *watch, uint32_t events);
/* Stop watching; the descriptor stays open. Events of this round that are still to come for it are dropped. */
void loop_unwatch(struct netd *netd, struct watch *watch);
/* Free MEMORY with free(3) at the end of this round: events of it may still be under way. */
void loop_free(struct netd *netd, void *memory);
/* (Re)set TIMER to AFTER_MS from now; timer_clear() is harmless on one that is not set. */
void timer_set(struct netd *netd, struct timer *timer, int64_t after_ms);
void timer_clear(struct netd *netd, struct timer *timer);
/* Milliseconds of the monotonic clock, read once a round. */
int64_t loop_now(const struct netd *netd);

/* ---- addresses (address.c) ---- */

struct address {
	sa_family_t family; /* AF_INET, AF_INET6; 0: none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		unsigned char bytes[16];
	};
};

/* A socket address of either family. */
union sockaddr_any {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t sockaddr_len(const union sockaddr_any *sa);
uint16_t sockaddr_port(const union sockaddr_any *sa);           /* host order */
void sockaddr_set(union sockaddr_any *out, const struct address *address, uint16_t port); /* port in host order */
struct address sockaddr_address(const union sockaddr_any *sa);  /* a v4-mapped address becomes AF_INET */
bool sockaddr_equal(const union sockaddr_any *a, const union sockaddr_any *b);
bool address_equal(const struct address *a, const struct address *b);
uint32_t address_hash(const struct address *a, uint32_t seed);
bool address_parse(const char *text, struct address *out);      /* numeric only */
void address_print(const struct address *a, char out[static INET6_ADDRSTRLEN]);
bool address_in(const struct address *a, const struct address *net, unsigned prefix);

/* ---- the plan (plan.c fills it, bridge.c realises it, everyone reads it) ---- */

struct subnet {
	struct address gateway; /* N's own address in it: way out and name server */
	unsigned prefix;
};

/* Addresses that begin with the first PREFIX bits of ADDRESS. */
struct range {
	struct address address;
	unsigned prefix;
};

/* A route inside the container beside the default one. */
struct route {
	struct range destination;
	struct address gateway;
};

/* A network that at least one container is connected to. */
struct network {
	struct network *next;
	char *id;                     /* 64 hex */
	char *name;                   /* "proa", "back" */
	char bridge[NET_BRIDGE_BYTES];
	int ifindex;                  /* of the bridge in N */
	struct subnet *subnets;
	size_t n_subnets;
	unsigned mtu;
	bool internal;                /* reaches nothing outside */
	bool isolated;                /* --opt isolate: containers of it do not see each other either */
	bool names;                   /* answers names; off with --disable-dns */
	struct address *resolvers;    /* --dns of the network: asked instead of the host's; may be empty */
	size_t n_resolvers;
	size_t n_endpoints;           /* connected now; at 0 it is taken down */
	void *names_state;            /* names.c's own */
};

/* A container's connection to a network. */
struct endpoint {
	struct endpoint *next;        /* of the member */
	struct member *member;
	struct network *network;
	struct address v4, v6;        /* family 0 where it has none */
	unsigned v4_prefix, v6_prefix;
	struct address gateway4, gateway6; /* the default route of that family goes there; family 0: not through this endpoint */
	struct route *routes;
	size_t n_routes;
	unsigned char mac[6];
	char interface[NET_BRIDGE_BYTES]; /* inside: eth0 */
	int ifindex;                  /* of the veth's end in N */
	bool host_loopback;           /* --network NAME:host-loopback */
	char **names;                 /* that it answers to: name, aliases, short id, hostname; lower case */
	size_t n_names;
	uint32_t udp_flows;           /* and the next: what is under way; each room keeps its own bound */
	uint32_t echoes;
	uint32_t queries;
	void *names_state;            /* names.c's own */
	struct tcp_share *tcp;        /* splice.c's own: its TCP connections; NULL before the first */
};

struct port {
	uint8_t protocol;             /* IPPROTO_TCP, IPPROTO_UDP */
	struct address host;          /* family 0: every address, both families */
	uint16_t host_first, host_last; /* 0, 0: any free one */
	uint16_t container;
	uint16_t host_port;           /* the one that was taken */
	struct published *published;  /* publish.c's own */
};

/* A connected container: one of the connections on netd's socket. */
struct member {
	struct member *next;
	char id[65];
	char *name;
	struct endpoint *endpoints;
	struct port *ports;
	size_t n_ports;
	struct address *resolvers;    /* --dns of the container: before its networks' and the host's */
	size_t n_resolvers;
	int netns_fd;                 /* its network namespace */
	int netlink_fd;               /* NETLINK_ROUTE, opened inside it */
	bool ended;                   /* the container is gone, and its links with its namespace */
};

/* The endpoint whose address is ADDRESS, or NULL. (bridge.c) */
struct endpoint *endpoint_by_address(struct netd *netd, const struct address *address);

/* ---- where a container may go (policy.c) ---- */

enum way {
	WAY_OPEN,       /* to *HOST */
	WAY_PROHIBITED, /* denied: answered as "administratively prohibited", for TCP as refused */
};

/*
 * What a packet of FROM to TO (an address as the container sees it) means outside. Loopback, unspecified, multicast and v4-mapped addresses are
 * prohibited; the host's address for containers (169.254.1.2, fd00:…: policy.h) becomes its loopback where FROM may go there; the
 * configuration's denied ranges are prohibited. *HOST is filled with WAY_OPEN.
 */
enum way policy_way(struct netd *netd, const struct endpoint *from, const union sockaddr_any *to, union sockaddr_any *host);

/* ---- sockets in N (factory.c) ---- */

/*
 * A non-blocking, close-on-exec socket made inside N; frequent kinds (TCP and UDP of both families) come from a store of ready ones.
 * Blocks for the factory's answer, tens of microseconds. Return: descriptor or -errno.
 */
int factory_socket(struct netd *netd, int domain, int type, int protocol);
/* The same for COUNT at once, at most 16, of which no spare ones are kept. Return: 0 with FDS, or -errno. */
int factory_sockets(struct netd *netd, int domain, int type, int *fds, int count);

/* ---- each room's begin; called once by netd.c, in this order; 0 or -errno with ERR ---- */

struct features {
	bool tproxy;  /* nf_tables with tproxy: without it there is no relay at all */
	bool hold;    /* SYNs can be held: an NFQUEUE of either kind */
	bool ipv6;
	bool echo4, echo6; /* ping sockets are allowed (net.ipv4.ping_group_range) */
	char why[4][160]; /* what is missing and why, for `info`; "" where nothing is */
};

struct outward_room;   /* outward.c: TCP to the outside */
struct splice_room;  /* splice.c: joined TCP connections of both directions */
struct hold_room;    /* hold.c: SYNs that wait for the outside */
struct udp_room;
struct echo_room;
struct names_room;
struct bridge_room;  /* links, rules, tables of networks and endpoints */
struct factory;
struct loop;

struct netd {
	struct loop *loop;
	struct factory *factory;
	struct features features;
	struct bridge_room *bridge;
	struct splice_room *splice;
	struct overflow *overflows; /* overflow.c's own */
	struct hold_room *hold;
	struct outward_room *outward;
	struct udp_room *udp;
	struct echo_room *echo;
	struct names_room *names;
	struct network *networks;
	struct member *members;
	uint16_t tproxy_tcp_port, tproxy_udp_ports; /* where the rules send to; chosen by outward.c and udp.c before the rules are made */
	const char *resolv_conf;                   /* the host's */
	struct range *denied;                      /* the configuration's: no container may go there; changes with each attach */
	size_t n_denied;
	bool succeeds;                             /* N was there already: containers are in it that have not told us of themselves yet */
};

int outward_begin(struct netd *netd, struct err *err);   /* listening sockets; sets tproxy_tcp_port */
int udp_begin(struct netd *netd, struct err *err);     /* sets tproxy_udp_ports */
int echo_begin(struct netd *netd, struct err *err);
int bridge_begin(struct netd *netd, struct err *err);  /* settings and rules of N; fills features.tproxy, .hold, .ipv6 */
int names_begin(struct netd *netd, struct err *err);
int hold_begin(struct netd *netd, struct err *err);    /* the queue's socket; after bridge_begin(), with features.hold */

/* ---- a network and an endpoint come and go ---- */

/* Make the bridge with its gateway addresses and settings. Return: 0, or -errno with ERR and nothing left. */
int bridge_add_network(struct netd *netd, struct network *network, struct err *err);
void bridge_remove_network(struct netd *netd, struct network *network);
/*
 * Make the veth of ENDPOINT with its end in the container, addresses, routes (default ones when DEFAULT_ROUTE), up; idempotent for one that is there
 * already, as after a restart of netd. Return: 0, or -errno with ERR and nothing left.
 */
int bridge_add_endpoint(struct netd *netd, struct endpoint *endpoint, bool default_route, struct err *err);
/* Take it down; the container may be gone already. Flows, connections and echoes of it end. */
void bridge_remove_endpoint(struct netd *netd, struct endpoint *endpoint);
/* Whether there are ports of an earlier netd whose containers have not told us of themselves. */
bool bridge_awaits(struct netd *netd);
/* Bytes and packets of an endpoint, as the container counts them. Return: 0 or -errno. */
struct traffic {
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, rx_errors, tx_errors, rx_dropped, tx_dropped;
};
int bridge_traffic(struct netd *netd, const struct endpoint *endpoint, struct traffic *out);

/* Listen on the network's gateways for names (UDP and TCP 53); close again. names.c */
int names_add_network(struct netd *netd, struct network *network, struct err *err);
void names_remove_network(struct netd *netd, struct network *network);

/* Take the host ports of MEMBER, all or none. Return: 0 with host_port filled, or -errno with ERR naming the port. publish.c */
int publish_open(struct netd *netd, struct member *member, struct err *err);
void publish_close(struct netd *netd, struct member *member);

/*
 * Endpoints of NETWORK came, went or have other names now: to be called before anything else is served. names.c looks at the members' lists
 * again at the next question; it keeps no copy of names, so none may be freed without this call.
 */
void names_changed(struct network *network);

/* End everything that the rooms hold for ENDPOINT. */
void outward_forget(struct netd *netd, struct endpoint *endpoint);
void udp_forget(struct netd *netd, struct endpoint *endpoint);
void echo_forget(struct netd *netd, struct endpoint *endpoint);
void names_forget(struct netd *netd, struct endpoint *endpoint);

#endif
