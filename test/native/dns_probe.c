/*
 * dns_probe: the pure parts of the name service on lines of stdin, one JSON line each, for names.test.ts.
 *
 *   query HEX                       what dns_read_query() makes of it
 *   answer HEX RCODE LIMIT RECORDS  the message that answers it; RECORDS: a letter each, 4, 6 or p (a pointer to "web.back")
 *   answers ID HEX-REPLY HEX-QUERY  dns_answers()
 *   reverse NAME                    dns_reverse()
 *   resolv HEX-TEXT                 resolv_parse()
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_message.h"
#include "net/resolv.h"

static size_t from_hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; text && text[0] && text[1] && sscanf(text, "%2hhx", &out[n]) == 1; text += 2)
		n++;
	return n;
}

static void print_hex(const uint8_t *bytes, size_t n)
{
	putchar('"');
	for (size_t i = 0; i < n; i++)
		printf("%02x", bytes[i]);
	printf("\"\n");
}

static void query(const uint8_t *message, size_t n)
{
	struct dns_query q;
	int status = dns_read_query(message, n, &q);

	printf("{\"status\":%d,\"id\":%u,\"question\":%d,\"name\":\"%s\",\"type\":%u,\"class\":%u,\"end\":%zu,\"edns\":%d,\"payload\":%u,\"dnssecOk\":%d}\n",
	       status, q.id, q.question, q.name, q.type, q.class, q.question_end, q.edns, q.payload, q.dnssec_ok);
}

static void answer(const uint8_t *message, size_t n, unsigned rcode, size_t limit, const char *records)
{
	static const uint8_t address[16] = { 10, 88, 0, 2 };
	uint8_t *buffer = malloc(limit);
	struct dns_writer writer;
	struct dns_query q;

	dns_read_query(message, n, &q);
	dns_begin(&writer, buffer, limit, message, &q, rcode, DNS_AA);
	for (; records && *records; records++) {
		if (*records == 'p')
			dns_add_pointer(&writer, "web.back", 1);
		else
			dns_add_address(&writer, address, *records == '6' ? 16 : 4, 1);
	}
	print_hex(buffer, dns_end(&writer));
	free(buffer);
}

static void resolv(const uint8_t *text, size_t n)
{
	struct resolv_conf conf;

	resolv_parse((const char *)text, n, &conf);
	printf("{\"servers\":[");
	for (size_t i = 0; i < conf.n_servers; i++) {
		const union sockaddr_any *sa = &conf.servers[i];
		char address[INET6_ADDRSTRLEN];

		if (sa->any.sa_family == AF_INET)
			inet_ntop(AF_INET, &sa->v4.sin_addr, address, sizeof(address));
		else
			inet_ntop(AF_INET6, &sa->v6.sin6_addr, address, sizeof(address));
		printf("%s\"%s%s\"", i ? "," : "", address, sa->any.sa_family == AF_INET6 && sa->v6.sin6_scope_id == 1 ? "%lo" : "");
	}
	printf("],\"timeoutMs\":%u,\"attempts\":%u,\"rotate\":%d,\"useVc\":%d}\n", conf.timeout_ms, conf.attempts, conf.rotate, conf.use_vc);
}

int main(void)
{
	static char line[1 << 20];
	static uint8_t first[1 << 16], second[1 << 16];

	while (fgets(line, sizeof(line), stdin)) {
		char *words[6] = { 0 }, *rest = line;
		size_t n = 0;

		while (n < 6 && (words[n] = strsep(&rest, " \n")) != NULL)
			n++;
		size_t length = from_hex(words[1], first);
		if (strcmp(words[0], "query") == 0) {
			query(first, length);
		} else if (strcmp(words[0], "answer") == 0) {
			answer(first, length, (unsigned)atoi(words[2]), (size_t)atoi(words[3]), words[4]);
		} else if (strcmp(words[0], "answers") == 0) {
			size_t size = from_hex(words[2], first), n_query = from_hex(words[3], second);

			printf("%s\n", dns_answers(first, size, (uint16_t)atoi(words[1]), second, n_query) ? "true" : "false");
		} else if (strcmp(words[0], "reverse") == 0) {
			size_t size = dns_reverse(words[1], first);

			print_hex(first, size);
		} else if (strcmp(words[0], "resolv") == 0) {
			resolv(first, length);
		}
		fflush(stdout);
	}
	return 0;
}
