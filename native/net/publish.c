#include "publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../util.h"
#include "address.h"
#include "outward.h"
#include "policy.h"
#include "publish_udp.h"
#include "splice.h"

#define BACKLOG 4096
#define BATCH 64      /* connections of one listener before the others have their turn */
#define PORT_TRIES 16 /* for a port of the kernel's choice that is free in both families */

/* One host port that is taken. */
struct published {
	struct member *member;
	struct port *port;
	struct published_udp *udp;
	struct entrance {
		struct listener listener; /* fd -1: not this family */
		struct published *published;
	} entrances[2];
};

/* ---- inward ---- */

struct endpoint *publish_target(const struct member *member, const struct endpoint *going)
{
	struct endpoint *first = NULL;

	for (struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next) {
		if (endpoint == going || !endpoint->ifindex || endpoint->network->internal || !(endpoint->v4.family || endpoint->v6.family))
			continue;
		if (endpoint->gateway4.family || endpoint->gateway6.family)
			return endpoint;
		if (!first)
			first = endpoint;
	}
	return first;
}

bool publish_shows(const struct netd *netd, const struct address *client)
{
	if (client->family == AF_INET) {
		uint32_t v4 = ntohl(client->v4.s_addr);

		if (v4 >> 24 == 127 || v4 >> 24 == 0 || v4 >> 28 >= 14 || v4 >> 16 == 0xa9fe)
			return false;
	} else if (IN6_IS_ADDR_LOOPBACK(&client->v6) || IN6_IS_ADDR_UNSPECIFIED(&client->v6) || IN6_IS_ADDR_LINKLOCAL(&client->v6) ||
		IN6_IS_ADDR_MULTICAST(&client->v6)) {
		return false;
	}
	return !policy_is_of_network(netd, client);
}

/* Connect from SOURCE in N to TARGET. Return: a socket that connects, or -errno. */
static int connect_from(struct netd *netd, const union sockaddr_any *source, const union sockaddr_any *target)
{
	static const int one = 1;
	sa_family_t family = source->any.sa_family;
	autoclose int fd = factory_socket(netd, family, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	if (family == AF_INET6 ? setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) < 0 :
		setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0)
		return -errno;
	if (sockaddr_port(source) == 0) /* the kernel then chooses when it knows both ends, out of all that are free for these */
		setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	else /* several connections of a client's port, to several containers */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	splice_options(fd, false);
	if (bind(fd, &source->any, sockaddr_len(source)) < 0)
		return -errno;
	if (connect(fd, &target->any, sockaddr_len(target)) < 0 && errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

/* The address of ENDPOINT in FAMILY, or NULL. */
static const struct address *address_of(const struct endpoint *endpoint, sa_family_t family)
{
	const struct address *address = family == AF_INET ? &endpoint->v4 : &endpoint->v6;

	return address->family ? address : NULL;
}

/* Connect CLIENT to PORT of ENDPOINT, by FAMILY. Return: a socket that connects, or -errno. */
static int connect_inward(struct netd *netd, const struct endpoint *endpoint, sa_family_t family, const union sockaddr_any *client, uint16_t port)
{
	struct address from = sockaddr_address(client);
	const struct address *to = address_of(endpoint, family);
	union sockaddr_any source, target;
	int fd;

	if (!to)
		return -EAFNOSUPPORT;
	if (from.family != family || !publish_shows(netd, &from)) {
		const struct subnet *subnet = network_subnet(endpoint->network, to);

		if (!subnet)
			return -EADDRNOTAVAIL;
		from = subnet->gateway;
	}
	sockaddr_set(&source, &from, sockaddr_port(client));
	sockaddr_set(&target, to, port);
	fd = connect_from(netd, &source, &target);
	if (fd != -EADDRINUSE && fd != -EADDRNOTAVAIL)
		return fd;
	sockaddr_set(&source, &from, 0); /* this port is taken there: any other */
	return connect_from(netd, &source, &target);
}

static sa_family_t other(sa_family_t family)
{
	return family == AF_INET ? AF_INET6 : AF_INET;
}

static int connect_again(struct netd *netd, struct endpoint *endpoint, int outer, uint16_t port)
{
	union sockaddr_any client;
	socklen_t len = sizeof(client);

	if (getpeername(outer, &client.any, &len) < 0)
		return -errno;
	return connect_inward(netd, endpoint, other(client.any.sa_family), &client, port);
}

static void arrived(struct netd *netd, struct published *published, int outer, const union sockaddr_any *client)
{
	struct endpoint *endpoint = publish_target(published->member, NULL);
	sa_family_t family = client->any.sa_family;
	uint16_t port = published->port->container;
	bool has_both;
	int inner;

	if (!endpoint || !splice_share_left(netd, splice_share(endpoint))) {
		splice_reset(outer);
		return;
	}
	has_both = address_of(endpoint, AF_INET) && address_of(endpoint, AF_INET6);
	inner = connect_inward(netd, endpoint, address_of(endpoint, family) ? family : other(family), client, port);
	if (inner < 0)
		splice_reset(outer);
	else
		splice_join_trying(netd, splice_share(endpoint), outer, inner, has_both ? connect_again : NULL, port);
}

static void ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct entrance *entrance = container_of(watch, struct entrance, listener.watch);
	union sockaddr_any client;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		int fd = listener_accept(netd, &entrance->listener, &client);

		if (fd < 0)
			return;
		arrived(netd, entrance->published, fd, &client);
	}
}

/* ---- taking ports ---- */

/* Listen on the host. Return: descriptor or -errno. */
static int listen_at(const struct address *address, uint16_t port)
{
	static const int one = 1;
	union sockaddr_any at;
	autoclose int fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	sockaddr_set(&at, address, port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->family == AF_INET6)
		setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	splice_options(fd, true);
	if (bind(fd, &at.any, sockaddr_len(&at)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

static void close_tcp(struct netd *netd, struct published *published)
{
	for (int i = 0; i < 2; i++)
		if (published->entrances[i].listener.watch.fd >= 0)
			listener_close(netd, &published->entrances[i].listener);
}

/* The I-th entrance on ADDRESS. *NUMBER is the port, or 0 and then becomes the kernel's choice. Return: 0 or -errno. */
static int enter(struct netd *netd, struct published *published, int i, const struct address *address, uint16_t *number)
{
	struct entrance *entrance = &published->entrances[i];
	union sockaddr_any at;
	socklen_t len = sizeof(at);
	int fd = listen_at(address, *number), error;

	if (fd < 0)
		return fd;
	entrance->published = published;
	error = listener_open(netd, &entrance->listener, fd, ready);
	if (!error && getsockname(fd, &at.any, &len) < 0)
		error = -errno;
	if (error) {
		listener_close(netd, &entrance->listener);
		return error;
	}
	*number = sockaddr_port(&at);
	return 0;
}

/* Take the TCP port NUMBER (0: any) of HOST. Return: 0 with *NUMBER, or -errno with nothing taken. */
static int open_tcp(struct netd *netd, struct published *published, const struct address *host, uint16_t *number)
{
	static const struct address both[2] = { { .family = AF_INET }, { .family = AF_INET6 } };
	uint16_t wanted = *number;
	int error = -EADDRINUSE;

	if (host->family)
		return enter(netd, published, 0, host, number);
	for (int tries = 0; tries < (wanted ? 1 : PORT_TRIES) && error == -EADDRINUSE; tries++) {
		*number = wanted;
		error = enter(netd, published, 0, &both[0], number);
		if (error)
			continue;
		error = enter(netd, published, 1, &both[1], number);
		if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL)
			error = 0; /* the host has no IPv6 */
		if (error)
			close_tcp(netd, published);
	}
	return error;
}

static int open_number(struct netd *netd, struct published *published, uint16_t *number)
{
	struct port *port = published->port;

	if (port->protocol == IPPROTO_UDP) {
		int error = publish_udp_open(netd, published->member, port, &port->host, *number, &published->udp);

		if (!error)
			*number = port->host_port ? port->host_port : *number;
		return error;
	}
	return open_tcp(netd, published, &port->host, number);
}

/* "0.0.0.0:8080/tcp", "[::1]:8000-8010/udp" */
static void print_port(const struct port *port, char *out, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "0.0.0.0", last[8] = "";

	if (port->host.family)
		address_print(&port->host, address);
	if (port->host_last > port->host_first)
		snprintf(last, sizeof(last), "-%u", port->host_last);
	snprintf(out, size, port->host.family == AF_INET6 ? "[%s]:%u%s/%s" : "%s:%u%s/%s", address, port->host_first, last,
		port->protocol == IPPROTO_UDP ? "udp" : "tcp");
}

static int open_port(struct netd *netd, struct member *member, struct port *port, struct err *err)
{
	struct published *published = xcalloc(1, sizeof(*published));
	uint32_t last = port->host_last > port->host_first ? port->host_last : port->host_first;
	int error = -EADDRINUSE;

	published->member = member;
	published->port = port;
	published->entrances[0].listener.watch.fd = published->entrances[1].listener.watch.fd = -1;
	port->host_port = 0;
	for (uint32_t wanted = port->host_first; wanted <= last && error == -EADDRINUSE; wanted++) {
		uint16_t number = (uint16_t)wanted;

		error = open_number(netd, published, &number);
		if (!error)
			port->host_port = number;
	}
	if (error) {
		char text[INET6_ADDRSTRLEN + 24];

		free(published);
		print_port(port, text, sizeof(text));
		return err_set(err, -error, "publish port", text);
	}
	port->published = published;
	return 0;
}

static void close_port(struct netd *netd, struct port *port)
{
	struct published *published = port->published;

	if (!published)
		return;
	close_tcp(netd, published);
	if (published->udp)
		publish_udp_close(netd, published->udp);
	port->published = NULL;
	loop_free(netd, published);
}

int publish_open(struct netd *netd, struct member *member, struct err *err)
{
	for (size_t i = 0; i < member->n_ports; i++) {
		int error;

		if (member->ports[i].published)
			continue; /* taken before */
		error = open_port(netd, member, &member->ports[i], err);
		if (error) {
			publish_close(netd, member);
			return error;
		}
	}
	return 0;
}

void publish_close(struct netd *netd, struct member *member)
{
	for (size_t i = 0; i < member->n_ports; i++)
		close_port(netd, &member->ports[i]);
}
