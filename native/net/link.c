#include "link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

#include "../util.h"
#include "address.h"

#define LARGE_BYTES 524280 /* the kernel's GSO_MAX_SIZE, and what a veth takes */
/* Of newer kernels than the headers that this is built with. */
#define ATTR_GSO_MAX_SIZE 41
#define ATTR_GRO_MAX_SIZE 58
#define ATTR_GSO_IPV4_MAX_SIZE 63
#define ATTR_GRO_IPV4_MAX_SIZE 64

static void begin_link(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, int ifindex, bool up)
{
	const struct ifinfomsg header = {
		.ifi_family = AF_UNSPEC, .ifi_index = ifindex, .ifi_flags = up ? IFF_UP : 0, .ifi_change = up ? IFF_UP : 0,
	};

	nl_begin(batch, step, type, flags, &header, sizeof(header));
}

void link_add_bridge(struct nl_batch *batch, const struct link_bridge *bridge)
{
	begin_link(batch, "create bridge", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, true);
	nl_put_text(batch, IFLA_IFNAME, bridge->name);
	nl_put(batch, IFLA_ADDRESS, bridge->mac, 6);
	nl_put_u32(batch, IFLA_MTU, bridge->mtu);
	nl_put_u32(batch, IFLA_GROUP, bridge->group);
	size_t info = nl_nest(batch, IFLA_LINKINFO);
	nl_put_text(batch, IFLA_INFO_KIND, "bridge");
	size_t data = nl_nest(batch, IFLA_INFO_DATA);
	nl_put_u32(batch, IFLA_BR_STP_STATE, 0);
	nl_put_u32(batch, IFLA_BR_FORWARD_DELAY, 0);
	nl_put_u8(batch, IFLA_BR_MCAST_SNOOPING, 0);
	nl_nest_end(batch, data);
	nl_nest_end(batch, info);
}

void link_add_veth(struct nl_batch *batch, const struct link_veth *veth)
{
	const struct ifinfomsg peer = { .ifi_family = AF_UNSPEC };

	begin_link(batch, "create veth", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	nl_put_text(batch, IFLA_IFNAME, veth->name);
	nl_put(batch, IFLA_ADDRESS, veth->mac, 6);
	nl_put_u32(batch, IFLA_MTU, veth->mtu);
	size_t info = nl_nest(batch, IFLA_LINKINFO);
	nl_put_text(batch, IFLA_INFO_KIND, "veth");
	size_t data = nl_nest(batch, IFLA_INFO_DATA);
	size_t inside = nl_nest(batch, VETH_INFO_PEER);
	nl_put_raw(batch, &peer, sizeof(peer));
	nl_put_text(batch, IFLA_IFNAME, veth->peer);
	nl_put_u32(batch, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns);
	nl_put(batch, IFLA_ADDRESS, veth->peer_mac, 6);
	nl_put_u32(batch, IFLA_MTU, veth->mtu);
	nl_nest_end(batch, inside);
	nl_nest_end(batch, data);
	nl_nest_end(batch, info);
}

void link_set_port(struct nl_batch *batch, int ifindex, const struct link_port *port)
{
	const struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = ifindex };

	nl_begin(batch, "set up bridge port", RTM_SETLINK, 0, &header, sizeof(header));
	size_t settings = nl_nest(batch, IFLA_PROTINFO);
	nl_put_u8(batch, IFLA_BRPORT_LEARNING, 0);
	nl_put_u8(batch, IFLA_BRPORT_ISOLATED, port->isolated);
	if (port->locked)
		nl_put_u8(batch, IFLA_BRPORT_LOCKED, 1);
	nl_nest_end(batch, settings);
}

void link_add_forward(struct nl_batch *batch, int port, const unsigned char *mac)
{
	const struct ndmsg header = {
		.ndm_family = AF_BRIDGE, .ndm_ifindex = port, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER | NTF_STICKY,
	};

	nl_begin(batch, "add forwarding entry", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	nl_put(batch, NDA_LLADDR, mac, 6);
}

void link_set_up(struct nl_batch *batch, int ifindex)
{
	begin_link(batch, "bring up link", RTM_NEWLINK, 0, ifindex, true);
}

void link_set_name(struct nl_batch *batch, int ifindex, const char *name)
{
	begin_link(batch, "rename link", RTM_NEWLINK, 0, ifindex, false);
	nl_put_text(batch, IFLA_IFNAME, name);
}

void link_set_master(struct nl_batch *batch, int ifindex, int master)
{
	begin_link(batch, "put link into bridge", RTM_NEWLINK, 0, ifindex, false);
	nl_put_u32(batch, IFLA_MASTER, (uint32_t)master);
}

void link_set_mac(struct nl_batch *batch, int ifindex, const unsigned char *mac)
{
	begin_link(batch, "set link's MAC address", RTM_NEWLINK, 0, ifindex, false);
	nl_put(batch, IFLA_ADDRESS, mac, 6);
}

void link_set_mtu(struct nl_batch *batch, int ifindex, unsigned mtu)
{
	begin_link(batch, "set link's MTU", RTM_NEWLINK, 0, ifindex, false);
	nl_put_u32(batch, IFLA_MTU, mtu);
}

void link_set_group(struct nl_batch *batch, int ifindex, unsigned group)
{
	begin_link(batch, "set link's group", RTM_NEWLINK, 0, ifindex, false);
	nl_put_u32(batch, IFLA_GROUP, group);
}

void link_set_large(struct nl_batch *batch, int ifindex)
{
	begin_link(batch, "let link take large segments", RTM_NEWLINK, 0, ifindex, false);
	nl_put_u32(batch, ATTR_GSO_MAX_SIZE, LARGE_BYTES);
	nl_put_u32(batch, ATTR_GRO_MAX_SIZE, LARGE_BYTES);
	nl_put_u32(batch, ATTR_GSO_IPV4_MAX_SIZE, LARGE_BYTES);
	nl_put_u32(batch, ATTR_GRO_IPV4_MAX_SIZE, LARGE_BYTES);
	nl_allow(batch, EINVAL);
}

static void change_address(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, int ifindex,
	const struct address *address, unsigned prefix)
{
	const struct ifaddrmsg header = {
		.ifa_family = (unsigned char)address->family, .ifa_prefixlen = (unsigned char)prefix, .ifa_index = (unsigned)ifindex,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	struct address broadcast = address_broadcast(address, prefix);

	nl_begin(batch, step, type, flags, &header, sizeof(header));
	nl_put(batch, IFA_LOCAL, address->bytes, address_bytes(address->family));
	nl_put(batch, IFA_ADDRESS, address->bytes, address_bytes(address->family));
	if (broadcast.family)
		nl_put(batch, IFA_BROADCAST, broadcast.bytes, 4);
}

void link_add_address(struct nl_batch *batch, int ifindex, const struct address *address, unsigned prefix)
{
	change_address(batch, "add address", RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, address, prefix);
}

void link_delete_address(struct nl_batch *batch, int ifindex, const struct address *address, unsigned prefix)
{
	change_address(batch, "delete address", RTM_DELADDR, 0, ifindex, address, prefix);
	nl_allow(batch, EADDRNOTAVAIL);
}

void link_add_route(struct nl_batch *batch, int ifindex, const struct link_route *route)
{
	const struct address *destination = &route->destination->address, *gateway = route->gateway;
	struct rtmsg header = {
		.rtm_family = (unsigned char)gateway->family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST,
	};
	static const unsigned char zeros[16];
	bool direct = memcmp(gateway->bytes, zeros, address_bytes(gateway->family)) == 0;

	if (direct && gateway->family == AF_INET)
		header.rtm_scope = RT_SCOPE_LINK;
	else if (!direct && route->onlink)
		header.rtm_flags = RTNH_F_ONLINK;
	if (destination->family)
		header.rtm_dst_len = (unsigned char)route->destination->prefix;
	const char *step = destination->family ? "add route" : "add default route";
	nl_begin(batch, step, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	if (destination->family)
		nl_put(batch, RTA_DST, destination->bytes, address_bytes(destination->family));
	if (!direct)
		nl_put(batch, RTA_GATEWAY, gateway->bytes, address_bytes(gateway->family));
	nl_put_u32(batch, RTA_OIF, (uint32_t)ifindex);
}

void link_add_local_default(struct nl_batch *batch, sa_family_t family)
{
	const struct rtmsg header = {
		.rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL,
	};

	nl_begin(batch, "route every address to this host", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	nl_put_u32(batch, RTA_OIF, LINK_LOOPBACK);
}

static void change_neighbour(struct nl_batch *batch, const char *step, uint16_t type, uint16_t flags, int ifindex,
	const struct address *address)
{
	const struct ndmsg header = {
		.ndm_family = (unsigned char)address->family, .ndm_ifindex = ifindex, .ndm_state = NUD_PERMANENT,
	};

	nl_begin(batch, step, type, flags, &header, sizeof(header));
	nl_put(batch, NDA_DST, address->bytes, address_bytes(address->family));
}

void link_add_neighbour(struct nl_batch *batch, int ifindex, const struct address *address, const unsigned char *mac)
{
	change_neighbour(batch, "add neighbour", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, ifindex, address);
	nl_put(batch, NDA_LLADDR, mac, 6);
}

void link_delete_neighbour(struct nl_batch *batch, int ifindex, const struct address *address)
{
	change_neighbour(batch, "delete neighbour", RTM_DELNEIGH, 0, ifindex, address);
	nl_allow(batch, ENOENT);
}

/* Fills the struct link that OUT is. */
static int read_link(const struct nlmsghdr *message, struct link *out)
{
	const struct ifinfomsg *header = NLMSG_DATA(message);
	size_t skip = NLMSG_LENGTH(sizeof(*header));

	memset(out, 0, sizeof(*out));
	if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < skip)
		return -EPROTO;
	out->ifindex = header->ifi_index;
	nl_each(attr, (const char *)message + skip, message->nlmsg_len - skip) {
		switch (nl_type(attr)) {
		case IFLA_MASTER: out->master = (int)nl_u32(attr); break;
		case IFLA_GROUP: out->group = nl_u32(attr); break;
		case IFLA_LINKINFO:
			nl_each(part, nl_data(attr), nl_len(attr))
				if (nl_type(part) == IFLA_INFO_KIND)
					nl_text(part, out->kind, sizeof(out->kind));
			break;
		}
	}
	return 0;
}

int link_read(const struct nlmsghdr *message, void *context)
{
	return read_link(message, context);
}

void link_get(struct nl_batch *batch, const char *name)
{
	begin_link(batch, "find link", RTM_GETLINK, 0, 0, false);
	nl_put_text(batch, IFLA_IFNAME, name);
	nl_put_u32(batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

int link_find(int fd, const char *name, struct link *out)
{
	autobatch struct nl_batch batch = { 0 };

	memset(out, 0, sizeof(*out));
	link_get(&batch, name);
	int ret = nl_talk(fd, &batch, link_read, out, NULL, name);
	return ret < 0 ? ret : out->ifindex ? 0 : -ENODEV;
}

struct links {
	struct link *items;
	size_t count, room;
};

static int read_next(const struct nlmsghdr *message, void *context)
{
	struct links *links = context;

	if (links->count == links->room) {
		links->room = links->room * 2 + 16;
		links->items = xrealloc(links->items, links->room * sizeof(*links->items));
	}
	int ret = read_link(message, &links->items[links->count]);
	if (!ret)
		links->count++;
	return ret;
}

int link_list(int fd, struct link **out)
{
	autobatch struct nl_batch batch = { 0 };
	struct links links = { 0 };

	begin_link(&batch, "list links", RTM_GETLINK, NLM_F_DUMP, 0, false);
	nl_put_u32(&batch, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	int ret = nl_talk(fd, &batch, read_next, &links, NULL, "");
	if (ret < 0) {
		free(links.items);
		*out = NULL;
		return ret;
	}
	*out = links.items;
	return (int)links.count;
}

static int read_traffic(const struct nlmsghdr *message, void *context)
{
	size_t skip = NLMSG_LENGTH(sizeof(struct if_stats_msg));
	struct traffic *out = context;
	struct rtnl_link_stats64 stats;

	if (message->nlmsg_len < skip)
		return -EPROTO;
	nl_each(attr, (const char *)message + skip, message->nlmsg_len - skip) {
		if (nl_type(attr) != IFLA_STATS_LINK_64 || nl_len(attr) < offsetof(struct rtnl_link_stats64, multicast))
			continue;
		memset(&stats, 0, sizeof(stats));
		memcpy(&stats, nl_data(attr), nl_len(attr) < sizeof(stats) ? nl_len(attr) : sizeof(stats));
		*out = (struct traffic){
			.rx_bytes = stats.rx_bytes, .rx_packets = stats.rx_packets,
			.rx_errors = stats.rx_errors, .rx_dropped = stats.rx_dropped,
			.tx_bytes = stats.tx_bytes, .tx_packets = stats.tx_packets,
			.tx_errors = stats.tx_errors, .tx_dropped = stats.tx_dropped,
		};
	}
	return 0;
}

int link_traffic(int fd, int ifindex, struct traffic *out)
{
	const struct if_stats_msg header = {
		.family = AF_UNSPEC, .ifindex = (uint32_t)ifindex, .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64),
	};
	autobatch struct nl_batch batch = { 0 };

	memset(out, 0, sizeof(*out));
	nl_begin(&batch, "read traffic", RTM_GETSTATS, 0, &header, sizeof(header));
	return nl_talk(fd, &batch, read_traffic, out, NULL, "");
}
