/*
 * fdpass: messages with descriptors over a Unix socket, unix(7) SCM_RIGHTS.
 */
#ifndef PROA_FDPASS_H
#define PROA_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_LIMIT 6 /* descriptors a message */

/* Send LEN bytes of DATA with the N descriptors FDS, which stay ours. Return: 0 or -errno. */
int fdpass_send(int socket, const void *data, size_t len, const int *fds, size_t n);

/*
 * Receive one message of LEN bytes; FDS gets its descriptors, close-on-exec, and *N how many there are (at most FDPASS_LIMIT).
 * Return: 1, 0 at end of file, or -errno (-EPROTO: of another length).
 */
int fdpass_receive(int socket, void *data, size_t len, int fds[FDPASS_LIMIT], size_t *n);

#endif
