/*
 * udp: containers' datagrams to the outside. The rules in N hand every first datagram of a flow to a transparent listener, of the sender's family
 * and of the port that its address chooses (rules.h); here is decided whether it may go and where to. flow.c carries what follows.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "../util.h"
#include "address.h"
#include "flow.h"

#define DESCRIPTORS_SHARE 4     /* UDP takes at most one of so many of netd's descriptors */
#define PORT_TRIES 16
#define PORT_LEAST 32768 /* where nothing that is well known listens */

/* The endpoint that sent D, where it came in through its own network's bridge; NULL: a stranger, or somebody else's address. */
static struct endpoint *sender_of(struct netd *netd, const struct datagram *d)
{
	struct address from = sockaddr_address(&d->from);
	struct endpoint *endpoint = endpoint_by_address(netd, &from);

	if (!endpoint || (d->ifindex && d->ifindex != endpoint->network->ifindex))
		return NULL;
	return endpoint;
}

/* Whether TO is no single host's address: nothing is answered to those (RFC 1122, 3.2.2). */
static bool is_for_many(const struct endpoint *endpoint, const struct address *to)
{
	if (to->family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&to->v6);
	if (to->bytes[0] >= 224 && to->bytes[0] < 240)
		return true;
	if (to->v4.s_addr == INADDR_BROADCAST)
		return true;
	for (size_t i = 0; i < endpoint->network->n_subnets; i++) {
		const struct subnet *subnet = &endpoint->network->subnets[i];
		struct address broadcast = { .family = 0 };

		if (subnet->gateway.family == AF_INET)
			broadcast = address_broadcast(&subnet->gateway, subnet->prefix);
		if (broadcast.family && address_equal(&broadcast, to))
			return true;
	}
	return false;
}

static void refuse(struct netd *netd, struct udp_user *user, const struct datagram *d, const struct icmp_news *news)
{
	struct icmp_subject subject = { .inside = d->from, .seen = d->to, .protocol = IPPROTO_UDP, .data = d->data, .len = datagram_unit(d),
					.whole = datagram_unit(d) };
	struct address gateway = icmp_gateway(user->endpoint, d->from.any.sa_family);

	icmp_tell(netd, netd->udp->icmp, &user->errors, &gateway, news, &subject);
}

/* The map for what comes from FROM, made where there is none. Return: it, or NULL with errno. */
static struct udp_map *map_for(struct netd *netd, struct udp_user *user, const union sockaddr_any *from, sa_family_t family)
{
	struct udp_map *map = map_find(netd->udp, from, family);
	int fd;

	if (map)
		return map;
	/* A server's own port: what it sends first leaves by the port that it is known by. */
	published_lead(netd, user->endpoint->member);
	map = map_find(netd->udp, from, family);
	if (map)
		return map;
	fd = map_socket(netd, user, family);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	return map_new(netd, user, fd, family, from, NULL);
}

static void take(struct netd *netd, const struct datagram *d)
{
	struct endpoint *endpoint = sender_of(netd, d);
	struct address to;
	union sockaddr_any host;
	struct udp_user *user;
	struct udp_map *map;
	struct flow *flow;
	struct icmp_news news;

	if (!endpoint || d->to.any.sa_family != d->from.any.sa_family || sockaddr_port(&d->to) == 0)
		return;
	to = sockaddr_address(&d->to);
	if (is_for_many(endpoint, &to))
		return;
	user = flow_user(netd->udp, endpoint);
	news = icmp_prohibited(to.family);
	if (policy_way(netd, endpoint, &d->to, &host) != WAY_OPEN) {
		refuse(netd, user, d, &news);
		return;
	}
	map = map_find(netd->udp, &d->from, host.any.sa_family);
	flow = map ? flow_find(netd->udp, map, &host) : NULL;
	if (!flow) {
		if (!budget_take(&user->beginnings, loop_now(netd), BEGINNINGS_RATE, BEGINNINGS_BURST))
			return;
		map = map_for(netd, user, &d->from, host.any.sa_family);
		flow = map ? flow_new(netd, map, &host, &d->to) : NULL;
		if (!flow) {
			int code = errno;

			if (map && !map->flows && !map->published)
				map_end(netd, map);
			if (icmp_of_errno(to.family, code, &news))
				refuse(netd, user, d, &news);
			return;
		}
	}
	flow_send_out(netd, flow, d, 1);
}

static void listener_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct datagram *d;
	int n = batch_receive(netd->udp->batch, watch->fd, &d);

	(void)events; /* an error on it is cleared by the attempt to read */
	flow_used_batch(netd);
	for (int i = 0; i < n; i++)
		take(netd, &d[i]);
}

/* Make FD a listener on PORT. Return: 0 or -errno. */
static int listen_on(int fd, sa_family_t family, uint16_t port)
{
	union sockaddr_any any = { .any.sa_family = family };

	if (family == AF_INET6) {
		socket_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
		socket_on(fd, IPPROTO_IPV6, IPV6_TRANSPARENT);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
		any.v6.sin6_port = htons(port);
	} else {
		socket_on(fd, IPPROTO_IP, IP_TRANSPARENT);
		socket_on(fd, IPPROTO_IP, IP_RECVORIGDSTADDR);
		socket_on(fd, IPPROTO_IP, IP_PKTINFO);
		socket_on(fd, IPPROTO_IP, IP_RECVTTL);
		socket_on(fd, IPPROTO_IP, IP_RECVTOS);
		any.v4.sin_port = htons(port);
	}
	batch_ask_divided(fd, family);
	batch_widen(fd, RULES_UDP_PORTS);
	if (bind(fd, &any.any, sockaddr_len(&any)) < 0)
		return -errno;
	/* Only now: another netd's port is none of ours, but a flow may be to a peer that has this port (flow.c binds to it). */
	socket_on(fd, SOL_SOCKET, SO_REUSEADDR);
	return 0;
}

static void close_listeners(struct netd *netd, struct watch *listeners)
{
	for (int i = 0; i < RULES_UDP_PORTS; i++) {
		loop_unwatch(netd, &listeners[i]);
		close_fd(&listeners[i].fd);
	}
}

/* Listen in LISTENERS on the ports from FIRST on. Return: 0, or -errno and none. */
static int open_listeners(struct netd *netd, struct watch *listeners, sa_family_t family, uint16_t first)
{
	int fds[RULES_UDP_PORTS], r = factory_sockets(netd, family, SOCK_DGRAM, fds, RULES_UDP_PORTS);

	for (int i = 0; i < RULES_UDP_PORTS; i++)
		listeners[i] = (struct watch){ .fd = r < 0 ? -1 : fds[i], .ready = listener_ready };
	if (r < 0)
		return r;
	for (int i = 0; i < RULES_UDP_PORTS && r == 0; i++) {
		r = listen_on(listeners[i].fd, family, (uint16_t)(first + i));
		if (r == 0)
			r = loop_watch(netd, &listeners[i], EPOLLIN);
	}
	if (r < 0)
		close_listeners(netd, listeners);
	return r;
}

/* All listeners, on ports that are free in both families. IPv6 is left out where the kernel has none. Return: 0 or -errno. */
static int listen_all(struct netd *netd)
{
	struct udp_room *room = netd->udp;
	int r = -EADDRINUSE;

	for (int i = 0; i < PORT_TRIES && r == -EADDRINUSE; i++) {
		uint16_t first;

		if (getrandom(&first, sizeof(first), GRND_NONBLOCK) < 0)
			first = (uint16_t)(i * RULES_UDP_PORTS);
		first = (uint16_t)((first | PORT_LEAST) & ~(RULES_UDP_PORTS - 1));
		r = open_listeners(netd, room->listen4, AF_INET, first);
		if (r < 0)
			continue;
		r = open_listeners(netd, room->listen6, AF_INET6, first);
		if (r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT || r == -EADDRNOTAVAIL)
			r = 0;
		if (r < 0)
			close_listeners(netd, room->listen4);
		netd->tproxy_udp_ports = first;
	}
	return r;
}

int udp_begin(struct netd *netd, struct err *err)
{
	struct udp_room *room = netd->udp = xcalloc(1, sizeof(*room));
	struct rlimit limit = { .rlim_cur = 1024 };
	int code;

	room->batch = batch_new();
	if (!room->batch)
		return err_set(err, errno, "begin UDP relay", "buffers");
	if (getrandom(&room->maps.seed, sizeof(room->maps.seed), GRND_NONBLOCK) == sizeof(room->maps.seed))
		room->flows.seed = room->maps.seed;
	getrlimit(RLIMIT_NOFILE, &limit);
	room->descriptors_limit = limit.rlim_cur > 1 << 20 ? (1 << 20) / DESCRIPTORS_SHARE : (uint32_t)limit.rlim_cur / DESCRIPTORS_SHARE;
	room->icmp = icmp_new(netd, err);
	if (!room->icmp)
		return err->code ? -err->code : -EINVAL;
	code = bulk_begin(netd, &room->clock);
	if (code == 0)
		code = listen_all(netd);
	return code < 0 ? err_set(err, -code, "begin UDP relay", "listeners") : 0;
}

void udp_forget(struct netd *netd, struct endpoint *endpoint)
{
	struct udp_room *room = netd->udp;
	struct udp_user *user = room->users;

	while (user && user->endpoint != endpoint)
		user = user->next;
	if (user)
		while (user->oldest)
			flow_end(netd, user->oldest);
	published_forget(netd, endpoint);
	if (user)
		flow_user_end(netd, user);
}
