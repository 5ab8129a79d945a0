#include "dns_message.h"

#include <string.h>

#define LABEL_MAX 63
#define QUESTION_TAIL 4 /* type and class */
#define RECORD_TAIL 10  /* type, class, TTL, length of data */
#define OPT_BYTES 11    /* the root's name and RECORD_TAIL */
#define POINTER 0xc0
#define DO_BIT 0x8000

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

uint16_t dns_id(const uint8_t *message)
{
	return get16(message);
}

void dns_set_id(uint8_t *message, uint16_t id)
{
	put16(message, id);
}

unsigned dns_rcode_of(const uint8_t *message)
{
	return message[3] & DNS_RCODE;
}

bool dns_has_question(const uint8_t *message)
{
	return get16(message + 4) != 0;
}

/* The offset behind the name at AT, pointers not followed; 0 when it leaves the message or is malformed. */
static size_t skip_name(const uint8_t *message, size_t length, size_t at)
{
	size_t end = at + DNS_NAME_MAX;

	while (at < length && at < end) {
		uint8_t n = message[at++];

		if (n == 0)
			return at;
		if ((n & POINTER) == POINTER)
			return at < length ? at + 1 : 0;
		if (n & POINTER)
			return 0;
		at += n;
	}
	return 0;
}

/* As skip_name() for a name without pointers, spelled out into TEXT. */
static size_t read_name(const uint8_t *message, size_t length, size_t at, char text[static DNS_NAME_MAX + 1])
{
	size_t start = at, n_text = 0;
	bool plain = true;

	for (;;) {
		if (at >= length)
			return 0;
		uint8_t n = message[at++];
		if (n == 0)
			break;
		if (n > LABEL_MAX || n > length - at || at + n - start >= DNS_NAME_MAX)
			return 0;
		if (n_text > 0)
			text[n_text++] = '.';
		for (; n > 0; n--, at++) {
			uint8_t c = lower(message[at]);

			plain = plain && c > ' ' && c < 0x7f && c != '.';
			text[n_text++] = (char)c;
		}
	}
	text[plain ? n_text : 0] = '\0';
	return at;
}

/* Read the OPT at AT, behind its name. Return: an rcode. */
static int read_opt(const uint8_t *record, struct dns_query *out)
{
	uint16_t payload = get16(record + 2);
	uint8_t version = record[5];

	if (out->edns) /* more than one (RFC 6891 6.1.1) */
		return DNS_FORMERR;
	out->edns = true;
	out->payload = payload < DNS_PLAIN_PAYLOAD ? DNS_PLAIN_PAYLOAD : payload;
	out->dnssec_ok = get16(record + 6) & DO_BIT;
	return version == 0 ? DNS_NOERROR : DNS_BADVERS;
}

/* Pass over COUNT records from *AT on; an OPT among them is read when OPT_ALLOWED. */
static int read_records(const uint8_t *message, size_t length, size_t *at, unsigned count, bool opt_allowed, struct dns_query *out)
{
	int version = DNS_NOERROR;

	for (; count > 0; count--) {
		size_t name = *at, record = skip_name(message, length, name);

		if (record == 0 || length - record < RECORD_TAIL)
			return DNS_FORMERR;
		size_t data = get16(message + record + 8);
		if (length - record - RECORD_TAIL < data)
			return DNS_FORMERR;
		if (get16(message + record) == DNS_OPT) {
			int status = opt_allowed && message[name] == 0 ? read_opt(message + record, out) : DNS_FORMERR;

			if (status == DNS_BADVERS)
				version = status; /* said only if the rest is well-formed */
			else if (status != DNS_NOERROR)
				return status;
		}
		*at = record + RECORD_TAIL + data;
	}
	return version;
}

int dns_read_query(const uint8_t *message, size_t length, struct dns_query *out)
{
	size_t at;
	int status;

	memset(out, 0, offsetof(struct dns_query, name));
	out->name[0] = '\0';
	out->payload = DNS_PLAIN_PAYLOAD;
	if (length < DNS_HEADER)
		return DNS_DROP;
	out->id = dns_id(message);
	out->flags = get16(message + 2);
	if (out->flags & DNS_QR)
		return DNS_DROP;
	if (out->flags & DNS_OPCODE) /* UPDATE, NOTIFY, STATUS: their sections mean something else */
		return DNS_NOTIMP;
	if (get16(message + 4) != 1)
		return DNS_FORMERR;
	at = read_name(message, length, DNS_HEADER, out->name);
	if (at == 0 || length - at < QUESTION_TAIL)
		return DNS_FORMERR;
	out->type = get16(message + at);
	out->class = get16(message + at + 2);
	out->question_end = at = at + QUESTION_TAIL;
	out->question = true;
	status = read_records(message, length, &at, get16(message + 6) + (unsigned)get16(message + 8), false, out);
	if (status == DNS_NOERROR)
		status = read_records(message, length, &at, get16(message + 10), true, out);
	if (status != DNS_FORMERR && at != length)
		status = DNS_FORMERR;
	return status;
}

bool dns_answers(const uint8_t *message, size_t length, uint16_t id, const uint8_t *query, size_t question_end)
{
	uint16_t flags;

	if (length < DNS_HEADER || dns_id(message) != id)
		return false;
	flags = get16(message + 2);
	if (!(flags & DNS_QR) || flags & DNS_OPCODE)
		return false;
	if (!dns_has_question(message)) /* some servers leave it out when they could not read it or will not look it up */
		return flags & DNS_RCODE;
	if (get16(message + 4) != 1 || length < question_end)
		return false;
	/* Case may have been lost on the way. A length byte is no letter, so that this compares labels with labels. */
	for (size_t i = DNS_HEADER; i < question_end - QUESTION_TAIL; i++)
		if (lower(message[i]) != lower(query[i]))
			return false;
	return memcmp(message + question_end - QUESTION_TAIL, query + question_end - QUESTION_TAIL, QUESTION_TAIL) == 0;
}

void dns_begin(struct dns_writer *writer, uint8_t *buffer, size_t limit, const uint8_t *message, const struct dns_query *query, unsigned rcode,
	       uint16_t flags)
{
	*writer = (struct dns_writer){
		.buffer = buffer,
		.limit = limit - (query->edns ? OPT_BYTES : 0),
		.length = query->question ? query->question_end : DNS_HEADER,
		.rcode = rcode,
		.edns = query->edns,
		.dnssec_ok = query->dnssec_ok,
		.flags = (uint16_t)(DNS_QR | DNS_RA | flags | (query->flags & (DNS_OPCODE | DNS_RD | DNS_CD))),
	};
	/* A question takes at most DNS_NAME_MAX + 4 bytes: it fits into the least limit there is. */
	memcpy(buffer, message, writer->length);
	put16(buffer + 4, query->question);
}

/* Room for a record of the question's name, filled up to its data. Return: where the data goes, or NULL. */
static uint8_t *add_record(struct dns_writer *writer, enum dns_type type, size_t data, uint32_t ttl)
{
	uint8_t *at = writer->buffer + writer->length;

	if (writer->limit - writer->length < 2 + RECORD_TAIL + data || writer->answers == UINT16_MAX) {
		writer->flags |= DNS_TC;
		return NULL;
	}
	put16(at, POINTER << 8 | DNS_HEADER);
	put16(at + 2, type);
	put16(at + 4, DNS_CLASS_IN);
	put16(at + 6, ttl >> 16);
	put16(at + 8, ttl & 0xffff);
	put16(at + 10, (unsigned)data);
	writer->length += 2 + RECORD_TAIL + data;
	writer->answers++;
	return at + 2 + RECORD_TAIL;
}

bool dns_add_address(struct dns_writer *writer, const void *bytes, size_t size, uint32_t ttl)
{
	uint8_t *data = add_record(writer, size == 4 ? DNS_A : DNS_AAAA, size, ttl);

	if (data)
		memcpy(data, bytes, size);
	return data;
}

bool dns_is_name(const char *text)
{
	size_t length = 0, label = 0;

	for (; *text; text++, length++) {
		if (*text != '.') {
			if (++label > LABEL_MAX)
				return false;
		} else if (label == 0) {
			return false;
		} else {
			label = 0;
		}
	}
	return label > 0 && length <= DNS_NAME_MAX - 2;
}

bool dns_add_pointer(struct dns_writer *writer, const char *name, uint32_t ttl)
{
	uint8_t *data;

	if (!dns_is_name(name))
		return false;
	data = add_record(writer, DNS_PTR, strlen(name) + 2, ttl);
	if (!data)
		return false;
	while (*name) {
		size_t label = strcspn(name, ".");

		*data++ = (uint8_t)label;
		memcpy(data, name, label);
		data += label;
		name += label + (name[label] == '.');
	}
	*data = 0;
	return true;
}

size_t dns_end(struct dns_writer *writer)
{
	uint8_t *buffer = writer->buffer;

	put16(buffer + 2, writer->flags | (writer->rcode & DNS_RCODE));
	put16(buffer + 6, writer->answers);
	put16(buffer + 8, 0);
	put16(buffer + 10, writer->edns);
	if (writer->edns) {
		uint8_t *opt = buffer + writer->length;

		opt[0] = 0;
		put16(opt + 1, DNS_OPT);
		put16(opt + 3, DNS_OUR_PAYLOAD);
		opt[5] = (uint8_t)(writer->rcode >> 4);
		opt[6] = 0; /* version */
		put16(opt + 7, writer->dnssec_ok ? DO_BIT : 0);
		put16(opt + 9, 0);
		writer->length += OPT_BYTES;
	}
	return writer->length;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "4.3.2.10": the last byte comes first. */
static bool reverse4(const char *name, size_t length, uint8_t out[static 16])
{
	const char *end = name + length;

	for (int i = 3; i >= 0; i--) {
		unsigned value = 0;
		const char *start = name;

		while (name < end && *name >= '0' && *name <= '9' && name - start < 3)
			value = value * 10 + (unsigned)(*name++ - '0');
		if (name == start || value > 255 || (*start == '0' && name - start > 1))
			return false;
		out[i] = (uint8_t)value;
		if (i > 0 && (name == end || *name++ != '.'))
			return false;
	}
	return name == end;
}

/* 32 hexadecimal digits parted by dots, the last one of the address first. */
static bool reverse6(const char *name, size_t length, uint8_t out[static 16])
{
	if (length != 32 * 2 - 1)
		return false;
	memset(out, 0, 16);
	for (size_t i = 0; i < 32; i++) {
		int digit = hex_digit(name[i * 2]);

		if (digit < 0 || (i < 31 && name[i * 2 + 1] != '.'))
			return false;
		out[15 - i / 2] |= (uint8_t)(i & 1 ? digit << 4 : digit);
	}
	return true;
}

size_t dns_reverse(const char *name, uint8_t out[static 16])
{
	static const char arpa4[] = ".in-addr.arpa", arpa6[] = ".ip6.arpa";
	size_t length = strlen(name);

	if (length > sizeof(arpa4) - 1 && strcmp(name + length - (sizeof(arpa4) - 1), arpa4) == 0)
		return reverse4(name, length - (sizeof(arpa4) - 1), out) ? 4 : 0;
	if (length > sizeof(arpa6) - 1 && strcmp(name + length - (sizeof(arpa6) - 1), arpa6) == 0)
		return reverse6(name, length - (sizeof(arpa6) - 1), out) ? 16 : 0;
	return 0;
}
