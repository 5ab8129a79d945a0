#include "policy.h"

#include <string.h>

#include "address.h"

bool policy_is_host(const struct address *address)
{
	static const unsigned char host4[4] = { 169, 254, 1, 2 };
	static const unsigned char host6[16] = { 0xfd, 0, 0, 0x70, 0x72, 0x6f, 0, 0x61, [15] = 2 };

	if (address->family == AF_INET)
		return !memcmp(address->bytes, host4, sizeof(host4));
	return address->family == AF_INET6 && !memcmp(address->bytes, host6, sizeof(host6));
}

/* Loopback, "this network" (which connect() takes for loopback), multicast, broadcast: no host outside. */
static bool nowhere4(const unsigned char bytes[static 4])
{
	static const unsigned char broadcast[4] = { 255, 255, 255, 255 };

	return bytes[0] == 127 || bytes[0] == 0 || (bytes[0] & 0xf0) == 0xe0 || !memcmp(bytes, broadcast, 4);
}

/*
 * ::/16 holds ::1, ::, v4-mapped (::ffff:a.b.c.d), v4-compatible (::a.b.c.d) and SIIT's (::ffff:0:a.b.c.d) addresses, and no host
 * of the Internet; 64:ff9b:: is not in it. A link-local address means a link, which is another one here than in the container;
 * site-local ones had the same idea.
 */
static bool nowhere6(const unsigned char bytes[static 16])
{
	return (bytes[0] == 0 && bytes[1] == 0) || bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) >= 0x80);
}

static bool starts(const struct address *address, const unsigned char *prefix, size_t len)
{
	return !memcmp(address->bytes, prefix, len);
}

#define INSIDE_MOST 2

/* IPv4 addresses that a translator would take out of ADDRESS. Return: their number. */
static size_t addresses_inside(const struct address *address, struct address out[static INSIDE_MOST])
{
	static const unsigned char nat64[4] = { 0, 0x64, 0xff, 0x9b };      /* 64:ff9b::/96, RFC 6052; 64:ff9b:1::/48, RFC 8215 */
	static const unsigned char sixtofour[2] = { 0x20, 0x02 };           /* 2002:a.b.c.d::/48, RFC 3056 */
	static const unsigned char teredo[4] = { 0x20, 0x01, 0, 0 };        /* 2001::/32, RFC 4380: server, and client with its bits turned */
	static const unsigned char isatap[4] = { 0, 0, 0x5e, 0xfe };        /* …:[02]00:5efe:a.b.c.d, RFC 5214 */
	const unsigned char *bytes = address->bytes;
	size_t n = 0;

	memset(out, 0, INSIDE_MOST * sizeof(*out));
	if (address->family != AF_INET6)
		return 0;
	if (starts(address, nat64, sizeof(nat64))) {
		memcpy(out[n++].bytes, bytes + 12, 4);
	} else if (starts(address, sixtofour, sizeof(sixtofour))) {
		memcpy(out[n++].bytes, bytes + 2, 4);
	} else if (starts(address, teredo, sizeof(teredo))) {
		memcpy(out[n++].bytes, bytes + 4, 4);
		for (size_t i = 0; i < 4; i++)
			out[n].bytes[i] = bytes[12 + i] ^ 0xff;
		n++;
	} else if ((bytes[8] & ~2) == isatap[0] && !memcmp(bytes + 9, isatap + 1, 3)) {
		memcpy(out[n++].bytes, bytes + 12, 4);
	}
	for (size_t i = 0; i < n; i++)
		out[i].family = AF_INET;
	return n;
}

static bool is_denied(const struct netd *netd, const struct address *address)
{
	for (size_t i = 0; i < netd->n_denied; i++)
		if (range_has(&netd->denied[i], address))
			return true;
	return false;
}

bool policy_is_of_network(const struct netd *netd, const struct address *address)
{
	for (const struct network *network = netd->networks; network; network = network->next)
		if (network_subnet(network, address))
			return true;
	return false;
}

static bool is_prohibited(const struct netd *netd, const struct address *address)
{
	struct address inside[INSIDE_MOST];

	if (address->family == AF_INET ? nowhere4(address->bytes) : nowhere6(address->bytes))
		return true;
	if (is_denied(netd, address) || policy_is_of_network(netd, address))
		return true;
	for (size_t i = 0, n = addresses_inside(address, inside); i < n; i++)
		if (nowhere4(inside[i].bytes) || is_denied(netd, &inside[i]) || policy_is_of_network(netd, &inside[i]))
			return true;
	return false;
}

enum way policy_way(struct netd *netd, const struct endpoint *from, const union sockaddr_any *to, union sockaddr_any *host)
{
	struct address address = { .family = to->any.sa_family };

	/* Not sockaddr_address(): that would turn a v4-mapped address into the one it stands for. */
	if (address.family == AF_INET)
		address.v4 = to->v4.sin_addr;
	else if (address.family == AF_INET6)
		address.v6 = to->v6.sin6_addr;
	else
		return WAY_PROHIBITED;
	if (from->network->internal)
		return WAY_PROHIBITED;
	if (policy_is_host(&address)) {
		struct address loopback = { .family = address.family };

		if (loopback.family == AF_INET)
			loopback.v4.s_addr = htonl(INADDR_LOOPBACK);
		else
			loopback.v6 = in6addr_loopback;
		/* A denied range is meant of what is reached, which is the loopback. */
		if (!from->host_loopback || is_denied(netd, &loopback))
			return WAY_PROHIBITED;
		sockaddr_set(host, &loopback, sockaddr_port(to));
		return WAY_OPEN;
	}
	if (is_prohibited(netd, &address))
		return WAY_PROHIBITED;
	sockaddr_set(host, &address, sockaddr_port(to));
	return WAY_OPEN;
}
