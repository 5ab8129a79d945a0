#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "../util.h"
#include "address.h"
#include "dns_room.h"
#include "policy.h"

/*
 * A server is given up for a question's next one sooner than libc does it (5 s): the container's libc waits 5 s for us, and an answer by the
 * second server should be there before. The last word comes after what libc itself would have waited (PATIENCE_MS).
 */
#define TIMEOUT_MS 2500
#define ALONE_MS 1000 /* the only server is asked again: nothing but its own answer can come of that */
#define PATIENCE_MS 10000
#define LIBC_TIMEOUT_MS 5000 /* RES_TIMEOUT */
#define LIBC_ATTEMPTS 2 /* RES_DFLRETRY; each where the host's file gives the other */
#define PATIENCE_MAX_MS 30000 /* whatever the host's options multiply to */

/*
 * A question on its way. Servers are asked one after the other, `position` counting through `attempts` rounds of them:
 *
 *   advance: send to the next server that has not failed -> wait
 *   wait: a good answer of any server asked so far -> finished; its failure, or the timer -> advance; none left -> SERVFAIL
 *
 * A server that has failed (an ICMP error, no socket, a reply that says so) is not asked again.
 */
struct attempt {
	struct watch watch;      /* fd -1: not open */
	struct lookup *lookup;
	union sockaddr_any server;
	uint16_t id;
	bool failed;
	bool inside;             /* the server is in the asker's own network: asked from N */
	/* by TCP */
	bool connected;
	uint16_t sent, got, want; /* bytes; got and want: of the reply, its length read when want is not 0 */
	uint8_t head[2];
	uint8_t *reply;          /* of WANT bytes */
};

struct lookup {
	struct lookup *next, **at; /* of the asker */
	struct dns_client client;
	struct timer timer;
	int64_t until_ms;
	unsigned timeout_ms, positions, position, first, current;
	bool tcp;
	uint16_t id;               /* the asker's */
	size_t length;             /* of the message */
	uint8_t *message;          /* as TCP sends it: its length ahead in two bytes, then the message; its id is that of who was asked last */
	size_t n_servers;
	struct attempt attempts[];
};

static uint16_t random_id(struct names_room *room)
{
	if (room->n_random == 0) {
		/* The pool is initialised long since; nothing but that could make this fail. */
		if (getrandom(room->random, sizeof(room->random), 0) != sizeof(room->random))
			abort();
		room->n_random = sizeof(room->random) / sizeof(*room->random);
	}
	return room->random[--room->n_random];
}

/* ---- the servers ---- */

static bool in_networks_of(const struct member *member, const struct address *address)
{
	for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
		if (network_subnet(endpoint->network, address))
			return true;
	return false;
}

static bool is_gateway_of(const struct member *member, const struct address *address)
{
	for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
		if (network_has_gateway(endpoint->network, address))
			return true;
	return false;
}

static bool reaches_outside(const struct member *member)
{
	for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
		if (!endpoint->network->internal)
			return true;
	return false;
}

struct servers {
	struct attempt list[SERVERS_MAX];
	size_t n;
};

/*
 * Add a server that was given with --dns. One in a network of the asker is asked there; the host's address for containers is its loopback, where
 * that is allowed.
 */
static void add_given(struct netd *netd, struct servers *servers, struct endpoint *endpoint, const struct address *address, bool outside)
{
	struct attempt *attempt = &servers->list[servers->n];
	union sockaddr_any to, host;

	if (servers->n == SERVERS_MAX || is_gateway_of(endpoint->member, address)) /* a gateway would be us again */
		return;
	sockaddr_set(&to, address, DNS_PORT);
	*attempt = (struct attempt){ .inside = in_networks_of(endpoint->member, address), .server = to };
	if (!attempt->inside && !outside)
		return;
	if (!attempt->inside && policy_is_host(address)) {
		if (policy_way(netd, endpoint, &to, &host) != WAY_OPEN)
			return;
		attempt->server = host;
	}
	servers->n++;
}

static void add_given_list(struct netd *netd, struct servers *servers, struct endpoint *endpoint, const struct address *list, size_t n, bool outside)
{
	for (size_t i = 0; i < n; i++)
		add_given(netd, servers, endpoint, &list[i], outside);
}

/* The servers that ENDPOINT's question goes to, in their order. */
static void choose_servers(struct netd *netd, struct endpoint *endpoint, const struct resolv_conf **conf, struct servers *servers)
{
	struct member *member = endpoint->member;
	bool outside = reaches_outside(member);

	servers->n = 0;
	*conf = NULL;
	if (member->n_resolvers > 0) {
		add_given_list(netd, servers, endpoint, member->resolvers, member->n_resolvers, outside);
		return;
	}
	if (endpoint->network->n_resolvers > 0) {
		add_given_list(netd, servers, endpoint, endpoint->network->resolvers, endpoint->network->n_resolvers, outside);
		return;
	}
	for (const struct endpoint *other = member->endpoints; other; other = other->next)
		if (other->network->n_resolvers > 0) {
			add_given_list(netd, servers, endpoint, other->network->resolvers, other->network->n_resolvers, outside);
			return;
		}
	if (!outside)
		return;
	*conf = resolv_now(&netd->names->resolv, netd->resolv_conf, loop_now(netd));
	for (; servers->n < (*conf)->n_servers; servers->n++)
		servers->list[servers->n] = (struct attempt){ .server = (*conf)->servers[servers->n] };
}

/* ---- one server's attempt ---- */

static void attempt_close(struct netd *netd, struct attempt *attempt)
{
	if (attempt->watch.fd >= 0) {
		loop_unwatch(netd, &attempt->watch);
		close(attempt->watch.fd);
		attempt->watch.fd = -1;
		netd->names->n_sockets--;
	}
	if (attempt->reply) {
		dns_reply_release(netd, attempt->lookup->client.asker, attempt->want);
		free(attempt->reply);
		attempt->reply = NULL;
	}
}

static void lookup_free(struct netd *netd, struct lookup *lookup)
{
	for (size_t i = 0; i < lookup->n_servers; i++)
		attempt_close(netd, &lookup->attempts[i]);
	timer_clear(netd, &lookup->timer);
	*lookup->at = lookup->next;
	if (lookup->next)
		lookup->next->at = lookup->at;
	lookup->client.asker->endpoint->queries--;
	netd->names->n_lookups--;
	loop_free(netd, lookup->message);
	loop_free(netd, lookup);
}

/* Answer with REPLY, or SERVFAIL without one; LOOKUP is gone then. */
static void lookup_finish(struct netd *netd, struct lookup *lookup, uint8_t *reply, size_t length)
{
	struct dns_client client = lookup->client;
	const uint8_t *asked = lookup->message + 2;
	struct dns_query query;
	size_t room;

	dns_set_id(lookup->message + 2, lookup->id);
	dns_read_query(asked, lookup->length, &query); /* it has been read before: this tells the same again */
	room = dns_client_room(&client, &query);
	if (!reply || !dns_has_question(reply)) {
		dns_send_rcode(netd, &client, asked, &query, reply ? dns_rcode_of(reply) : DNS_SERVFAIL);
	} else if (length > room) { /* a server that does not keep to the size, or `use-vc` */
		struct dns_writer writer;
		unsigned rcode = dns_rcode_of(reply);

		dns_begin(&writer, netd->names->message, room, asked, &query, rcode, DNS_TC);
		dns_send(netd, &client, netd->names->message, dns_end(&writer));
	} else {
		dns_set_id(reply, query.id);
		memcpy(reply + DNS_HEADER, asked + DNS_HEADER, query.question_end - DNS_HEADER); /* the asker's spelling */
		dns_send(netd, &client, reply, length);
	}
	lookup_free(netd, lookup);
	if (client.connection)
		dns_connection_continue(netd, client.connection);
}

static void lookup_advance(struct netd *netd, struct lookup *lookup);

/* What has become of ATTEMPT is a failure; REPLY says so, or nothing does. LOOKUP may be gone afterwards. */
static void attempt_failed(struct netd *netd, struct attempt *attempt, uint8_t *reply, size_t length)
{
	struct lookup *lookup = attempt->lookup;
	bool left = false;

	attempt->failed = true;
	for (size_t i = 0; i < lookup->n_servers; i++)
		left = left || !lookup->attempts[i].failed;
	if (!left) {
		lookup_finish(netd, lookup, reply, length);
		return;
	}
	attempt_close(netd, attempt);
	if (attempt == &lookup->attempts[lookup->current])
		lookup_advance(netd, lookup);
}

/* A reply from the right server. Return: whether that was it; LOOKUP may be gone then. */
static bool attempt_reply(struct netd *netd, struct attempt *attempt, uint8_t *reply, size_t length)
{
	struct lookup *lookup = attempt->lookup;
	const uint8_t *asked = lookup->message + 2;
	struct dns_query query;

	dns_read_query(asked, lookup->length, &query);
	if (!dns_answers(reply, length, attempt->id, asked, query.question_end))
		return false;
	switch (dns_rcode_of(reply)) {
	case DNS_SERVFAIL:
	case DNS_NOTIMP:
	case DNS_REFUSED: /* as libc: says something about the server, not the name */
		attempt_failed(netd, attempt, reply, length);
		break;
	default:
		lookup_finish(netd, lookup, reply, length);
	}
	return true;
}

static void udp_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct attempt *attempt = container_of(watch, struct attempt, watch);
	uint8_t *buffer = netd->names->message;

	(void)events;
	for (int i = 0; i < PACKETS_A_ROUND; i++) {
		ssize_t n = recv(watch->fd, buffer, DNS_MESSAGE_MAX, 0);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR) /* ECONNREFUSED: what ICMP told */
				attempt_failed(netd, attempt, NULL, 0);
			return;
		}
		if (attempt_reply(netd, attempt, buffer, (size_t)n))
			return;
	}
}

/* Send what is left of the question. Return: 0 or -errno. */
static int tcp_send(struct netd *netd, struct attempt *attempt)
{
	struct lookup *lookup = attempt->lookup;
	size_t length = lookup->length + 2;

	dns_set_id(lookup->message + 2, attempt->id);
	while (attempt->sent < length) {
		ssize_t n = send(attempt->watch.fd, lookup->message + attempt->sent, length - attempt->sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		attempt->sent = (uint16_t)(attempt->sent + n);
	}
	return loop_change(netd, &attempt->watch, EPOLLIN);
}

/* Receive what is there of the reply. Return: 0, 1 when it is complete, or -errno. */
static int tcp_receive(struct netd *netd, struct attempt *attempt)
{
	for (;;) {
		bool in_head = attempt->want == 0;
		uint8_t *to = in_head ? attempt->head : attempt->reply;
		ssize_t n = recv(attempt->watch.fd, to + attempt->got, (in_head ? 2u : attempt->want) - attempt->got, 0);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return -ECONNRESET;
		attempt->got = (uint16_t)(attempt->got + n);
		if (in_head && attempt->got == 2) {
			uint16_t want = (uint16_t)(attempt->head[0] << 8 | attempt->head[1]);

			if (want < DNS_HEADER || !dns_reply_take(netd, attempt->lookup->client.asker, want))
				return -ENOBUFS;
			attempt->want = want;
			attempt->reply = xmalloc(want);
			attempt->got = 0;
		} else if (!in_head && attempt->got == attempt->want) {
			return 1;
		}
	}
}

static void tcp_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct attempt *attempt = container_of(watch, struct attempt, watch);
	int status = 0;

	(void)events;
	if (attempt->sent < attempt->lookup->length + 2)
		status = tcp_send(netd, attempt);
	else
		status = tcp_receive(netd, attempt);
	if (status < 0 || (status > 0 && !attempt_reply(netd, attempt, attempt->reply, attempt->want)))
		attempt_failed(netd, attempt, NULL, 0);
}

/* Open the socket of ATTEMPT towards its server. Return: 0 or -errno. */
static int attempt_open(struct netd *netd, struct attempt *attempt)
{
	bool tcp = attempt->lookup->tcp;
	int family = attempt->server.any.sa_family, type = tcp ? SOCK_STREAM : SOCK_DGRAM, status;
	int fd = attempt->inside ? factory_socket(netd, family, type, 0) : socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return attempt->inside ? fd : -errno;
	attempt->watch = (struct watch){ .fd = fd, .ready = tcp ? tcp_ready : udp_ready };
	netd->names->n_sockets++;
	attempt->id = random_id(netd->names);
	attempt->sent = attempt->got = attempt->want = 0;
	if (connect(fd, &attempt->server.any, sockaddr_len(&attempt->server)) < 0 && errno != EINPROGRESS)
		status = -errno;
	else
		status = loop_watch(netd, &attempt->watch, tcp ? EPOLLOUT : EPOLLIN);
	return status;
}

/* Ask, or ask again. Return: 0 or -errno. */
static int attempt_send(struct netd *netd, struct attempt *attempt)
{
	struct lookup *lookup = attempt->lookup;

	if (attempt->watch.fd < 0) {
		int status = attempt_open(netd, attempt);

		if (status < 0)
			return status;
	}
	if (lookup->tcp) /* goes on when it is connected; one that is open already repeats by itself */
		return 0;
	dns_set_id(lookup->message + 2, attempt->id);
	if (send(attempt->watch.fd, lookup->message + 2, lookup->length, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	return 0;
}

/* ---- the lookup ---- */

static void lookup_advance(struct netd *netd, struct lookup *lookup)
{
	int64_t left = lookup->until_ms - loop_now(netd);

	while (lookup->position < lookup->positions && left > 0) {
		unsigned server = (lookup->first + lookup->position++) % (unsigned)lookup->n_servers;
		struct attempt *attempt = &lookup->attempts[server];

		if (attempt->failed)
			continue;
		lookup->current = server;
		/* Late answers of servers that were asked before count as long as there are not too many to wait for. */
		for (size_t i = 0; netd->names->n_sockets >= SOCKETS_MAX && i < lookup->n_servers; i++)
			if (i != server)
				attempt_close(netd, &lookup->attempts[i]);
		if (attempt_send(netd, attempt) == 0) {
			timer_set(netd, &lookup->timer, lookup->timeout_ms < left ? lookup->timeout_ms : left);
			return;
		}
		attempt_close(netd, attempt);
		attempt->failed = true;
	}
	lookup_finish(netd, lookup, NULL, 0);
}

static void lookup_expired(struct netd *netd, struct timer *timer)
{
	lookup_advance(netd, container_of(timer, struct lookup, timer));
}

static bool is_same_question(const struct lookup *lookup, const struct dns_client *client, const uint8_t *message, size_t length)
{
	return !lookup->client.connection && lookup->id == dns_id(message) && lookup->length == length &&
	       sockaddr_equal(&lookup->client.address, &client->address) && memcmp(lookup->message + 4, message + 2, length - 2) == 0;
}

/* CONF: the host's file, or NULL where its servers are not asked. */
static void set_patience(struct netd *netd, struct lookup *lookup, const struct resolv_conf *conf)
{
	unsigned attempts = conf ? conf->attempts : 0, timeout_ms = conf ? conf->timeout_ms : 0;
	int64_t patience = PATIENCE_MS;

	lookup->timeout_ms = timeout_ms ? timeout_ms : lookup->n_servers > 1 ? TIMEOUT_MS : attempts ? LIBC_TIMEOUT_MS : ALONE_MS;
	lookup->positions = (attempts ? attempts : timeout_ms ? LIBC_ATTEMPTS : PATIENCE_MS / lookup->timeout_ms) * (unsigned)lookup->n_servers;
	if (attempts || timeout_ms)
		patience = (int64_t)lookup->positions * lookup->timeout_ms;
	lookup->until_ms = loop_now(netd) + (patience < PATIENCE_MAX_MS ? patience : PATIENCE_MAX_MS);
}

void lookup_begin(struct netd *netd, const struct dns_client *client, const uint8_t *message, size_t length, const struct dns_query *query)
{
	struct names_room *room = netd->names;
	struct dns_asker *asker = client->asker;
	const struct resolv_conf *conf;
	struct servers servers;
	struct lookup *lookup;

	if (!client->connection)
		for (const struct lookup *other = asker->lookups; other; other = other->next)
			if (is_same_question(other, client, message, length))
				return;
	choose_servers(netd, asker->endpoint, &conf, &servers);
	if (servers.n == 0) {
		dns_send_rcode(netd, client, message, query, reaches_outside(asker->endpoint->member) ? DNS_SERVFAIL : DNS_NXDOMAIN);
		return;
	}
	/* A share that shrinks with what is left, so that some is left for whoever comes next. */
	if (asker->endpoint->queries >= LOOKUPS_PER_ENDPOINT || asker->endpoint->queries >= LOOKUPS_MAX - room->n_lookups) {
		dns_send_rcode(netd, client, message, query, DNS_SERVFAIL);
		return;
	}
	lookup = xcalloc(1, sizeof(*lookup) + servers.n * sizeof(*lookup->attempts));
	lookup->client = *client;
	lookup->timer.expired = lookup_expired;
	lookup->tcp = client->connection || (conf && conf->use_vc);
	lookup->first = conf && conf->rotate ? room->turn++ % (unsigned)servers.n : 0;
	lookup->id = query->id;
	lookup->length = length;
	lookup->message = xmalloc(length + 2);
	lookup->message[0] = (uint8_t)(length >> 8);
	lookup->message[1] = (uint8_t)length;
	memcpy(lookup->message + 2, message, length);
	lookup->n_servers = servers.n;
	for (size_t i = 0; i < servers.n; i++) {
		lookup->attempts[i] = servers.list[i];
		lookup->attempts[i].lookup = lookup;
		lookup->attempts[i].watch.fd = -1;
	}
	set_patience(netd, lookup, conf);
	lookup->next = asker->lookups;
	lookup->at = &asker->lookups;
	if (lookup->next)
		lookup->next->at = &lookup->next;
	asker->lookups = lookup;
	asker->endpoint->queries++;
	room->n_lookups++;
	lookup_advance(netd, lookup);
}

void lookups_cancel(struct netd *netd, struct dns_asker *asker, const struct dns_connection *connection)
{
	struct lookup *next;

	for (struct lookup *lookup = asker->lookups; lookup; lookup = next) {
		next = lookup->next;
		if (!connection || lookup->client.connection == connection)
			lookup_free(netd, lookup);
	}
}
