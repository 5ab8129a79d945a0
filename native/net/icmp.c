#include "icmp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

#include "../util.h"

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

#define ERRORS_RATE 1000 /* a second and endpoint: a container that scans hears each refusal, one that floods gets no echo of it */
#define ERRORS_BURST 500

struct icmp {
	int fd4, fd6; /* -1: none */
};

static int open_ipv4(struct netd *netd)
{
	autoclose int fd = factory_socket(netd, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	uint32_t none = ~0u; /* types below 32 are not queued here: this socket only sends */
	int value = IP_PMTUDISC_DONT, code;

	if (fd < 0)
		return fd;
	code = socket_on(fd, IPPROTO_IP, IP_TRANSPARENT);
	if (code < 0)
		return code;
	setsockopt(fd, SOL_RAW, ICMP_FILTER, &none, sizeof(none));
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof(value)); /* large echoes go in fragments */
	return steal_fd(&fd);
}

static int open_ipv6(struct netd *netd)
{
	autoclose int fd = factory_socket(netd, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct icmp6_filter none;
	int code;

	if (fd < 0)
		return fd;
	code = socket_on(fd, IPPROTO_IPV6, IPV6_TRANSPARENT);
	if (code < 0)
		return code;
	ICMP6_FILTER_SETBLOCKALL(&none);
	setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none, sizeof(none));
	return steal_fd(&fd);
}

struct icmp *icmp_new(struct netd *netd, struct err *err)
{
	struct icmp *icmp = xcalloc(1, sizeof(*icmp));

	icmp->fd4 = open_ipv4(netd);
	if (icmp->fd4 < 0) {
		err_set(err, -icmp->fd4, "open raw socket", "ICMP");
		free(icmp);
		return NULL;
	}
	icmp->fd6 = open_ipv6(netd);
	if (icmp->fd6 < 0)
		icmp->fd6 = -1;
	return icmp;
}

uint16_t icmp_checksum(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t sum = 0;

	for (; len > 1; len -= 2, at += 2)
		sum += (uint32_t)(at[0] << 8 | at[1]);
	if (len)
		sum += (uint32_t)(at[0] << 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

struct icmp_news icmp_prohibited(sa_family_t family)
{
	if (family == AF_INET6)
		return (struct icmp_news){ .type = ICMP6_DST_UNREACH, .code = ICMP6_DST_UNREACH_ADMIN };
	return (struct icmp_news){ .type = ICMP_DEST_UNREACH, .code = ICMP_PKT_FILTERED };
}

struct icmp_news icmp_expired(sa_family_t family)
{
	if (family == AF_INET6)
		return (struct icmp_news){ .type = ICMP6_TIME_EXCEEDED, .code = ICMP6_TIME_EXCEED_TRANSIT };
	return (struct icmp_news){ .type = ICMP_TIME_EXCEEDED, .code = ICMP_EXC_TTL };
}

bool icmp_of_errno(sa_family_t family, int code, struct icmp_news *out)
{
	bool v6 = family == AF_INET6;

	*out = (struct icmp_news){ .type = v6 ? ICMP6_DST_UNREACH : ICMP_DEST_UNREACH };
	switch (code) {
	case ENETUNREACH:
	case EADDRNOTAVAIL: /* no address of this family to send from */
	case EAFNOSUPPORT:
	case ENETDOWN:
		out->code = v6 ? ICMP6_DST_UNREACH_NOROUTE : ICMP_NET_UNREACH;
		return true;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		out->code = v6 ? ICMP6_DST_UNREACH_ADDR : ICMP_HOST_UNREACH;
		return true;
	case ECONNREFUSED:
		out->code = v6 ? ICMP6_DST_UNREACH_NOPORT : ICMP_PORT_UNREACH;
		return true;
	case EACCES: /* a broadcast address, a route of type "prohibit" */
	case EPERM:  /* the host's packet filter */
		*out = icmp_prohibited(family);
		return true;
	default:
		return false;
	}
}

/* An error that this host's own sending met, queued beside those of the network. */
static bool news_of_local(sa_family_t family, const struct sock_extended_err *e, struct icmp_news *out)
{
	if (e->ee_errno != EMSGSIZE)
		return icmp_of_errno(family, (int)e->ee_errno, out);
	*out = family == AF_INET6 ? (struct icmp_news){ .type = ICMP6_PACKET_TOO_BIG, .info = e->ee_info }
				  : (struct icmp_news){ .type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED, .info = e->ee_info };
	return true;
}

int icmp_read_error(int fd, sa_family_t family, struct icmp_news *news, union sockaddr_any *to, unsigned char data[static ICMP_QUOTED_BYTES], size_t *len)
{
	_Alignas(struct cmsghdr) unsigned char control[512];
	struct iovec vector = { data, ICMP_QUOTED_BYTES };
	struct msghdr header = { .msg_name = to, .msg_namelen = sizeof(*to), .msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n;

	to->any.sa_family = 0;
	n = recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (n < 0)
		return 0;
	*len = (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		struct sock_extended_err e;
		union sockaddr_any offender;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) && !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		if (e.ee_origin == SO_EE_ORIGIN_LOCAL)
			return news_of_local(family, &e, news) ? 1 : -1;
		if (e.ee_origin != (family == AF_INET6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP))
			return -1;
		*news = (struct icmp_news){ .type = e.ee_type, .code = e.ee_code, .info = e.ee_info };
		memset(&offender, 0, sizeof(offender));
		if (c->cmsg_len >= CMSG_LEN(sizeof(e) + (family == AF_INET6 ? sizeof(offender.v6) : sizeof(offender.v4))))
			memcpy(&offender, CMSG_DATA(c) + sizeof(e), family == AF_INET6 ? sizeof(offender.v6) : sizeof(offender.v4));
		if (offender.any.sa_family == family)
			news->from = sockaddr_address(&offender);
		return 1;
	}
	return -1;
}

struct address icmp_gateway(const struct endpoint *endpoint, sa_family_t family)
{
	const struct network *network = endpoint->network;
	const struct address *own = family == AF_INET6 ? &endpoint->v6 : &endpoint->v4;
	struct address found = { .family = 0 };

	for (size_t i = 0; i < network->n_subnets; i++) {
		const struct subnet *subnet = &network->subnets[i];

		if (subnet->gateway.family != family)
			continue;
		if (found.family == 0)
			found = subnet->gateway;
		if (own->family == family && address_in(own, &subnet->gateway, subnet->prefix))
			return subnet->gateway;
	}
	return found;
}

/* Addresses that mean the host itself to the host and nothing to a container. */
static bool is_own(const struct address *a)
{
	if (a->family == AF_INET)
		return a->bytes[0] == 127 || a->v4.s_addr == 0;
	return a->family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(&a->v6) || IN6_IS_ADDR_UNSPECIFIED(&a->v6);
}

/* The quotation: IP header and UDP header of SUBJECT, as far as they are known. Return: bytes. */
static size_t quote_headers(unsigned char *at, const struct icmp_subject *s)
{
	size_t inner = s->protocol == IPPROTO_UDP ? sizeof(struct udphdr) : 0, used;

	if (s->inside.any.sa_family == AF_INET6) {
		struct ip6_hdr ip = { .ip6_src = s->inside.v6.sin6_addr, .ip6_dst = s->seen.v6.sin6_addr };

		ip.ip6_flow = htonl(6u << 28);
		ip.ip6_plen = htons((uint16_t)(s->whole + inner));
		ip.ip6_nxt = s->protocol;
		ip.ip6_hops = 1;
		memcpy(at, &ip, used = sizeof(ip));
	} else {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 1, .protocol = s->protocol,
				    .saddr = s->inside.v4.sin_addr.s_addr, .daddr = s->seen.v4.sin_addr.s_addr };

		ip.tot_len = htons((uint16_t)(sizeof(ip) + inner + s->whole));
		ip.frag_off = htons(IP_DF);
		ip.check = icmp_checksum(&ip, sizeof(ip));
		memcpy(at, &ip, used = sizeof(ip));
	}
	if (inner) {
		struct udphdr udp = { .source = htons(sockaddr_port(&s->inside)), .dest = htons(sockaddr_port(&s->seen)),
				      .len = htons((uint16_t)(s->whole + inner)) };

		memcpy(at + used, &udp, sizeof(udp));
		used += sizeof(udp);
	}
	return used;
}

void icmp_tell(struct netd *netd, struct icmp *icmp, struct budget *budget, const struct address *gateway, const struct icmp_news *news,
	       const struct icmp_subject *subject)
{
	unsigned char message[8 + sizeof(struct ip6_hdr) + sizeof(struct udphdr) + ICMP_QUOTED_BYTES] = { news->type, news->code };
	sa_family_t family = subject->inside.any.sa_family;
	struct address to = sockaddr_address(&subject->inside);
	const struct address *from = &news->from;
	size_t used = 8, data = subject->len < ICMP_QUOTED_BYTES ? subject->len : ICMP_QUOTED_BYTES;

	if (subject->seen.any.sa_family != family)
		return;
	if (from->family != family || is_own(from))
		from = gateway;
	if (from->family != family || !budget_take(budget, loop_now(netd), ERRORS_RATE, ERRORS_BURST))
		return;
	if (family == AF_INET6 && (news->type == ICMP6_PACKET_TOO_BIG || news->type == ICMP6_PARAM_PROB)) {
		uint32_t info = htonl(news->info);

		memcpy(message + 4, &info, sizeof(info));
	} else if (family == AF_INET && news->type == ICMP_DEST_UNREACH && news->code == ICMP_FRAG_NEEDED) {
		uint16_t mtu = htons((uint16_t)(news->info > 65535 ? 65535 : news->info));

		memcpy(message + 6, &mtu, sizeof(mtu));
	} else if (family == AF_INET && news->type == ICMP_PARAMETERPROB) {
		message[4] = (unsigned char)news->info;
	}
	used += quote_headers(message + used, subject);
	memcpy(message + used, subject->data, data);
	icmp_send(icmp, from, &to, message, used + data, 0, 0);
}

int icmp_send(struct icmp *icmp, const struct address *from, const struct address *to, unsigned char *message, size_t len, int hops, int traffic)
{
	_Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))] = { 0 };
	union sockaddr_any address;
	struct iovec vector = { message, len };
	struct msghdr header = { .msg_name = &address, .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	bool v6 = to->family == AF_INET6;
	size_t used;

	sockaddr_set(&address, to, 0);
	header.msg_namelen = sockaddr_len(&address);
	if (v6) {
		struct in6_pktinfo info = { .ipi6_addr = from->v6 };

		*c = (struct cmsghdr){ .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info)) };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		used = CMSG_SPACE(sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_spec_dst = from->v4 };
		uint16_t sum;

		*c = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info)) };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		used = CMSG_SPACE(sizeof(info));
		message[2] = message[3] = 0;
		sum = icmp_checksum(message, len); /* that of ICMPv6 is the kernel's work (RFC 3542, 3.1) */
		memcpy(message + 2, &sum, sizeof(sum));
	}
	for (int i = 0; i < 2; i++) {
		int value = i ? traffic : hops;

		if (value == 0)
			continue;
		c = (struct cmsghdr *)(control + used);
		*c = (struct cmsghdr){ .cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, .cmsg_len = CMSG_LEN(sizeof(value)),
				       .cmsg_type = i ? (v6 ? IPV6_TCLASS : IP_TOS) : (v6 ? IPV6_HOPLIMIT : IP_TTL) };
		memcpy(CMSG_DATA(c), &value, sizeof(value));
		used += CMSG_SPACE(sizeof(value));
	}
	header.msg_controllen = used;
	return sendmsg(v6 ? icmp->fd6 : icmp->fd4, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
