#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned address_bits(sa_family_t family)
{
	return (unsigned)address_bytes(family) * 8;
}

size_t address_bytes(sa_family_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

socklen_t sockaddr_len(const union sockaddr_any *sa)
{
	return sa->any.sa_family == AF_INET6 ? sizeof(sa->v6) : sizeof(sa->v4);
}

uint16_t sockaddr_port(const union sockaddr_any *sa)
{
	return ntohs(sa->any.sa_family == AF_INET6 ? sa->v6.sin6_port : sa->v4.sin_port);
}

void sockaddr_set(union sockaddr_any *out, const struct address *address, uint16_t port)
{
	memset(out, 0, sizeof(*out)); /* also sin_zero, flow label and scope: the kernel looks at them */
	out->any.sa_family = address->family;
	if (address->family == AF_INET6) {
		out->v6.sin6_port = htons(port);
		out->v6.sin6_addr = address->v6;
	} else {
		out->v4.sin_port = htons(port);
		out->v4.sin_addr = address->v4;
	}
}

struct address address_plain(const struct address *a)
{
	struct address out = { .family = AF_INET };

	if (a->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6))
		return *a;
	memcpy(&out.v4, a->bytes + 12, 4);
	return out;
}

struct address sockaddr_address(const union sockaddr_any *sa)
{
	struct address out = { .family = sa->any.sa_family };

	if (out.family == AF_INET6) {
		out.v6 = sa->v6.sin6_addr;
		return address_plain(&out);
	}
	if (out.family == AF_INET)
		out.v4 = sa->v4.sin_addr;
	else
		out.family = 0;
	return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, address_bytes(a->family));
}

bool sockaddr_equal(const union sockaddr_any *a, const union sockaddr_any *b)
{
	struct address x = sockaddr_address(a), y = sockaddr_address(b);

	return address_equal(&x, &y) && sockaddr_port(a) == sockaddr_port(b);
}

/*
 * A multiply and shift mix of each word. SEED is chosen at random once a process, so that containers cannot choose what collides.
 */
uint32_t address_hash(const struct address *a, uint32_t seed)
{
	uint64_t hash = ((uint64_t)seed << 32 | a->family) * 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < address_bytes(a->family); i += 4) {
		uint32_t word;

		memcpy(&word, a->bytes + i, 4);
		hash = (hash ^ word ^ seed) * 0xff51afd7ed558ccd;
		hash ^= hash >> 32;
	}
	return (uint32_t)hash;
}

bool address_parse(const char *text, struct address *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &out->v4) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, text, &out->v6) == 1)
		out->family = AF_INET6;
	return out->family != 0;
}

void address_print(const struct address *a, char out[static INET6_ADDRSTRLEN])
{
	out[0] = 0;
	if (a->family)
		inet_ntop(a->family, a->bytes, out, INET6_ADDRSTRLEN);
}

bool address_in(const struct address *a, const struct address *net, unsigned prefix)
{
	size_t whole = prefix / 8;
	unsigned rest = prefix % 8;

	if (!a->family || a->family != net->family || prefix > address_bits(a->family))
		return false;
	if (memcmp(a->bytes, net->bytes, whole) != 0)
		return false;
	return !rest || (a->bytes[whole] ^ net->bytes[whole]) >> (8 - rest) == 0;
}

struct address address_broadcast(const struct address *a, unsigned prefix)
{
	struct address out = { .family = 0 };

	if (a->family != AF_INET || prefix > 30)
		return out;
	out = *a;
	out.v4.s_addr |= htonl(prefix ? (1U << (32 - prefix)) - 1 : ~0U);
	return out;
}

bool range_parse(const char *text, struct range *out)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char *end;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = 0;
	if (!address_parse(address, &out->address))
		return false;
	out->prefix = address_bits(out->address.family);
	if (!slash)
		return true;
	if (slash[1] < '0' || slash[1] > '9')
		return false;
	errno = 0;
	unsigned long prefix = strtoul(slash + 1, &end, 10);
	if (*end || errno || prefix > out->prefix)
		return false;
	out->prefix = (unsigned)prefix;
	return true;
}

bool range_has(const struct range *range, const struct address *a)
{
	return address_in(a, &range->address, range->prefix);
}

const struct subnet *network_subnet(const struct network *network, const struct address *address)
{
	for (size_t i = 0; i < network->n_subnets; i++)
		if (address_in(address, &network->subnets[i].gateway, network->subnets[i].prefix))
			return &network->subnets[i];
	return NULL;
}

bool network_has_gateway(const struct network *network, const struct address *address)
{
	for (size_t i = 0; i < network->n_subnets; i++)
		if (address_equal(address, &network->subnets[i].gateway))
			return true;
	return false;
}
