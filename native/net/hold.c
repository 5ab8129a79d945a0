#include "hold.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "../util.h"
#include "outward.h"
#include "rules.h"
#include "splice.h"

#define QUEUE_MOST 16384      /* packets in the kernel's queue */
#define PACKET_BYTES 128      /* that are copied to us: IPv6 with some options, and TCP */
#define RECEIVE_BYTES (4 << 20)
#define BATCH 64              /* SYNs before the others have their turn */
#define HELD_MOST 4096        /* of one endpoint */
#define EVICT_AFTER_MS 1000   /* the oldest makes room when it is older; else the new one waits for its retransmission */
#define AWAITED_MS 10000      /* from the verdict to the accepted connection: a few round trips to a neighbour, or SYN-ACK sent again */
#define SWEEP_MS 1000
#define BUCKETS 4096

enum state { CONNECTING, AWAITED };

struct held {
	struct watch watch;           /* the host's socket */
	struct held *chain;           /* of the bucket */
	struct held *older, *newer;   /* of the share */
	struct held *before, *after;  /* of those that are awaited */
	struct tcp_share *share;
	int64_t since;                /* of STATE */
	struct syn syn;
	uint32_t packet;              /* its number in the queue */
	uint32_t hash;
	enum state state;
};

struct hold_room {
	struct watch watch;
	struct timer sweep;
	struct held *first, *last;    /* awaited, by age */
	uint32_t seed, most;
	bool configured;
	int answer;                   /* to the configuration */
	struct held *buckets[BUCKETS];
};

/* ---- what is pending ---- */

static uint32_t hash_of(const struct hold_room *room, const struct syn *syn)
{
	struct address client = sockaddr_address(&syn->client), server = sockaddr_address(&syn->server);
	uint32_t ports = (uint32_t)sockaddr_port(&syn->client) << 16 | sockaddr_port(&syn->server);

	return address_hash(&client, room->seed ^ ports * 0x9e3779b1U) ^ address_hash(&server, room->seed);
}

static struct held *find(struct hold_room *room, const struct syn *syn)
{
	uint32_t hash = hash_of(room, syn);

	for (struct held *held = room->buckets[hash % BUCKETS]; held; held = held->chain)
		if (held->hash == hash && sockaddr_equal(&held->syn.client, &syn->client) && sockaddr_equal(&held->syn.server, &syn->server))
			return held;
	return NULL;
}

static void await(struct netd *netd, struct held *held)
{
	struct hold_room *room = netd->hold;

	held->state = AWAITED;
	held->since = loop_now(netd);
	held->before = room->last;
	*(room->last ? &room->last->after : &room->first) = held;
	room->last = held;
	if (!room->sweep.slot)
		timer_set(netd, &room->sweep, SWEEP_MS);
}

/* Out of all lists, and freed; its socket is the caller's. */
static void forget(struct netd *netd, struct held *held)
{
	struct hold_room *room = netd->hold;
	struct tcp_share *share = held->share;
	struct held **at = &room->buckets[held->hash % BUCKETS];

	while (*at != held)
		at = &(*at)->chain;
	*at = held->chain;
	*(held->older ? &held->older->newer : &share->oldest) = held->newer;
	*(held->newer ? &held->newer->older : &share->newest) = held->older;
	share->n_held--;
	if (held->state == AWAITED) {
		*(held->before ? &held->before->after : &room->first) = held->after;
		*(held->after ? &held->after->before : &room->last) = held->before;
	}
	held->watch.fd = -1; /* events of it that are under way are ignored */
	loop_free(netd, held);
}

static void verdict(struct netd *netd, uint32_t packet, uint32_t what, enum rules_mark mark)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
		struct nlattr verdict;
		struct nfqnl_msg_verdict_hdr value;
		struct nlattr mark;
		uint32_t mark_value;
	} message = {
		.header = { .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT, .nlmsg_flags = NLM_F_REQUEST },
		.family = { .version = NFNETLINK_V0, .res_id = htons(RULES_QUEUE) },
		.verdict = { .nla_type = NFQA_VERDICT_HDR, .nla_len = sizeof(struct nlattr) + sizeof(struct nfqnl_msg_verdict_hdr) },
		.value = { .verdict = htonl(what), .id = htonl(packet) },
		.mark = { .nla_type = NFQA_MARK, .nla_len = sizeof(struct nlattr) + sizeof(uint32_t) },
		.mark_value = htonl(mark),
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	message.header.nlmsg_len = mark == RULES_RELAY ? offsetof(typeof(message), mark) : sizeof(message);
	sendto(netd->hold->watch.fd, &message, message.header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
}

/* Give up one that is pending, in either state. */
static void give_up(struct netd *netd, struct held *held)
{
	int fd = held->watch.fd;

	if (held->state == CONNECTING)
		verdict(netd, held->packet, NF_DROP, RULES_RELAY);
	loop_unwatch(netd, &held->watch);
	splice_reset(fd);
	forget(netd, held);
}

static void sweep(struct netd *netd, struct timer *timer)
{
	struct hold_room *room = netd->hold;

	while (room->first && loop_now(netd) - room->first->since > AWAITED_MS)
		give_up(netd, room->first);
	if (room->first)
		timer_set(netd, timer, SWEEP_MS);
}

/* ---- outcomes ---- */

/* Tell the kernel, and so the client, that PACKET's connection failed with ERROR (an errno). */
static void fail(struct netd *netd, uint32_t packet, int error)
{
	switch (error) {
	case EHOSTUNREACH:
	case EHOSTDOWN:
		verdict(netd, packet, NF_ACCEPT, RULES_HOST_UNREACHABLE);
		break;
	case ENETUNREACH:
	case ENETDOWN:
	case EAFNOSUPPORT:
		verdict(netd, packet, NF_ACCEPT, RULES_NET_UNREACHABLE);
		break;
	case EACCES:
	case EPERM:
		verdict(netd, packet, NF_ACCEPT, RULES_PROHIBITED);
		break;
	case ETIMEDOUT:     /* the client has waited as long and gives up by itself */
	case EMFILE:        /* here and below: it tries again, as the segment seems lost */
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EAGAIN:
	case EADDRNOTAVAIL: /* no port is free on the host */
		verdict(netd, packet, NF_DROP, RULES_RELAY);
		break;
	default: /* ECONNREFUSED, ECONNRESET */
		verdict(netd, packet, NF_ACCEPT, RULES_REFUSE);
	}
}

static void outcome(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct held *held = container_of(watch, struct held, watch);
	socklen_t len = sizeof(int);
	int error = 0;

	if (watch->fd < 0 || held->state == AWAITED || !(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		int fd = watch->fd;

		fail(netd, held->packet, error);
		loop_unwatch(netd, watch);
		close(fd);
		forget(netd, held);
		return;
	}
	await(netd, held); /* first: the verdict may have the connection accepted before it returns */
	verdict(netd, held->packet, NF_ACCEPT, RULES_RELAY);
}

bool hold_make_room(struct netd *netd)
{
	struct tcp_share *most = NULL;

	for (struct member *member = netd->members; member; member = member->next)
		for (struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			if (endpoint->tcp && endpoint->tcp->n_held > (most ? most->n_held : 0))
				most = endpoint->tcp;
	if (!most || most->n_held < 2)
		return false;
	give_up(netd, most->oldest);
	return true;
}

static void opened(struct netd *netd, struct tcp_share *share, uint32_t packet, const struct syn *syn, int fd)
{
	struct hold_room *room = netd->hold;
	struct held *held = xcalloc(1, sizeof(*held));
	int error;

	held->watch = (struct watch){ .fd = fd, .ready = outcome };
	held->share = share;
	held->packet = packet;
	held->syn = *syn;
	held->since = loop_now(netd);
	held->hash = hash_of(room, syn);
	held->chain = room->buckets[held->hash % BUCKETS];
	room->buckets[held->hash % BUCKETS] = held;
	held->older = share->newest;
	*(share->newest ? &share->newest->newer : &share->oldest) = held;
	share->newest = held;
	share->n_held++;
	error = loop_watch(netd, &held->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (error)
		give_up(netd, held);
}

/* A SYN of ENDPOINT. */
static void open_outside(struct netd *netd, struct endpoint *endpoint, uint32_t packet, const struct syn *syn)
{
	struct tcp_share *share = splice_share(endpoint);
	union sockaddr_any host;
	int fd;

	if (endpoint->network->internal || policy_way(netd, endpoint, &syn->server, &host) != WAY_OPEN) {
		verdict(netd, packet, NF_ACCEPT, RULES_REFUSE);
		return;
	}
	if (share->n_held >= netd->hold->most) {
		if (loop_now(netd) - share->oldest->since < EVICT_AFTER_MS) {
			verdict(netd, packet, NF_DROP, RULES_RELAY);
			return;
		}
		give_up(netd, share->oldest);
	}
	if (!splice_room_left(netd) || !splice_share_left(netd, share)) {
		verdict(netd, packet, NF_DROP, RULES_RELAY);
		return;
	}
	fd = outward_connect(&host);
	if ((fd == -EMFILE || fd == -ENFILE) && hold_make_room(netd))
		fd = outward_connect(&host);
	if (fd < 0)
		fail(netd, packet, -fd);
	else
		opened(netd, share, packet, syn, fd);
}

static void arrived(struct netd *netd, uint32_t packet, int ifindex, const struct syn *syn)
{
	struct address from = sockaddr_address(&syn->client);
	struct endpoint *endpoint = endpoint_by_address(netd, &from);
	struct held *held;

	if (!endpoint || endpoint->network->ifindex != ifindex) { /* nobody's, or another one's address */
		verdict(netd, packet, NF_DROP, RULES_RELAY);
		return;
	}
	held = find(netd->hold, syn);
	if (held)
		verdict(netd, packet, held->state == AWAITED ? NF_ACCEPT : NF_DROP, RULES_RELAY);
	else
		open_outside(netd, endpoint, packet, syn);
}

/* ---- netlink ---- */

/* One message of the queue with its attributes in [AT, AT + LEFT). */
static void queued(struct netd *netd, const char *at, size_t left)
{
	const struct nfqnl_msg_packet_hdr *header = NULL;
	const char *payload = NULL;
	size_t length = 0;
	uint32_t ifindex = 0;
	struct syn syn;

	while (left >= sizeof(struct nlattr)) {
		const struct nlattr *attribute = (const void *)at;
		size_t size = attribute->nla_len, step = NLA_ALIGN(size);

		if (size < sizeof(*attribute) || size > left)
			break;
		size -= sizeof(*attribute);
		switch (attribute->nla_type & NLA_TYPE_MASK) {
		case NFQA_PACKET_HDR:
			if (size >= sizeof(*header))
				header = (const void *)(attribute + 1);
			break;
		case NFQA_IFINDEX_INDEV:
			if (size >= sizeof(ifindex))
				memcpy(&ifindex, attribute + 1, sizeof(ifindex));
			break;
		case NFQA_PAYLOAD:
			payload = (const char *)(attribute + 1);
			length = size;
			break;
		}
		if (step >= left)
			break;
		at += step;
		left -= step;
	}
	if (!header)
		return;
	if (payload && syn_parse((const uint8_t *)payload, length, &syn))
		arrived(netd, ntohl(header->packet_id), (int)ntohl(ifindex), &syn);
	else
		verdict(netd, ntohl(header->packet_id), NF_DROP, RULES_RELAY);
}

/* Take one datagram from the kernel. Return: whether there was one. */
static bool receive(struct netd *netd)
{
	struct hold_room *room = netd->hold;
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n = recv(room->watch.fd, buffer, sizeof(buffer), 0);
	const struct nlmsghdr *header = (const void *)buffer;

	if (n < 0)
		return errno == EINTR || errno == ENOBUFS;
	for (size_t left = (size_t)n; left >= sizeof(*header) && NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		const char *data = (const char *)NLMSG_DATA(header);
		size_t size = header->nlmsg_len - NLMSG_HDRLEN, head = NLMSG_ALIGN(sizeof(struct nfgenmsg));

		if (header->nlmsg_type == NLMSG_ERROR && size >= sizeof(struct nlmsgerr) && !room->configured) {
			room->answer = ((const struct nlmsgerr *)(const void *)data)->error;
			room->configured = true;
		} else if (header->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) && size >= head) {
			queued(netd, data + head, size - head);
		}
	}
	return true;
}

static void ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	for (int i = 0; i < BATCH && receive(netd); i++)
		;
}

struct setting {
	uint16_t type, size;
	const void *value;
};

/* Send N settings in one message and wait for the answer, which the kernel gives before it returns. Return: 0 or -errno. */
static int configure(struct netd *netd, const struct setting *settings, size_t n)
{
	struct hold_room *room = netd->hold;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
		char attributes[64] __attribute__((aligned(4)));
	} message = {
		.header = { .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.family = { .version = NFNETLINK_V0, .res_id = htons(RULES_QUEUE) },
	};
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		struct nlattr attribute = { .nla_type = settings[i].type, .nla_len = (uint16_t)(NLA_HDRLEN + settings[i].size) };

		memcpy(message.attributes + used, &attribute, sizeof(attribute));
		memcpy(message.attributes + used + NLA_HDRLEN, settings[i].value, settings[i].size);
		used += NLA_ALIGN(attribute.nla_len);
	}
	message.header.nlmsg_len = (uint32_t)(offsetof(typeof(message), attributes) + used);
	room->configured = false;
	if (sendto(room->watch.fd, &message, message.header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	while (!room->configured)
		if (!receive(netd))
			return -errno;
	return room->answer;
}

static int bind_queue(struct netd *netd)
{
	const struct nfqnl_msg_config_cmd bind_it = { .command = NFQNL_CFG_CMD_BIND };
	const struct nfqnl_msg_config_params copy = { .copy_range = htonl(PACKET_BYTES), .copy_mode = NFQNL_COPY_PACKET };
	/* F_GSO: the checksum, which veth leaves out, is not made for the sake of our copy. */
	const uint32_t most = htonl(QUEUE_MOST), flags = htonl(NFQA_CFG_F_GSO);
	const struct setting settings[] = {
		{ NFQA_CFG_PARAMS, sizeof(copy), &copy },
		{ NFQA_CFG_QUEUE_MAXLEN, sizeof(most), &most },
		{ NFQA_CFG_MASK, sizeof(flags), &flags },
		{ NFQA_CFG_FLAGS, sizeof(flags), &flags },
	};
	int error = configure(netd, &(struct setting){ NFQA_CFG_CMD, sizeof(bind_it), &bind_it }, 1);

	return error ? error : configure(netd, settings, sizeof(settings) / sizeof(*settings));
}

int hold_begin(struct netd *netd, struct err *err)
{
	static const int one = 1, bytes = RECEIVE_BYTES;
	struct hold_room *room;
	struct rlimit limit;
	int fd = factory_socket(netd, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), error;

	if (fd < 0)
		return err_set(err, -fd, "open netlink socket", "netfilter queue");
	room = netd->hold = xcalloc(1, sizeof(*room));
	room->watch = (struct watch){ .fd = fd, .ready = ready };
	room->sweep.expired = sweep;
	room->most = HELD_MOST;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < room->most)
		room->most = (uint32_t)(limit.rlim_cur / 4);
	if (getrandom(&room->seed, sizeof(room->seed), 0) != sizeof(room->seed))
		room->seed = (uint32_t)(uintptr_t)room;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one));
	error = bind_queue(netd);
	if (!error)
		error = loop_watch(netd, &room->watch, EPOLLIN);
	if (error) {
		close(fd);
		free(room);
		netd->hold = NULL;
		return err_set(err, -error, "bind queue", "0");
	}
	return 0;
}

int hold_take(struct netd *netd, const union sockaddr_any *client, const union sockaddr_any *server)
{
	struct syn syn = { .client = *client, .server = *server };
	struct held *held = netd->hold ? find(netd->hold, &syn) : NULL;
	int fd;

	if (!held || held->state != AWAITED)
		return -1;
	fd = held->watch.fd;
	forget(netd, held);
	return fd;
}

void hold_forget(struct netd *netd, struct endpoint *endpoint)
{
	while (endpoint->tcp && endpoint->tcp->oldest)
		give_up(netd, endpoint->tcp->oldest);
}
