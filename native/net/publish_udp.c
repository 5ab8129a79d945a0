#include "publish_udp.h"

#include <errno.h>
#include <string.h>

#include "../util.h"
#include "flow.h"
#include "publish.h"

#define PORT_TRIES 16

struct published_udp {
	struct published_udp *next;
	struct member *member;
	uint16_t container; /* port */
	struct udp_map *maps[2];
};

/* Let MAP lead to where PUBLISHED's container is now, without GOING. */
static void lead(struct netd *netd, struct published_udp *published, struct udp_map *map, const struct endpoint *going)
{
	struct endpoint *endpoint = publish_target(published->member, going);
	union sockaddr_any inside;

	if (!endpoint) {
		if (map->user) {
			map_end_flows(netd, map);
			map_lead(netd, map, NULL, NULL);
		}
		return;
	}
	/* The client's family where the container has it: only then it can be seen with its own address. */
	memset(&inside, 0, sizeof(inside));
	sockaddr_set(&inside, (map->family == AF_INET6 && endpoint->v6.family) || !endpoint->v4.family ? &endpoint->v6 : &endpoint->v4,
		     published->container);
	if (map->user && map->user->endpoint == endpoint && sockaddr_equal(&map->inside, &inside))
		return;
	map_end_flows(netd, map);
	map_lead(netd, map, flow_user(netd->udp, endpoint), &inside);
}

void published_lead(struct netd *netd, const struct member *member)
{
	for (struct published_udp *p = netd->udp->published; p; p = p->next)
		for (int i = 0; i < 2; i++)
			if (p->member == member && p->maps[i])
				lead(netd, p, p->maps[i], NULL);
}

void published_forget(struct netd *netd, const struct endpoint *endpoint)
{
	for (struct published_udp *p = netd->udp->published; p; p = p->next)
		for (int i = 0; i < 2; i++)
			if (p->maps[i] && p->maps[i]->user && p->maps[i]->user->endpoint == endpoint)
				lead(netd, p, p->maps[i], endpoint);
}

struct flow *published_flow(struct netd *netd, struct udp_map *map, const union sockaddr_any *peer, const struct address *local)
{
	struct address client = sockaddr_address(peer), gateway;
	struct flow *flow = NULL;
	union sockaddr_any seen;

	lead(netd, map->published, map, NULL);
	if (!map->user || peer->any.sa_family != map->family || sockaddr_port(peer) == 0)
		return NULL;
	if (!budget_take(&map->user->beginnings, loop_now(netd), BEGINNINGS_RATE, BEGINNINGS_BURST))
		return NULL;
	memset(&seen, 0, sizeof(seen));
	if (client.family == map->inside.any.sa_family && publish_shows(netd, &client)) {
		sockaddr_set(&seen, &client, sockaddr_port(peer));
		flow = flow_new(netd, map, peer, &seen);
	}
	if (!flow) { /* not to be shown, or the server knows this client by another published port */
		gateway = icmp_gateway(map->user->endpoint, map->inside.any.sa_family);
		if (gateway.family == 0)
			return NULL;
		sockaddr_set(&seen, &gateway, 0);
		flow = flow_new(netd, map, peer, &seen);
	}
	if (flow)
		flow->local = *local;
	return flow;
}

/* A host socket on PORT of HOST. Return: descriptor or -errno. */
static int host_socket(struct netd *netd, sa_family_t family, const struct address *host, uint16_t port)
{
	autoclose int fd = map_socket(netd, NULL, family);
	union sockaddr_any own;

	if (fd < 0)
		return fd;
	memset(&own, 0, sizeof(own));
	if (host->family) {
		sockaddr_set(&own, host, port);
	} else {
		struct address every = { .family = family };

		sockaddr_set(&own, &every, port);
	}
	/* Answers must leave from the address that the client wrote to. */
	socket_on(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, family == AF_INET6 ? IPV6_RECVPKTINFO : IP_PKTINFO);
	if (bind(fd, &own.any, sockaddr_len(&own)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* The port that FD is bound to. */
static uint16_t port_of(int fd)
{
	union sockaddr_any own;
	socklen_t len = sizeof(own);

	return getsockname(fd, &own.any, &len) < 0 ? 0 : sockaddr_port(&own);
}

/* Whether FAMILY may be left out: the host has none of it. */
static bool is_absent(int code)
{
	return code == -EAFNOSUPPORT || code == -EADDRNOTAVAIL || code == -EPROTONOSUPPORT;
}

/* Bind both families to one port. Return: 0 with FDS (-1: left out), or -errno. */
static int bind_both(struct netd *netd, uint16_t port, int fds[2])
{
	static const struct address every;

	for (int i = 0; i < PORT_TRIES; i++) {
		autoclose int fd4 = host_socket(netd, AF_INET, &every, port);
		int fd6;

		if (fd4 < 0 && !is_absent(fd4))
			return fd4;
		fd6 = host_socket(netd, AF_INET6, &every, fd4 < 0 ? port : port_of(fd4));
		if (fd6 == -EADDRINUSE && port == 0)
			continue;
		if (fd6 < 0 && (fd4 < 0 || !is_absent(fd6)))
			return fd6;
		fds[0] = fd4 < 0 ? -1 : steal_fd(&fd4);
		fds[1] = fd6 < 0 ? -1 : fd6;
		return 0;
	}
	return -EADDRINUSE;
}

int publish_udp_open(struct netd *netd, struct member *member, struct port *port, const struct address *host, uint16_t host_port,
		     struct published_udp **out)
{
	static const sa_family_t families[2] = { AF_INET, AF_INET6 };
	struct published_udp *published;
	int fds[2] = { -1, -1 }, code = 0;

	if (host->family == 0) {
		code = bind_both(netd, host_port, fds);
	} else {
		int fd = host_socket(netd, host->family, host, host_port);

		fds[host->family == AF_INET6] = fd;
		code = fd < 0 ? fd : 0;
	}
	if (code < 0)
		return code;
	port->host_port = port_of(fds[0] >= 0 ? fds[0] : fds[1]);
	published = xcalloc(1, sizeof(*published));
	published->member = member;
	published->container = port->container;
	published->next = netd->udp->published;
	netd->udp->published = published;
	for (int i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		published->maps[i] = map_new(netd, NULL, fds[i], families[i], NULL, published);
		if (!published->maps[i]) {
			code = -errno;
			if (i == 0 && fds[1] >= 0)
				close(fds[1]);
			publish_udp_close(netd, published);
			return code;
		}
		lead(netd, published, published->maps[i], NULL);
	}
	*out = published;
	return 0;
}

void publish_udp_close(struct netd *netd, struct published_udp *published)
{
	struct published_udp **at = &netd->udp->published;

	while (*at && *at != published)
		at = &(*at)->next;
	if (*at)
		*at = published->next;
	for (int i = 0; i < 2; i++)
		if (published->maps[i])
			map_end(netd, published->maps[i]);
	loop_free(netd, published);
}
