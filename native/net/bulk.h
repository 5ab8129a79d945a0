/*
 * bulk: sockets with so many datagrams that being woken for each costs more than moving it. Such a socket is taken out of the loop and read by the clock, every
 * INTERVAL, as network drivers do (interrupt moderation): its sender wakes nobody any more, and what has gathered goes on in one run.
 *
 * A socket becomes bulk at BULK_RATE, far above what speech, games or name service send, and returns to the loop when it falls below half of that.
 */
#ifndef PROA_NET_BULK_H
#define PROA_NET_BULK_H

#include "net.h"

/* Embedded beside the watch of a socket. Zeroed: counting has not begun. */
struct bulk {
	struct bulk *next;
	struct watch *watch;
	int64_t since_ms; /* when this count began */
	uint32_t count;   /* reads of a datagram or of a run that came as one */
	bool by_clock;
};

struct bulk_clock {
	struct watch timer; /* a timerfd, while there is anything to read by it */
	struct bulk *sockets;
	struct bulk *next;  /* the one that the round at hand will read after this */
	bool running;
};

/* Return: 0 or -errno. */
int bulk_begin(struct netd *netd, struct bulk_clock *clock);

/* N were read from WATCH's socket, to which BULK belongs; may take it out of the loop, or back into it. */
void bulk_count(struct netd *netd, struct bulk_clock *clock, struct bulk *bulk, struct watch *watch, uint32_t n);

/* The socket is about to be closed. */
void bulk_forget(struct bulk_clock *clock, struct bulk *bulk);

#endif
