/*
 * names: the name service that containers ask, at port 53 of their network's gateway addresses, UDP and TCP.
 *
 * Who asks: known by the source address, which belongs to one endpoint. An address that is no endpoint of the gateway's own network gets REFUSED.
 *
 * What is ours is answered here and nowhere else. A container sees names (its own, others' names, aliases, short ids, hostnames; also
 * NAME.NETWORK) of all of its networks that have names on; those of the network that the question came over first, and several holders of one name
 * by turns. A name that is known has no other types: they are empty answers, never passed on. Reverse names of addresses in the asker's networks
 * are ours too, known or not. host.containers.internal and its like are the host.
 *
 * The TTL is 1 s: asking again costs 50 us of one host, and a container that was replaced is found again a second later. (Zero would be as true,
 * but some caches take it for an error.)
 *
 * All else goes outside, as the asker wrote it: to the container's --dns servers, else those of the network it came over, else of another of its
 * networks, else the host's. A fresh random id and a socket of its own for each question and server, connected, so that the kernel chooses a
 * random port and throws away what others send; id and question of the reply are looked at again. No answer in time, or one that says no more than
 * that the server failed: the next one is asked; late answers of the earlier ones still count. UDP is passed on by UDP, with TC as it comes, so
 * that the asker itself comes again by TCP, which is passed on by TCP.
 *
 * Without an outside (all networks --internal) the answer is NXDOMAIN: for such a container the name does not exist, and unlike SERVFAIL (docker)
 * nobody asks again and again.
 *
 * There is no cache: the host's resolver mostly is one already, 100 us away, and a second one would have to be kept apart for each set of servers,
 * and forgotten when a VPN comes or goes.
 *
 * Bounds (dns_room.h). A lookup is refused (SERVFAIL) when its endpoint has as many under way as are free in all: the more flood, the smaller each
 * one's share, and some always stays for one that comes new. Each asker has a UDP socket of its own from its first question on: bound to the
 * gateway's port 53 and connected to the container's address, any port, so that the kernel keeps a receive queue for each container, and a flood
 * overflows the flooder's only. At most 16 packets are taken from each in a round of the loop.
 */
#ifndef PROA_NET_NAMES_H
#define PROA_NET_NAMES_H

#include "net.h"

#define NAMES_TTL 1 /* s */

#endif
