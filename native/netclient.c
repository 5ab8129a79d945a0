#include "netclient.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "net/netd.h"
#include "netreach.h"
#include "request.h"
#include "util.h"
#include "wire.h"

#define PLAN_LIMIT (NETD_MESSAGE_BYTES - 1024) /* bytes of network.json: a message has little else */
#define REACH_ATTEMPTS 12  /* a netd that leaves just when we come, each time */
#define STALE_ANSWERS 64     /* more than netd asks at once; a container with CAP_NET_ADMIN could go on sending */
#define ANSWER_MS 20000    /* a netd that takes longer stands still; a hundred containers that start at once take some seconds */
#define LOOK_MS 100         /* after words of the client that are no end */
#define REST_FIRST_MS 100
#define REST_MOST_MS 10000
#define BRIEF_MS 1000      /* a netd that ends so soon may do it again, for a reason that we bring along */
#define BRIEF_LIMIT 5      /* in a row: then there is a rest before the next */

struct netclient {
	struct container_network hooks;
	struct relay_guest guest; /* its fd is the connection, or in REACHING the child's end */
	struct relay *relay;
	struct netreach_place place;
	char *plan, *run_dir, *deny; /* DENY: JSON */
	int run_dir_fd;
	bool required, given_up, keeps_ports;
	int connection, n_fd, netns_fd, netlink_fd;
	int client_fd;            /* control socket of the client that asked for the start; borrowed, -1 afterwards */
	enum { REACHING, ASKED, ATTACHED, RESTING } state;
	bool behind;              /* in ASKED: the answer is overdue, and the plan is to be read once more when it comes */
	bool known;               /* to the netd of this connection: what it refuses now changes nothing for it */
	pid_t child;
	int64_t rest_ms, attached_ms;
	unsigned brief;           /* connections in a row that ended soon */
};

static bool is_gone(int code)
{
	return code == -EPIPE || code == -ECONNRESET;
}

/* Send an attach with the plan as it is now; with the container's descriptors where netd does not know it yet. Return: 0, or -errno with ERR. */
static int send_attach(struct netclient *client, bool first, struct err *err)
{
	autofree char *plan = NULL, *ports = NULL, *text = NULL;
	const int fds[2] = { client->netns_fd, client->netlink_fd };
	struct iovec io;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(fds))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t n = read_file_at(AT_FDCWD, client->plan, &plan, PLAN_LIMIT);

	if (n < 0)
		return err_set(err, (int)-n, "read network plan", client->plan);
	/* Text into text: what the plan says is netd's to read. What netd answered once are the ports that the container keeps. */
	if (first && read_file_at(client->run_dir_fd, NETCLIENT_PORTS, &ports, NETD_MESSAGE_BYTES) > 0) {
		json_t *list = json_loads(ports, 0, NULL), *held = json_array(), *port;
		size_t i;

		json_array_foreach(list, i, port) {
			json_array_append(held, json_object_get(port, "hostPort"));
		}
		free(ports);
		ports = json_dumps(held, JSON_COMPACT);
		json_decref(held);
		json_decref(list);
	}
	text = xasprintf("{\"v\":%d,\"do\":\"attach\",\"deny\":%s,\"plan\":%s%s%s}", NETD_PROTOCOL, client->deny, plan,
			 ports ? ",\"held\":" : "", ports ? ports : "");
	io = (struct iovec){ .iov_base = text, .iov_len = strlen(text) };
	if (first) {
		char rest[4096];

		for (int i = 0; i < STALE_ANSWERS && recv(client->netlink_fd, rest, sizeof(rest), MSG_DONTWAIT) >= 0; i++)
			; /* answers to a netd that is no more must not be taken for the next one's */
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	}
	while (sendmsg(client->connection, &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "connect container", "netd");
	return 0;
}

/* Keep what netd has answered. */
static int keep_answer(struct netclient *client, json_t *reply, int n_fd, struct err *err)
{
	autofree char *text = json_dumps(json_object_get(reply, "ports"), JSON_COMPACT | JSON_ENCODE_ANY);
	int r = text ? write_file_atomically(client->run_dir_fd, NETCLIENT_PORTS, text, strlen(text), false) : -ENOMEM;

	json_decref(reply);
	if (n_fd >= 0) {
		close_fd(&client->n_fd);
		client->n_fd = n_fd;
	}
	return r < 0 ? err_set(err, -r, "write ports", client->run_dir) : 0;
}

/* ---- the start ---- */

static int begin(struct container_network *hooks, struct err *err);
static int attach(struct container_network *hooks, int netns, int netlink, struct err *err);
static int await(struct container_network *hooks, struct err *err);

static int parse_place(json_t *network, const char *run_dir, struct netclient *client, struct err *err)
{
	const char *plan, *socket_path, *lock, *resolv_conf;
	json_t *deny;
	int required;
	int r = request_unpack(network, err, "network", "{s:s,s:s,s:s,s:s,s:o,s:b!}", "plan", &plan, "socket", &socket_path, "lock", &lock,
			       "resolvConf", &resolv_conf, "deny", &deny, "required", &required);
	char *slash;

	if (r < 0)
		return r;
	if (!json_is_array(deny))
		return err_setf(err, 0, "read request", "network.deny", "not a list");
	client->plan = xstrdup(plan);
	client->required = required;
	client->place.socket = xstrdup(socket_path);
	client->place.lock = xstrdup(lock);
	client->place.resolv_conf = xstrdup(resolv_conf);
	client->deny = json_dumps(deny, JSON_COMPACT);
	if (!client->deny)
		return err_setf(err, 0, "read request", "network.deny", "not UTF-8");
	client->place.containers = xstrdup(run_dir);
	slash = strrchr(client->place.containers, '/');
	if (slash)
		*slash = '\0';
	client->place.own = slash ? slash + 1 : "";
	return 0;
}

int netclient_parse(json_t *network, const char *run_dir, int run_dir_fd, struct netclient **out, struct err *err)
{
	struct netclient *client;
	int r;

	*out = NULL;
	if (json_is_null(network))
		return 0;
	client = xcalloc(1, sizeof(*client));
	client->guest.fd = client->connection = client->n_fd = client->netns_fd = client->netlink_fd = client->client_fd = -1;
	client->hooks = (struct container_network){ .begin = begin, .attach = attach, .await = await };
	client->run_dir = xstrdup(run_dir);
	client->run_dir_fd = run_dir_fd;
	r = parse_place(network, run_dir, client, err);
	if (r < 0)
		netclient_free(client);
	else
		*out = client;
	return r;
}

void netclient_heed(struct netclient *client, int control)
{
	client->client_fd = control;
}

void netclient_bus(struct netclient *client, const char *bus)
{
	client->place.bus = bus ? xstrdup(bus) : NULL;
}

void netclient_keep_ports(struct netclient *client)
{
	client->keeps_ports = true;
}

void netclient_free(struct netclient *client)
{
	if (!client)
		return;
	if (client->state == REACHING)
		close_fd(&client->guest.fd);
	close_fd(&client->connection);
	close_fd(&client->n_fd);
	close_fd(&client->netns_fd);
	close_fd(&client->netlink_fd);
	free(client->place.socket);
	free(client->place.lock);
	free(client->place.resolv_conf);
	free(client->place.bus);
	free(client->place.containers);
	free(client->deny);
	free(client->plan);
	free(client->run_dir);
	free(client);
}

/* What failed counts only where the network is required. */
static int outcome(struct netclient *client, int r)
{
	if (r >= 0 || client->required)
		return r;
	client->given_up = true;
	close_fd(&client->connection);
	return 0;
}

static int begin(struct container_network *hooks, struct err *err)
{
	struct netclient *client = (struct netclient *)hooks; /* its first member */

	client->connection = netreach(&client->place, client->n_fd, err);
	return outcome(client, client->connection < 0 ? client->connection : 0);
}

static int attach(struct container_network *hooks, int netns, int netlink, struct err *err)
{
	struct netclient *client = (struct netclient *)hooks;
	int r;

	client->netns_fd = netns;
	client->netlink_fd = netlink;
	if (!client->keeps_ports)
		unlinkat(client->run_dir_fd, NETCLIENT_PORTS, 0); /* of a start before: those ports are given up */
	if (client->given_up)
		return 0;
	r = send_attach(client, true, err);
	/* It may have gone since: await() finds out, and begins again. */
	return is_gone(r) ? 0 : outcome(client, r);
}

int netclient_interruption(int control)
{
	unsigned char said[16 * (WIRE_HEADER_BYTES + WIRE_CONTROL_BYTES)];
	struct pollfd look = { .fd = control, .events = POLLIN };
	ssize_t n = poll(&look, 1, 0) > 0 ? recv(control, said, sizeof(said), MSG_PEEK | MSG_DONTWAIT) : -1;

	for (ssize_t at = 0; at + WIRE_HEADER_BYTES + WIRE_CONTROL_BYTES <= n;) {
		uint32_t len = wire_get32(said + at + 4), number = wire_get32(said + at + WIRE_HEADER_BYTES);

		if (said[at] == WIRE_SIGNAL && len == WIRE_CONTROL_BYTES &&
		    (number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM))
			return 128 + (int)number;
		if (len > WIRE_CONTROL_BYTES)
			break;
		at += (ssize_t)(WIRE_HEADER_BYTES + len);
	}
	return look.revents & (POLLHUP | POLLERR) ? -1 : 0;
}

/* Wait until netd has answered or is gone. Return: 0, or -errno with ERR when it takes too long; -EINTR: the client wants no start any more. */
static int await_ready(const struct netclient *client, struct err *err)
{
	const int64_t until = monotonic_ms() + ANSWER_MS;
	bool heard = false;

	for (;;) {
		struct pollfd slots[] = { { .fd = client->connection, .events = POLLIN }, { .fd = heard ? -1 : client->client_fd, .events = POLLIN } };
		const int end = netclient_interruption(client->client_fd);
		const int64_t left = until - monotonic_ms();

		if (end != 0) {
			err_setf(err, 0, "connect container", "netd", end < 0 ? "the client has gone" : "the start was interrupted");
			err->exit = end < 0 ? 125 : end;
			return -EINTR;
		}
		if (left <= 0)
			return err_setf(err, ETIMEDOUT, "connect container", "netd", "it does not answer");
		if (poll(slots, 2, heard && left > LOOK_MS ? LOOK_MS : (int)left) < 0 && errno != EINTR)
			return err_set(err, errno, "connect container", "netd");
		if (slots[0].revents)
			return 0;
		heard = heard || slots[1].revents;
	}
}

static int await_answer(struct netclient *client, struct err *err)
{
	for (int attempt = 0; attempt < REACH_ATTEMPTS; attempt++) {
		json_t *reply;
		int fd, r = await_ready(client, err);

		if (r < 0)
			return r;
		r = netreach_answer(client->connection, 0, &reply, &fd, err);
		if (r > 0) {
			client->state = ATTACHED;
			client->known = true;
			return keep_answer(client, reply, fd, err);
		}
		if (r < 0)
			return r;
		close_fd(&client->connection);
		client->connection = netreach(&client->place, client->n_fd, err);
		if (client->connection < 0)
			return client->connection;
		r = send_attach(client, true, err);
		if (r < 0 && !is_gone(r))
			return r;
	}
	return err_setf(err, 0, "connect container", "netd", "it ends before it answers");
}

static int await(struct container_network *hooks, struct err *err)
{
	struct netclient *client = (struct netclient *)hooks;

	int r = client->given_up ? 0 : await_answer(client, err);

	return r == -EINTR ? r : outcome(client, r);
}

/* ---- beside the running container ---- */

static void start_reaching(struct netclient *client);

/* Wait before the next attempt, longer each time. */
static void rest(struct netclient *client)
{
	close_fd(&client->connection);
	client->guest.fd = -1;
	client->state = RESTING;
	client->rest_ms = client->rest_ms == 0 ? REST_FIRST_MS : client->rest_ms * 2 > REST_MOST_MS ? REST_MOST_MS : client->rest_ms * 2;
	client->guest.wake_ms = monotonic_ms() + client->rest_ms;
}

static void ask_again(struct netclient *client, bool first)
{
	struct err err = { 0 };

	relay_reload_begins(client->relay);
	client->behind = false;
	if (send_attach(client, first, &err) == 0) {
		client->known = !first;
		client->state = ASKED;
		client->guest.wake_ms = monotonic_ms() + ANSWER_MS;
		client->guest.fd = client->connection;
		return;
	}
	relay_reloaded(client->relay, &err);
	if (first || is_gone(-err.code)) {
		rest(client);
	} else {
		client->state = ATTACHED;
		client->guest.fd = client->connection;
	}
}

/* In a child, because the lock, and living supervisors, may have to be waited for. */
static void __attribute__((noreturn)) reach_for_parent(struct netclient *client, int answers)
{
	struct err err = { 0 };
	int n_fd = client->n_fd < 0 ? -1 : fcntl(client->n_fd, F_DUPFD_CLOEXEC, 10), fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	answers = fcntl(answers, F_DUPFD_CLOEXEC, 10);
	/* What leads to the container or its clients must not be kept open by us, nor by the netd that we may start. */
	dup3(answers, 3, O_CLOEXEC);
	if (n_fd >= 0)
		dup3(n_fd, 4, O_CLOEXEC);
	syscall(SYS_close_range, n_fd < 0 ? 4 : 5, ~0U, 0);
	fd = netreach(&client->place, n_fd < 0 ? -1 : 4, &err);
	wire_send_descriptor(3, "", 1, fd);
	_exit(0);
}

static void start_reaching(struct netclient *client)
{
	int pair[2];

	close_fd(&client->connection);
	client->guest.fd = -1;
	client->guest.wake_ms = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		rest(client);
		return;
	}
	client->child = fork();
	if (client->child == 0)
		reach_for_parent(client, pair[1]);
	close(pair[1]);
	if (client->child < 0) {
		close(pair[0]);
		rest(client);
		return;
	}
	client->state = REACHING;
	client->guest.fd = pair[0];
}

/* The child has found netd, or has failed. */
static void reached(struct netclient *client)
{
	char byte;

	if (wire_receive_descriptor(client->guest.fd, &byte, 1, MSG_DONTWAIT, &client->connection) == -EAGAIN)
		return;
	close_fd(&client->guest.fd);
	while (waitpid(client->child, NULL, 0) < 0 && errno == EINTR)
		;
	if (client->connection < 0)
		rest(client);
	else
		ask_again(client, true);
}

/* The connection to a netd that knew us has ended. */
static void ended(struct netclient *client)
{
	if (monotonic_ms() - client->attached_ms >= BRIEF_MS) {
		client->brief = 0;
		client->rest_ms = 0;
	}
	if (client->brief++ < BRIEF_LIMIT)
		start_reaching(client);
	else
		rest(client);
}

/*
 * netd's answer is overdue: whoever has asked waits no longer. It is still to come, and will be taken; as what was refused now may have been taken
 * back then, the plan is read once more.
 */
static void refuse_overdue(struct netclient *client)
{
	struct err err = { 0 };

	client->guest.wake_ms = 0;
	client->behind = true;
	err_setf(&err, ETIMEDOUT, "connect container", "netd", "it does not answer");
	relay_reload_begins(client->relay); /* those, too, who have asked since */
	relay_reloaded(client->relay, &err);
}

static void answered(struct netclient *client)
{
	struct err err = { 0 };
	json_t *reply;
	int fd, r = netreach_answer(client->connection, MSG_DONTWAIT, &reply, &fd, &err);

	if (r == -EAGAIN) {
		if (client->guest.wake_ms == 0 || monotonic_ms() < client->guest.wake_ms)
			return;
		refuse_overdue(client);
		return;
	}
	client->guest.wake_ms = 0;
	if (r == 0) { /* reloads that it has not answered are answered by the next */
		if (client->known)
			ended(client);
		else
			rest(client);
		return;
	}
	if (r > 0) {
		if (!client->known)
			client->attached_ms = monotonic_ms();
		client->known = true;
		r = keep_answer(client, reply, fd, &err);
	}
	/* A netd that knew us keeps what was in force before; a new one has nothing for us yet. */
	if (client->known)
		client->state = ATTACHED;
	if ((relay_reloaded(client->relay, r < 0 ? &err : NULL) || client->behind) && client->state == ATTACHED)
		ask_again(client, false);
	else if (r < 0 && client->state != ATTACHED)
		rest(client);
}

static void guest_ready(struct relay_guest *guest)
{
	struct netclient *client = (struct netclient *)((char *)guest - offsetof(struct netclient, guest));

	switch (client->state) {
	case REACHING:
		reached(client);
		break;
	case ASKED:
		answered(client);
		break;
	case ATTACHED: /* it says nothing by itself: this is its end */
		ended(client);
		break;
	case RESTING:
		start_reaching(client);
		break;
	}
}

static void guest_reload(struct relay_guest *guest)
{
	struct netclient *client = (struct netclient *)((char *)guest - offsetof(struct netclient, guest));

	if (client->state == ATTACHED)
		ask_again(client, false);
	else if (client->state == RESTING)
		client->guest.wake_ms = monotonic_ms(); /* someone waits for it */
	else if (client->state == ASKED && client->behind)
		refuse_overdue(client);
}

static int guest_netns(struct relay_guest *guest)
{
	return ((struct netclient *)((char *)guest - offsetof(struct netclient, guest)))->n_fd;
}

struct container_network *netclient_network(struct netclient *client)
{
	return client ? &client->hooks : NULL;
}

void netclient_guest(struct netclient *client, struct relay *relay)
{
	if (client->given_up)
		return;
	client->client_fd = -1;
	client->relay = relay;
	client->guest.fd = client->connection;
	client->guest.ready = guest_ready;
	client->guest.reload = guest_reload;
	client->guest.netns = guest_netns;
	relay_add_guest(relay, &client->guest);
}
