/*
 * netd: the verb of the process that holds a user's networks, and what its clients (netclient.c) and `netd-status` must know of it.
 *
 * Life. A client that finds nobody behind the socket takes the lock, binds and listens, and starts netd with the listening socket already in hand:
 * from that moment on whoever connects waits in the socket's queue, and the lock is free again. netd serves one connection a container; with the
 * last one gone it lingers for LINGER_MS, takes the lock (if a client has it, that client finds us and connects), looks for a last time whether
 * anyone waits in the queue, removes the socket's name and leaves. A client that connects after that look finds its connection closed without an
 * answer, and begins again.
 *
 * When netd cannot do its work here (no nf_tables, no tproxy) it stays for as long as clients come, answers each with the reason, and leaves.
 *
 * A message is one JSON object in one SOCK_SEQPACKET packet (PROTOCOL.md, Networks). A client that sends what is none, or does not
 * read its answers, is dropped.
 */
#ifndef PROA_NET_NETD_H
#define PROA_NET_NETD_H

#define NETD_PROTOCOL 1
#define NETD_MESSAGE_BYTES (128 << 10)

#endif
