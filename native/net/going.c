#include "going.h"

#include <linux/rtnetlink.h>
#include <pthread.h>
#include <string.h>

#include "../util.h"
#include "link.h"
#include "netlink.h"

#define STACK_BYTES (64 << 10)

struct entry {
	struct entry *next;
	int ifindex;
	int64_t at_ms;
};

struct going {
	struct entry *entries;
	struct timer timer;  /* of the entry that is due first */
	int route;
	int fd;              /* the thread's */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool working;        /* the thread lives; under `lock`, as the next */
	bool again;          /* more was put into the group since it began */
};

struct going *going_new(int fd, int route)
{
	struct going *going = xcalloc(1, sizeof(*going));

	going->fd = fd;
	going->route = route;
	pthread_mutex_init(&going->lock, NULL);
	pthread_cond_init(&going->idle, NULL);
	return going;
}

/* Delete every link of the group. Written by hand: nl_talk() is for one thread. */
static void delete_group(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
		struct rtattr attr;
		uint32_t group;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_DELLINK, .nlmsg_flags = NLM_F_REQUEST },
		.link = { .ifi_family = AF_UNSPEC },
		.attr = { .rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_GROUP },
		.group = GOING_GROUP,
	};
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char answer[512];

	/* It fails when the group is empty: then it went by itself. */
	sendto(fd, &request, sizeof(request), 0, (const void *)&kernel, sizeof(kernel));
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
}

static void *work(void *context)
{
	struct going *going = context;

	pthread_mutex_lock(&going->lock);
	do {
		going->again = false;
		pthread_mutex_unlock(&going->lock);
		delete_group(going->fd);
		pthread_mutex_lock(&going->lock);
	} while (going->again);
	going->working = false;
	pthread_cond_broadcast(&going->idle);
	pthread_mutex_unlock(&going->lock);
	return NULL;
}

static void start_work(struct going *going)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_mutex_lock(&going->lock);
	going->again = going->working;
	bool start = !going->working;
	going->working = true;
	pthread_mutex_unlock(&going->lock);
	if (!start)
		return;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, work, going) != 0)
		work(going);
	pthread_attr_destroy(&attributes);
}

/* Whether IFINDEX is still there, and in the group now. */
static bool put_into_group(int route, int ifindex)
{
	autobatch struct nl_batch batch = { 0 };

	link_set_group(&batch, ifindex, GOING_GROUP);
	return nl_talk(route, &batch, NULL, NULL, NULL, "") == 0;
}

/* Put what is due at NOW into the group and have it deleted. */
static void hand_over(struct going *going, int64_t now)
{
	bool any = false;

	for (struct entry **at = &going->entries; *at;) {
		struct entry *entry = *at;
		if (entry->at_ms > now) {
			at = &entry->next;
			continue;
		}
		any |= put_into_group(going->route, entry->ifindex);
		*at = entry->next;
		free(entry);
	}
	if (any)
		start_work(going);
}

static void set_timer(struct netd *netd, struct going *going)
{
	int64_t first = INT64_MAX, now = loop_now(netd);

	for (const struct entry *entry = going->entries; entry; entry = entry->next)
		if (entry->at_ms < first)
			first = entry->at_ms;
	if (first != INT64_MAX)
		timer_set(netd, &going->timer, first > now ? first - now : 0);
	else
		timer_clear(netd, &going->timer);
}

static void expired(struct netd *netd, struct timer *timer)
{
	struct going *going = container_of(timer, struct going, timer);

	hand_over(going, loop_now(netd));
	set_timer(netd, going);
}

void going_add(struct netd *netd, struct going *going, int ifindex, int64_t after_ms)
{
	struct entry *entry = xmalloc(sizeof(*entry));

	*entry = (struct entry){ .next = going->entries, .ifindex = ifindex, .at_ms = loop_now(netd) + after_ms };
	going->entries = entry;
	going->timer.expired = expired;
	if (after_ms == GOING_NOW)
		hand_over(going, entry->at_ms);
	set_timer(netd, going);
}

bool going_keep(struct going *going, int ifindex)
{
	for (struct entry **at = &going->entries; *at; at = &(*at)->next) {
		struct entry *entry = *at;
		if (entry->ifindex != ifindex)
			continue;
		*at = entry->next;
		free(entry);
		return true;
	}
	return false;
}

bool going_finish(struct netd *netd, struct going *going)
{
	bool any;

	hand_over(going, INT64_MAX);
	set_timer(netd, going);
	pthread_mutex_lock(&going->lock);
	any = going->working;
	while (going->working)
		pthread_cond_wait(&going->idle, &going->lock);
	pthread_mutex_unlock(&going->lock);
	return any;
}
