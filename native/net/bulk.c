#include "bulk.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define INTERVAL_NS 200000 /* a quarter of a batch at a gigabit a second of full frames */
#define WINDOW_MS 8
#define BULK_RATE 20       /* reads a millisecond */

static void run_clock(struct bulk_clock *clock, bool run)
{
	struct itimerspec every = { .it_interval.tv_nsec = run ? INTERVAL_NS : 0, .it_value.tv_nsec = run ? INTERVAL_NS : 0 };

	clock->running = run;
	timerfd_settime(clock->timer.fd, 0, &every, NULL);
}

static void leave(struct bulk_clock *clock, struct bulk *bulk)
{
	struct bulk **at = &clock->sockets;

	while (*at && *at != bulk)
		at = &(*at)->next;
	if (*at)
		*at = bulk->next;
	if (clock->next == bulk)
		clock->next = bulk->next;
	bulk->by_clock = false;
	if (!clock->sockets && clock->running)
		run_clock(clock, false);
}

static void tick(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct bulk_clock *clock = container_of(watch, struct bulk_clock, timer);

	uint64_t times;

	(void)events;
	if (read(watch->fd, &times, sizeof(times)) < 0) /* the kernel sets a periodic timerfd again when it is read, not before */
		return;
	for (struct bulk *bulk = clock->sockets; bulk; bulk = clock->next) {
		clock->next = bulk->next;
		bulk->watch->ready(netd, bulk->watch, EPOLLIN);
	}
}

int bulk_begin(struct netd *netd, struct bulk_clock *clock)
{
	clock->timer = (struct watch){ .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), .ready = tick };
	if (clock->timer.fd < 0)
		return -errno;
	return loop_watch(netd, &clock->timer, EPOLLIN);
}

void bulk_count(struct netd *netd, struct bulk_clock *clock, struct bulk *bulk, struct watch *watch, uint32_t n)
{
	int64_t now = loop_now(netd), passed = now - bulk->since_ms;

	bulk->count += n;
	if (passed < WINDOW_MS)
		return;
	/* The first count of a burst began long ago, and says nothing. */
	if (!bulk->by_clock && passed < 2 * WINDOW_MS && bulk->count >= (uint32_t)passed * BULK_RATE) {
		loop_unwatch(netd, watch);
		bulk->by_clock = true;
		bulk->watch = watch;
		bulk->next = clock->sockets;
		clock->sockets = bulk;
		if (!clock->running)
			run_clock(clock, true);
	} else if (bulk->by_clock && bulk->count < (uint32_t)passed * BULK_RATE / 2) {
		leave(clock, bulk);
		loop_watch(netd, watch, EPOLLIN);
	}
	bulk->count = 0;
	bulk->since_ms = now;
}

void bulk_forget(struct bulk_clock *clock, struct bulk *bulk)
{
	if (bulk->by_clock)
		leave(clock, bulk);
}
