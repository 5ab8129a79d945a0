/*
 * fetcher: who fetches layers that are on their way (`proa __lazy`, src/image/lazy-fetcher.ts), started again where it has been killed or has given up, as soon as a container needs
 * what it would bring.
 *
 * Neither the supervisor nor who serves the layers (lazyfs.h) could start it: the one may be waiting for a program that is itself still on its way, the other is root of the container
 * and nothing outside. A process of its own, the keeper, does, which is forked by the supervisor before its first life: in the control group of who has started the container, with the
 * environment that proa had then. It sleeps until somebody writes to its pipe, and ends when nobody holds the other end any more.
 */
#ifndef PROA_FETCHER_H
#define PROA_FETCHER_H

#include <jansson.h>

/* Start the keeper for ROOTFS, of a request. Return: the end of its pipe to write to (lazy_data_wake()); -1 where all layers are here, or it cannot be had: then nobody fetches again. */
int fetcher_keep(json_t *rootfs);

#endif
