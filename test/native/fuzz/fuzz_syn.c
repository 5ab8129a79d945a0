/*
 * Any bytes as an IP packet's first ones: what is read as a connection's first segment has the addresses and ports of the packet, and nothing behind its end
 * is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/syn.h"

static void require(int claim)
{
	if (!claim)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *packet = malloc(size ? size : 1); /* with no byte to spare, so that the sanitizer sees a read behind it */
	struct syn syn;

	memcpy(packet, data, size);
	if (syn_parse(packet, size, &syn)) {
		int family = packet[0] >> 4 == 6 ? AF_INET6 : AF_INET;

		require(size >= 40 && syn.client.any.sa_family == family && syn.server.any.sa_family == family);
		if (family == AF_INET) {
			const uint8_t *tcp = packet + (packet[0] & 15) * 4;

			require(packet[9] == IPPROTO_TCP && !memcmp(&syn.client.v4.sin_addr, packet + 12, 4) && !memcmp(&syn.server.v4.sin_addr, packet + 16, 4));
			require(!memcmp(&syn.client.v4.sin_port, tcp, 2) && !memcmp(&syn.server.v4.sin_port, tcp + 2, 2) && (tcp[13] & 0x17) == 2);
		} else {
			require(!memcmp(&syn.client.v6.sin6_addr, packet + 8, 16) && !memcmp(&syn.server.v6.sin6_addr, packet + 24, 16));
		}
	}
	free(packet);
	return 0;
}

/* A SYN from port 0x1234 to 80, with a maximum segment size. */
static size_t tcp(uint8_t *out)
{
	static const uint8_t segment[24] = { 0x12, 0x34, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 0x02, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4 };

	memcpy(out, segment, sizeof(segment));
	return sizeof(segment);
}

static size_t ipv4(uint8_t *out, unsigned words)
{
	memset(out, 0, words * 4);
	out[0] = (uint8_t)(0x40 | words);
	out[6] = 0x40; /* don't fragment */
	out[8] = 64;
	out[9] = IPPROTO_TCP;
	memcpy(out + 12, "\x0a\x58\0\2\xc0\0\2\1", 8);
	return words * 4 + tcp(out + words * 4);
}

static size_t ipv6(uint8_t *out, int extensions)
{
	size_t at = 40;

	memset(out, 0, 40 + (size_t)extensions * 16);
	out[0] = 0x60;
	out[6] = extensions ? IPPROTO_HOPOPTS : IPPROTO_TCP;
	out[8] = out[24] = 0xfd;
	out[39] = 1;
	for (int i = 0; i < extensions; i++, at += 16) {
		out[at] = i + 1 < extensions ? IPPROTO_DSTOPTS : IPPROTO_TCP;
		out[at + 1] = 1; /* 16 bytes */
	}
	return at + tcp(out + at);
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	static const int kinds = 7;

	if (n >= (unsigned)kinds)
		return 0;
	return n < 3 ? ipv4(out, 5 + n * 5) : ipv6(out, (int)n - 3);
}
