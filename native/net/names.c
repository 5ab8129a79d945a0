#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../util.h"
#include "address.h"
#include "dns_room.h"
#include "policy.h"

#define GRACE_MS 3000 /* after a netd that was killed, for containers that do not come; who asks waits 5 s */
#define LOOK_MS 20    /* between two looks whether all have come: those of fifty supervisors take some 50 ms */

/* ---- the host, as containers see it ---- */

static const char *const host_names[] = {
	"host.containers.internal", "host.docker.internal", "gateway.docker.internal", "gateway.containers.internal",
};

static bool is_host_name(const char *name)
{
	for (size_t i = 0; i < sizeof(host_names) / sizeof(*host_names); i++)
		if (strcmp(name, host_names[i]) == 0)
			return true;
	return false;
}

/* ---- a network's table of names ---- */

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

static int compare_name(const struct dns_entry *entry, uint32_t hash, const char *name)
{
	return entry->hash != hash ? (entry->hash < hash ? -1 : 1) : strcmp(entry->name, name);
}

static int compare_entries(const void *a, const void *b)
{
	const struct dns_entry *x = a, *y = b;
	int order = compare_name(x, y->hash, y->name);

	if (order != 0)
		return order;
	return x->endpoint < y->endpoint ? -1 : x->endpoint > y->endpoint;
}

static void fill(struct netd *netd, const struct network *network, struct dns_network *state)
{
	size_t n = 0, kept = 0;

	for (const struct member *member = netd->members; member; member = member->next)
		for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			n += endpoint->network == network ? endpoint->n_names : 0;
	free(state->table);
	state->table = xcalloc(n ? n : 1, sizeof(*state->table));
	n = 0;
	for (struct member *member = netd->members; member; member = member->next)
		for (struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			for (size_t i = 0; endpoint->network == network && i < endpoint->n_names; i++)
				state->table[n++] = (struct dns_entry){
					.hash = hash_name(endpoint->names[i]),
					.name = endpoint->names[i],
					.endpoint = endpoint,
				};
	qsort(state->table, n, sizeof(*state->table), compare_entries);
	/* A container's hostname often is its name too: one line is enough. */
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare_entries(&state->table[kept - 1], &state->table[i]) != 0)
			state->table[kept++] = state->table[i];
	state->n_entries = kept;
	state->stale = false;
}

/* The lines of NAME in NETWORK's table. Return: the first of *N, or NULL. */
static struct dns_entry *find(struct netd *netd, struct network *network, const char *name, size_t *n)
{
	struct dns_network *state = network->names_state;
	uint32_t hash = hash_name(name);
	size_t low = 0, high;

	if (!state) /* names are off */
		return NULL;
	if (state->stale)
		fill(netd, network, state);
	high = state->n_entries;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_name(&state->table[middle], hash, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*n = 0; low + *n < state->n_entries && compare_name(&state->table[low + *n], hash, name) == 0;)
		++*n;
	return *n > 0 ? &state->table[low] : NULL;
}

/* ---- answers ---- */

/* A question being answered. */
struct answer {
	struct dns_writer writer;
	const struct dns_query *query;
	bool wants4, wants6;
};

static void add(struct answer *answer, const struct address *address)
{
	if (address->family == AF_INET && answer->wants4)
		dns_add_address(&answer->writer, &address->v4, 4, NAMES_TTL);
	else if (address->family == AF_INET6 && answer->wants6)
		dns_add_address(&answer->writer, &address->v6, 16, NAMES_TTL);
}

/*
 * Add who is called NAME in NETWORK, as ASKER sees it: in a network whose containers are kept apart from each other (enable_icc=false) everyone
 * sees itself only.
 * Return: whether there is anyone.
 */
static bool add_named(struct netd *netd, struct answer *answer, const struct dns_asker *asker, struct network *network, const char *name)
{
	size_t n = 0;
	struct dns_entry *first = find(netd, network, name, &n);
	bool known = false;
	uint16_t start;

	if (!first)
		return false;
	/* Each type has a turn of its own: a libc asks for A and AAAA in pairs, and with one counter would see every other holder only. */
	start = answer->wants4 ? first->turn[0]++ : answer->wants6 ? first->turn[1]++ : 0;
	for (size_t i = 0; i < n; i++) {
		const struct endpoint *endpoint = first[(start + i) % n].endpoint;

		if (network->isolated && endpoint->member != asker->endpoint->member)
			continue;
		known = true;
		add(answer, &endpoint->v4);
		add(answer, &endpoint->v6);
	}
	return known;
}

/* Add who is called NAME in any of ASKER's networks, that of the question first. Return: whether there is anyone. */
static bool add_everywhere(struct netd *netd, struct answer *answer, const struct dns_asker *asker, const char *name)
{
	struct network *here = asker->endpoint->network;
	bool known = add_named(netd, answer, asker, here, name);

	for (struct endpoint *other = asker->endpoint->member->endpoints; other; other = other->next)
		if (other->network != here)
			known = add_named(netd, answer, asker, other->network, name) || known;
	return known;
}

/* NAME.NETWORK */
static bool add_qualified(struct netd *netd, struct answer *answer, const struct dns_asker *asker, const char *name)
{
	size_t length = strlen(name);
	char first[DNS_NAME_MAX + 1];

	for (struct endpoint *other = asker->endpoint->member->endpoints; other; other = other->next) {
		size_t suffix = strlen(other->network->name);

		if (length < suffix + 2 || name[length - suffix - 1] != '.' || strcasecmp(name + length - suffix, other->network->name) != 0)
			continue;
		memcpy(first, name, length - suffix - 1);
		first[length - suffix - 1] = '\0';
		if (add_named(netd, answer, asker, other->network, first))
			return true;
	}
	return false;
}

static bool add_host(const struct netd *netd, struct answer *answer, const struct dns_asker *asker, const char *name)
{
	bool v4 = false, v6 = false;

	if (!is_host_name(name))
		return false;
	for (const struct endpoint *endpoint = asker->endpoint->member->endpoints; endpoint; endpoint = endpoint->next)
		if (!endpoint->network->internal) {
			v4 = v4 || endpoint->v4.family != 0;
			v6 = v6 || endpoint->v6.family != 0;
		}
	/* One of them: the IPv6 address is the host's ::1, where a server that listens on 127.0.0.1 is not, and most libraries try it first. */
	if (v4)
		add(answer, &netd->names->host4);
	else if (v6)
		add(answer, &netd->names->host6);
	return v4 || v6;
}

/* NAME.NETWORK of ENDPOINT, or NAME alone where that would be too long. */
static void add_reverse(struct answer *answer, const struct endpoint *endpoint)
{
	autofree char *qualified = NULL;

	if (endpoint->n_names == 0)
		return;
	qualified = xasprintf("%s.%s", endpoint->names[0], endpoint->network->name);
	for (char *c = qualified; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
	dns_add_pointer(&answer->writer, dns_is_name(qualified) ? qualified : endpoint->names[0], NAMES_TTL);
}

enum found { NOT_OURS, UNKNOWN, KNOWN };

/* A reverse name. */
static enum found look_up_address(struct netd *netd, struct answer *answer, const struct dns_asker *asker, const struct address *address)
{
	const struct endpoint *holder;
	bool wanted = answer->query->type == DNS_PTR || answer->query->type == DNS_ANY;

	if (policy_is_host(address)) {
		if (wanted)
			dns_add_pointer(&answer->writer, host_names[0], NAMES_TTL);
		return KNOWN;
	}
	for (const struct endpoint *own = asker->endpoint->member->endpoints; own; own = own->next) {
		const struct network *network = own->network;

		if (!network->names_state || !network_subnet(network, address))
			continue;
		holder = endpoint_by_address(netd, address);
		if (!holder || holder->network != network || (network->isolated && holder->member != own->member))
			return UNKNOWN;
		if (wanted)
			add_reverse(answer, holder);
		return KNOWN;
	}
	return NOT_OURS;
}

static enum found look_up(struct netd *netd, struct answer *answer, const struct dns_asker *asker)
{
	const char *name = answer->query->name;
	struct address address = { 0 };
	size_t reverse = dns_reverse(name, address.bytes);

	if (reverse > 0) {
		address.family = reverse == 4 ? AF_INET : AF_INET6;
		return look_up_address(netd, answer, asker, &address);
	}
	if (name[0] == '\0')
		return NOT_OURS;
	if (add_everywhere(netd, answer, asker, name) || add_qualified(netd, answer, asker, name) || add_host(netd, answer, asker, name))
		return KNOWN;
	return NOT_OURS;
}

enum dns_whose dns_answer_ours(struct netd *netd, struct dns_asker *asker, const uint8_t *message, const struct dns_query *query, uint8_t *buffer,
			       size_t limit, size_t *length)
{
	struct answer answer = {
		.query = query,
		.wants4 = query->type == DNS_A || query->type == DNS_ANY,
		.wants6 = query->type == DNS_AAAA || query->type == DNS_ANY,
	};
	enum found found;

	dns_begin(&answer.writer, buffer, limit, message, query, DNS_NOERROR, DNS_AA);
	found = look_up(netd, &answer, asker);
	if (found == NOT_OURS)
		return DNS_OUTSIDE;
	if (found == UNKNOWN)
		answer.writer.rcode = DNS_NXDOMAIN;
	*length = dns_end(&answer.writer);
	return DNS_OURS;
}

/* ---- the room ---- */

static void look_again(struct netd *netd, struct timer *timer)
{
	struct names_room *room = container_of(timer, struct names_room, look);

	if (loop_now(netd) < room->opens_ms && bridge_awaits(netd)) {
		timer_set(netd, timer, LOOK_MS);
		return;
	}
	room->closed = false;
	for (const struct network *network = netd->networks; network; network = network->next) {
		struct dns_network *state = network->names_state;

		for (size_t i = 0; state && i < state->n_listeners; i++)
			dns_open(netd, &state->listeners[i]);
	}
}

int names_begin(struct netd *netd, struct err *err)
{
	(void)err;
	netd->names = xcalloc(1, sizeof(*netd->names));
	netd->names->look.expired = look_again;
	if (netd->succeeds) {
		netd->names->closed = true;
		netd->names->opens_ms = monotonic_ms() + GRACE_MS;
		timer_set(netd, &netd->names->look, LOOK_MS);
	}
	address_parse(POLICY_HOST4, &netd->names->host4);
	address_parse(POLICY_HOST6, &netd->names->host6);
	return 0;
}

int names_add_network(struct netd *netd, struct network *network, struct err *err)
{
	struct dns_network *state;

	if (!network->names)
		return 0;
	state = xcalloc(1, sizeof(*state));
	state->listeners = xcalloc(network->n_subnets ? network->n_subnets : 1, sizeof(*state->listeners));
	state->stale = true;
	network->names_state = state;
	for (; state->n_listeners < network->n_subnets; state->n_listeners++) {
		int status = dns_listen(netd, network, &state->listeners[state->n_listeners], &network->subnets[state->n_listeners].gateway, err);

		if (status < 0) {
			names_remove_network(netd, network);
			return status;
		}
	}
	return 0;
}

void names_remove_network(struct netd *netd, struct network *network)
{
	struct dns_network *state = network->names_state;

	if (!state)
		return;
	while (state->askers)
		dns_asker_end(netd, state->askers);
	for (size_t i = 0; i < state->n_listeners; i++)
		dns_unlisten(netd, &state->listeners[i]);
	network->names_state = NULL;
	free(state->table);
	loop_free(netd, state->listeners);
	loop_free(netd, state);
}

void names_changed(struct network *network)
{
	struct dns_network *state = network->names_state;

	if (state)
		state->stale = true;
}

void names_forget(struct netd *netd, struct endpoint *endpoint)
{
	names_changed(endpoint->network);
	if (endpoint->names_state)
		dns_asker_end(netd, endpoint->names_state);
}
