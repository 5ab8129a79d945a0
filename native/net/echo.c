/*
 * echo: ping from containers. N does not answer echo requests itself (icmp_echo_ignore_all): raw sockets in N read them, a ping socket on the host (an
 * unprivileged ICMP socket, net.ipv4.ping_group_range) asks the real host, and its answer goes back with that host as source and with
 * the identifier, sequence number and content that the container had chosen. Requests to a gateway are answered here.
 *
 * An ECHO is one (container, identifier, destination) with a connected ping socket: the kernel chooses the identifier on the host's side. It lives
 * for 30 s from the last request. Errors of the path (unreachable, time exceeded, too big) come from its error queue and are told to the
 * container; hop limits are handed on, one less, so that traceroute by echo sees every hop, netd as the first.
 *
 * Bounds: ECHOES_PER_ENDPOINT and ECHOES in all (the one that was idle longest goes), and budgets for requests and for new echoes.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "../util.h"
#include "address.h"
#include "flow.h"

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

#define ECHOES 1024
#define ECHOES_PER_ENDPOINT 256
#define IDLE_MS 30000          /* net.netfilter.nf_conntrack_icmp_timeout */
#define REQUESTS_RATE 20000    /* a second and endpoint: above what `ping -f` reaches */
#define REQUESTS_BURST 4000
#define BEGINNINGS_RATE_ECHO 500
#define BEGINNINGS_BURST_ECHO 500
#define HEADER_BYTES 8         /* of an echo message, both families */
#define HEADS 256
#define USUAL_HOPS 64
#define ERRORS_PER_EVENT 16
#define WHY_ECHO 3             /* place in features.why; bridge.c has those before it */

struct echo_user {
	struct echo_user *next;
	struct endpoint *endpoint;
	struct budget requests, beginnings, errors;
};

struct echo {
	struct watch watch;         /* the ping socket on the host */
	struct echo *chain;
	struct echo *older, *newer; /* of all echoes */
	struct echo_user *user;
	struct timer timer;
	int64_t last_ms;
	union sockaddr_any inside;  /* the container */
	union sockaddr_any seen;    /* whom it asks, as it knows it */
	uint16_t id;                /* that the container chose, network order */
	bool whole;                 /* the socket sends with "don't fragment" */
};

struct echo_room {
	struct watch raw4, raw6;
	struct echo_user *users;
	struct echo *oldest, *newest;
	struct echo *heads[HEADS];
	uint32_t n, seed;
};

static bool is_v6(const struct echo *echo) { return echo->seen.any.sa_family == AF_INET6; }

/* ---- the echoes ---- */

static struct echo **head_of(struct echo_room *room, const union sockaddr_any *inside, const union sockaddr_any *seen, uint16_t id)
{
	struct address from = sockaddr_address(inside), to = sockaddr_address(seen);

	return &room->heads[address_hash(&to, address_hash(&from, room->seed) ^ id) % HEADS];
}

static struct echo *find(struct echo_room *room, const union sockaddr_any *inside, const union sockaddr_any *seen, uint16_t id)
{
	for (struct echo *e = *head_of(room, inside, seen, id); e; e = e->chain)
		if (e->id == id && sockaddr_equal(&e->inside, inside) && sockaddr_equal(&e->seen, seen))
			return e;
	return NULL;
}

static void unlink_age(struct echo_room *room, struct echo *echo)
{
	*(echo->older ? &echo->older->newer : &room->oldest) = echo->newer;
	*(echo->newer ? &echo->newer->older : &room->newest) = echo->older;
}

static void link_newest(struct echo_room *room, struct echo *echo)
{
	echo->newer = NULL;
	echo->older = room->newest;
	*(room->newest ? &room->newest->newer : &room->oldest) = echo;
	room->newest = echo;
}

static void end(struct netd *netd, struct echo *echo)
{
	struct echo_room *room = netd->echo;
	struct echo **at = head_of(room, &echo->inside, &echo->seen, echo->id);

	while (*at != echo)
		at = &(*at)->chain;
	*at = echo->chain;
	unlink_age(room, echo);
	timer_clear(netd, &echo->timer);
	loop_unwatch(netd, &echo->watch);
	close(echo->watch.fd);
	echo->user->endpoint->echoes--;
	room->n--;
	loop_free(netd, echo);
}

static void expired(struct netd *netd, struct timer *timer)
{
	struct echo *echo = container_of(timer, struct echo, timer);
	int64_t left = IDLE_MS - (loop_now(netd) - echo->last_ms);

	if (left > 0)
		timer_set(netd, timer, left);
	else
		end(netd, echo);
}

/* Keep within the bounds before USER begins another. */
static void ensure_room(struct netd *netd, const struct echo_user *user)
{
	struct echo_room *room = netd->echo;
	const struct endpoint *most = user->endpoint;
	struct echo *victim;

	if (most->echoes < ECHOES_PER_ENDPOINT) {
		if (room->n < ECHOES)
			return;
		for (struct echo *e = room->oldest; e; e = e->newer)
			if (e->user->endpoint->echoes > most->echoes)
				most = e->user->endpoint;
	}
	for (victim = room->oldest; victim && victim->user->endpoint != most; victim = victim->newer)
		;
	if (victim)
		end(netd, victim);
}

static struct echo_user *user_of(struct echo_room *room, struct endpoint *endpoint)
{
	struct echo_user *user;

	for (user = room->users; user; user = user->next)
		if (user->endpoint == endpoint)
			return user;
	user = xcalloc(1, sizeof(*user));
	user->endpoint = endpoint;
	user->next = room->users;
	return room->users = user;
}

/* ---- errors ---- */

static void tell(struct netd *netd, struct echo_user *user, const union sockaddr_any *inside, const union sockaddr_any *seen,
		 const struct icmp_news *news, const void *message, size_t len, size_t whole)
{
	sa_family_t family = inside->any.sa_family;
	struct address gateway = icmp_gateway(user->endpoint, family);
	struct icmp_subject subject = { .inside = *inside, .seen = *seen, .protocol = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
					.data = message, .len = len, .whole = whole };

	icmp_tell(netd, netd->udp->icmp, &user->errors, &gateway, news, &subject);
}

/*
 * Tell what ECHO's error queue holds. SENT is the request at hand, for errors of this host, which quote nothing; NULL: none.
 * Return: whether there was any.
 */
static bool drain_errors(struct netd *netd, struct echo *echo, const struct datagram *sent)
{
	unsigned char data[ICMP_QUOTED_BYTES];
	struct icmp_news news;
	union sockaddr_any to;
	size_t len;
	int n, got;

	for (n = 0; n < ERRORS_PER_EVENT; n++) {
		got = icmp_read_error(echo->watch.fd, echo->seen.any.sa_family, &news, &to, data, &len);
		if (got == 0)
			break;
		if (got < 0)
			continue;
		/* The peer as this host knows it is, to the container, whom it asked. */
		struct address peer = sockaddr_address(&to);

		if (address_equal(&peer, &news.from))
			news.from = sockaddr_address(&echo->seen);
		if (len >= HEADER_BYTES) {
			memcpy(data + 4, &echo->id, sizeof(echo->id));
			tell(netd, echo->user, &echo->inside, &echo->seen, &news, data, len, len);
		} else if (sent) {
			tell(netd, echo->user, &echo->inside, &echo->seen, &news, sent->data, sent->len, sent->len);
		}
	}
	return n > 0;
}

struct request {
	struct netd *netd;
	struct echo *echo;
};

static bool failed(void *context, const struct datagram *d, int code)
{
	const struct request *r = context;
	struct icmp_news news;

	if (drain_errors(r->netd, r->echo, code == EMSGSIZE ? d : NULL))
		return code != EMSGSIZE;
	if (icmp_of_errno(r->echo->seen.any.sa_family, code, &news))
		tell(r->netd, r->echo->user, &r->echo->inside, &r->echo->seen, &news, d->data, d->len, d->len);
	return false;
}

/* ---- answers ---- */

static void answer(struct netd *netd, struct echo *echo, const struct datagram *d)
{
	struct address from = sockaddr_address(&echo->seen), to = sockaddr_address(&echo->inside);

	if (d->len < HEADER_BYTES || d->data[0] != (is_v6(echo) ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
		return;
	memcpy(d->data + 4, &echo->id, sizeof(echo->id));
	icmp_send(netd->udp->icmp, &from, &to, d->data, d->len, d->hops > 1 ? d->hops - 1 : USUAL_HOPS, d->traffic);
}

static void answered(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct echo *echo = container_of(watch, struct echo, watch);
	struct datagram *d;
	int n;

	if (events & EPOLLERR) {
		int code;
		socklen_t len = sizeof(code);

		if (!drain_errors(netd, echo, NULL))
			getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &code, &len);
	}
	if (!(events & EPOLLIN))
		return;
	n = batch_receive(netd->udp->batch, watch->fd, &d);
	flow_used_batch(netd);
	for (int i = 0; i < n; i++)
		answer(netd, echo, &d[i]);
}

/* ---- requests ---- */

/* A ping socket to HOST. Return: descriptor or -errno; -EACCES: forbidden by net.ipv4.ping_group_range. */
static int ping_socket(const union sockaddr_any *host)
{
	bool v6 = host->any.sa_family == AF_INET6;
	autoclose int fd = socket(host->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	union sockaddr_any to = *host;

	if (fd < 0)
		return -errno;
	if (v6) {
		to.v6.sin6_port = 0;
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	} else {
		to.v4.sin_port = 0;
		socket_on(fd, IPPROTO_IP, IP_RECVERR);
		socket_on(fd, IPPROTO_IP, IP_RECVTTL);
		socket_on(fd, IPPROTO_IP, IP_RECVTOS);
	}
	if (connect(fd, &to.any, sockaddr_len(&to)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Begin an echo. Return: it, or NULL with errno. */
static struct echo *begin(struct netd *netd, struct echo_user *user, const union sockaddr_any *inside, const union sockaddr_any *seen,
			  const union sockaddr_any *host, uint16_t id)
{
	struct echo_room *room = netd->echo;
	struct echo *echo, **head;
	int fd, code;

	ensure_room(netd, user);
	fd = ping_socket(host);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	echo = xcalloc(1, sizeof(*echo));
	echo->watch = (struct watch){ .fd = fd, .ready = answered };
	echo->user = user;
	echo->inside = *inside;
	echo->seen = *seen;
	echo->id = id;
	echo->timer.expired = expired;
	code = loop_watch(netd, &echo->watch, EPOLLIN);
	if (code < 0) {
		close(fd);
		free(echo);
		errno = -code;
		return NULL;
	}
	head = head_of(room, inside, seen, id);
	echo->chain = *head;
	*head = echo;
	link_newest(room, echo);
	room->n++;
	user->endpoint->echoes++;
	timer_set(netd, &echo->timer, IDLE_MS);
	return echo;
}

/* As flow.c: what the container could have sent undivided is not divided by the host either. */
static void set_whole(struct echo *echo, const struct datagram *d)
{
	bool whole = !d->divided && d->len + (is_v6(echo) ? 40 : 20) <= echo->user->endpoint->network->mtu;
	int value = whole ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;

	if (echo->whole == whole && echo->last_ms)
		return;
	setsockopt(echo->watch.fd, is_v6(echo) ? IPPROTO_IPV6 : IPPROTO_IP, is_v6(echo) ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value, sizeof(value));
	echo->whole = whole;
}

/* D asks a gateway, which is this very place. */
static void answer_self(struct netd *netd, const struct datagram *d, const union sockaddr_any *seen)
{
	struct address from = sockaddr_address(seen), to = sockaddr_address(&d->from);

	d->data[0] = seen->any.sa_family == AF_INET6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	icmp_send(netd->udp->icmp, &from, &to, d->data, d->len, USUAL_HOPS, d->traffic);
}

/* D is a request, beginning with its ICMP header, to SEEN. */
static void request(struct netd *netd, const struct datagram *d, const union sockaddr_any *seen)
{
	struct address from = sockaddr_address(&d->from), to = sockaddr_address(seen);
	struct endpoint *endpoint = endpoint_by_address(netd, &from);
	struct icmp_news news = icmp_prohibited(to.family);
	struct echo_user *user;
	struct echo *echo;
	union sockaddr_any host;
	uint16_t id;

	if (!endpoint || (d->ifindex && d->ifindex != endpoint->network->ifindex))
		return;
	user = user_of(netd->echo, endpoint);
	if (!budget_take(&user->requests, loop_now(netd), REQUESTS_RATE, REQUESTS_BURST))
		return;
	if (network_has_gateway(endpoint->network, &to)) {
		answer_self(netd, d, seen);
		return;
	}
	if (d->hops == 0 || d->hops == 1) {
		news = icmp_expired(to.family);
		tell(netd, user, &d->from, seen, &news, d->data, d->len, d->len);
		return;
	}
	if (policy_way(netd, endpoint, seen, &host) != WAY_OPEN) {
		tell(netd, user, &d->from, seen, &news, d->data, d->len, d->len);
		return;
	}
	memcpy(&id, d->data + 4, sizeof(id));
	echo = find(netd->echo, &d->from, seen, id);
	if (!echo) {
		if (!budget_take(&user->beginnings, loop_now(netd), BEGINNINGS_RATE_ECHO, BEGINNINGS_BURST_ECHO))
			return;
		echo = begin(netd, user, &d->from, seen, &host, id);
	}
	if (!echo) {
		if (icmp_of_errno(to.family, errno, &news)) /* EACCES, ping sockets being forbidden, is "administratively prohibited" */
			tell(netd, user, &d->from, seen, &news, d->data, d->len, d->len);
		return;
	}
	struct request context = { netd, echo };
	struct outgoing out = { .fd = echo->watch.fd, .family = to.family, .keep_hops = true, .failed = failed, .context = &context };

	set_whole(echo, d);
	echo->last_ms = loop_now(netd);
	if (echo->newer) {
		unlink_age(netd->echo, echo);
		link_newest(netd->echo, echo);
	}
	batch_send(netd->udp->batch, &out, d, 1);
}

/* A raw socket of IPv4 shows the IP header too. */
static void requests4(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct datagram *got;
	int n = batch_receive(netd->udp->batch, watch->fd, &got);

	(void)events;
	flow_used_batch(netd);
	for (int i = 0; i < n; i++) {
		struct datagram d = got[i];
		union sockaddr_any seen = { .v4.sin_family = AF_INET };
		struct iphdr ip;
		size_t header;

		if (d.len < sizeof(ip))
			continue;
		memcpy(&ip, d.data, sizeof(ip));
		header = ip.ihl * 4u;
		if (header < sizeof(ip) || d.len < header + HEADER_BYTES)
			continue;
		seen.v4.sin_addr.s_addr = ip.daddr;
		if ((ntohl(ip.daddr) >> 28) >= 14 || ntohl(ip.daddr) >> 24 == 0) /* multicast, broadcast */
			continue;
		d.data += header;
		d.len -= (uint32_t)header;
		d.hops = ip.ttl;
		d.traffic = ip.tos;
		d.from.v4.sin_port = 0;
		if (d.data[0] == ICMP_ECHO && icmp_checksum(d.data, d.len) == 0)
			request(netd, &d, &seen);
	}
}

static void requests6(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct datagram *got;
	int n = batch_receive(netd->udp->batch, watch->fd, &got);

	(void)events;
	flow_used_batch(netd);
	for (int i = 0; i < n; i++) {
		struct datagram d = got[i];
		union sockaddr_any seen = { .any.sa_family = 0 };

		if (d.len < HEADER_BYTES || d.data[0] != ICMP6_ECHO_REQUEST || d.local.family != AF_INET6 || IN6_IS_ADDR_MULTICAST(&d.local.v6))
			continue;
		sockaddr_set(&seen, &d.local, 0);
		d.local.family = 0;
		d.from.v6.sin6_port = 0;
		if (!IN6_IS_ADDR_LINKLOCAL(&d.from.v6.sin6_addr))
			request(netd, &d, &seen);
	}
}

/* ---- begin and forget ---- */

static int open_raw4(struct netd *netd)
{
	int fd = factory_socket(netd, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	uint32_t filter = ~(1u << ICMP_ECHO);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	batch_widen(fd, 1);
	socket_on(fd, IPPROTO_IP, IP_PKTINFO);
	batch_ask_divided(fd, AF_INET);
	return fd;
}

static int open_raw6(struct netd *netd)
{
	int fd = factory_socket(netd, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct icmp6_filter filter;

	if (fd < 0)
		return fd;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REQUEST, &filter);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	batch_widen(fd, 1);
	socket_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	socket_on(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	socket_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	batch_ask_divided(fd, AF_INET6);
	return fd;
}

static bool may_ping(sa_family_t family, int *code)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	*code = errno;
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int echo_begin(struct netd *netd, struct err *err)
{
	struct echo_room *room = netd->echo = xcalloc(1, sizeof(*room));
	int code;

	if (getrandom(&room->seed, sizeof(room->seed), GRND_NONBLOCK) < 0)
		room->seed = 0;
	room->raw4 = (struct watch){ .fd = open_raw4(netd), .ready = requests4 };
	room->raw6 = (struct watch){ .fd = open_raw6(netd), .ready = requests6 };
	if (room->raw4.fd < 0)
		return err_set(err, -room->raw4.fd, "open raw socket", "ICMP");
	code = loop_watch(netd, &room->raw4, EPOLLIN);
	if (code == 0 && room->raw6.fd >= 0)
		code = loop_watch(netd, &room->raw6, EPOLLIN);
	if (code < 0)
		return err_set(err, -code, "watch raw socket", "ICMP");
	netd->features.echo4 = may_ping(AF_INET, &code);
	if (!netd->features.echo4) {
		const char *why = code == EACCES ? "no ping to the outside: net.ipv4.ping_group_range forbids it; "
						   "sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\""
						 : "no ping to the outside: the kernel has no ping sockets";

		snprintf(netd->features.why[WHY_ECHO], sizeof(netd->features.why[WHY_ECHO]), "%s", why);
	}
	netd->features.echo6 = may_ping(AF_INET6, &code);
	return 0;
}

void echo_forget(struct netd *netd, struct endpoint *endpoint)
{
	struct echo_room *room = netd->echo;

	for (struct echo *e = room->oldest, *next; e; e = next) {
		next = e->newer;
		if (e->user->endpoint == endpoint)
			end(netd, e);
	}
	for (struct echo_user **at = &room->users; *at; at = &(*at)->next)
		if ((*at)->endpoint == endpoint) {
			struct echo_user *user = *at;

			*at = user->next;
			loop_free(netd, user);
			break;
		}
}
