#include "flow.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>

#include "../util.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define UNANSWERED_MS 30000
#define ANSWERED_MS 120000
#define ERRORS_PER_EVENT 32
#define REST_MS 3000

/* ---- tables ---- */

/* The chain of T for SA and OWNER. */
static void **head_of(const struct flow_table *t, const union sockaddr_any *sa, const void *owner)
{
	struct address a = sockaddr_address(sa);
	uint32_t mixed = (sockaddr_port(sa) * 0x9e3779b1u) ^ ((uint32_t)((uintptr_t)owner >> 4) * 0x85ebca6bu);

	return &t->heads[address_hash(&a, t->seed ^ mixed) & (t->size - 1)];
}

static void **map_head(const struct flow_table *t, const struct udp_map *map) { return head_of(t, &map->inside, NULL); }
static void **flow_head(const struct flow_table *t, const struct flow *flow) { return head_of(t, &flow->host, flow->map); }

/* The two tables differ in what they chain; each has its few lines. */
static void grow_maps(struct flow_table *t)
{
	struct flow_table wider = { .size = t->size ? t->size * 2 : 64, .n = t->n, .seed = t->seed };

	wider.heads = xcalloc(wider.size, sizeof(void *));
	for (size_t i = 0; i < t->size; i++)
		for (struct udp_map *m = t->heads[i], *next; m; m = next) {
			void **head = map_head(&wider, m);

			next = m->chain;
			m->chain = *head;
			*head = m;
		}
	free(t->heads);
	*t = wider;
}

static void grow_flows(struct flow_table *t)
{
	struct flow_table wider = { .size = t->size ? t->size * 2 : 64, .n = t->n, .seed = t->seed };

	wider.heads = xcalloc(wider.size, sizeof(void *));
	for (size_t i = 0; i < t->size; i++)
		for (struct flow *f = t->heads[i], *next; f; f = next) {
			void **head = flow_head(&wider, f);

			next = f->chain;
			f->chain = *head;
			*head = f;
		}
	free(t->heads);
	*t = wider;
}

static void table_put_map(struct flow_table *t, struct udp_map *map)
{
	void **head;

	if (t->n >= t->size)
		grow_maps(t);
	head = map_head(t, map);
	map->chain = *head;
	*head = map;
	t->n++;
}

static void table_put_flow(struct flow_table *t, struct flow *flow)
{
	void **head;

	if (t->n >= t->size)
		grow_flows(t);
	head = flow_head(t, flow);
	flow->chain = *head;
	*head = flow;
	t->n++;
}

static void table_take_map(struct flow_table *t, struct udp_map *map)
{
	struct udp_map **at = (struct udp_map **)map_head(t, map);

	while (*at && *at != map)
		at = &(*at)->chain;
	if (*at) {
		*at = map->chain;
		t->n--;
	}
}

static void table_take_flow(struct flow_table *t, struct flow *flow)
{
	struct flow **at = (struct flow **)flow_head(t, flow);

	while (*at && *at != flow)
		at = &(*at)->chain;
	if (*at) {
		*at = flow->chain;
		t->n--;
	}
}

struct udp_map *map_find(struct udp_room *room, const union sockaddr_any *inside, sa_family_t family)
{
	if (room->maps.size == 0)
		return NULL;
	for (struct udp_map *m = *head_of(&room->maps, inside, NULL); m; m = m->chain)
		if (m->family == family && sockaddr_equal(&m->inside, inside))
			return m;
	return NULL;
}

struct flow *flow_find(struct udp_room *room, const struct udp_map *map, const union sockaddr_any *host)
{
	if (room->flows.size == 0)
		return NULL;
	for (struct flow *f = *head_of(&room->flows, host, map); f; f = f->chain)
		if (f->map == map && sockaddr_equal(&f->host, host))
			return f;
	return NULL;
}

/* ---- users ---- */

struct udp_user *flow_user(struct udp_room *room, struct endpoint *endpoint)
{
	for (struct udp_user **at = &room->users, *u; (u = *at); at = &u->next)
		if (u->endpoint == endpoint) {
			*at = u->next; /* to the front: the busy ones are found at once */
			u->next = room->users;
			return room->users = u;
		}
	struct udp_user *user = xcalloc(1, sizeof(*user));

	user->endpoint = endpoint;
	user->next = room->users;
	return room->users = user;
}

void flow_user_end(struct netd *netd, struct udp_user *user)
{
	for (struct udp_user **at = &netd->udp->users; *at; at = &(*at)->next)
		if (*at == user) {
			*at = user->next;
			break;
		}
	loop_free(netd, user);
}

static void unlink_age(struct flow *flow)
{
	struct udp_user *user = flow->map->user;

	*(flow->older ? &flow->older->newer : &user->oldest) = flow->newer;
	*(flow->newer ? &flow->newer->older : &user->newest) = flow->older;
}

static void link_newest(struct flow *flow)
{
	struct udp_user *user = flow->map->user;

	flow->newer = NULL;
	flow->older = user->newest;
	*(user->newest ? &user->newest->newer : &user->oldest) = flow;
	user->newest = flow;
}

static void touch(struct netd *netd, struct flow *flow)
{
	flow->last_ms = loop_now(netd);
	if (flow->newer) {
		unlink_age(flow);
		link_newest(flow);
	}
}

/* ---- bounds ---- */

static struct udp_user *busiest(struct udp_room *room)
{
	struct udp_user *most = NULL;

	for (struct udp_user *u = room->users; u; u = u->next)
		if (u->oldest && (!most || u->endpoint->udp_flows > most->endpoint->udp_flows))
			most = u;
	return most;
}

/* End the flow that was idle longest: USER's own where it has too many, otherwise that of whoever has the most. Return: whether one was ended. */
static bool make_room(struct netd *netd, struct udp_user *user, const struct udp_map *keep)
{
	struct flow *victim = user && user->endpoint->udp_flows >= FLOWS_PER_ENDPOINT ? user->oldest : NULL;

	if (!victim) {
		struct udp_user *most = busiest(netd->udp);

		victim = most ? most->oldest : NULL;
	}
	/* The map that a flow is being made for must not end with its last flow. */
	while (victim && keep && victim->map == keep && !keep->flows->sibling)
		victim = victim->newer;
	if (!victim)
		return false;
	flow_end(netd, victim);
	return true;
}

static void ensure_room(struct netd *netd, struct udp_user *user, const struct udp_map *keep)
{
	struct udp_room *room = netd->udp;

	if (user && user->endpoint->udp_flows >= FLOWS_PER_ENDPOINT)
		make_room(netd, user, keep);
	while (room->descriptors >= room->descriptors_limit && make_room(netd, user, keep))
		;
}

/* ---- maps ---- */

int map_socket(struct netd *netd, struct udp_user *user, sa_family_t family)
{
	int fd;

	ensure_room(netd, user, NULL);
	fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && make_room(netd, user, NULL))
		fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (family == AF_INET6) {
		socket_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
		socket_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	} else {
		socket_on(fd, IPPROTO_IP, IP_RECVERR);
		socket_on(fd, IPPROTO_IP, IP_RECVTOS);
	}
	socket_on(fd, IPPROTO_UDP, UDP_GRO); /* since 5.0; without it each datagram comes by itself */
	return fd;
}

/* What FLOW's datagram D was, as the container sent it. */
static void tell(struct netd *netd, struct udp_map *map, const struct icmp_news *news, const union sockaddr_any *seen, const void *data, size_t len)
{
	struct icmp_subject subject = { .inside = map->inside, .seen = *seen, .protocol = IPPROTO_UDP, .data = data, .len = len, .whole = len };
	struct address gateway = icmp_gateway(map->user->endpoint, map->inside.any.sa_family);

	/* Numbers of the other family mean nothing here (a published port's client of IPv6 with a server of IPv4). */
	if (map->family == map->inside.any.sa_family)
		icmp_tell(netd, netd->udp->icmp, &map->user->errors, &gateway, news, &subject);
}

/* Tell the container what MAP's error queue holds. Return: whether it held anything. */
static bool drain_errors(struct netd *netd, struct udp_map *map)
{
	unsigned char data[ICMP_QUOTED_BYTES];
	struct icmp_news news;
	union sockaddr_any to;
	size_t len;
	int got = 0, n;

	for (n = 0; n < ERRORS_PER_EVENT; n++) {
		struct flow *flow;

		got = icmp_read_error(map->watch.fd, map->family, &news, &to, data, &len);
		if (got == 0)
			break;
		flow = got > 0 && map->user && to.any.sa_family == map->family ? flow_find(netd->udp, map, &to) : NULL;
		if (!flow)
			continue;
		/* Who is the peer to this host is, to the container, what it wrote to. */
		struct address host = sockaddr_address(&flow->host);

		if (address_equal(&news.from, &host))
			news.from = sockaddr_address(&flow->seen);
		tell(netd, map, &news, &flow->seen, data, len);
	}
	return n > 0;
}

static void map_readable(struct netd *netd, struct udp_map *map)
{
	struct datagram *d;
	int n = batch_receive(netd->udp->batch, map->watch.fd, &d);

	if (n < 0) {
		drain_errors(netd, map); /* it was an ICMP error; reading has cleared it */
		return;
	}
	flow_used_batch(netd);
	if (n == BATCH_DATAGRAMS && !map->wide) {
		map->wide = true;
		batch_widen(map->watch.fd, 1);
	}
	bulk_count(netd, &netd->udp->clock, &map->bulk, &map->watch, (uint32_t)n);
	for (int i = 0, run; i < n; i += run) {
		struct flow *flow = flow_find(netd->udp, map, &d[i].from);

		for (run = 1; i + run < n && sockaddr_equal(&d[i].from, &d[i + run].from); run++)
			;
		if (!flow && map->published)
			flow = published_flow(netd, map, &d[i].from, &d[i].local);
		if (!flow)
			continue;
		if (d[i].local.family)
			flow->local = d[i].local;
		flow_send_in(netd, flow, &d[i], (size_t)run);
	}
}

static void map_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct udp_map *map = container_of(watch, struct udp_map, watch);

	if (events & EPOLLERR) {
		int code = 0;
		socklen_t len = sizeof(code);

		if (!drain_errors(netd, map))
			getsockopt(map->watch.fd, SOL_SOCKET, SO_ERROR, &code, &len); /* cleared, or the event would come again and again */
	}
	if (events & EPOLLIN)
		map_readable(netd, map);
}

struct udp_map *map_new(struct netd *netd, struct udp_user *user, int fd, sa_family_t family, const union sockaddr_any *inside,
			struct published_udp *published)
{
	struct udp_map *map = xcalloc(1, sizeof(*map));
	int code;

	map->watch = (struct watch){ .fd = fd, .ready = map_ready };
	map->family = family;
	map->segment_limit = UINT16_MAX;
	map->published = published;
	code = loop_watch(netd, &map->watch, EPOLLIN);
	if (code < 0) {
		close(fd);
		free(map);
		errno = -code;
		return NULL;
	}
	netd->udp->descriptors++;
	map_lead(netd, map, user, inside);
	return map;
}

void map_lead(struct netd *netd, struct udp_map *map, struct udp_user *user, const union sockaddr_any *inside)
{
	struct udp_room *room = netd->udp;

	if (map->user) {
		table_take_map(&room->maps, map);
		map->user = NULL;
	}
	map->inside.any.sa_family = 0;
	if (!user)
		return;
	map->user = user;
	map->inside = *inside;
	table_put_map(&room->maps, map);
}

void map_end_flows(struct netd *netd, struct udp_map *map)
{
	/* flow_end() ends a map of the container's with its last flow */
	struct flow *flow = map->flows, *next;

	for (; flow; flow = next) {
		next = flow->sibling;
		flow_end(netd, flow);
	}
}

static void map_close(struct netd *netd, struct udp_map *map)
{
	map_lead(netd, map, NULL, NULL);
	bulk_forget(&netd->udp->clock, &map->bulk);
	loop_unwatch(netd, &map->watch);
	close(map->watch.fd);
	netd->udp->descriptors--;
	loop_free(netd, map);
}

void map_end(struct netd *netd, struct udp_map *map)
{
	bool last = !map->published && map->flows;

	map_end_flows(netd, map);
	if (!last)
		map_close(netd, map);
}

/* ---- flows ---- */

static bool failed_out(void *context, const struct datagram *d, int code);

struct outward {
	struct netd *netd;
	struct flow *flow;
};

/*
 * Whether D came undivided, and so carried "don't fragment". A container that knows a smaller way, by an ICMP error of its own or of another flow, divides what would fit
 * through its network.
 */
static bool was_whole(const struct udp_map *map, const struct datagram *d)
{
	unsigned headers = map->inside.any.sa_family == AF_INET6 ? 48 : 28;

	return !d->divided && datagram_unit(d) + headers <= map->user->endpoint->network->mtu;
}

/*
 * A router would refuse what is too large for the next link and must not be divided, and divide what the container had divided itself. The host's
 * socket is set to do the same.
 */
static void set_whole(struct udp_map *map, bool whole)
{
	bool v6 = map->family == AF_INET6;
	int value = whole ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT; /* the same numbers for IPv6 */

	if (map->whole == (whole ? 1 : -1))
		return;
	setsockopt(map->watch.fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value, sizeof(value));
	map->whole = whole ? 1 : -1;
}

static void tell_expired(struct netd *netd, struct flow *flow, const struct datagram *d)
{
	struct icmp_news news = icmp_expired(flow->map->inside.any.sa_family);

	tell(netd, flow->map, &news, &flow->seen, d->data, datagram_unit(d));
}

void flow_send_out(struct netd *netd, struct flow *flow, const struct datagram *d, size_t n)
{
	struct udp_map *map = flow->map;
	struct outward context = { netd, flow };
	struct outgoing out = { .fd = map->watch.fd, .family = map->family, .to = &flow->host, .local = &flow->local, .keep_hops = true,
				.segment_limit = &map->segment_limit, .failed = failed_out, .context = &context };

	flow->sent = true;
	touch(netd, flow);
	for (size_t i = 0, run; i < n; i += run) {
		bool whole = was_whole(map, &d[i]);

		if (d[i].hops == 1 || d[i].hops == 0) { /* netd is a hop on the way, as traceroute should see */
			tell_expired(netd, flow, &d[i]);
			run = 1;
			continue;
		}
		for (run = 1; i + run < n && d[i + run].hops != 1 && d[i + run].hops != 0 && was_whole(map, &d[i + run]) == whole; run++)
			;
		set_whole(map, whole);
		batch_send(netd->udp->batch, &out, &d[i], run);
	}
}

/* Sending out failed. What waits in the error queue was another datagram's; an error that comes from nowhere is this one's. */
static bool failed_out(void *context, const struct datagram *d, int code)
{
	const struct outward *o = context;
	struct icmp_news news;

	if (drain_errors(o->netd, o->flow->map))
		return code != EMSGSIZE; /* that one was told by the queue, with the size that fits */
	if (icmp_of_errno(o->flow->map->family, code, &news))
		tell(o->netd, o->flow->map, &news, &o->flow->seen, d->data, datagram_unit(d));
	return false;
}

void flow_send_in(struct netd *netd, struct flow *flow, const struct datagram *d, size_t n)
{
	struct outgoing out = { .fd = flow->watch.fd, .family = flow->seen.any.sa_family, .segment_limit = &flow->segment_limit };

	flow->answered = true;
	touch(netd, flow);
	batch_send(netd->udp->batch, &out, d, n);
}

static void ask_for_header(int fd, sa_family_t family, int ask)
{
	bool v6 = family == AF_INET6;

	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &ask, sizeof(ask));
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVTCLASS : IP_RECVTOS, &ask, sizeof(ask));
}

/* The hop limit and class of a bulk flow's datagrams are its sender's settings, which stay: those of the last one looked at are taken for all. */
static void sample_header(struct flow *flow, struct datagram *d, size_t n)
{
	if (flow->sampled)
		for (size_t i = 0; i < n; i++) {
			d[i].hops = flow->hops;
			d[i].traffic = flow->traffic;
		}
	else if (n > 0) {
		flow->hops = d[n - 1].hops;
		flow->traffic = d[n - 1].traffic;
	}
	if (flow->sampled != flow->bulk.by_clock) {
		flow->sampled = flow->bulk.by_clock;
		ask_for_header(flow->watch.fd, flow->seen.any.sa_family, !flow->sampled);
	}
}

static void flow_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct flow *flow = container_of(watch, struct flow, watch);
	struct datagram *d;
	int n = batch_receive_connected(netd->udp->batch, watch->fd, &d);

	flow_used_batch(netd);
	if (n < 0 || (n == 0 && (events & EPOLLERR))) {
		flow_end(netd, flow); /* the container has closed its socket: late answers were refused */
		return;
	}
	if (n == BATCH_DATAGRAMS && !flow->wide) {
		flow->wide = true;
		batch_widen(watch->fd, 1);
	}
	bulk_count(netd, &netd->udp->clock, &flow->bulk, watch, (uint32_t)n);
	sample_header(flow, d, (size_t)n);
	if (n > 0)
		flow_send_out(netd, flow, d, (size_t)n);
}

static void flow_expired(struct netd *netd, struct timer *timer)
{
	struct flow *flow = container_of(timer, struct flow, timer);
	int64_t left = (flow->sent && flow->answered ? ANSWERED_MS : UNANSWERED_MS) - (loop_now(netd) - flow->last_ms);

	if (left > 0)
		timer_set(netd, timer, left);
	else
		flow_end(netd, flow);
}

/* The socket in N between SEEN and INSIDE. Return: descriptor or -errno. */
static int inner_socket(struct netd *netd, struct udp_map *map, union sockaddr_any *seen)
{
	bool v6 = seen->any.sa_family == AF_INET6;
	autoclose int fd = factory_socket(netd, seen->any.sa_family, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*seen);

	if (fd == -EMFILE || fd == -ENFILE || fd == -ETOOMANYREFS) {
		if (make_room(netd, map->user, map))
			fd = factory_socket(netd, seen->any.sa_family, SOCK_DGRAM, 0);
	}
	if (fd < 0)
		return fd;
	if (sockaddr_port(seen) != 0)
		socket_on(fd, SOL_SOCKET, SO_REUSEADDR); /* one peer, many containers; with it a free port would not be one that nobody has */
	socket_on(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT);
	ask_for_header(fd, seen->any.sa_family, 1);
	batch_ask_divided(fd, seen->any.sa_family);
	socket_on(fd, IPPROTO_UDP, UDP_GRO);
	if (bind(fd, &seen->any, sockaddr_len(seen)) < 0 || connect(fd, &map->inside.any, sockaddr_len(&map->inside)) < 0)
		return -errno;
	if (sockaddr_port(seen) == 0 && getsockname(fd, &seen->any, &len) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Whether another map of the same container socket has a flow that the container sees as SEEN. */
static bool is_taken(struct udp_room *room, const struct udp_map *map, const union sockaddr_any *host, const union sockaddr_any *seen)
{
	for (struct udp_map *m = *map_head(&room->maps, map); m; m = m->chain) {
		struct flow *flow;

		if (m == map || !sockaddr_equal(&m->inside, &map->inside))
			continue;
		flow = flow_find(room, m, host);
		if (flow && sockaddr_equal(&flow->seen, seen))
			return true;
	}
	return false;
}

struct flow *flow_new(struct netd *netd, struct udp_map *map, const union sockaddr_any *host, const union sockaddr_any *seen)
{
	struct udp_room *room = netd->udp;
	struct flow *flow = NULL;
	int code;

	if (sockaddr_port(seen) != 0 && is_taken(room, map, host, seen)) {
		errno = EEXIST;
		return NULL;
	}
	ensure_room(netd, map->user, map);
	flow = xcalloc(1, sizeof(*flow));
	flow->map = map;
	flow->host = *host;
	flow->seen = *seen;
	flow->segment_limit = UINT16_MAX;
	flow->last_ms = loop_now(netd);
	flow->timer.expired = flow_expired;
	flow->watch = (struct watch){ .fd = inner_socket(netd, map, &flow->seen), .ready = flow_ready };
	code = flow->watch.fd < 0 ? flow->watch.fd : loop_watch(netd, &flow->watch, EPOLLIN);
	if (code < 0) {
		if (flow->watch.fd >= 0)
			close(flow->watch.fd);
		free(flow);
		errno = -code;
		return NULL;
	}
	room->descriptors++;
	map->user->endpoint->udp_flows++;
	flow->sibling = map->flows;
	flow->sibling_at = &map->flows;
	if (flow->sibling)
		flow->sibling->sibling_at = &flow->sibling;
	map->flows = flow;
	link_newest(flow);
	table_put_flow(&room->flows, flow);
	timer_set(netd, &flow->timer, UNANSWERED_MS);
	return flow;
}

void flow_end(struct netd *netd, struct flow *flow)
{
	struct udp_map *map = flow->map;

	timer_clear(netd, &flow->timer);
	bulk_forget(&netd->udp->clock, &flow->bulk);
	loop_unwatch(netd, &flow->watch);
	close(flow->watch.fd);
	table_take_flow(&netd->udp->flows, flow);
	unlink_age(flow);
	*flow->sibling_at = flow->sibling;
	if (flow->sibling)
		flow->sibling->sibling_at = flow->sibling_at;
	map->user->endpoint->udp_flows--;
	netd->udp->descriptors--;
	loop_free(netd, flow);
	if (!map->flows && !map->published)
		map_close(netd, map);
}

/* ---- the batch's memory ---- */

static void rest(struct netd *netd, struct timer *timer)
{
	if (batch_rest(netd->udp->batch))
		timer_set(netd, timer, REST_MS);
}

void flow_used_batch(struct netd *netd)
{
	struct timer *timer = &netd->udp->rest;

	if (timer->slot)
		return;
	timer->expired = rest;
	timer_set(netd, timer, REST_MS);
}
