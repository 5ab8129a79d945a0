/*
 * plan: a container's network.json (PROTOCOL.md, Networks), checked and turned into the structures of net.h. Nothing is made in the kernel here.
 */
#ifndef PROA_NET_PLAN_H
#define PROA_NET_PLAN_H

#include <jansson.h>

#include "net.h"

/* What an attach asks for. Endpoints point to the plan's own NETWORKS until member.c puts the ones that are in use in their place. */
struct plan {
	char id[65];
	char *name;
	struct network *networks;
	struct endpoint *endpoints; /* in the order of the file */
	struct port *ports;
	size_t n_ports;
	struct address *resolvers;
	size_t n_resolvers;
};

/* Return: 0 with *OUT owned by the caller, or -errno with ERR naming the member that is wrong. */
int plan_parse(json_t *json, struct plan **out, struct err *err);
void plan_free(struct plan *plan);

/* Free with what they own. Not to be used on one that a room may still hold, see loop_free(). */
void network_free(struct network *network);
void endpoint_free_names(struct endpoint *endpoint);

/* A list of "ADDRESS/PREFIX" texts. Return: 0 with *OUT and *N, or -errno with ERR. */
int plan_ranges(json_t *list, const char *what, struct range **out, size_t *n, struct err *err);

#endif
