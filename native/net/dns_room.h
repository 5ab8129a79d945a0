/*
 * dns_room: what the files of the name service share among themselves. The theory is at the head of names.h.
 *
 *   dns_server.c    takes questions by UDP and TCP, and carries answers back
 *   names.c         answers what is ours: names and addresses of the asker's networks
 *   dns_upstream.c  passes on what is not: one `struct lookup` a question, to the servers of resolv.c
 *   dns_message.c   the bytes
 *
 * Who owns what: a network owns its listeners and its askers; an asker (a container's endpoint that has asked at least once) owns its sockets, its
 * TCP connections and its lookups. What is taken down takes down what it owns, so nothing in here outlives what it points to.
 */
#ifndef PROA_NET_DNS_ROOM_H
#define PROA_NET_DNS_ROOM_H

#include "dns_message.h"
#include "net.h"
#include "resolv.h"

#define DNS_PORT 53
#define DNS_QUERY_MAX 4096          /* bytes of a question; longer ones are malformed for us */
#define DNS_UDP_MAX 4096            /* bytes of an answer by UDP, whatever the asker says it takes */
#define DNS_MESSAGE_MAX 65535

#define LOOKUPS_MAX 1024            /* under way in all */
#define LOOKUPS_PER_ENDPOINT 256
#define SOCKETS_MAX (LOOKUPS_MAX + LOOKUPS_MAX / 2) /* towards servers; a lookup always gets one, and further ones as long as these last */
#define CONNECTIONS_MAX 256         /* TCP, from containers */
#define CONNECTIONS_PER_ENDPOINT 16
#define LOOKUPS_PER_CONNECTION 8    /* pipelined; further ones wait in the socket */
#define REPLY_BYTES_MAX (8 << 20)   /* answers by TCP that are being received or wait for their asker */
#define REPLY_BYTES_PER_ENDPOINT (1 << 20)
#define SERVERS_MAX 8               /* asked for one question */
#define PACKETS_A_ROUND 16          /* taken from one socket before others have their turn */

struct lookup;
struct dns_asker;
struct dns_connection;

/* A network's gateway address. */
struct dns_listener {
	struct watch udp, tcp;
	struct timer pause;    /* TCP is not accepted until then: descriptors had run out */
	struct network *network;
	struct address gateway;
};

/* A socket for one asker at one gateway. */
struct dns_socket {
	struct watch watch;
	struct dns_socket *next;
	struct dns_asker *asker;
	const struct dns_listener *listener;
};

struct dns_asker {
	struct dns_asker *next, **at; /* of the network */
	struct endpoint *endpoint;    /* whose names_state this is; endpoint->queries counts the lookups */
	struct dns_socket *sockets;
	struct lookup *lookups;
	struct dns_connection *connections;
	unsigned n_connections;
	size_t reply_bytes;
};

/* One line of a network's table of names: a name and an endpoint that has it. */
struct dns_entry {
	uint32_t hash;
	uint16_t turn[2];      /* of the name (in its first line): who is first in the next answer, for A and AAAA */
	const char *name;
	struct endpoint *endpoint;
};

/* network->names_state */
struct dns_network {
	struct dns_listener *listeners;
	size_t n_listeners;
	struct dns_asker *askers;
	struct dns_entry *table; /* sorted by hash and name */
	size_t n_entries;
	bool stale;              /* the table is made again before it is next used */
};

struct names_room {
	bool closed;                     /* nothing is answered yet: containers of the netd before us have still to come */
	int64_t opens_ms;                /* of the monotonic clock: it is then, whoever is missing */
	struct timer look;               /* whether all have come */
	struct resolv_file resolv;
	struct address host4, host6;     /* the host, as containers see it */
	size_t n_lookups, n_sockets, n_connections, reply_bytes;
	unsigned turn;                   /* of `options rotate` */
	uint16_t random[64];
	size_t n_random;                 /* of them that have not been used */
	uint8_t message[DNS_MESSAGE_MAX]; /* one answer being made or received; only the pages that are used take memory */
};

/* Who is waiting for an answer, and how it gets there. */
struct dns_client {
	struct dns_asker *asker;
	const struct watch *socket;         /* by UDP: from there */
	union sockaddr_any address;         /* by UDP: to there */
	struct dns_connection *connection;  /* by TCP; else NULL */
};

/* ---- dns_server.c ---- */

int dns_listen(struct netd *netd, struct network *network, struct dns_listener *listener, const struct address *gateway, struct err *err);
/* Serve what came while the room was closed, and what comes. */
void dns_open(struct netd *netd, struct dns_listener *listener);
void dns_unlisten(struct netd *netd, struct dns_listener *listener);
/* End an asker with all that it owns. */
void dns_asker_end(struct netd *netd, struct dns_asker *asker);
/* Bytes that CLIENT takes of the answer to QUERY. */
size_t dns_client_room(const struct dns_client *client, const struct dns_query *query);
/* Send an answer. A client by TCP may be gone afterwards. */
void dns_send(struct netd *netd, const struct dns_client *client, const uint8_t *message, size_t length);
/* As dns_send(), with nothing but RCODE. */
void dns_send_rcode(struct netd *netd, const struct dns_client *client, const uint8_t *query_message, const struct dns_query *query, unsigned rcode);
/* A lookup of CONNECTION has ended, after its answer was sent. */
void dns_connection_continue(struct netd *netd, struct dns_connection *connection);
/* Take BYTES of the budget for answers by TCP. Return: whether they were left; dns_reply_release() gives them back. */
bool dns_reply_take(struct netd *netd, struct dns_asker *asker, size_t bytes);
void dns_reply_release(struct netd *netd, struct dns_asker *asker, size_t bytes);

/* ---- names.c ---- */

enum dns_whose {
	DNS_OURS,    /* the answer is written */
	DNS_OUTSIDE, /* somebody else's to answer */
};

/*
 * Answer QUERY of ASKER from the names of its networks: WRITER is begun with NXDOMAIN or NOERROR and ended in a message of *LENGTH bytes in
 * BUFFER, which has room for LIMIT.
 */
enum dns_whose dns_answer_ours(struct netd *netd, struct dns_asker *asker, const uint8_t *message, const struct dns_query *query, uint8_t *buffer,
			       size_t limit, size_t *length);

/* ---- dns_upstream.c ---- */

/*
 * Pass MESSAGE on for CLIENT; what comes back, or SERVFAIL, goes to it by dns_send(), perhaps before this returns. One that is under way already
 * (the same asker's socket, id and question: it has asked again) is not asked twice.
 */
void lookup_begin(struct netd *netd, const struct dns_client *client, const uint8_t *message, size_t length, const struct dns_query *query);
/* End the lookups of ASKER, or only those of CONNECTION where it is not NULL, without an answer. */
void lookups_cancel(struct netd *netd, struct dns_asker *asker, const struct dns_connection *connection);

#endif
