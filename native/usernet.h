/*
 * usernet: a container's network by slirp4netns or pasta, programs of other people's. One of them runs beside the supervisor, as its child, outside
 * of the container's namespaces but for its end of the tap device, and ends with the container: it is killed by usernet_free(), and by the kernel
 * when the supervisor dies.
 *
 * Which options it gets is decided in TypeScript; added here is what only exists now: the namespaces, and the descriptors and paths by which the
 * program says that it is ready and is told of ports.
 */
#ifndef PROA_USERNET_H
#define PROA_USERNET_H

#include <jansson.h>

#include "container.h"
#include "err.h"

struct usernet;

/*
 * Read `usernet` of a request (PROTOCOL.md); *OUT is NULL where there is none. RUN_DIR, the run directory's path, must stay valid until the container
 * has started. Return: 0, or -errno with ERR.
 */
int usernet_parse(json_t *request, const char *run_dir, struct usernet **out, struct err *err);

/* What container_start() asks: the program has its interface up and its ports open when the container's process is executed. */
struct container_network *usernet_network(struct usernet *usernet);

/* End the program, reap it, and forget all. NULL is nothing. */
void usernet_free(struct usernet *usernet);

#endif
