/*
 * space: the network namespace N in which the bridges are, with the user namespace U that owns it. Both calls are for the factory's fresh
 * process: it is in N afterwards, as root of U, and stays there.
 */
#ifndef PROA_NET_SPACE_H
#define PROA_NET_SPACE_H

#include "../err.h"

/* Make U, with our own id as its only one, and N. Return: 0, or -errno with ERR. */
int space_make(struct err *err);

/* Enter the N behind FD and the U that owns it, which must be ours. Return: 0, or -errno with ERR. */
int space_join(int fd, struct err *err);

#endif
