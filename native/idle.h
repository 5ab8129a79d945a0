/*
 * idle: what a process that waits for long can do without.
 */
#ifndef PROA_IDLE_H
#define PROA_IDLE_H

#include <poll.h>

/* As poll(2), after giving free heap and the pages of our own program back to the kernel. What is needed comes back by itself. */
int idle_poll(struct pollfd *fds, nfds_t n, int timeout_ms);

#endif
