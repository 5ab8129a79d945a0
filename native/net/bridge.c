#include "bridge.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "../util.h"
#include "address.h"
#include "going.h"
#include "link.h"
#include "netlink.h"
#include "rules.h"

#define BUCKETS_FIRST 64
#define SUBNETS_MOST 64 /* of a network, as plan.c has it */
#define BRIDGE_KEPT_MS 3000 /* a bridge without containers: the next one may come at once */
#define ENDED_MS 1000 /* after which a veth has surely gone with its container */

/* An address that is given to an endpoint. */
struct place {
	struct place *next; /* of the bucket */
	struct address address;
	struct endpoint *endpoint;
};

struct bridge_room {
	int route, nft;         /* netlink sockets of N */
	struct going *going;
	bool locked;            /* the kernel has locked bridge ports */
	struct place **buckets;
	size_t n_buckets, n_places;
	uint32_t seed;
};

/* ---- who has an address ---- */

static struct place **bucket_of(const struct bridge_room *room, const struct address *address)
{
	return &room->buckets[address_hash(address, room->seed) % room->n_buckets];
}

static void grow_places(struct bridge_room *room)
{
	struct place **old = room->buckets;
	size_t n_old = room->n_buckets;

	room->n_buckets = n_old ? n_old * 2 : BUCKETS_FIRST;
	room->buckets = xcalloc(room->n_buckets, sizeof(*room->buckets));
	for (size_t i = 0; i < n_old; i++)
		for (struct place *place = old[i], *next; place; place = next) {
			struct place **at = bucket_of(room, &place->address);
			next = place->next;
			place->next = *at;
			*at = place;
		}
	free(old);
}

static void remember(struct bridge_room *room, const struct address *address, struct endpoint *endpoint)
{
	if (!address->family)
		return;
	if (room->n_places >= room->n_buckets)
		grow_places(room);
	struct place **at = bucket_of(room, address), *place = xmalloc(sizeof(*place));
	*place = (struct place){ .next = *at, .address = *address, .endpoint = endpoint };
	*at = place;
	room->n_places++;
}

static void forget(struct bridge_room *room, const struct address *address, const struct endpoint *endpoint)
{
	if (!address->family || !room->n_buckets)
		return;
	for (struct place **at = bucket_of(room, address); *at; at = &(*at)->next) {
		struct place *place = *at;
		if (place->endpoint != endpoint || !address_equal(&place->address, address))
			continue;
		*at = place->next;
		free(place);
		room->n_places--;
		return;
	}
}

struct endpoint *endpoint_by_address(struct netd *netd, const struct address *address)
{
	const struct bridge_room *room = netd->bridge;

	if (!address->family || !room->n_buckets)
		return NULL;
	for (const struct place *place = *bucket_of(room, address); place; place = place->next)
		if (address_equal(&place->address, address))
			return place->endpoint;
	return NULL;
}

/* ---- the beginning ---- */

static int open_netlink(struct netd *netd, int family, struct err *err)
{
	int fd = factory_socket(netd, AF_NETLINK, SOCK_RAW, family);

	return fd < 0 ? err_set(err, -fd, "open netlink socket", "network namespace of the networks") : fd;
}

static bool has_port(const struct link *links, int n, int bridge)
{
	for (int i = 0; i < n; i++)
		if (links[i].master == bridge)
			return true;
	return false;
}

/* Bridges of an earlier netd that no container is connected to any more: nobody would come to take them down. */
static void remove_empty_bridges(struct netd *netd)
{
	struct bridge_room *room = netd->bridge;
	autofree struct link *links = NULL;
	int n = link_list(room->route, &links);

	for (int i = 0; i < n; i++)
		if (!strcmp(links[i].kind, "bridge") && !has_port(links, n, links[i].ifindex))
			going_add(netd, room->going, links[i].ifindex, BRIDGE_KEPT_MS);
}

/* The loopback device, and with it every address that no bridge has. IPv6 may be missing in the kernel. */
static int make_local(struct netd *netd, struct err *err)
{
	autobatch struct nl_batch batch4 = { 0 }, batch6 = { 0 };
	struct features *features = &netd->features;
	struct err why = { .code = 0 };

	link_set_up(&batch4, LINK_LOOPBACK);
	link_add_local_default(&batch4, AF_INET);
	int ret = nl_talk(netd->bridge->route, &batch4, NULL, NULL, err, "lo");
	if (ret < 0)
		return ret;
	link_add_local_default(&batch6, AF_INET6);
	features->ipv6 = nl_talk(netd->bridge->route, &batch6, NULL, NULL, &why, "lo") >= 0;
	if (!features->ipv6)
		snprintf(features->why[2], sizeof(features->why[2]), "no IPv6: %s: %s", why.step, strerror(why.code));
	return 0;
}

static void make_rules(struct netd *netd)
{
	struct features *features = &netd->features;
	const struct rules_wanted wanted = {
		.tcp_port = netd->tproxy_tcp_port, .udp_ports = netd->tproxy_udp_ports, .ipv6 = features->ipv6,
	};
	struct rules_made made;

	rules_make(netd->bridge->nft, &wanted, &made);
	features->tproxy = made.ipv4;
	features->hold = made.ipv4 && made.hold;
	if (!made.ipv4)
		snprintf(features->why[0], sizeof(features->why[0]), "no rules of nf_tables with tproxy: %.120s", made.why);
	else if (!made.hold)
		snprintf(features->why[1], sizeof(features->why[1]), "connections cannot be held (NFQUEUE): %.120s", made.why);
	if (features->ipv6 && !made.ipv6) {
		features->ipv6 = false;
		snprintf(features->why[2], sizeof(features->why[2]), "no IPv6: %.140s", made.why);
	}
}

int bridge_begin(struct netd *netd, struct err *err)
{
	struct bridge_room *room = netd->bridge = xcalloc(1, sizeof(*room));

	room->locked = true;
	if (getrandom(&room->seed, sizeof(room->seed), GRND_NONBLOCK) < 0)
		room->seed = (uint32_t)now_ms();
	room->route = room->nft = open_netlink(netd, NETLINK_ROUTE, err);
	if (room->route < 0)
		return room->route;
	int apart = open_netlink(netd, NETLINK_ROUTE, err);
	if (apart < 0)
		return apart;
	room->going = going_new(apart, room->route);
	room->nft = open_netlink(netd, NETLINK_NETFILTER, err);
	if (room->nft == -EPROTONOSUPPORT) {
		/* A kernel without nf_tables: netd tells what is missing instead of failing. */
		snprintf(netd->features.why[0], sizeof(netd->features.why[0]), "the kernel has no nf_tables");
		return 0;
	}
	if (room->nft < 0)
		return room->nft;
	int ret = make_local(netd, err);
	if (ret < 0)
		return ret;
	make_rules(netd);
	remove_empty_bridges(netd);
	return 0;
}

/* ---- networks ---- */

static void bridge_mac(const struct network *network, unsigned char mac[static 6])
{
	const unsigned char prefix[3] = BRIDGE_MAC_PREFIX;
	unsigned rest = 0;

	/* Of the id, so that it is the same after a restart: containers have it in their neighbour tables. */
	sscanf(network->id, "%6x", &rest);
	memcpy(mac, prefix, sizeof(prefix));
	mac[3] = (unsigned char)(rest >> 16);
	mac[4] = (unsigned char)(rest >> 8);
	mac[5] = (unsigned char)rest;
}

static bool is_usable(const struct netd *netd, const struct address *address)
{
	return address->family == AF_INET || (address->family == AF_INET6 && netd->features.ipv6);
}

/* The bridge, new or of an earlier netd. Return: 0 with its index in NETWORK, or -errno with ERR. */
static int make_bridge(struct netd *netd, struct network *network, bool *adopted, struct err *err)
{
	autobatch struct nl_batch batch = { 0 };
	unsigned char mac[6];
	const struct link_bridge wanted = {
		.name = network->bridge, .mac = mac, .mtu = network->mtu,
		.group = network->internal ? NET_GROUP_INTERNAL : NET_GROUP_OUTSIDE,
	};
	struct link found;
	int fd = netd->bridge->route;

	bridge_mac(network, mac);
	*adopted = link_find(fd, network->bridge, &found) == 0;
	if (*adopted && strcmp(found.kind, "bridge") != 0)
		return err_setf(err, EEXIST, "create bridge", network->bridge, "another link has this name");
	if (*adopted && !going_keep(netd->bridge->going, found.ifindex) && found.group == GOING_GROUP)
		*adopted = !going_finish(netd, netd->bridge->going);
	if (*adopted) {
		link_set_group(&batch, found.ifindex, wanted.group);
		link_set_mac(&batch, found.ifindex, mac);
		link_set_mtu(&batch, found.ifindex, network->mtu);
		link_set_up(&batch, found.ifindex);
	} else {
		link_add_bridge(&batch, &wanted);
		link_get(&batch, network->bridge);
	}
	int ret = nl_talk(fd, &batch, link_read, &found, err, network->bridge);
	if (ret < 0)
		return ret;
	network->ifindex = found.ifindex;
	return 0;
}

static int add_gateways(struct netd *netd, struct network *network, struct err *err)
{
	autobatch struct nl_batch batch = { 0 };
	struct rules_gateway gateways[SUBNETS_MOST];
	size_t n = 0;

	for (size_t i = 0; i < network->n_subnets && n < SUBNETS_MOST; i++) {
		const struct subnet *subnet = &network->subnets[i];
		if (!is_usable(netd, &subnet->gateway))
			continue;
		link_add_address(&batch, network->ifindex, &subnet->gateway, subnet->prefix);
		gateways[n++] = (struct rules_gateway){ .bridge = network->ifindex, .address = subnet->gateway };
	}
	int ret = nl_talk(netd->bridge->route, &batch, NULL, NULL, err, network->bridge);
	return ret < 0 || !n ? ret : rules_add_gateways(netd->bridge->nft, gateways, n, err);
}

int bridge_add_network(struct netd *netd, struct network *network, struct err *err)
{
	bool adopted;
	int ret = make_bridge(netd, network, &adopted, err);

	if (ret < 0)
		return ret;
	ret = add_gateways(netd, network, err);
	if (ret < 0 && !adopted)
		bridge_remove_network(netd, network);
	return ret;
}

void bridge_remove_network(struct netd *netd, struct network *network)
{
	autobatch struct nl_batch batch = { 0 };

	for (size_t i = 0; i < network->n_subnets; i++) {
		const struct rules_gateway gateway = { .bridge = network->ifindex, .address = network->subnets[i].gateway };
		if (!is_usable(netd, &gateway.address))
			continue;
		rules_remove_gateway(netd->bridge->nft, &gateway);
		link_delete_address(&batch, network->ifindex, &gateway.address, network->subnets[i].prefix);
	}
	nl_talk(netd->bridge->route, &batch, NULL, NULL, NULL, network->bridge);
	going_add(netd, netd->bridge->going, network->ifindex, BRIDGE_KEPT_MS);
	network->ifindex = 0;
}

/* ---- endpoints ---- */

/* Of both ids, so that it is found after a restart. Both are random: 14 hex digits of them meet once in a lifetime. */
static void outer_name(const struct endpoint *endpoint, char out[static NET_BRIDGE_BYTES])
{
	snprintf(out, NET_BRIDGE_BYTES, "v%.8s%.6s", endpoint->member->id, endpoint->network->id);
}

static int create_veth(struct netd *netd, struct endpoint *endpoint, const char *outer, struct link *found, struct err *err)
{
	autobatch struct nl_batch batch = { 0 };
	unsigned char mac[6];
	const struct link_veth veth = {
		.name = outer, .mac = mac, .peer = endpoint->interface,
		.peer_netns = endpoint->member->netns_fd, .peer_mac = endpoint->mac, .mtu = endpoint->network->mtu,
	};

	/* That of the bridge: what is sent to the port itself goes up as well, and the rules tell what is meant for N by it. */
	bridge_mac(endpoint->network, mac);
	link_add_veth(&batch, &veth);
	link_get(&batch, outer);
	return nl_talk(netd->bridge->route, &batch, link_read, found, err, endpoint->interface);
}

/* The veth that is there already, as after a restart of netd: with its inner end in this container under its name. */
static int find_veth(struct netd *netd, struct endpoint *endpoint, const char *outer, struct link *found)
{
	struct link inner;
	int ret = link_find(netd->bridge->route, outer, found);

	return ret < 0 ? ret : link_find(endpoint->member->netlink_fd, endpoint->interface, &inner);
}

/*
 * The veth, new or of an earlier netd. What stands in the way of a new one and is to go anyway, goes first; so does an outer end
 * whose inner one is not this endpoint's (the container has renamed it, or it is of the container's last start). Return: 0 with
 * both indexes, or -errno with ERR.
 */
static int make_veth(struct netd *netd, struct endpoint *endpoint, int *inner, struct err *err)
{
	struct bridge_room *room = netd->bridge;
	char outer[NET_BRIDGE_BYTES];
	struct link found = { 0 }, peer;

	outer_name(endpoint, outer);
	int ret = create_veth(netd, endpoint, outer, &found, err);
	if (ret == -EEXIST && going_finish(netd, room->going))
		ret = create_veth(netd, endpoint, outer, &found, err);
	if (ret == -EEXIST) {
		ret = find_veth(netd, endpoint, outer, &found);
		if (ret < 0 && found.ifindex) {
			going_add(netd, room->going, found.ifindex, GOING_NOW);
			going_finish(netd, room->going);
		}
		if (ret < 0)
			ret = create_veth(netd, endpoint, outer, &found, err);
	}
	if (ret < 0)
		return ret;
	endpoint->ifindex = found.ifindex;
	ret = link_find(endpoint->member->netlink_fd, endpoint->interface, &peer);
	if (ret < 0) {
		going_add(netd, room->going, found.ifindex, GOING_NOW);
		return err_set(err, -ret, "find link in container", endpoint->interface);
	}
	*inner = peer.ifindex;
	return 0;
}

/* The outer end: port of the bridge, for this endpoint's addresses alone. */
static int set_up_port(struct netd *netd, struct endpoint *endpoint, struct err *err)
{
	struct bridge_room *room = netd->bridge;
	int bridge = endpoint->network->ifindex;

	for (;;) {
		autobatch struct nl_batch batch = { 0 };
		const struct link_port port = { .isolated = endpoint->network->isolated, .locked = room->locked };
		/* Up at last: a container that runs already could send before its port is locked, and the bridge would learn. */
		link_set_master(&batch, endpoint->ifindex, bridge);
		link_set_port(&batch, endpoint->ifindex, &port);
		link_add_forward(&batch, endpoint->ifindex, endpoint->mac);
		link_set_up(&batch, endpoint->ifindex);
		link_set_large(&batch, endpoint->ifindex);
		/* Only now, with a port that can, the bridge may. */
		link_set_large(&batch, bridge);
		if (is_usable(netd, &endpoint->v4))
			link_add_neighbour(&batch, bridge, &endpoint->v4, endpoint->mac);
		if (is_usable(netd, &endpoint->v6))
			link_add_neighbour(&batch, bridge, &endpoint->v6, endpoint->mac);
		int ret = nl_talk(room->route, &batch, NULL, NULL, err, endpoint->interface);
		if (ret >= 0 || !room->locked || (ret != -EINVAL && ret != -EOPNOTSUPP))
			return ret;
		room->locked = false; /* before 5.18 */
	}
}

static void add_way(struct nl_batch *batch, const struct endpoint *endpoint, int inner, const struct range *to,
	const struct address *gateway)
{
	const struct address *own = gateway->family == AF_INET ? &endpoint->v4 : &endpoint->v6;
	unsigned prefix = gateway->family == AF_INET ? endpoint->v4_prefix : endpoint->v6_prefix;
	const struct link_route route = { .destination = to, .gateway = gateway, .onlink = !address_in(gateway, own, prefix) };

	link_add_route(batch, inner, &route);
}

/* The inner end, seen from inside: lo up as well, as a container has it. */
static int set_up_inside(struct netd *netd, struct endpoint *endpoint, int inner, bool default_route, struct err *err)
{
	const struct range everywhere = { .address = { .family = 0 } };
	autobatch struct nl_batch batch = { 0 };
	unsigned char mac[6];

	link_set_up(&batch, LINK_LOOPBACK);
	if (is_usable(netd, &endpoint->v4))
		link_add_address(&batch, inner, &endpoint->v4, endpoint->v4_prefix);
	if (is_usable(netd, &endpoint->v6))
		link_add_address(&batch, inner, &endpoint->v6, endpoint->v6_prefix);
	link_set_large(&batch, inner);
	link_set_up(&batch, inner);
	/* Who has the gateway's address is not a question that a neighbour on the bridge may answer. */
	bridge_mac(endpoint->network, mac);
	for (size_t i = 0; i < endpoint->network->n_subnets; i++) {
		const struct address *gateway = &endpoint->network->subnets[i].gateway;
		const struct address *own = gateway->family == AF_INET ? &endpoint->v4 : &endpoint->v6;
		if (is_usable(netd, gateway) && own->family)
			link_add_neighbour(&batch, inner, gateway, mac);
	}
	for (size_t i = 0; i < endpoint->n_routes; i++)
		if (is_usable(netd, &endpoint->routes[i].gateway))
			add_way(&batch, endpoint, inner, &endpoint->routes[i].destination, &endpoint->routes[i].gateway);
	if (default_route && is_usable(netd, &endpoint->gateway4))
		add_way(&batch, endpoint, inner, &everywhere, &endpoint->gateway4);
	if (default_route && is_usable(netd, &endpoint->gateway6))
		add_way(&batch, endpoint, inner, &everywhere, &endpoint->gateway6);
	return nl_talk(endpoint->member->netlink_fd, &batch, NULL, NULL, err, endpoint->interface);
}

/* Addresses of ENDPOINT with what the rules know it by. Return: their number. */
static size_t list_members(const struct netd *netd, const struct endpoint *endpoint, struct rules_member out[static 2])
{
	const struct address *addresses[2] = { &endpoint->v4, &endpoint->v6 };
	size_t n = 0;

	for (size_t i = 0; i < 2; i++) {
		if (!is_usable(netd, addresses[i]))
			continue;
		out[n] = (struct rules_member){ .bridge = endpoint->network->ifindex, .address = *addresses[i] };
		memcpy(out[n++].mac, endpoint->mac, 6);
	}
	return n;
}

int bridge_add_endpoint(struct netd *netd, struct endpoint *endpoint, bool default_route, struct err *err)
{
	struct bridge_room *room = netd->bridge;
	struct rules_member members[2];
	int inner = 0;

	int ret = make_veth(netd, endpoint, &inner, err);
	if (ret < 0)
		return ret;
	ret = set_up_port(netd, endpoint, err);
	if (!ret)
		ret = set_up_inside(netd, endpoint, inner, default_route, err);
	size_t n = list_members(netd, endpoint, members);
	if (!ret && n)
		ret = rules_add_members(room->nft, members, n, err);
	if (ret < 0) {
		bridge_remove_endpoint(netd, endpoint);
		return ret;
	}
	remember(room, &endpoint->v4, endpoint);
	remember(room, &endpoint->v6, endpoint);
	return 0;
}

void bridge_remove_endpoint(struct netd *netd, struct endpoint *endpoint)
{
	struct bridge_room *room = netd->bridge;
	autobatch struct nl_batch batch = { 0 };
	struct rules_member members[2];
	char name[NET_BRIDGE_BYTES];

	/* First nobody can begin anything new, then what there is ends, then the link goes. */
	for (size_t i = 0, n = list_members(netd, endpoint, members); i < n; i++) {
		rules_remove_member(room->nft, &members[i]);
		link_delete_neighbour(&batch, endpoint->network->ifindex, &members[i].address);
	}
	forget(room, &endpoint->v4, endpoint);
	forget(room, &endpoint->v6, endpoint);
	outward_forget(netd, endpoint);
	udp_forget(netd, endpoint);
	echo_forget(netd, endpoint);
	names_forget(netd, endpoint);
	if (endpoint->ifindex) {
		/* Another one may take its name at once. Older kernels do not rename what is up; then make_veth() waits. */
		snprintf(name, sizeof(name), "gone%d", endpoint->ifindex);
		link_set_name(&batch, endpoint->ifindex, name);
	}
	nl_talk(room->route, &batch, NULL, NULL, NULL, endpoint->interface);
	if (endpoint->ifindex)
		going_add(netd, room->going, endpoint->ifindex, endpoint->member->ended ? ENDED_MS : GOING_NOW);
	endpoint->ifindex = 0;
}

static bool is_known(const struct netd *netd, int ifindex)
{
	for (const struct member *member = netd->members; member; member = member->next)
		for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			if (endpoint->ifindex == ifindex)
				return true;
	return false;
}

bool bridge_awaits(struct netd *netd)
{
	autofree struct link *links = NULL;
	int n = link_list(netd->bridge->route, &links);

	for (int i = 0; i < n; i++)
		if (links[i].master && links[i].group != GOING_GROUP && !is_known(netd, links[i].ifindex))
			return true;
	return false;
}

int bridge_traffic(struct netd *netd, const struct endpoint *endpoint, struct traffic *out)
{
	struct traffic outer;
	int ret = link_traffic(netd->bridge->route, endpoint->ifindex, &outer);

	/* What the outer end receives is what the container has sent. */
	*out = (struct traffic){
		.rx_bytes = outer.tx_bytes, .rx_packets = outer.tx_packets,
		.rx_errors = outer.tx_errors, .rx_dropped = outer.tx_dropped,
		.tx_bytes = outer.rx_bytes, .tx_packets = outer.rx_packets,
		.tx_errors = outer.rx_errors, .tx_dropped = outer.rx_dropped,
	};
	return ret;
}
