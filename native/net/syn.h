/*
 * syn: a TCP connection's first segment, read from the packet that holds it.
 */
#ifndef PROA_NET_SYN_H
#define PROA_NET_SYN_H

#include "net.h"

struct syn {
	union sockaddr_any client, server;
};

/*
 * Read an IP packet's first LEN bytes. Nothing of them is trusted.
 * Return: whether it is a connection's first segment, not fragmented, with OUT filled.
 */
bool syn_parse(const uint8_t *packet, size_t len, struct syn *out);

#endif
