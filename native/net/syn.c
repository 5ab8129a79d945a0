#include "syn.h"

#include <string.h>

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Find the TCP header behind IPv6's own. Return: its offset, or 0. */
static size_t skip_extensions(const uint8_t *packet, size_t len)
{
	uint8_t next = packet[6];
	size_t at = 40;

	for (int i = 0; i < 8; i++) {
		switch (next) {
		case IPPROTO_TCP:
			return at;
		case IPPROTO_HOPOPTS:
		case IPPROTO_DSTOPTS:
		case IPPROTO_ROUTING:
			if (len < at + 8)
				return 0;
			next = packet[at];
			at += ((size_t)packet[at + 1] + 1) * 8;
			break;
		default: /* also fragments */
			return 0;
		}
	}
	return 0;
}

bool syn_parse(const uint8_t *packet, size_t len, struct syn *out)
{
	struct address from = { .family = AF_INET }, to = { .family = AF_INET };
	size_t at;

	if (len < 20)
		return false;
	switch (packet[0] >> 4) {
	case 4:
		at = (size_t)(packet[0] & 15) * 4;
		if (at < 20 || packet[9] != IPPROTO_TCP || be16(packet + 6) & 0x3fff /* more fragments, offset */)
			return false;
		memcpy(&from.v4, packet + 12, 4);
		memcpy(&to.v4, packet + 16, 4);
		break;
	case 6:
		if (len < 40)
			return false;
		at = skip_extensions(packet, len);
		if (!at)
			return false;
		from.family = to.family = AF_INET6;
		memcpy(&from.v6, packet + 8, 16);
		memcpy(&to.v6, packet + 24, 16);
		break;
	default:
		return false;
	}
	if (len < at + 20 || packet[at + 12] >> 4 < 5)
		return false;
	if ((packet[at + 13] & 0x17 /* ACK, RST, SYN, FIN */) != 0x02)
		return false;
	sockaddr_set(&out->client, &from, be16(packet + at));
	sockaddr_set(&out->server, &to, be16(packet + at + 2));
	return true;
}
