#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "../util.h"
#include "dns_room.h"
#include "splice.h"

#define PAUSE_MS 500          /* before accepting again when descriptors have run out */
#define IDLE_MS 10000         /* a connection without a complete question, or whose peer does not take its answers (RFC 7766 6.2.3: seconds) */
#define BACKLOG 64
#define ASKER_QUEUE (64 << 10) /* bytes of the receive queue of an asker's own socket: some 80 questions */

/*
 * TCP from a container. Reading stops while an answer waits to be sent or LOOKUPS_PER_CONNECTION are under way, so that what one connection can
 * make us hold is bounded. It is closed only by its own events, its timer and dns_connection_continue(), never within dns_send(): BROKEN marks it
 * until then.
 */
struct dns_connection {
	struct watch watch;
	struct timer timer;
	struct dns_connection *next, **at; /* of the asker */
	struct dns_asker *asker;
	unsigned n_lookups;
	bool ended;                        /* the peer has sent all it will */
	bool broken;
	bool serving;
	uint32_t events;                   /* waited for */
	uint8_t *out;                      /* what did not go into the socket */
	size_t out_at, out_length;
	size_t got;
	uint8_t in[2 + DNS_QUERY_MAX];
};

/* ---- budget for answers by TCP ---- */

bool dns_reply_take(struct netd *netd, struct dns_asker *asker, size_t bytes)
{
	if (bytes > REPLY_BYTES_MAX - netd->names->reply_bytes || bytes > REPLY_BYTES_PER_ENDPOINT - asker->reply_bytes)
		return false;
	netd->names->reply_bytes += bytes;
	asker->reply_bytes += bytes;
	return true;
}

void dns_reply_release(struct netd *netd, struct dns_asker *asker, size_t bytes)
{
	netd->names->reply_bytes -= bytes;
	asker->reply_bytes -= bytes;
}

/* ---- answers ---- */

size_t dns_client_room(const struct dns_client *client, const struct dns_query *query)
{
	if (client->connection)
		return DNS_MESSAGE_MAX;
	return query->payload < DNS_UDP_MAX ? query->payload : DNS_UDP_MAX;
}

/* Keep what did not go into the socket, behind what waits already. */
static void keep(struct netd *netd, struct dns_connection *connection, const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return;
	if (!dns_reply_take(netd, connection->asker, n)) {
		connection->broken = true;
		return;
	}
	connection->out = xrealloc(connection->out, connection->out_length + n);
	memcpy(connection->out + connection->out_length, bytes, n);
	connection->out_length += n;
}

static void discard_out(struct netd *netd, struct dns_connection *connection)
{
	dns_reply_release(netd, connection->asker, connection->out_length);
	free(connection->out);
	connection->out = NULL;
	connection->out_at = connection->out_length = 0;
}

static void connection_send(struct netd *netd, struct dns_connection *connection, const uint8_t *message, size_t length)
{
	uint8_t head[2] = { (uint8_t)(length >> 8), (uint8_t)length };
	struct iovec parts[] = {
		{ .iov_base = head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)message, .iov_len = length },
	};
	struct msghdr all = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t sent = 0;

	if (connection->broken)
		return;
	if (!connection->out) {
		ssize_t n = sendmsg(connection->watch.fd, &all, MSG_NOSIGNAL);

		if (n >= 0)
			sent = (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			connection->broken = true;
	}
	if (sent < sizeof(head))
		keep(netd, connection, head + sent, sizeof(head) - sent);
	sent = sent > sizeof(head) ? sent - sizeof(head) : 0;
	if (!connection->broken)
		keep(netd, connection, message + sent, length - sent);
}

void dns_send(struct netd *netd, const struct dns_client *client, const uint8_t *message, size_t length)
{
	if (client->connection)
		connection_send(netd, client->connection, message, length);
	else
		/* The first may only tell an error that stood there: an earlier answer came when its asker had closed. */
		for (int i = 0; i < 2; i++)
			if (sendto(client->socket->fd, message, length, MSG_DONTWAIT | MSG_NOSIGNAL, &client->address.any,
				   sockaddr_len(&client->address)) >= 0 || errno == EAGAIN)
				break;
}

void dns_send_rcode(struct netd *netd, const struct dns_client *client, const uint8_t *query_message, const struct dns_query *query, unsigned rcode)
{
	uint8_t buffer[DNS_PLAIN_PAYLOAD];
	struct dns_writer writer;

	dns_begin(&writer, buffer, sizeof(buffer), query_message, query, rcode, 0);
	dns_send(netd, client, buffer, dns_end(&writer));
}

/* Answer MESSAGE, or see to it that it will be. */
static void serve(struct netd *netd, const struct dns_client *client, const uint8_t *message, size_t length)
{
	struct dns_query query;
	int status = dns_read_query(message, length, &query);
	size_t answer;

	if (status == DNS_DROP)
		return;
	if (status == DNS_NOERROR && (!client->asker || query.class != DNS_CLASS_IN || query.type == DNS_AXFR || query.type == DNS_IXFR))
		status = DNS_REFUSED; /* nobody of ours; version.bind and the like; zones, which nobody gets through us */
	if (status != DNS_NOERROR)
		dns_send_rcode(netd, client, message, &query, (unsigned)status);
	else if (dns_answer_ours(netd, client->asker, message, &query, netd->names->message, dns_client_room(client, &query), &answer) == DNS_OURS)
		dns_send(netd, client, netd->names->message, answer);
	else
		lookup_begin(netd, client, message, length, &query);
}

/*
 * Bind FD to port 53 of GATEWAY, freely: an IPv6 address is not there for bind() while it is tentative. For UDP the address is shared by the
 * listener and the askers' own sockets.
 * Return: 0 or -errno.
 */
static int bind_to(int fd, const struct address *gateway)
{
	bool v4 = gateway->family == AF_INET;
	union sockaddr_any local;
	int on = 1;

	sockaddr_set(&local, gateway, DNS_PORT);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof(on)) < 0 ||
	    bind(fd, &local.any, sockaddr_len(&local)) < 0)
		return -errno;
	return 0;
}

/* ---- UDP ---- */

static void own_ready(struct netd *netd, struct watch *watch, uint32_t events);

/* Give ASKER a socket of its own at LISTENER. Where that fails it goes on with the listener's. */
static void give_socket(struct netd *netd, struct dns_asker *asker, const struct dns_listener *listener)
{
	const struct address *who = listener->gateway.family == AF_INET ? &asker->endpoint->v4 : &asker->endpoint->v6;
	union sockaddr_any peer;
	struct dns_socket *own;
	int queue = ASKER_QUEUE;
	autoclose int fd = -1;

	for (own = asker->sockets; own; own = own->next)
		if (own->listener == listener)
			return;
	fd = factory_socket(netd, listener->gateway.family, SOCK_DGRAM, 0);
	sockaddr_set(&peer, who, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue)) < 0 || bind_to(fd, &listener->gateway) < 0 ||
	    connect(fd, &peer.any, sockaddr_len(&peer)) < 0) /* port 0: the address alone is compared */
		return;
	own = xcalloc(1, sizeof(*own));
	own->watch = (struct watch){ .fd = fd, .ready = own_ready };
	own->asker = asker;
	own->listener = listener;
	if (loop_watch(netd, &own->watch, EPOLLIN) < 0) {
		free(own);
		return;
	}
	steal_fd(&fd);
	own->next = asker->sockets;
	asker->sockets = own;
}

/* Whose ADDRESS is at LISTENER, or NULL. */
static struct dns_asker *asker_of(struct netd *netd, const struct dns_listener *listener, const union sockaddr_any *from)
{
	struct address address = sockaddr_address(from);
	struct endpoint *endpoint = endpoint_by_address(netd, &address);
	struct dns_network *state = listener->network->names_state;
	struct dns_asker *asker;

	if (!endpoint || endpoint->network != listener->network)
		return NULL;
	if (endpoint->names_state)
		return endpoint->names_state;
	asker = xcalloc(1, sizeof(*asker));
	asker->endpoint = endpoint;
	asker->next = state->askers;
	asker->at = &state->askers;
	if (asker->next)
		asker->next->at = &asker->next;
	state->askers = asker;
	endpoint->names_state = asker;
	return asker;
}

/* Receive one question into MESSAGE. Return: its length, or -1. */
static ssize_t receive(const struct watch *watch, uint8_t message[static DNS_QUERY_MAX], union sockaddr_any *from)
{
	socklen_t size = sizeof(*from);

	/* One that is too long is cut, and so malformed. */
	return recvfrom(watch->fd, message, DNS_QUERY_MAX, MSG_DONTWAIT, &from->any, &size);
}

static void own_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct dns_socket *own = container_of(watch, struct dns_socket, watch);
	struct dns_client client = { .asker = own->asker, .socket = watch };
	uint8_t message[DNS_QUERY_MAX];
	ssize_t n;

	(void)events;
	for (int i = 0; i < PACKETS_A_ROUND && (n = receive(watch, message, &client.address)) >= 0; i++)
		serve(netd, &client, message, (size_t)n);
}

static void listener_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct dns_listener *listener = container_of(watch, struct dns_listener, udp);
	struct dns_client client = { .socket = watch };
	uint8_t message[DNS_QUERY_MAX];
	ssize_t n;

	(void)events;
	for (int i = 0; i < PACKETS_A_ROUND && (n = receive(watch, message, &client.address)) >= 0; i++) {
		client.asker = asker_of(netd, listener, &client.address);
		if (client.asker)
			give_socket(netd, client.asker, listener);
		serve(netd, &client, message, (size_t)n);
	}
}

/* ---- TCP ---- */

static void connection_end(struct netd *netd, struct dns_connection *connection)
{
	lookups_cancel(netd, connection->asker, connection);
	discard_out(netd, connection);
	timer_clear(netd, &connection->timer);
	loop_unwatch(netd, &connection->watch);
	close(connection->watch.fd);
	*connection->at = connection->next;
	if (connection->next)
		connection->next->at = connection->at;
	connection->asker->n_connections--;
	netd->names->n_connections--;
	loop_free(netd, connection);
}

static bool may_read(const struct dns_connection *connection)
{
	return !connection->broken && !connection->out && connection->n_lookups < LOOKUPS_PER_CONNECTION;
}

/* Serve the complete questions that have been read. */
static void serve_buffered(struct netd *netd, struct dns_connection *connection)
{
	struct dns_client client = { .asker = connection->asker, .connection = connection };
	size_t at = 0;

	while (may_read(connection) && connection->got - at >= 2) {
		size_t length = (size_t)(connection->in[at] << 8 | connection->in[at + 1]);

		if (length < DNS_HEADER || length > DNS_QUERY_MAX) {
			connection->broken = true;
			break;
		}
		if (connection->got - at - 2 < length)
			break;
		connection->n_lookups++; /* taken back by dns_connection_continue(), or here when it was answered at once */
		struct lookup *before = connection->asker->lookups;
		serve(netd, &client, connection->in + at + 2, length);
		if (connection->asker->lookups == before)
			connection->n_lookups--;
		at += 2 + length;
		timer_set(netd, &connection->timer, IDLE_MS);
	}
	memmove(connection->in, connection->in + at, connection->got - at);
	connection->got -= at;
}

/* Read and serve what there is; then wait for what is still to come, or end. CONNECTION may be gone afterwards. */
static void connection_run(struct netd *netd, struct dns_connection *connection)
{
	uint32_t events;

	connection->serving = true;
	serve_buffered(netd, connection);
	for (int i = 0; i < PACKETS_A_ROUND && may_read(connection) && !connection->ended; i++) {
		ssize_t n = recv(connection->watch.fd, connection->in + connection->got, sizeof(connection->in) - connection->got, MSG_DONTWAIT);

		if (n < 0) {
			connection->broken = errno != EAGAIN && errno != EINTR;
			break;
		}
		connection->ended = n == 0;
		connection->got += (size_t)n;
		serve_buffered(netd, connection);
	}
	connection->serving = false;
	events = (connection->out ? EPOLLOUT : 0) | (may_read(connection) && !connection->ended ? EPOLLIN : 0);
	if (connection->broken || (connection->ended && connection->n_lookups == 0 && !connection->out) ||
	    (events != connection->events && loop_change(netd, &connection->watch, events) < 0))
		connection_end(netd, connection);
	else
		connection->events = events;
}

static void connection_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct dns_connection *connection = container_of(watch, struct dns_connection, watch);

	if (events & (EPOLLERR | EPOLLHUP)) { /* reset, or closed in both directions: nobody reads an answer any more */
		connection_end(netd, connection);
		return;
	}
	if (connection->out && events & EPOLLOUT) {
		ssize_t n = send(watch->fd, connection->out + connection->out_at, connection->out_length - connection->out_at, MSG_NOSIGNAL);

		if (n < 0)
			connection->broken = errno != EAGAIN && errno != EINTR;
		else
			connection->out_at += (size_t)n;
		if (connection->out_at == connection->out_length) {
			discard_out(netd, connection);
			timer_set(netd, &connection->timer, IDLE_MS);
		}
	}
	connection_run(netd, connection);
}

void dns_connection_continue(struct netd *netd, struct dns_connection *connection)
{
	if (connection->serving) /* a lookup that ended as it began; serve_buffered() sees it */
		return;
	connection->n_lookups--;
	connection_run(netd, connection);
}

static void connection_expired(struct netd *netd, struct timer *timer)
{
	struct dns_connection *connection = container_of(timer, struct dns_connection, timer);

	if (connection->n_lookups > 0 && !connection->out) /* it waits for us */
		timer_set(netd, timer, IDLE_MS);
	else
		connection_end(netd, connection);
}

/* Take over FD. */
static void connection_begin(struct netd *netd, struct dns_asker *asker, int fd)
{
	struct dns_connection *connection = xcalloc(1, sizeof(*connection));
	int on = 1;

	/* An answer does not wait for the acknowledgement of the one before. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->watch = (struct watch){ .fd = fd, .ready = connection_ready };
	connection->timer.expired = connection_expired;
	connection->asker = asker;
	connection->events = EPOLLIN;
	if (loop_watch(netd, &connection->watch, EPOLLIN) < 0) {
		close(fd);
		free(connection);
		return;
	}
	connection->next = asker->connections;
	connection->at = &asker->connections;
	if (connection->next)
		connection->next->at = &connection->next;
	asker->connections = connection;
	asker->n_connections++;
	netd->names->n_connections++;
	timer_set(netd, &connection->timer, IDLE_MS);
}

static void tcp_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct dns_listener *listener = container_of(watch, struct dns_listener, tcp);

	(void)events;
	for (int i = 0; i < PACKETS_A_ROUND; i++) {
		union sockaddr_any from;
		socklen_t size = sizeof(from);
		struct dns_asker *asker;
		int fd = accept4(watch->fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			/* Out of descriptors or memory: the connection stays in the queue, and would call us again at once. */
			if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) && loop_change(netd, watch, 0) == 0)
				timer_set(netd, &listener->pause, PAUSE_MS);
			return;
		}
		asker = asker_of(netd, listener, &from);
		if (asker && asker->n_connections < CONNECTIONS_PER_ENDPOINT && netd->names->n_connections < CONNECTIONS_MAX)
			connection_begin(netd, asker, fd);
		else
			splice_reset(fd);
	}
}

static void pause_over(struct netd *netd, struct timer *timer)
{
	loop_change(netd, &container_of(timer, struct dns_listener, pause)->tcp, EPOLLIN);
}

/* ---- listeners and askers ---- */

static int open_one(struct netd *netd, const struct address *gateway, int type, struct watch *watch)
{
	autoclose int fd = factory_socket(netd, gateway->family, type, 0);
	int status;

	if (fd < 0)
		return fd;
	status = bind_to(fd, gateway);
	if (status < 0)
		return status;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	watch->fd = fd;
	status = loop_watch(netd, watch, EPOLLIN);
	if (status == 0)
		steal_fd(&fd);
	else
		watch->fd = -1;
	return status;
}

int dns_listen(struct netd *netd, struct network *network, struct dns_listener *listener, const struct address *gateway, struct err *err)
{
	int status;

	*listener = (struct dns_listener){
		.udp = { .fd = -1, .ready = listener_ready },
		.tcp = { .fd = -1, .ready = tcp_ready },
		.pause.expired = pause_over,
		.network = network,
		.gateway = *gateway,
	};
	status = open_one(netd, gateway, SOCK_DGRAM, &listener->udp);
	if (status == 0)
		status = open_one(netd, gateway, SOCK_STREAM, &listener->tcp);
	/* Who asks too early would be told that a name is unknown whose container is about to come back: questions wait in the sockets. */
	if (status == 0 && netd->names->closed) {
		loop_change(netd, &listener->udp, 0);
		loop_change(netd, &listener->tcp, 0);
	}
	if (status < 0) {
		char text[INET6_ADDRSTRLEN];

		dns_unlisten(netd, listener);
		address_print(gateway, text);
		return err_setf(err, -status, "listen for names", network->name, "port %d of %s", DNS_PORT, text);
	}
	return 0;
}

void dns_open(struct netd *netd, struct dns_listener *listener)
{
	loop_change(netd, &listener->udp, EPOLLIN);
	loop_change(netd, &listener->tcp, EPOLLIN);
}

static void watch_close(struct netd *netd, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	loop_unwatch(netd, watch);
	close(watch->fd);
	watch->fd = -1;
}

void dns_unlisten(struct netd *netd, struct dns_listener *listener)
{
	watch_close(netd, &listener->udp);
	watch_close(netd, &listener->tcp);
	timer_clear(netd, &listener->pause);
}

void dns_asker_end(struct netd *netd, struct dns_asker *asker)
{
	lookups_cancel(netd, asker, NULL);
	while (asker->connections)
		connection_end(netd, asker->connections);
	while (asker->sockets) {
		struct dns_socket *own = asker->sockets;

		asker->sockets = own->next;
		watch_close(netd, &own->watch);
		loop_free(netd, own);
	}
	asker->endpoint->names_state = NULL;
	*asker->at = asker->next;
	if (asker->next)
		asker->next->at = asker->at;
	loop_free(netd, asker);
}
