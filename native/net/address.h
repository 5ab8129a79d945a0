/*
 * address: more about addresses than net.h has: ranges as the configuration writes them, what kind an address is, and what it is to a network.
 */
#ifndef PROA_NET_ADDRESS_H
#define PROA_NET_ADDRESS_H

#include "net.h"

/*
 * "10.0.0.0/8", "fd00::/8", or one address without a prefix. Bits behind the prefix must not be set to be right; they are
 * ignored.
 * Return: whether TEXT is one.
 */
bool range_parse(const char *text, struct range *out);
bool range_has(const struct range *range, const struct address *a);

/* Bits of an address of FAMILY: 32 or 128; 0 for no family. */
unsigned address_bits(sa_family_t family);

/* Bytes of an address of FAMILY: 4 or 16; 0 for no family. */
size_t address_bytes(sa_family_t family);

/* An IPv4 address that a v4-mapped one (::ffff:a.b.c.d) stands for becomes it; others stay. */
struct address address_plain(const struct address *a);

/* The last address of an IPv4 subnet; family 0 for IPv6, and for prefixes that have no broadcast address (31, 32). */
struct address address_broadcast(const struct address *a, unsigned prefix);

/* The subnet of NETWORK that ADDRESS is in, or NULL. */
const struct subnet *network_subnet(const struct network *network, const struct address *address);

/* Whether ADDRESS is N's own in NETWORK. */
bool network_has_gateway(const struct network *network, const struct address *address);

#endif
