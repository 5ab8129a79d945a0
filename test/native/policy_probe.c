/*
 * policy_probe: where a container may go and what a range is, on lines of stdin, one JSON line each, for policy.test.ts.
 *
 *   way ADDRESS [host-loopback] [internal]   policy_way(): the address outside, or "prohibited"
 *   range TEXT ADDRESS                       range_has(), or "none" where TEXT is no range
 *   broadcast ADDRESS PREFIX                 address_broadcast()
 *
 * The arguments are the denied ranges. Networks in use: 10.88.0.1/16 with fd88::1/64, and 10.89.7.129/25.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"
#include "net/policy.h"

static void print(const struct address *address)
{
	char text[INET6_ADDRSTRLEN];

	address_print(address, text);
	printf("\"%s\"\n", text);
}

static struct subnet subnet(const char *gateway, unsigned prefix)
{
	struct subnet out = { .prefix = prefix };

	address_parse(gateway, &out.gateway);
	return out;
}

static void way(struct netd *netd, struct endpoint *from, const struct address *to)
{
	union sockaddr_any target, host;

	sockaddr_set(&target, to, 80);
	if (policy_way(netd, from, &target, &host) != WAY_OPEN) {
		puts("\"prohibited\"");
		return;
	}
	struct address out = sockaddr_address(&host);
	if (sockaddr_port(&host) != 80)
		puts("\"another port\"");
	else
		print(&out);
}

int main(int argc, char **argv)
{
	struct subnet first[2] = { subnet("10.88.0.1", 16), subnet("fd88::1", 64) }, second[1] = { subnet("10.89.7.129", 25) };
	struct network back = { .subnets = second, .n_subnets = 1 }, front = { .subnets = first, .n_subnets = 2, .next = &back };
	struct netd netd = { .networks = &front, .denied = calloc((size_t)argc, sizeof(struct range)) };
	char line[512];

	for (int i = 1; i < argc; i++)
		if (range_parse(argv[i], &netd.denied[netd.n_denied]))
			netd.n_denied++;
	while (fgets(line, sizeof(line), stdin)) {
		struct address address = { 0 };
		struct range range;
		char *verb = strtok(line, " \n"), *one = strtok(NULL, " \n"), *two = strtok(NULL, "\n");
		if (!verb || !one)
			continue;
		struct endpoint from = { .network = &front, .host_loopback = two && strstr(two, "host-loopback") };
		front.internal = two && strstr(two, "internal");
		if (!strcmp(verb, "way") && address_parse(one, &address)) {
			way(&netd, &from, &address);
		} else if (!strcmp(verb, "range")) {
			if (!range_parse(one, &range) || !two || !address_parse(two, &address))
				puts("\"none\"");
			else
				puts(range_has(&range, &address) ? "true" : "false");
		} else if (!strcmp(verb, "broadcast") && two && address_parse(one, &address)) {
			struct address out = address_broadcast(&address, (unsigned)atoi(two));
			print(&out);
		} else {
			puts("\"not read\"");
		}
	}
	free(netd.denied);
	return 0;
}
