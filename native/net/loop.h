/*
 * loop: epoll and timers for one thread (struct watch and struct timer of net.h), and what netd.c needs to drive them.
 *
 * A round is: wait, read the clock, serve what is ready, run the timers that are due, free what was given to loop_free(). Timers are a binary
 * heap, so that ten thousand connections with a timer each cost a few comparisons per change and one system call per round.
 */
#ifndef PROA_NET_LOOP_H
#define PROA_NET_LOOP_H

#include "net.h"

/* Return: a loop, or NULL with errno. */
struct loop *loop_new(void);

/* Serve until loop_stop(). */
void loop_run(struct netd *netd);
void loop_stop(struct netd *netd);

#endif
