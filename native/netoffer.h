/*
 * netoffer: the container's side of getting connected, in the stage (stage.h): what netd needs can only be made inside the namespace.
 */
#ifndef PROA_NETOFFER_H
#define PROA_NETOFFER_H

#include "err.h"

/* In the container's network namespace: give it and a netlink socket in it to the starter on SOCKET. Return: 0, or -errno with ERR. */
int netoffer_send(int socket, struct err *err);

/*
 * Make a network namespace for another runtime to join by PATH (a file in our mount namespace), and offer it as netoffer_send() does; we stay in
 * the one that we are in. Return: 0, or -errno with ERR.
 */
int netoffer_make(const char *path, int socket, struct err *err);

/* Wait until it is connected. Return: 0, or -errno with ERR. */
int netoffer_await(int socket, struct err *err);

#endif
