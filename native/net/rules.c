/*
 * Two tables, `proa` of family ip and of family ip6 (xtables' NFQUEUE, the only queue of some kernels, exists in these alone),
 * each with two chains at prerouting, so that every packet that a bridge hands up to N passes before it is routed. Bridged
 * packets, from container to container, never do.
 *
 *   arrive   not from a bridge, or bridged: accept
 *            address and MAC address not of one endpoint: drop
 *            TCP but no SYN: accept (the socket it belongs to, or RST)
 *            UDP of a flow that has a socket of its own: accept
 *            to this bridge's gateway: names, and replies to published ports
 *            to nowhere (loopback, unspecified, multicast): drop
 *            SYN: hold
 *            to another bridge, from an internal network: reject
 *            UDP: to the relay;  ICMP echo and errors: accept;  else: reject
 *
 *   answer   for SYNs that come back from the queue
 *            mark 1, 2, 3, 4: RST, host or net unreachable, prohibited
 *            to another bridge, from an internal network: reject
 *            to the relay's listening socket
 *
 * When nobody serves the queue, or nobody listens for what the rules hand over, the packet is dropped and not answered: netd was
 * killed and the next one is on its way, to which TCP's own repetition of the SYN brings the connection a second later. A bypass
 * would answer "refused" for what is not.
 *
 * SYNs that may go nowhere are held too: hold.c knows it, and its answer comes when connect(2) has let go of its socket. One that
 * comes while the SYN is being sent is ignored by TCP until it repeats the SYN, a second later.
 *
 * What a container can send without an established connection, and that one thread has to answer, is bounded for each address, so
 * that one that floods leaves the others their share.
 */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "address.h"
#include "bridge.h"
#include "link.h"
#include "nft.h"

#define TABLE "proa"
#define PRIORITY_ARRIVE (-150) /* where xtables has mangle: behind defragmentation (-400) */
#define PRIORITY_ANSWER (-149)

#define SYN_RATE 10000 /* connections a second and address: about what one core opens; beyond it each costs its client a second */
#define SYN_BURST 2000
#define NAMES_RATE 20000 /* more than one asker that waits for each answer can ask: names.h has bounds of its own, this one is for netd's time */
#define NAMES_BURST 4000
#define ECHO_RATE 5000
#define ECHO_BURST 1000
#define FLOWS_RATE 3000 /* first datagrams: more than flow.c begins for one endpoint */
#define FLOWS_BURST 300  /* half of what a listener of the relay can hold while it waits to be served */
#define BOUNDED_SOURCES 65536

#define DNS_PORT 53
#define ICMP_HEADER_BYTES 8 /* before what an error quotes, both families */
#define TCP_FLAGS_OFFSET 13
#define TCP_FIN_SYN_RST_ACK 0x17
#define TCP_SYN 0x02
#define PORT_OFFSET 2 /* of the destination port, in TCP and UDP */

/* What differs between the families. */
struct family {
	uint8_t nf;
	sa_family_t af;
	uint32_t source, destination, bytes; /* of addresses in the header */
	uint32_t key_type;
	uint8_t icmp, echo;
	uint8_t errors[4];                   /* types of ICMP errors that TCP and UDP of N must see */
	uint8_t host, net, prohibited, protocol;
};

static const struct family families[2] = {
	{ NFPROTO_IPV4, AF_INET, 12, 16, 4, NFT_KEY_IPV4, IPPROTO_ICMP, ICMP_ECHO,
	  { ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB, ICMP_PARAMETERPROB },
	  ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED, ICMP_PROT_UNREACH },
	{ NFPROTO_IPV6, AF_INET6, 8, 24, 16, NFT_KEY_IPV6, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST,
	  { ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB },
	  ICMP6_DST_UNREACH_ADDR, ICMP6_DST_UNREACH_NOROUTE, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_ADMIN },
};

enum hold_kind { HOLD_XT, HOLD_NFT, HOLD_NONE };

/* ---- pieces of rules ---- */

static void when_meta(struct nft *nft, uint32_t key, uint32_t op, const void *value, size_t len)
{
	nft_load_meta(nft, key, 0);
	nft_compare(nft, 0, op, value, len);
}

static void when_group(struct nft *nft, uint32_t group)
{
	when_meta(nft, NFT_META_IIFGROUP, NFT_CMP_EQ, &group, sizeof(group));
}

/* Of N's own loopback device. No other is without a bridge: a port of one still gets what is sent to 01:80:c2:00:00:0X (802.1D) itself. */
static void when_own(struct nft *nft)
{
	const uint32_t loopback = LINK_LOOPBACK;

	when_meta(nft, NFT_META_IIF, NFT_CMP_EQ, &loopback, sizeof(loopback));
}

static void when_protocol(struct nft *nft, uint32_t op, uint8_t protocol)
{
	when_meta(nft, NFT_META_L4PROTO, op, &protocol, sizeof(protocol));
}

static void when_port(struct nft *nft, uint32_t op, uint16_t port)
{
	uint16_t big = htons(port);

	nft_load_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, sizeof(big), 0);
	nft_compare(nft, 0, op, &big, sizeof(big));
}

/* To (or with NFT_CMP_NEQ not to) a port of the relay's listeners, which begin at FIRST. */
static void when_listener(struct nft *nft, uint32_t op, uint16_t first)
{
	const uint16_t big = htons(first), mask = htons((uint16_t)~(RULES_UDP_PORTS - 1));

	nft_load_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, PORT_OFFSET, sizeof(mask), 0);
	nft_mask(nft, 0, &mask, NULL, sizeof(mask));
	nft_compare(nft, 0, op, &big, sizeof(big));
}

/* TCP that begins a connection (or with NFT_CMP_NEQ does not). */
static void when_syn(struct nft *nft, uint32_t op)
{
	const uint8_t mask = TCP_FIN_SYN_RST_ACK, syn = TCP_SYN;

	when_protocol(nft, NFT_CMP_EQ, IPPROTO_TCP);
	nft_load_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, 0);
	nft_mask(nft, 0, &mask, NULL, 1);
	nft_compare(nft, 0, op, &syn, 1);
}

static void when_icmp(struct nft *nft, const struct family *family, uint8_t type)
{
	when_protocol(nft, NFT_CMP_EQ, family->icmp);
	nft_load_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0);
	nft_compare(nft, 0, NFT_CMP_EQ, &type, 1);
}

static void when_bridged(struct nft *nft)
{
	const unsigned char ours[3] = BRIDGE_MAC_PREFIX;

	nft_load_payload(nft, NFT_PAYLOAD_LL_HEADER, 0, sizeof(ours), 0);
	nft_compare(nft, 0, NFT_CMP_NEQ, ours, sizeof(ours));
}

/* To an address of N on the bridge that it came in by. */
static void when_to_gateway(struct nft *nft, const struct family *family)
{
	nft_load_meta(nft, NFT_META_IIF, 0);
	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->destination, family->bytes, 1);
	nft_lookup(nft, "gateways", 0, false);
}

/* To an address that begins with the first BITS of PREFIX. */
static void when_to(struct nft *nft, const struct family *family, const char *prefix, unsigned bits)
{
	struct address address;
	unsigned char mask[16] = { 0 };

	address_parse(prefix, &address);
	for (unsigned i = 0; i < bits; i++)
		mask[i / 8] |= (unsigned char)(0x80 >> i % 8);
	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->destination, family->bytes, 0);
	nft_mask(nft, 0, mask, NULL, family->bytes);
	nft_compare(nft, 0, NFT_CMP_EQ, address.bytes, family->bytes);
}

static void when_above(struct nft *nft, const struct family *family, const char *set, uint64_t rate, uint32_t burst)
{
	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->source, family->bytes, 0);
	nft_above(nft, set, 0, rate, burst);
}

/* Begin a rule of CHAIN for PROTOCOL. */
static void rule_for(struct nft *nft, const char *chain, uint8_t protocol)
{
	nft_rule(nft, chain);
	when_protocol(nft, NFT_CMP_EQ, protocol);
}

static void then(struct nft *nft, int verdict)
{
	nft_verdict(nft, verdict, NULL);
	nft_rule_end(nft);
}

static void then_jump(struct nft *nft, const char *chain)
{
	nft_verdict(nft, NFT_GOTO, chain);
	nft_rule_end(nft);
}

static void then_reset(struct nft *nft)
{
	nft_reject(nft, NFT_REJECT_TCP_RST, 0);
	nft_rule_end(nft);
}

static void then_unreachable(struct nft *nft, uint8_t code)
{
	nft_reject(nft, NFT_REJECT_ICMP_UNREACH, code);
	nft_rule_end(nft);
}

static void then_relay(struct nft *nft, uint16_t port)
{
	const uint16_t big = htons(port);

	nft_load_value(nft, 0, &big, sizeof(big));
	nft_tproxy(nft, 0);
	then(nft, NF_ACCEPT);
}

/* To the listener of those whose addresses end like the sender's: what one container makes wait fills the queue of no others. */
static void then_relay_udp(struct nft *nft, const struct family *family, uint16_t first)
{
	const uint16_t big = htons(first), mask = htons(RULES_UDP_PORTS - 1);

	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->source + family->bytes - sizeof(mask), sizeof(mask), 0);
	nft_mask(nft, 0, &mask, &big, sizeof(mask));
	nft_tproxy(nft, 0);
	then(nft, NF_ACCEPT);
}

/* ---- chains ---- */

/* Names that one asker asks for beyond its share are dropped. */
static void rule_names(struct nft *nft, const struct family *family, uint8_t protocol)
{
	rule_for(nft, "gateway", protocol);
	when_port(nft, NFT_CMP_EQ, DNS_PORT);
	when_above(nft, family, "names", NAMES_RATE, NAMES_BURST);
	then(nft, NF_DROP);
}

static void chain_icmp(struct nft *nft, const struct family *family)
{
	nft_add_chain(nft, "icmp", -1, 0);
	nft_rule(nft, "icmp");
	when_icmp(nft, family, family->echo);
	when_above(nft, family, "echoes", ECHO_RATE, ECHO_BURST);
	then(nft, NF_DROP);
	nft_rule(nft, "icmp");
	when_icmp(nft, family, family->echo);
	then(nft, NF_ACCEPT);
	for (size_t i = 0; i < sizeof(family->errors); i++) {
		nft_rule(nft, "icmp");
		when_icmp(nft, family, family->errors[i]);
		/* about what was sent to its sender: a container has nothing to say about the ways to others */
		nft_load_meta(nft, NFT_META_IIF, 0);
		nft_load_payload(nft, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER_BYTES + family->destination, family->bytes, 1);
		nft_load_payload(nft, NFT_PAYLOAD_LL_HEADER, 6, 6, 1 + family->bytes / 4);
		nft_lookup(nft, "members", 0, false);
		then(nft, NF_ACCEPT);
	}
	/* The kernel would answer others, such as for its time, in the name of every address there is. */
	nft_rule(nft, "icmp");
	then(nft, NF_DROP);
}

/* To the gateway: its name server, replies to it as a client of a published port, and nothing of the relay's. */
static void chain_gateway(struct nft *nft, const struct family *family, const struct rules_wanted *wanted)
{
	nft_add_chain(nft, "gateway", -1, 0);
	rule_for(nft, "gateway", family->icmp);
	then_jump(nft, "icmp");
	rule_names(nft, family, IPPROTO_UDP);
	rule_for(nft, "gateway", IPPROTO_UDP);
	when_listener(nft, NFT_CMP_EQ, wanted->udp_ports);
	then(nft, NF_DROP);
	rule_for(nft, "gateway", IPPROTO_UDP);
	then(nft, NF_ACCEPT);
	/* Only SYNs come here. */
	rule_names(nft, family, IPPROTO_TCP);
	rule_for(nft, "gateway", IPPROTO_TCP);
	when_port(nft, NFT_CMP_EQ, DNS_PORT);
	then(nft, NF_ACCEPT);
	rule_for(nft, "gateway", IPPROTO_TCP);
	then_reset(nft);
	nft_rule(nft, "gateway");
	then_unreachable(nft, family->protocol);
}

static void rules_nowhere(struct nft *nft, const struct family *family)
{
	static const struct {
		uint8_t nf, bits;
		const char *prefix;
	} nowhere[] = {
		{ NFPROTO_IPV4, 8, "127.0.0.0" },
		{ NFPROTO_IPV4, 8, "0.0.0.0" },
		{ NFPROTO_IPV4, 4, "224.0.0.0" },
		{ NFPROTO_IPV4, 32, "255.255.255.255" },
		{ NFPROTO_IPV6, 80, "::" }, /* ::1, ::, v4-mapped and v4-compatible ones */
		{ NFPROTO_IPV6, 10, "fe80::" },
		{ NFPROTO_IPV6, 8, "ff00::" },
	};

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		if (nowhere[i].nf != family->nf)
			continue;
		nft_rule(nft, "arrive");
		when_to(nft, family, nowhere[i].prefix, nowhere[i].bits);
		then(nft, NF_DROP);
	}
}

/* What comes from whom: everything that is decided before where it goes. */
static void rules_sender(struct nft *nft, const struct family *family)
{
	const uint8_t host = PACKET_HOST;

	nft_rule(nft, "arrive");
	when_own(nft);
	then(nft, NF_ACCEPT);
	if (family->nf == NFPROTO_IPV6) {
		/*
		 * Who has this address: from addresses of the link, to groups. N believes none of it (bridge.c: fixed
		 * neighbours).
		 */
		nft_rule(nft, "arrive");
		when_icmp(nft, family, ND_NEIGHBOR_SOLICIT);
		then(nft, NF_ACCEPT);
		nft_rule(nft, "arrive");
		when_icmp(nft, family, ND_NEIGHBOR_ADVERT);
		then(nft, NF_ACCEPT);
	}
	nft_rule(nft, "arrive");
	when_meta(nft, NFT_META_PKTTYPE, NFT_CMP_NEQ, &host, sizeof(host));
	then(nft, NF_DROP);
	/* Not to a bridge's own MAC address, and still here: br_netfilter shows bridged packets. None of our business. */
	nft_rule(nft, "arrive");
	when_bridged(nft);
	then(nft, NF_ACCEPT);
	nft_rule(nft, "arrive");
	nft_load_meta(nft, NFT_META_IIF, 0);
	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->source, family->bytes, 1);
	nft_load_payload(nft, NFT_PAYLOAD_LL_HEADER, 6, 6, 1 + family->bytes / 4);
	nft_lookup(nft, "members", 0, true);
	then(nft, NF_DROP);
}

/*
 * Datagrams of a flow that the relay has begun: their socket stands for their having been allowed, so the rest is not asked again
 * for each. The kernel may lack the expression (nft_socket): then the relay's own rule finds the socket as well, later.
 */
static void rule_flow(struct nft *nft, uint16_t udp_ports)
{
	const uint8_t yes = 1;

	rule_for(nft, "arrive", IPPROTO_UDP);
	/* to those very ports: the listener itself would be found, which takes what is not allowed yet */
	when_listener(nft, NFT_CMP_NEQ, udp_ports);
	nft_load_transparent(nft, 0);
	nft_compare(nft, 0, NFT_CMP_EQ, &yes, sizeof(yes));
	then(nft, NF_ACCEPT);
}

/* What leaves the network but not for the outside. */
static void rules_forbidden(struct nft *nft, const struct family *family, const char *chain)
{
	const uint32_t none = 0;

	nft_rule(nft, chain);
	nft_load_way_out(nft, 0);
	nft_compare(nft, 0, NFT_CMP_NEQ, &none, sizeof(none));
	then_unreachable(nft, family->prohibited);
	/* Gateways of other networks are N's own addresses: no way out leads to them. */
	nft_rule(nft, chain);
	nft_load_payload(nft, NFT_PAYLOAD_NETWORK_HEADER, family->destination, family->bytes, 0);
	nft_lookup(nft, "own", 0, false);
	then_unreachable(nft, family->prohibited);
	nft_rule(nft, chain);
	when_group(nft, NET_GROUP_INTERNAL);
	then_unreachable(nft, family->prohibited);
}

/* Nothing but SYNs to elsewhere is left of TCP. */
static void rules_connect(struct nft *nft, const struct family *family, enum hold_kind hold)
{
	rule_for(nft, "arrive", IPPROTO_TCP);
	when_above(nft, family, "connects", SYN_RATE, SYN_BURST);
	then(nft, NF_DROP);
	rule_for(nft, "arrive", IPPROTO_TCP);
	if (hold == HOLD_XT)
		nft_queue_xt(nft, RULES_QUEUE);
	else if (hold == HOLD_NFT)
		nft_queue(nft, RULES_QUEUE);
	else
		nft_verdict(nft, NF_ACCEPT, NULL);
	nft_rule_end(nft);
}

static void chain_arrive(struct nft *nft, const struct family *family, const struct rules_wanted *wanted, enum hold_kind hold,
	bool flows)
{
	nft_add_chain(nft, "arrive", NF_INET_PRE_ROUTING, PRIORITY_ARRIVE);
	rules_sender(nft, family);
	nft_rule(nft, "arrive");
	when_syn(nft, NFT_CMP_NEQ);
	then(nft, NF_ACCEPT);
	if (flows)
		rule_flow(nft, wanted->udp_ports);
	nft_rule(nft, "arrive");
	when_to_gateway(nft, family);
	then_jump(nft, "gateway");
	rules_nowhere(nft, family);
	rules_connect(nft, family, hold);
	rules_forbidden(nft, family, "arrive");
	if (flows) {
		nft_rule(nft, "arrive");
		when_protocol(nft, NFT_CMP_EQ, IPPROTO_UDP);
		when_above(nft, family, "flows", FLOWS_RATE, FLOWS_BURST);
		then(nft, NF_DROP);
	}
	rule_for(nft, "arrive", IPPROTO_UDP);
	then_relay_udp(nft, family, wanted->udp_ports);
	rule_for(nft, "arrive", IPPROTO_UDP);
	then(nft, NF_DROP);
	rule_for(nft, "arrive", family->icmp);
	then_jump(nft, "icmp");
	nft_rule(nft, "arrive");
	then_unreachable(nft, family->protocol);
}

static void rule_mark(struct nft *nft, uint32_t mark, uint8_t code)
{
	nft_rule(nft, "answer");
	when_meta(nft, NFT_META_MARK, NFT_CMP_EQ, &mark, sizeof(mark));
	if (mark == RULES_REFUSE)
		then_reset(nft);
	else
		then_unreachable(nft, code);
}

static void chain_answer(struct nft *nft, const struct family *family, const struct rules_wanted *wanted)
{
	nft_add_chain(nft, "answer", NF_INET_PRE_ROUTING, PRIORITY_ANSWER);
	nft_rule(nft, "answer");
	when_protocol(nft, NFT_CMP_NEQ, IPPROTO_TCP);
	then(nft, NF_ACCEPT);
	nft_rule(nft, "answer");
	when_syn(nft, NFT_CMP_NEQ);
	then(nft, NF_ACCEPT);
	nft_rule(nft, "answer");
	when_own(nft);
	then(nft, NF_ACCEPT);
	nft_rule(nft, "answer");
	when_bridged(nft);
	then(nft, NF_ACCEPT);
	nft_rule(nft, "answer");
	when_to_gateway(nft, family);
	then(nft, NF_ACCEPT);
	rule_mark(nft, RULES_REFUSE, 0);
	rule_mark(nft, RULES_HOST_UNREACHABLE, family->host);
	rule_mark(nft, RULES_NET_UNREACHABLE, family->net);
	rule_mark(nft, RULES_PROHIBITED, family->prohibited);
	rules_forbidden(nft, family, "answer");
	nft_rule(nft, "answer");
	then_relay(nft, wanted->tcp_port);
	nft_rule(nft, "answer");
	then(nft, NF_DROP);
}

static void add_sets(struct nft *nft, const struct family *family)
{
	const uint32_t placed = NFT_KEY(NFT_KEY_IFINDEX, family->key_type), bytes = family->bytes;
	const struct nft_set sets[] = {
		{ .name = "gateways", .key_type = placed, .key_len = 4 + bytes },
		{ .name = "own", .key_type = family->key_type, .key_len = bytes },
		{ .name = "members", .key_type = NFT_KEY(placed, NFT_KEY_ETHER), .key_len = 4 + bytes + 8 },
		{ .name = "connects", .key_type = family->key_type, .key_len = bytes, .dynamic = true, .size = BOUNDED_SOURCES },
		{ .name = "names", .key_type = family->key_type, .key_len = bytes, .dynamic = true, .size = BOUNDED_SOURCES },
		{ .name = "flows", .key_type = family->key_type, .key_len = bytes, .dynamic = true, .size = BOUNDED_SOURCES },
		{ .name = "echoes", .key_type = family->key_type, .key_len = bytes, .dynamic = true, .size = BOUNDED_SOURCES },
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		nft_add_set(nft, &sets[i]);
}

static void make_table(struct nft *nft, const struct family *family, const struct rules_wanted *wanted, enum hold_kind hold,
	bool flows, bool replace)
{
	nft->family = family->nf;
	nft_add_table(nft, !replace);
	if (replace) {
		nft_delete_table(nft);
		nft_add_table(nft, true);
	}
	add_sets(nft, family);
	chain_icmp(nft, family);
	chain_gateway(nft, family, wanted);
	chain_arrive(nft, family, wanted, hold, flows);
	chain_answer(nft, family, wanted);
}

/* Both families in one transaction: a second one would wait for the kernel to clear up after the first. */
static int make_tables(int fd, const struct rules_wanted *wanted, enum hold_kind hold, bool flows, bool ipv6, struct err *err)
{
	int ret = 0;

	/* Not replacing at first, for the same reason: in a new N there is nothing. */
	for (int replace = 0; replace < 2; replace++) {
		autonft struct nft nft = { .table = TABLE };
		nft_begin(&nft);
		make_table(&nft, &families[0], wanted, hold, flows, replace);
		if (ipv6)
			make_table(&nft, &families[1], wanted, hold, flows, replace);
		ret = nft_commit(&nft, fd, err);
		if (ret != -EEXIST)
			break;
	}
	return ret;
}

void rules_make(int fd, const struct rules_wanted *wanted, struct rules_made *out)
{
	/*
	 * xtables' target before nft's own queue: both do the same, and asking for what a kernel lacks has it look for a module,
	 * which takes milliseconds. What is missing is found by leaving it out.
	 */
	static const enum hold_kind holds[] = { HOLD_XT, HOLD_NFT, HOLD_NONE };

	memset(out, 0, sizeof(*out));
	for (int ipv6 = wanted->ipv6; ipv6 >= 0; ipv6--)
		for (size_t i = 0; i < 2 * (sizeof(holds) / sizeof(*holds)); i++) {
			struct err err = { .code = 0 };
			int ret = make_tables(fd, wanted, holds[i / 2], i % 2 == 0, ipv6, &err);
			if (ret < 0 && !*out->why)
				snprintf(out->why, sizeof(out->why), "%.40s: %.110s", err.step, *err.detail ? err.detail : strerror(-ret));
			if (ret < 0)
				continue;
			out->ipv4 = true;
			out->ipv6 = ipv6;
			out->hold = holds[i / 2] != HOLD_NONE;
			return;
		}
}

/* ---- elements ---- */

/* A key of the sets: device, address, MAC address, each padded to 4 bytes. Return: its length. */
static size_t make_key(unsigned char key[static 28], int bridge, const struct address *address, const unsigned char *mac)
{
	size_t bytes = address_bytes(address->family);
	uint32_t index = (uint32_t)bridge;

	memset(key, 0, 28);
	memcpy(key, &index, 4);
	memcpy(key + 4, address->bytes, bytes);
	if (!mac)
		return 4 + bytes;
	memcpy(key + 4 + bytes, mac, 6);
	return 4 + bytes + 8;
}

static uint8_t nf_family(const struct address *address)
{
	return address->family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

int rules_add_gateways(int fd, const struct rules_gateway *gateways, size_t n, struct err *err)
{
	autonft struct nft nft = { .table = TABLE };
	unsigned char key[28];

	nft_begin(&nft);
	for (size_t i = 0; i < n; i++) {
		const struct address *address = &gateways[i].address;
		size_t len = make_key(key, gateways[i].bridge, address, NULL);
		nft.family = nf_family(address);
		nft_add_element(&nft, "gateways", key, len);
		nft_add_element(&nft, "own", address->bytes, address_bytes(address->family));
	}
	return nft_commit(&nft, fd, err);
}

void rules_remove_gateway(int fd, const struct rules_gateway *gateway)
{
	const struct address *address = &gateway->address;
	autonft struct nft nft = { .table = TABLE, .family = nf_family(address) };
	unsigned char key[28];
	size_t len = make_key(key, gateway->bridge, address, NULL);

	nft_begin(&nft);
	nft_delete_element(&nft, "gateways", key, len);
	nft_delete_element(&nft, "own", address->bytes, address_bytes(address->family));
	nft_commit(&nft, fd, NULL);
}

int rules_add_members(int fd, const struct rules_member *members, size_t n, struct err *err)
{
	autonft struct nft nft = { .table = TABLE };
	unsigned char key[28];

	nft_begin(&nft);
	for (size_t i = 0; i < n; i++) {
		size_t len = make_key(key, members[i].bridge, &members[i].address, members[i].mac);
		nft.family = nf_family(&members[i].address);
		nft_add_element(&nft, "members", key, len);
	}
	return nft_commit(&nft, fd, err);
}

void rules_remove_member(int fd, const struct rules_member *member)
{
	autonft struct nft nft = { .table = TABLE, .family = nf_family(&member->address) };
	unsigned char key[28];
	size_t len = make_key(key, member->bridge, &member->address, member->mac);

	nft_begin(&nft);
	nft_delete_element(&nft, "members", key, len);
	nft_commit(&nft, fd, NULL);
}
