/*
 * dns_message: DNS messages (RFC 1035, 2181, 6891) taken apart and put together. Pure: no descriptor, no clock, no memory of its own; every read
 * and write is bounded by the length that the caller gives.
 *
 * Only what a forwarder has to understand is understood: the header, the one question, and of the other records their outlines and the OPT. A
 * question's name is spelled out; no pointer is ever followed: the first name of a message has nothing before it that it could point to, and names
 * behind the question are passed over, which takes no following. So there are no loops to guard against.
 */
#ifndef PROA_NET_DNS_MESSAGE_H
#define PROA_NET_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12
#define DNS_NAME_MAX 255      /* bytes of a name on the wire, with the root's (RFC 1035 2.3.4) */
#define DNS_PLAIN_PAYLOAD 512 /* bytes that UDP carries to an asker that does not say more (RFC 1035 2.3.4) */
#define DNS_OUR_PAYLOAD 1232  /* bytes that we say we take: what crosses any path unfragmented (DNS flag day 2020) */

enum dns_type {
	DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_IXFR = 251, DNS_AXFR = 252, DNS_ANY = 255,
};
#define DNS_CLASS_IN 1

enum dns_rcode {
	DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* the upper bits travel in the OPT */
};

/* Flags of the header's second word, host order. */
#define DNS_QR 0x8000
#define DNS_OPCODE 0x7800
#define DNS_AA 0x0400
#define DNS_TC 0x0200
#define DNS_RD 0x0100
#define DNS_RA 0x0080
#define DNS_CD 0x0010
#define DNS_RCODE 0x000f

/* A question, as dns_read_query() finds it. */
struct dns_query {
	uint16_t id;
	uint16_t flags;
	bool question;         /* the rest up to question_end is filled */
	uint16_t type, class;
	size_t question_end;   /* offset behind the question; it begins at DNS_HEADER */
	bool edns;             /* it has an OPT: the answer gets one */
	bool dnssec_ok;        /* its DO bit, which goes back as it came (RFC 3225) */
	uint16_t payload;      /* bytes that the asker takes by UDP, at least DNS_PLAIN_PAYLOAD */
	/*
	 * The name in lower case, labels parted by dots, without the last dot; "" for the root and for names with bytes that no name of a container
	 * has (dots within a label, control characters, 8-bit ones).
	 */
	char name[DNS_NAME_MAX + 1];
};

#define DNS_DROP (-1)

/*
 * Read a message that came from an asker. Return: DNS_NOERROR when it is a question that can be looked up; another rcode when it is to be answered
 * with that (OUT is filled as far as it was read, enough for dns_begin()); DNS_DROP when it is no question at all (too short, or an answer: two
 * servers must not talk to each other for ever).
 */
int dns_read_query(const uint8_t *message, size_t length, struct dns_query *out);

/* Is MESSAGE the answer to QUERY (a message, its question ending at QUESTION_END), sent with ID? */
bool dns_answers(const uint8_t *message, size_t length, uint16_t id, const uint8_t *query, size_t question_end);

uint16_t dns_id(const uint8_t *message);
void dns_set_id(uint8_t *message, uint16_t id);
unsigned dns_rcode_of(const uint8_t *message);
bool dns_has_question(const uint8_t *message);

/* An answer being written. */
struct dns_writer {
	uint8_t *buffer;
	size_t length, limit;  /* limit without what the OPT will take */
	uint16_t answers;
	uint16_t flags;
	unsigned rcode;
	bool edns, dnssec_ok;
};

/*
 * Begin the answer to QUERY, whose message is MESSAGE: header and question, in the asker's spelling. BUFFER has room for LIMIT >=
 * DNS_PLAIN_PAYLOAD bytes, which is also the most that the asker takes. FLAGS: DNS_AA where we are who knows.
 */
void dns_begin(struct dns_writer *writer, uint8_t *buffer, size_t limit, const uint8_t *message, const struct dns_query *query, unsigned rcode,
	       uint16_t flags);
/* Add an address of the question's name: A when SIZE is 4, AAAA when 16. Return: whether it had room; if not, the answer is marked as truncated. */
bool dns_add_address(struct dns_writer *writer, const void *bytes, size_t size, uint32_t ttl);
/* Add that the question's name points to NAME (text as in struct dns_query). Return: whether NAME is one and had room. */
bool dns_add_pointer(struct dns_writer *writer, const char *name, uint32_t ttl);
/* Finish. Return: the length, at most the limit. */
size_t dns_end(struct dns_writer *writer);

/* Can TEXT be asked for: labels of 1 to 63 bytes, at most 253 in all? */
bool dns_is_name(const char *text);

/*
 * The address that a name under in-addr.arpa or ip6.arpa (lower case, RFC 1035 3.5, RFC 3596 2.5) stands for.
 * Return: 4 or 16, the bytes in OUT; 0: none.
 */
size_t dns_reverse(const char *name, uint8_t out[static 16]);

#endif
