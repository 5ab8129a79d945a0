/*
 * netclient: a container's side of netd (PROTOCOL.md, Networks): found or started, told the plan, and found again when it was killed.
 *
 * At the start, everything is in step with the container's own making (struct container_network). Afterwards the supervisor's loop serves it as the
 * relay's guest (relay.h), and nothing blocks:
 *
 *   ATTACHED --the connection ends--> REACHING   a forked child finds or starts the next netd, handing it N, and sends the connection back
 *   REACHING --connection--> ASKED --ok--> ATTACHED
 *                            ASKED --error, end--> RESTING (longer from time to time) --> REACHING
 *   ATTACHED --RELOAD--> ASKED --20 s--> ASKED, but every RELOAD is refused at once; after the answer that comes late the plan is sent again
 *
 * Held for this: the connection, N, and from the container its network namespace and a netlink socket in it. While netd is away the links are there
 * and bridged traffic goes on.
 */
#ifndef PROA_NETCLIENT_H
#define PROA_NETCLIENT_H

#include <jansson.h>

#include "container.h"
#include "err.h"
#include "relay.h"

#define NETCLIENT_PORTS "ports.json" /* in the run directory: what netd has answered */

struct netclient;

/*
 * Read `network` of a request; *OUT is NULL where it is null. RUN_DIR_FD is the run directory and must stay open, RUN_DIR its path.
 * Return: 0, or -errno with ERR.
 */
int netclient_parse(json_t *network, const char *run_dir, int run_dir_fd, struct netclient **out, struct err *err);
void netclient_free(struct netclient *client);

/*
 * CONTROL, the socket of the client that waits for the start, stays the caller's. Where it sends a signal that ends programs, or goes away, while netd is
 * awaited, the start fails: 128 + the signal is the exit status.
 */
void netclient_heed(struct netclient *client, int control);

/* Whether the client at the other end of CONTROL wants the start to end. Return: 128 + the signal that it has sent, -1: it is gone, 0. What it has said stays to be read. */
int netclient_interruption(int control);

/* A netd that is started here gets a scope of its own from the systemd at BUS (NULL: it stays in the control group that we are in). */
void netclient_bus(struct netclient *client, const char *bus);

/* The container was connected before: the host ports that it had then are taken again where the plan leaves the choice. */
void netclient_keep_ports(struct netclient *client);

/* What container_start() has to do with it: netd is found or started when the process was forked, asked when its namespace is there, awaited last. */
struct container_network *netclient_network(struct netclient *client);

/* From here on RELAY's loop serves it, and its clients' RELOAD and NETNS. */
void netclient_guest(struct netclient *client, struct relay *relay);

#endif
