/*
 * netreach: netd, found or started. The order is what makes it one a user: see net/netd.h.
 */
#ifndef PROA_NETREACH_H
#define PROA_NETREACH_H

#include <jansson.h>
#include <stdbool.h>

#include "err.h"

/* Where netd is, or is to be, and what it is started with. */
struct netreach_place {
	char *socket, *lock, *resolv_conf;
	char *bus;        /* of the systemd whose scopes containers are in: netd, which outlives them, gets one of its own; NULL: none */
	char *containers; /* the directory of the run directories */
	const char *own;  /* name of our own in it: not asked for N */
};

/*
 * Connect to netd; where there is none, start it in the N behind NETNS (-1: that of another container that lives, or a new one). A netd that was
 * just started answers when it is ready, and a connection that ends without an answer has met one that was leaving: begin again.
 * Return: descriptor, or -errno with ERR.
 */
int netreach(const struct netreach_place *place, int netns, struct err *err);

/* Connect to the socket of TYPE at PATH. Return: a connection, or -errno. */
int netreach_connect(const char *path, int type);

/* True when CODE of netreach_connect() means that nobody listens there. */
bool netreach_is_nobody(int code);

/*
 * Receive netd's answer on SOCKET. Return: 1 with *REPLY (owned: the `ok`) and *FD (-1: none came); 0 at the end of the connection; -errno with ERR
 * where netd refused (-EAGAIN, without ERR: nothing has come).
 */
int netreach_answer(int socket, int flags, json_t **reply, int *fd, struct err *err);

/* FACTS back into ERR. */
void netreach_facts(json_t *facts, struct err *err);

#endif
