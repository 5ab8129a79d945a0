/*
 * idmapped: bind mounts that show the owners on the disk as the ids of the container (the option "idmap" of a mount).
 *
 * The kernel lets only who owns the file system make them, and the container's own user namespace never does: so the starter makes them when
 * the id maps are written, and the stage gets them as descriptors.
 */
#ifndef PROA_IDMAPPED_H
#define PROA_IDMAPPED_H

#include <sys/types.h>

#include "bundle.h"
#include "err.h"

/*
 * Send the stage PID behind SOCKET a STAGE_MOUNT for each such mount of BUNDLE: a detached mount of its source in the user namespace of PID.
 * Return: 0, or -errno with ERR.
 */
int idmapped_send(int socket, const struct bundle *bundle, pid_t pid, struct err *err);

#endif
