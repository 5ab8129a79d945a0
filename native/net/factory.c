#include "factory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../idle.h"
#include "../title.h"
#include "../util.h"
#include "bridge.h"
#include "space.h"

#define IDLE_MS 1000     /* quiet for so long: give memory back */
#define STORE_SOCKETS 16 /* of one kind at most; also what one message carries (the kernel's limit is 253) */
#define PATH_BYTES 128

enum kind { TCP4, TCP6, UDP4, UDP6, KINDS, RARE = KINDS };

static const struct {
	int domain, type;
} kinds[KINDS] = {
	{ AF_INET, SOCK_STREAM }, { AF_INET6, SOCK_STREAM }, { AF_INET, SOCK_DGRAM }, { AF_INET6, SOCK_DGRAM },
};

struct store {
	int fds[STORE_SOCKETS];
	int n, batch; /* BATCH doubles with each refill: who needs one listening socket gets no sixteen */
	bool asked;   /* an answer is under way */
};

struct factory {
	struct watch watch; /* answers to refills that nobody waits for */
	pid_t pid;
	int netns;
	struct store stores[KINDS];
};

struct order {
	enum kind kind;
	int domain, type, protocol, count;
};

struct answer {
	enum kind kind;
	int error; /* 0, or -errno */
};

/* The first message, with N beside it. */
struct greeting {
	struct err err; /* step "" when it is there */
};

static int send_fds(int socket, const void *data, size_t len, const int *fds, int n)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(STORE_SOCKETS * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };

	if (n > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, (size_t)n * sizeof(int));
	}
	while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Return: bytes, or -errno (-EMFILE: some descriptors of the message found no place); *N descriptors in FDS. */
static ssize_t receive_fds(int socket, void *data, size_t len, int *fds, int *n, int flags)
{
	struct iovec io = { .iov_base = data, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(STORE_SOCKETS * sizeof(int))];
	} control = { 0 };
	struct msghdr message = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got;

	*n = 0;
	do {
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (message.msg_controllen >= CMSG_LEN(0) && control.header.cmsg_type == SCM_RIGHTS) {
		*n = (int)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(&control.header), (size_t)*n * sizeof(int));
	}
	return got;
}

/* ---- in the factory ---- */

static int write_setting(const char *path, const char *value)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

/* What a fresh N is to be like; see bridge.h for why a failure is none of ours. */
static void write_settings(void)
{
	for (const struct bridge_setting *setting = bridge_settings; setting->path; setting++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "/proc/sys/%s", setting->path);
		write_setting(path, setting->value);
	}
}

static int make_sockets(const struct order *order, int *fds, int *n)
{
	for (*n = 0; *n < order->count && *n < STORE_SOCKETS; ++*n) {
		fds[*n] = socket(order->domain, order->type | SOCK_NONBLOCK | SOCK_CLOEXEC, order->protocol);
		if (fds[*n] < 0)
			return *n > 0 ? 0 : -errno;
	}
	return 0;
}

static void __attribute__((noreturn)) work(int socket)
{
	struct order order;
	struct pollfd asked = { .fd = socket, .events = POLLIN };
	int fds[STORE_SOCKETS], n;

	for (;;) {
		struct answer answer = { 0 };

		if (poll(&asked, 1, IDLE_MS) == 0)
			idle_poll(&asked, 1, -1);
		if (receive_fds(socket, &order, sizeof(order), fds, &n, 0) != sizeof(order))
			break;
		answer.kind = order.kind;
		answer.error = make_sockets(&order, fds, &n);
		if (send_fds(socket, &answer, sizeof(answer), fds, n) < 0)
			break;
		while (n > 0)
			close(fds[--n]);
	}
	_exit(0);
}

static void __attribute__((noreturn)) live(int socket, int netns)
{
	struct greeting greeting = { 0 };
	sigset_t none;
	int own = -1;

	/* Numbers that nothing else has: 3 and 4. Neither can be lost by it, as both are above. */
	netns = netns >= 0 ? fcntl(netns, F_DUPFD_CLOEXEC, 10) : -1;
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 10);
	if (dup3(socket, 3, O_CLOEXEC) < 0 || (netns >= 0 && dup3(netns, 4, O_CLOEXEC) < 0))
		_exit(1);
	syscall(SYS_close_range, netns >= 0 ? 5 : 4, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "proa-netns");
	title_set("proa-netns", "");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if ((netns >= 0 ? space_join(4, &greeting.err) : space_make(&greeting.err)) == 0) {
		own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (own < 0)
			err_set(&greeting.err, errno, "open namespace", "/proc/self/ns/net");
	}
	if (own >= 0 && netns < 0)
		write_settings();
	if (send_fds(3, &greeting, sizeof(greeting), &own, own >= 0) < 0 || own < 0)
		_exit(1);
	close(own);
	if (netns >= 0)
		close(4);
	work(3);
}

/* ---- in netd ---- */

static int spawn(struct factory *factory, int netns, struct err *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "create socket pair", "");
	pid = fork();
	if (pid == 0)
		live(pair[1], netns);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return err_set(err, errno, "fork", "");
	}
	factory->pid = pid; /* SIGCHLD is ignored: it leaves no zombie */
	factory->watch.fd = pair[0];
	return 0;
}

static void put_away(struct factory *factory, enum kind kind, const int *fds, int n)
{
	struct store *store = &factory->stores[kind];

	store->asked = false;
	for (int i = 0; i < n; i++) {
		if (store->n < STORE_SOCKETS)
			store->fds[store->n++] = fds[i];
		else
			close(fds[i]);
	}
}

static void refilled(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct factory *factory = container_of(watch, struct factory, watch);
	struct answer answer;
	int fds[STORE_SOCKETS], n;
	ssize_t got = receive_fds(watch->fd, &answer, sizeof(answer), fds, &n, MSG_DONTWAIT);

	(void)events;
	if (got == sizeof(answer) && answer.kind < KINDS)
		put_away(factory, answer.kind, fds, n);
	else if (got != -EAGAIN)
		loop_unwatch(netd, watch); /* it is gone: the next who needs it starts another */
}

int factory_start(struct netd *netd, int netns, struct err *err)
{
	struct factory *factory = xcalloc(1, sizeof(*factory));
	int r;

	factory->netns = -1;
	factory->watch.ready = refilled;
	for (int kind = 0; kind < KINDS; kind++)
		factory->stores[kind].batch = 1;
	r = spawn(factory, netns, err);
	if (r < 0) {
		free(factory);
		return r;
	}
	netd->factory = factory;
	return 0;
}

int factory_ready(struct netd *netd, struct err *err)
{
	struct factory *factory = netd->factory;
	struct greeting greeting;
	int own = -1, n, r;
	ssize_t got = receive_fds(factory->watch.fd, &greeting, sizeof(greeting), &own, &n, 0);

	if (got != sizeof(greeting))
		return err_setf(err, got < 0 ? (int)-got : 0, "create network namespace", "", "its process died");
	if (greeting.err.step[0]) {
		if (err)
			*err = greeting.err;
		return greeting.err.code ? -greeting.err.code : -EINVAL;
	}
	if (n != 1)
		return err_set(err, EMFILE, "create network namespace", "");
	if (factory->netns >= 0)
		close(factory->netns);
	factory->netns = own;
	r = loop_watch(netd, &factory->watch, EPOLLIN);
	return r < 0 ? err_set(err, -r, "watch socket", "") : 0;
}

static void hang_up(struct netd *netd)
{
	struct factory *factory = netd->factory;

	if (factory->watch.fd < 0)
		return;
	loop_unwatch(netd, &factory->watch);
	close(factory->watch.fd);
	factory->watch.fd = -1;
	for (int kind = 0; kind < KINDS; kind++)
		factory->stores[kind].asked = false;
}

/* After its death: another one in the same N. */
static int restart(struct netd *netd)
{
	struct factory *factory = netd->factory;
	int r;

	hang_up(netd);
	r = factory->netns < 0 ? -ESRCH : spawn(factory, factory->netns, NULL);
	return r < 0 ? r : factory_ready(netd, NULL);
}

/* Wait for the answer to an order of KIND; refills that come before are put away. Return: as answer.error, or -errno (-EPIPE: it is gone). */
static int await_answer(struct netd *netd, enum kind kind, int *fds, int *n)
{
	for (;;) {
		struct answer answer;
		ssize_t got = receive_fds(netd->factory->watch.fd, &answer, sizeof(answer), fds, n, 0);

		if (got != sizeof(answer))
			return got < 0 && got != -ECONNRESET ? (int)got : -EPIPE;
		if (answer.kind == kind)
			return answer.error == 0 && *n == 0 && kind != RARE ? -EMFILE : answer.error;
		put_away(netd->factory, answer.kind, fds, *n);
	}
}

static int ask(struct netd *netd, const struct order *order, int *fds, int *n)
{
	int r = -EPIPE;

	for (int attempt = 0; attempt < 2 && (r == -EPIPE || r == -ECONNRESET); attempt++) {
		if (attempt > 0 || netd->factory->watch.fd < 0)
			r = restart(netd);
		else
			r = 0;
		if (r == 0)
			r = send_fds(netd->factory->watch.fd, order, sizeof(*order), NULL, 0);
		if (r == 0)
			r = await_answer(netd, order->kind, fds, n);
	}
	return r;
}

static struct order refill_order(struct store *store, enum kind kind)
{
	struct order order = { .kind = kind, .domain = kinds[kind].domain, .type = kinds[kind].type, .count = store->batch };

	if (store->batch < STORE_SOCKETS)
		store->batch *= 2;
	return order;
}

/* Ask for more while there still are some, without waiting. */
static void refill(struct netd *netd, enum kind kind)
{
	struct store *store = &netd->factory->stores[kind];

	if (store->asked || store->batch < STORE_SOCKETS || store->n > STORE_SOCKETS / 2 || netd->factory->watch.fd < 0)
		return;
	struct order order = refill_order(store, kind);
	store->asked = send_fds(netd->factory->watch.fd, &order, sizeof(order), NULL, 0) == 0;
}

static int take(struct netd *netd, enum kind kind)
{
	struct store *store = &netd->factory->stores[kind];
	int fds[STORE_SOCKETS], n, r;

	while (store->n == 0) {
		if (store->asked) {
			r = await_answer(netd, kind, fds, &n);
			if (r == -EPIPE) {
				hang_up(netd);
				continue;
			}
		} else {
			struct order order = refill_order(store, kind);

			r = ask(netd, &order, fds, &n);
		}
		if (r < 0) {
			store->asked = false;
			return r;
		}
		put_away(netd->factory, kind, fds, n);
	}
	r = store->fds[--store->n];
	refill(netd, kind);
	return r;
}

int factory_socket(struct netd *netd, int domain, int type, int protocol)
{
	struct order order = { .kind = RARE, .domain = domain, .protocol = protocol, .count = 1 };
	int fds[STORE_SOCKETS], n = 0, r;

	order.type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	for (int kind = 0; kind < KINDS; kind++)
		if (kinds[kind].domain == domain && kinds[kind].type == order.type &&
		    (protocol == 0 || protocol == (order.type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)))
			return take(netd, kind);
	r = ask(netd, &order, fds, &n);
	if (r < 0)
		return r;
	return n == 1 ? fds[0] : -EMFILE;
}

int factory_sockets(struct netd *netd, int domain, int type, int *fds, int count)
{
	struct order order = { .kind = RARE, .domain = domain, .type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), .count = count };
	int made[STORE_SOCKETS], n = 0, r = ask(netd, &order, made, &n);

	if (r == 0 && n < count)
		r = -EMFILE;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			fds[i] = made[i];
		else
			close(made[i]);
	}
	return r;
}

int factory_netns(const struct netd *netd)
{
	return netd->factory->netns;
}

pid_t factory_pid(const struct netd *netd)
{
	return netd->factory->pid;
}
