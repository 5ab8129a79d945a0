#include "overflow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "../util.h"
#include "loop.h"
#include "splice.h"

#define OVERFLOWS 8
#define CONNECTIONS 16384 /* of one, where the limit of descriptors is not lower */
#define SPARE 160         /* descriptors of one that are not connections' */
#define REPORT_MS 100
#define CHANNEL 3         /* its socket to netd */

struct overflow {
	struct watch watch;
	struct overflow *next;
	size_t connections;
};

struct order {
	enum { JOIN, FORGET } what;
	uint64_t key; /* the share, as netd knows it */
};

struct report {
	uint64_t key;
	uint32_t ended;
};

/* ---- the process beside ---- */

/* One endpoint, of which only its connections are known here. */
struct client {
	struct client *next;
	uint64_t key;
	uint32_t known; /* connections that netd counts */
	struct endpoint endpoint;
};

struct beside {
	struct watch watch;
	struct timer report;
	struct client *clients;
};

static bool tell(uint64_t key, uint32_t ended)
{
	struct report report = { .key = key, .ended = ended };

	return send(CHANNEL, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(report);
}

/* Tell netd what has ended, and forget the clients of which nothing is left. */
static void tell_all(struct netd *netd, struct timer *timer)
{
	struct beside *beside = container_of(timer, struct beside, report);
	struct client **at = &beside->clients, *client;

	while ((client = *at)) {
		uint32_t now = client->endpoint.tcp ? client->endpoint.tcp->n_joined : 0;

		if (now < client->known && tell(client->key, client->known - now))
			client->known = now;
		if (client->known > 0) {
			at = &client->next;
			continue;
		}
		*at = client->next;
		splice_forget(netd, &client->endpoint);
		free(client);
	}
	timer_set(netd, timer, REPORT_MS);
}

static struct client *client_of(struct beside *beside, uint64_t key)
{
	struct client *client = beside->clients;

	while (client && client->key != key)
		client = client->next;
	if (!client) {
		client = xcalloc(1, sizeof(*client));
		client->key = key;
		client->next = beside->clients;
		beside->clients = client;
	}
	return client;
}

static void ordered(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct beside *beside = container_of(watch, struct beside, watch);
	struct order order;
	struct iovec io = { .iov_base = &order, .iov_len = sizeof(order) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(CHANNEL, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fds[2] = { -1, -1 };
	struct client *client;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(order))
		_exit(0); /* netd is gone, or has no use for us any more */
	client = client_of(beside, order.key);
	if (order.what == FORGET) {
		splice_forget(netd, &client->endpoint);
		return;
	}
	client->known++;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(fds, CMSG_DATA(&control.header), control.header.cmsg_len - CMSG_LEN(0));
	if (fds[0] >= 0 && fds[1] >= 0)
		splice_join(netd, splice_share(&client->endpoint), fds[0], fds[1]);
	else if (fds[0] >= 0) /* there was one descriptor left */
		splice_reset(fds[0]);
}

static void __attribute__((noreturn)) live(int channel)
{
	struct netd netd = { 0 };
	struct beside beside = { .watch = { .fd = CHANNEL, .ready = ordered }, .report = { .expired = tell_all } };
	sigset_t none;

	if (dup2(channel, CHANNEL) < 0 || fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) < 0)
		_exit(1);
	syscall(SYS_close_range, CHANNEL + 1, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "proa-relay");
	netd.loop = loop_new();
	if (!netd.loop || splice_begin(&netd, true, NULL) < 0 || loop_watch(&netd, &beside.watch, EPOLLIN) < 0)
		_exit(1);
	timer_set(&netd, &beside.report, REPORT_MS);
	loop_run(&netd);
	_exit(0);
}

/* ---- netd ---- */

static void drop(struct netd *netd, struct overflow *overflow)
{
	struct overflow **at = &netd->overflows;

	while (*at != overflow)
		at = &(*at)->next;
	*at = overflow->next;
	loop_unwatch(netd, &overflow->watch);
	close(overflow->watch.fd);
	loop_free(netd, overflow);
}

/* One that has ended, or does not answer: nobody knows any more how many connections of whom it had. */
static void give_up(struct netd *netd, struct overflow *overflow)
{
	drop(netd, overflow);
	for (struct member *member = netd->members; member; member = member->next)
		for (struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			if (endpoint->tcp)
				endpoint->tcp->n_given = 0;
}

/* The share that KEY was, when its endpoint is still there. */
static struct tcp_share *share_of(struct netd *netd, uint64_t key)
{
	for (struct member *member = netd->members; member; member = member->next)
		for (struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			if (endpoint->tcp && (uint64_t)(uintptr_t)endpoint->tcp == key)
				return endpoint->tcp;
	return NULL;
}

static void reported(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct overflow *overflow = container_of(watch, struct overflow, watch);
	struct tcp_share *share;
	struct report report;
	ssize_t n = recv(watch->fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(report)) {
		give_up(netd, overflow);
		return;
	}
	share = share_of(netd, report.key);
	if (share)
		share->n_given -= report.ended < share->n_given ? report.ended : share->n_given;
	overflow->connections -= report.ended < overflow->connections ? report.ended : overflow->connections;
	if (overflow->connections == 0)
		drop(netd, overflow);
}

/* Connections of one process: its pipes need descriptors as well. */
static size_t capacity(void)
{
	static size_t known; /* the limit is read once: each connection asks */
	struct rlimit limit;
	rlim_t spare;

	if (known > 0)
		return known;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 > CONNECTIONS + SPARE)
		return known = CONNECTIONS;
	spare = limit.rlim_cur / 4 < SPARE ? limit.rlim_cur / 4 : SPARE;
	return known = (limit.rlim_cur - spare) / 2;
}

static struct overflow *start(struct netd *netd)
{
	static const struct timeval patience = { .tv_sec = 1 }; /* with one that was stopped */
	struct overflow *overflow;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	pid = fork();
	if (pid == 0)
		live(pair[1]);
	close(pair[1]);
	overflow = xcalloc(1, sizeof(*overflow));
	overflow->watch = (struct watch){ .fd = pair[0], .ready = reported };
	if (pid < 0 || loop_watch(netd, &overflow->watch, EPOLLIN) < 0) {
		close(pair[0]);
		free(overflow);
		return NULL;
	}
	overflow->next = netd->overflows;
	netd->overflows = overflow;
	return overflow;
}

/* One with room, or NULL; *N becomes how many there are when none has. */
static struct overflow *with_room(const struct netd *netd, size_t *n)
{
	size_t most = capacity();

	*n = 0;
	for (struct overflow *overflow = netd->overflows; overflow; overflow = overflow->next, ++*n)
		if (overflow->connections < most)
			return overflow;
	return NULL;
}

size_t overflow_capacity(void)
{
	return OVERFLOWS * capacity();
}

bool overflow_room_left(const struct netd *netd)
{
	size_t n;

	return with_room(netd, &n) || n < OVERFLOWS;
}

int overflow_join(struct netd *netd, struct tcp_share *share, int outer, int inner, bool watched)
{
	struct order order = { .what = JOIN, .key = (uint64_t)(uintptr_t)share };
	struct iovec io = { .iov_base = &order, .iov_len = sizeof(order) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct watch watch = { .fd = outer };
	struct overflow *overflow;
	size_t n;

	overflow = with_room(netd, &n);
	if (!overflow && n < OVERFLOWS)
		overflow = start(netd);
	if (!overflow)
		return -EMFILE;
	memcpy(CMSG_DATA(&control.header), (int[]){ outer, inner }, 2 * sizeof(int));
	if (sendmsg(overflow->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	overflow->connections++;
	share->n_given++;
	if (watched) /* our copy's end does not end the registration: the other process has the socket */
		loop_unwatch(netd, &watch);
	close(outer);
	close(inner);
	return 0;
}

void overflow_forget(struct netd *netd, const struct tcp_share *share)
{
	struct order order = { .what = FORGET, .key = (uint64_t)(uintptr_t)share };
	struct overflow *next;

	for (struct overflow *overflow = netd->overflows; overflow; overflow = next) {
		next = overflow->next;
		/* Without room in the channel its connections would live on under a key that another endpoint may get. */
		if (send(overflow->watch.fd, &order, sizeof(order), MSG_NOSIGNAL) < 0)
			give_up(netd, overflow);
	}
}
