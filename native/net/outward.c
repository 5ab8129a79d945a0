#include "outward.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "../util.h"
#include "address.h"
#include "hold.h"
#include "splice.h"

#define BACKLOG 4096
#define BATCH 64         /* connections of one listener before the others have their turn */
#define PAUSE_MS 50      /* of a listener when there are no descriptors */
#define PORT_TRIES 16    /* for a port that is free in both families */

struct outward_room {
	struct listener listeners[2]; /* IPv4, IPv6; fd -1 without */
};

/* ---- listening sockets ---- */

static void accept_again(struct netd *netd, struct timer *timer)
{
	struct listener *listener = container_of(timer, struct listener, again);

	if (loop_change(netd, &listener->watch, EPOLLIN) < 0)
		timer_set(netd, &listener->again, PAUSE_MS);
}

static void pause_listener(struct netd *netd, struct listener *listener)
{
	loop_change(netd, &listener->watch, 0);
	timer_set(netd, &listener->again, PAUSE_MS);
}

int listener_accept(struct netd *netd, struct listener *listener, union sockaddr_any *peer)
{
	socklen_t len = sizeof(*peer);
	int fd;

	if (!splice_room_left(netd)) {
		pause_listener(netd, listener);
		return -1;
	}
	do {
		fd = accept4(listener->watch.fd, &peer->any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || (errno == EMFILE && hold_make_room(netd))));
	if (fd < 0 && errno != EAGAIN)
		pause_listener(netd, listener); /* EMFILE, ENFILE, ENOBUFS, ENOMEM: it stays readable */
	return fd;
}

int listener_open(struct netd *netd, struct listener *listener, int fd,
	void (*ready)(struct netd *netd, struct watch *watch, uint32_t events))
{
	*listener = (struct listener){ .watch = { .fd = fd, .ready = ready }, .again = { .expired = accept_again } };
	return loop_watch(netd, &listener->watch, EPOLLIN);
}

void listener_close(struct netd *netd, struct listener *listener)
{
	timer_clear(netd, &listener->again);
	loop_unwatch(netd, &listener->watch);
	close(listener->watch.fd);
	listener->watch.fd = -1;
}

/* ---- one connection ---- */

int outward_connect(const union sockaddr_any *host)
{
	autoclose int fd = socket(host->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	splice_options(fd, true);
	if (connect(fd, &host->any, sockaddr_len(host)) < 0 && errno != EINPROGRESS)
		return -errno;
	return steal_fd(&fd);
}

static bool is_gateway(const struct netd *netd, const struct address *address)
{
	for (const struct network *network = netd->networks; network; network = network->next)
		if (network_has_gateway(network, address))
			return true;
	return false;
}

static void arrived(struct netd *netd, int inner, const union sockaddr_any *client)
{
	union sockaddr_any server, host;
	socklen_t len = sizeof(server);
	struct address from = sockaddr_address(client), to;
	struct endpoint *endpoint = endpoint_by_address(netd, &from);
	int outer = -1;

	if (!endpoint || getsockname(inner, &server.any, &len) < 0) {
		splice_reset(inner);
		return;
	}
	to = sockaddr_address(&server);
	if (is_gateway(netd, &to)) { /* whoever calls the listening socket by an address of N's own wants nothing outside */
		splice_reset(inner);
		return;
	}
	if (netd->features.hold)
		outer = hold_take(netd, client, &server);
	if (outer >= 0) {
		splice_join_watched(netd, splice_share(endpoint), outer, inner);
		return;
	}
	if (!endpoint->network->internal && splice_share_left(netd, splice_share(endpoint)) && policy_way(netd, endpoint, &server, &host) == WAY_OPEN)
		outer = outward_connect(&host);
	if (outer < 0) {
		splice_reset(inner);
		return;
	}
	splice_join(netd, splice_share(endpoint), outer, inner);
}

static void ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct listener *listener = container_of(watch, struct listener, watch);
	union sockaddr_any client;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		int fd = listener_accept(netd, listener, &client);

		if (fd < 0)
			return;
		arrived(netd, fd, &client);
	}
}

/* ---- begin and end ---- */

/* A transparent listening socket in N on PORT (0: the kernel's choice). Return: descriptor or -errno. */
static int listen_at(struct netd *netd, sa_family_t family, uint16_t port)
{
	static const int one = 1;
	struct address any = { .family = family };
	union sockaddr_any at;
	autoclose int fd = factory_socket(netd, family, SOCK_STREAM, 0);

	if (fd < 0)
		return fd;
	sockaddr_set(&at, &any, port);
	/* What it accepts has the port of the server far away; without this one to port 53 would keep a name service from its own. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6 && (setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 ||
		setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) < 0))
		return -errno;
	if (family == AF_INET && setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0)
		return -errno;
	splice_options(fd, false);
	if (bind(fd, &at.any, sockaddr_len(&at)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return steal_fd(&fd);
}

int outward_begin(struct netd *netd, struct err *err)
{
	struct outward_room *room;
	union sockaddr_any at;
	socklen_t len = sizeof(at);
	int error = splice_begin(netd, false, err), v4 = -1, v6 = -1;

	if (error)
		return error;
	for (int i = 0; i < PORT_TRIES; i++) {
		v4 = listen_at(netd, AF_INET, 0);
		if (v4 < 0)
			return err_set(err, -v4, "listen", "0.0.0.0");
		if (getsockname(v4, &at.any, &len) < 0) {
			close(v4);
			return err_set(err, errno, "listen", "0.0.0.0");
		}
		v6 = listen_at(netd, AF_INET6, sockaddr_port(&at));
		if (v6 != -EADDRINUSE)
			break;
		close(v4);
		v4 = -1;
	}
	if (v4 < 0 || (v6 < 0 && v6 != -EAFNOSUPPORT && v6 != -EADDRNOTAVAIL)) {
		if (v4 >= 0)
			close(v4);
		return err_set(err, -v6, "listen", "[::]");
	}
	netd->tproxy_tcp_port = sockaddr_port(&at);
	room = netd->outward = xcalloc(1, sizeof(*room));
	room->listeners[1].watch.fd = -1;
	error = listener_open(netd, &room->listeners[0], v4, ready);
	if (!error && v6 >= 0)
		error = listener_open(netd, &room->listeners[1], v6, ready);
	return error ? err_set(err, -error, "watch", "listening socket") : 0;
}

void outward_forget(struct netd *netd, struct endpoint *endpoint)
{
	hold_forget(netd, endpoint);
	splice_forget(netd, endpoint);
}
