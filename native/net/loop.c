#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>

#include "../idle.h"
#include "../util.h"

#define ROUND_EVENTS 64 /* taken from the kernel at once */
#define IDLE_MS 1000    /* quiet for so long: give memory back */

struct loop {
	int epoll;
	bool stopped, dirty;   /* dirty: has done something since it gave memory back */
	int64_t now, busy_ms;
	struct epoll_event events[ROUND_EVENTS];
	int next, n_events;    /* those of this round that are still to be served */
	struct timer **heap;   /* from 1; a parent is never later than its children */
	size_t n_timers, heap_size;
	void **garbage;
	size_t n_garbage, garbage_size;
};

struct loop *loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		int code = errno;

		free(loop);
		errno = code;
		return NULL;
	}
	loop->now = loop->busy_ms = monotonic_ms();
	loop->dirty = true;
	return loop;
}

static int control(struct netd *netd, int operation, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(netd->loop->epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int loop_watch(struct netd *netd, struct watch *watch, uint32_t events)
{
	return control(netd, EPOLL_CTL_ADD, watch, events);
}

int loop_change(struct netd *netd, struct watch *watch, uint32_t events)
{
	return control(netd, EPOLL_CTL_MOD, watch, events);
}

void loop_unwatch(struct netd *netd, struct watch *watch)
{
	struct loop *loop = netd->loop;

	control(netd, EPOLL_CTL_DEL, watch, 0); /* one that was never watched: nothing happens */
	for (int i = loop->next; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

void loop_free(struct netd *netd, void *memory)
{
	struct loop *loop = netd->loop;

	if (!memory)
		return;
	if (loop->n_garbage == loop->garbage_size) {
		loop->garbage_size = loop->garbage_size ? loop->garbage_size * 2 : 16;
		loop->garbage = xrealloc(loop->garbage, loop->garbage_size * sizeof(*loop->garbage));
	}
	loop->garbage[loop->n_garbage++] = memory;
}

static void put(struct loop *loop, size_t slot, struct timer *timer)
{
	loop->heap[slot] = timer;
	timer->slot = slot;
}

static void sift_up(struct loop *loop, size_t slot, struct timer *timer)
{
	for (; slot > 1 && loop->heap[slot / 2]->at_ms > timer->at_ms; slot /= 2)
		put(loop, slot, loop->heap[slot / 2]);
	put(loop, slot, timer);
}

static void sift_down(struct loop *loop, size_t slot, struct timer *timer)
{
	for (;;) {
		size_t child = slot * 2;

		if (child > loop->n_timers)
			break;
		if (child < loop->n_timers && loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms)
			child++;
		if (loop->heap[child]->at_ms >= timer->at_ms)
			break;
		put(loop, slot, loop->heap[child]);
		slot = child;
	}
	put(loop, slot, timer);
}

void timer_set(struct netd *netd, struct timer *timer, int64_t after_ms)
{
	struct loop *loop = netd->loop;

	timer_clear(netd, timer);
	timer->at_ms = loop->now + after_ms;
	if (loop->n_timers + 1 >= loop->heap_size) {
		loop->heap_size = loop->heap_size ? loop->heap_size * 2 : 32;
		loop->heap = xrealloc(loop->heap, loop->heap_size * sizeof(*loop->heap));
	}
	sift_up(loop, ++loop->n_timers, timer);
}

void timer_clear(struct netd *netd, struct timer *timer)
{
	struct loop *loop = netd->loop;
	size_t slot = timer->slot;
	struct timer *last;

	if (slot == 0)
		return;
	timer->slot = 0;
	last = loop->heap[loop->n_timers--];
	if (last == timer)
		return;
	/* The last one takes the free place and goes to where it belongs from there, in the one or the other direction. */
	if (slot > 1 && loop->heap[slot / 2]->at_ms > last->at_ms)
		sift_up(loop, slot, last);
	else
		sift_down(loop, slot, last);
}

int64_t loop_now(const struct netd *netd)
{
	return netd->loop->now;
}

void loop_stop(struct netd *netd)
{
	netd->loop->stopped = true;
}

/* Milliseconds until the next timer, for epoll_wait(2); -1 without one. */
static int patience(const struct loop *loop)
{
	int64_t left, most = loop->dirty ? IDLE_MS : 60000;

	if (loop->n_timers == 0)
		return loop->dirty ? IDLE_MS : -1;
	left = loop->heap[1]->at_ms - monotonic_ms();
	return left < 0 ? 0 : left > most ? (int)most : (int)left;
}

static void run_timers(struct netd *netd)
{
	struct loop *loop = netd->loop;
	size_t most = loop->n_timers; /* one that sets itself to now again does not hold up the rest */

	while (most-- > 0 && loop->n_timers > 0 && loop->heap[1]->at_ms <= loop->now) {
		struct timer *timer = loop->heap[1];

		timer_clear(netd, timer);
		timer->expired(netd, timer);
		loop->dirty = true;
		loop->busy_ms = loop->now;
	}
}

static int wait_events(struct loop *loop)
{
	int wait_ms = patience(loop);

	if (!loop->dirty) {
		struct pollfd any = { .fd = loop->epoll, .events = POLLIN };

		idle_poll(&any, 1, wait_ms);
		wait_ms = 0;
	}
	return epoll_wait(loop->epoll, loop->events, ROUND_EVENTS, wait_ms);
}

void loop_run(struct netd *netd)
{
	struct loop *loop = netd->loop;

	while (!loop->stopped) {
		int n = wait_events(loop);

		loop->now = monotonic_ms();
		loop->n_events = n < 0 ? 0 : n; /* EINTR */
		if (n > 0) {
			loop->dirty = true;
			loop->busy_ms = loop->now;
		} else if (loop->now - loop->busy_ms >= IDLE_MS) {
			loop->dirty = false;
		}
		for (loop->next = 0; loop->next < loop->n_events && !loop->stopped;) {
			struct epoll_event *event = &loop->events[loop->next++];
			struct watch *watch = event->data.ptr;

			if (watch)
				watch->ready(netd, watch, event->events);
		}
		loop->n_events = 0;
		run_timers(netd);
		while (loop->n_garbage > 0)
			free(loop->garbage[--loop->n_garbage]);
		if (loop->garbage_size > 1024) { /* after a burst */
			free(loop->garbage);
			loop->garbage = NULL;
			loop->garbage_size = 0;
		}
	}
}
