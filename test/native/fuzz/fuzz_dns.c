/*
 * Any bytes as a question, as the answer to one, as a reverse name and as resolv.conf: what is read as a question is answered with a message that is well-formed, keeps to the size that was
 * asked for and says what was asked; nothing is read or written beside the buffers.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/dns_message.h"
#include "net/resolv.h"

static void require(int claim)
{
	if (!claim)
		abort();
}

/* A copy with no byte to spare, so that the sanitizer sees a read behind it. */
static uint8_t *exact(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	return copy;
}

/* The answer, read as a question again but for the QR bit, has to be one. */
static void check_answer(uint8_t *answer, size_t length, const uint8_t *message, const struct dns_query *query, unsigned answers)
{
	struct dns_query again;

	require(length >= DNS_HEADER && dns_id(answer) == query->id && answer[2] & 0x80);
	require((unsigned)(answer[6] << 8 | answer[7]) == answers);
	if (query->question)
		require(dns_answers(answer, length, query->id, message, query->question_end));
	answer[2] &= 0x7f;
	if (!query->question)
		return;
	int status = dns_read_query(answer, length, &again);
	require(status == DNS_NOERROR && again.edns == query->edns && again.type == query->type && again.class == query->class);
	require(strcmp(again.name, query->name) == 0 && again.dnssec_ok == query->dnssec_ok && again.question_end == query->question_end);
}

static void answer_with(const uint8_t *message, const struct dns_query *query, int status, size_t limit, unsigned records)
{
	static const uint8_t address[16] = { 10, 88, 0, 2 };
	uint8_t *buffer = malloc(limit);
	struct dns_writer writer;
	unsigned added = 0;

	dns_begin(&writer, buffer, limit, message, query, (unsigned)status, 0);
	for (unsigned i = 0; i < records; i++)
		added += i % 3 == 2 ? dns_add_pointer(&writer, query->name, 1) : dns_add_address(&writer, address, i % 3 ? 16 : 4, 1);
	size_t length = dns_end(&writer);
	require(length <= limit);
	check_answer(buffer, length, message, query, added);
	free(buffer);
}

static void check_question(const uint8_t *data, size_t size)
{
	uint8_t *message = exact(data, size);
	struct dns_query query;
	uint8_t reverse[16];
	int status = dns_read_query(message, size, &query);

	if (status != DNS_DROP) {
		require(query.payload >= DNS_PLAIN_PAYLOAD);
		require(status != DNS_NOERROR || (query.question && query.question_end <= size));
		require(strlen(query.name) <= DNS_NAME_MAX - 2);
		require(query.name[0] == '\0' || !query.question || dns_is_name(query.name));
		answer_with(message, &query, status, DNS_PLAIN_PAYLOAD, 0);
		if (status == DNS_NOERROR) {
			answer_with(message, &query, status, DNS_PLAIN_PAYLOAD, 100);
			answer_with(message, &query, status, query.payload, 9);
		}
		if (query.question) {
			dns_reverse(query.name, reverse);
			require(!dns_answers(message, size, query.id, message, query.question_end)); /* a question is no answer */
		}
	}
	free(message);
}

static void check_reply(const uint8_t *data, size_t size)
{
	static const uint8_t asked[] = "\0\7\1\0\0\1\0\0\0\0\0\0\3WeB\0\0\1\0\1";
	uint8_t *reply = exact(data, size);

	if (dns_answers(reply, size, 7, asked, sizeof(asked) - 1))
		require(size >= DNS_HEADER && (!dns_has_question(reply) || size >= sizeof(asked) - 1));
	free(reply);
}

static void check_resolv(const uint8_t *data, size_t size)
{
	uint8_t *text = exact(data, size);
	struct resolv_conf conf;

	resolv_parse((const char *)text, size, &conf);
	require(conf.n_servers >= 1 && conf.n_servers <= RESOLV_SERVERS && conf.attempts <= 5 && conf.timeout_ms <= 30000);
	for (size_t i = 0; i < conf.n_servers; i++)
		require(conf.servers[i].any.sa_family == AF_INET || conf.servers[i].any.sa_family == AF_INET6);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_question(data, size);
	check_reply(data, size);
	check_resolv(data, size);
	return 0;
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	/* header, question, records behind it */
	static const struct { size_t size; const char *bytes; } seeds[] = {
#define SEED(text) { sizeof(text) - 1, text }
		SEED("\0\7\1\0\0\1\0\0\0\0\0\0\3WeB\0\0\1\0\1"),
		SEED("\0\7\1\0\0\1\0\0\0\0\0\1\3web\4back\0\0\x1c\0\1\0\0\x29\4\xd0\0\0\x80\0\0\0"),
		SEED("\0\7\1\0\0\1\0\0\0\0\0\1\3web\0\0\xff\0\1\0\0\x29\0\x0a\0\1\0\0\0\x0c\0\x0a\0\x08" "12345678"),
		SEED("\0\7\1\x20\0\1\0\0\0\0\0\0\1" "2\1" "0\2" "88\2" "10\7in-addr\4arpa\0\0\x0c\0\1"),
		SEED("\0\7\1\0\0\1\0\0\0\0\0\0\1" "2\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1"
		     "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "0\1" "f\1" "2\1" "7\1" "0\1" "7\1" "0\1" "d\1" "f\3ip6\4arpa\0\0\x0c\0\1"),
		SEED("\0\7\1\0\0\1\0\0\0\1\0\1\3web\0\0\xfb\0\1\xc0\x0c\0\6\0\1\0\0\0\1\0\4" "abcd" "\0\0\x29\2\0\0\0\0\0\0\0"),
		SEED("\0\7\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"),
		SEED("\0\7\x81\x80\0\1\0\1\0\0\0\0\3web\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x0a\x58\0\2"),
		SEED("\0\7\x81\x82\0\0\0\0\0\0\0\0"),
		SEED("\0\7\x29\0\0\1\0\0\0\1\0\0\3web\0\0\6\0\1"),
		SEED("# comment\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\n\tnameserver 1.2.3.4\nsearch a b\noptions timeout:3 attempts:2 rotate use-vc edns0\n"),
		SEED("options timeout:99999999999 attempts:0\r\nnameserver\nnameserver 999.1.1.1\nnameserver ::1"),
	};

	if (n >= sizeof(seeds) / sizeof(*seeds))
		return 0;
	memcpy(out, seeds[n].bytes, seeds[n].size);
	return seeds[n].size;
}
