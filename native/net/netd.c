#include "netd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bus.h"
#include "../request.h"
#include "../title.h"
#include "../util.h"
#include "../verbs.h"
#include "../wire.h"
#include "factory.h"
#include "loop.h"
#include "member.h"
#include "plan.h"

#define LINGER_MS 300         /* after the last connection: the next of a row of commands finds us */
#define FIRST_MS 10000        /* for the first one: who started us was killed */
#define CONNECTIONS_LIMIT 4096
#define ACCEPT_PAUSE_MS 100   /* when descriptors ran out */

struct connection {
	struct watch watch;
	struct connection *next;
	struct member *member; /* NULL until it attached */
	struct range *denied;  /* the configuration's when it attached */
	size_t n_denied;
};

struct server {
	struct netd netd;
	struct watch listener, signals;
	struct watch name;     /* tells when the socket's name goes */
	struct stat named;     /* what the name stood for in the beginning */
	struct timer linger, pause;
	struct connection *connections;
	size_t n_connections;
	const char *socket_path;
	int lock_fd;
	struct err unfit;      /* why nothing can be attached here; step "" where it can */
	bool leaving;          /* the socket's name is gone or another's */
};

/* What comes with a message. */
struct delivery {
	char *text;
	size_t len;
	int fds[2], n_fds;
	bool oversized;
};

static struct server *server_of(struct netd *netd)
{
	return container_of(netd, struct server, netd);
}

/* ---- answers ---- */

/* Send JSON (stolen) with a descriptor (-1: none). Return: 0, or -errno: the peer does not read, or is gone. */
static int answer(int socket, json_t *json, int fd)
{
	autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text ? wire_send_descriptor(socket, text, strlen(text), fd) : -ENOMEM;
}

static json_t *facts(const struct err *err)
{
	autofree char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return json_null();
	err_write_json(err, out);
	fclose(out);
	return json_loads(text, 0, NULL);
}

static int answer_error(int socket, const struct err *err)
{
	return answer(socket, json_pack("{s:o}", "error", facts(err)), -1);
}

/* ---- attach ---- */

/* `held`: the host ports that the container had, in the order of the plan's. */
static int take_held(json_t *list, uint16_t **out, size_t *n, struct err *err)
{
	json_t *item;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return err_setf(err, 0, "read request", "held", "not a list");
	*out = xcalloc(json_array_size(list), sizeof(**out));
	*n = json_array_size(list);
	json_array_foreach(list, i, item) {
		json_int_t port = json_is_integer(item) ? json_integer_value(item) : -1;

		if (port < 0 || port > 65535)
			return err_setf(err, 0, "read request", "held", "not ports");
		(*out)[i] = (uint16_t)port;
	}
	return 0;
}

/*
 * The configuration may have changed between the starts of two containers. What one of those that live was started to be kept from, all are
 * kept from: a range that is added holds at once, one that is taken out is free when the last container with it has ended.
 */
static void collect_denied(struct server *server)
{
	struct netd *netd = &server->netd;
	size_t n = 0;

	for (const struct connection *connection = server->connections; connection; connection = connection->next)
		n += connection->n_denied;
	netd->denied = xrealloc(netd->denied, n * sizeof(*netd->denied));
	netd->n_denied = 0;
	for (const struct connection *connection = server->connections; connection; connection = connection->next)
		for (size_t i = 0; i < connection->n_denied; i++) {
			const struct range *range = &connection->denied[i];
			size_t known = 0;

			while (known < netd->n_denied && (netd->denied[known].prefix != range->prefix ||
							  !address_equal(&netd->denied[known].address, &range->address)))
				known++;
			if (known == netd->n_denied)
				netd->denied[netd->n_denied++] = *range;
		}
}

static void connection_close(struct server *server, struct connection *connection);

/* Those whose end we have not been told yet: what they had must not be in the way of who comes after them. */
static void close_ended(struct server *server, const struct connection *except)
{
	struct connection *next;

	for (struct connection *connection = server->connections; connection; connection = next) {
		char byte;

		next = connection->next;
		if (connection != except && recv(connection->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
			connection_close(server, connection);
	}
}

static int find_member(struct server *server, struct connection *connection, const struct plan *plan, struct delivery *delivery,
		       struct err *err)
{
	if (connection->member) {
		if (strcmp(connection->member->id, plan->id) != 0)
			return err_setf(err, 0, "read request", "plan.container", "another container than before");
		return 0;
	}
	if (delivery->n_fds != 2)
		return err_setf(err, 0, "read request", "attach", "without the namespace and its socket");
	close_ended(server, connection);
	for (const struct member *member = server->netd.members; member; member = member->next)
		if (strcmp(member->id, plan->id) == 0)
			return err_setf(err, EEXIST, "connect container", plan->id, "it is connected already");
	connection->member = member_new(&server->netd, plan->id, delivery->fds[0], delivery->fds[1]);
	delivery->n_fds = 0;
	return 0;
}

static int attach(struct server *server, struct connection *connection, json_t *request, struct delivery *delivery)
{
	autofree uint16_t *held = NULL;
	struct plan *plan = NULL;
	struct err err = { 0 };
	struct range *denied = NULL;
	json_t *json, *held_list = NULL, *deny = NULL;
	size_t n_held = 0, n_denied = 0;
	const char *verb;
	int version;
	int r = request_unpack(request, &err, "attach", "{s:i,s:s,s:o,s?o,s?o!}", "v", &version, "do", &verb, "plan", &json, "held",
			       &held_list, "deny", &deny);

	if (r == 0 && server->unfit.step[0])
		return answer_error(connection->watch.fd, &server->unfit);
	if (r == 0)
		r = take_held(held_list, &held, &n_held, &err);
	if (r == 0 && deny)
		r = plan_ranges(deny, "deny", &denied, &n_denied, &err);
	if (r == 0)
		r = plan_parse(json, &plan, &err);
	if (r == 0) {
		r = find_member(server, connection, plan, delivery, &err);
		if (r < 0)
			plan_free(plan);
	}
	if (r == 0)
		r = member_apply(&server->netd, connection->member, plan, held, n_held, &err);
	if (r == 0 && deny) {
		free(connection->denied);
		connection->denied = denied;
		connection->n_denied = n_denied;
		denied = NULL;
		collect_denied(server);
	}
	free(denied);
	if (r < 0)
		return answer_error(connection->watch.fd, &err);
	return answer(connection->watch.fd, json_pack("{s:{s:o}}", "ok", "ports", member_ports(connection->member)),
		      factory_netns(&server->netd));
}

/* ---- status ---- */

static json_t *describe_features(const struct server *server)
{
	const struct features *features = &server->netd.features;
	json_t *why = json_array();

	for (size_t i = 0; i < sizeof(features->why) / sizeof(*features->why); i++)
		if (features->why[i][0])
			json_array_append_new(why, json_string(features->why[i]));
	return json_pack("{s:b,s:b,s:b,s:b,s:b,s:o}", "tproxy", features->tproxy, "hold", features->hold, "ipv6", features->ipv6,
			 "echo4", features->echo4, "echo6", features->echo6, "why", why);
}

static json_t *describe_address(const struct address *address)
{
	char text[INET6_ADDRSTRLEN];

	if (!address->family)
		return json_null();
	address_print(address, text);
	return json_string(text);
}

static json_t *describe_endpoint(struct netd *netd, const struct endpoint *endpoint)
{
	struct traffic traffic = { 0 };

	bridge_traffic(netd, endpoint, &traffic); /* a container that is just ending has none */
	return json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "network", endpoint->network->id, "interface",
		endpoint->interface, "ipv4", describe_address(&endpoint->v4), "ipv6", describe_address(&endpoint->v6),
		"rxBytes", (json_int_t)traffic.rx_bytes, "rxPackets", (json_int_t)traffic.rx_packets,
		"rxErrors", (json_int_t)traffic.rx_errors, "rxDropped", (json_int_t)traffic.rx_dropped,
		"txBytes", (json_int_t)traffic.tx_bytes, "txPackets", (json_int_t)traffic.tx_packets,
		"txErrors", (json_int_t)traffic.tx_errors, "txDropped", (json_int_t)traffic.tx_dropped);
}

/* Proportional set size of PID ("self" too), 0 where it is not told. */
static json_int_t pss_bytes(const char *pid)
{
	autofree char *path = xasprintf("/proc/%s/smaps_rollup", pid), *text = NULL;
	const char *line;

	if (read_file_at(AT_FDCWD, path, &text, 1 << 16) < 0)
		return 0;
	line = strstr(text, "\nPss:");
	return line ? (json_int_t)strtoll(line + 5, NULL, 10) * 1024 : 0;
}

static json_t *describe(struct server *server)
{
	json_t *containers = json_array(), *status;
	char factory[16] = "0";

	for (const struct member *member = server->netd.members; member; member = member->next) {
		json_t *endpoints = json_array();

		for (const struct endpoint *endpoint = member->endpoints; endpoint; endpoint = endpoint->next)
			json_array_append_new(endpoints, describe_endpoint(&server->netd, endpoint));
		json_array_append_new(containers, json_pack("{s:s,s:s,s:o,s:o}", "id", member->id, "name", member->name,
			"endpoints", endpoints, "ports", member_ports(member)));
	}
	if (server->netd.factory)
		snprintf(factory, sizeof(factory), "%d", (int)factory_pid(&server->netd));
	status = json_pack("{s:i,s:i,s:o,s:I,s:o}", "v", NETD_PROTOCOL, "pid", (int)getpid(), "features", describe_features(server),
			   "pssBytes", pss_bytes("self") + pss_bytes(factory), "containers", containers);
	if (server->unfit.step[0])
		json_object_set_new(status, "error", facts(&server->unfit));
	return status;
}

/* The status may be longer than a message, and its reader slow: it goes into a memfd. */
static int answer_status(struct server *server, int socket)
{
	json_t *status = describe(server);
	autofree char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;
	autoclose int fd = memfd_create("netd-status", MFD_CLOEXEC);
	int r = !text ? -ENOMEM : fd < 0 ? -errno : write_all(fd, text, strlen(text));

	json_decref(status);
	if (r < 0) {
		struct err err;

		err_set(&err, -r, "describe networks", "");
		return answer_error(socket, &err);
	}
	return answer(socket, json_pack("{s:{s:I}}", "ok", "bytes", (json_int_t)strlen(text)), fd);
}

/* ---- connections ---- */

static void leave(struct server *server);

static void drop_delivery(struct delivery *delivery)
{
	while (delivery->n_fds > 0)
		close(delivery->fds[--delivery->n_fds]);
	free(delivery->text);
	delivery->text = NULL;
}

/* Return: 1, 0 at the end of the connection, -EAGAIN, or another -errno. */
static int receive(int socket, struct delivery *out)
{
	struct iovec io = { .iov_base = NULL, .iov_len = NETD_MESSAGE_BYTES + 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	*out = (struct delivery){ .text = xmalloc(NETD_MESSAGE_BYTES + 1) };
	io.iov_base = out->text;
	do {
		n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && message.msg_controllen >= CMSG_LEN(0) && control.header.cmsg_type == SCM_RIGHTS) {
		int count = (int)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int)), fds[8];

		memcpy(fds, CMSG_DATA(&control.header), (size_t)count * sizeof(int));
		for (int i = 0; i < count; i++) {
			if (i < 2)
				out->fds[out->n_fds++] = fds[i];
			else
				close(fds[i]);
		}
	}
	if (n <= 0) {
		int code = errno;

		drop_delivery(out);
		return n == 0 ? 0 : -code;
	}
	out->len = (size_t)n;
	out->oversized = (message.msg_flags & MSG_TRUNC) || n > NETD_MESSAGE_BYTES;
	return 1;
}

static int refuse(int socket, struct err *err, const char *object, const char *why)
{
	err_setf(err, 0, "read request", object, "%s", why);
	answer_error(socket, err);
	return -EPROTO; /* who speaks another language is not listened to any longer */
}

static int act(struct server *server, struct connection *connection, struct delivery *delivery)
{
	int socket = connection->watch.fd, r;
	struct err err = { 0 };
	json_error_t why;
	json_t *request, *version;
	const char *verb;

	if (delivery->oversized)
		return refuse(socket, &err, "netd", "the message is longer than 128 KiB");
	request = json_loadb(delivery->text, delivery->len, JSON_REJECT_DUPLICATES, &why);
	free(delivery->text); /* before anything is made of it: the plan is in memory once */
	delivery->text = NULL;
	if (!json_is_object(request)) {
		json_decref(request);
		return refuse(socket, &err, "netd", "not a JSON object");
	}
	version = json_object_get(request, "v");
	verb = json_string_value(json_object_get(request, "do"));
	if (!json_is_integer(version) || json_integer_value(version) != NETD_PROTOCOL) {
		err_setf(&err, 0, "read request", "netd",
			 "protocol %lld is asked for, and %d is spoken by the process that serves the running containers",
			 json_is_integer(version) ? (long long)json_integer_value(version) : -1, NETD_PROTOCOL);
		answer_error(socket, &err);
		r = -EPROTO;
	} else if (verb && strcmp(verb, "attach") == 0) {
		r = attach(server, connection, request, delivery);
	} else if (verb && strcmp(verb, "status") == 0) {
		r = answer_status(server, socket);
	} else {
		r = refuse(socket, &err, "do", "unknown");
	}
	json_decref(request);
	return r;
}

static void connection_close(struct server *server, struct connection *connection)
{
	struct connection **at = &server->connections;

	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	server->n_connections--;
	loop_unwatch(&server->netd, &connection->watch);
	close(connection->watch.fd);
	if (connection->member)
		member_remove(&server->netd, connection->member);
	free(connection->denied);
	collect_denied(server);
	loop_free(&server->netd, connection);
	if (server->n_connections == 0 && !server->leaving)
		timer_set(&server->netd, &server->linger, LINGER_MS);
}

static void connection_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct connection *connection = container_of(watch, struct connection, watch);
	struct server *server = server_of(netd);
	struct delivery delivery;
	int r = receive(watch->fd, &delivery);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r > 0) {
		r = act(server, connection, &delivery);
		drop_delivery(&delivery);
		if (r >= 0)
			return;
	}
	connection_close(server, connection);
}

/* Return: true while there may be more. */
static bool accept_one(struct server *server)
{
	int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *connection;

	if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
		return true;
	if (fd < 0 && errno != EAGAIN) {
		loop_unwatch(&server->netd, &server->listener);
		timer_set(&server->netd, &server->pause, ACCEPT_PAUSE_MS);
	}
	if (fd < 0)
		return false;
	if (!wire_peer_allowed(fd) || server->n_connections >= CONNECTIONS_LIMIT) {
		close(fd);
		return true;
	}
	connection = xcalloc(1, sizeof(*connection));
	connection->watch = (struct watch){ .fd = fd, .ready = connection_ready };
	if (loop_watch(&server->netd, &connection->watch, EPOLLIN) < 0) {
		close(fd);
		free(connection);
		return true;
	}
	connection->next = server->connections;
	server->connections = connection;
	server->n_connections++;
	timer_clear(&server->netd, &server->linger);
	return true;
}

static void listener_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	for (int i = 0; i < 64 && accept_one(server_of(netd)); i++)
		;
}

static void listen_again(struct netd *netd, struct timer *timer)
{
	struct server *server = container_of(timer, struct server, pause);

	if (!server->leaving)
		loop_watch(netd, &server->listener, EPOLLIN);
}

/* ---- the end ---- */

/* Only with the lock held: nobody can have put another netd's socket there. */
static void leave(struct server *server)
{
	server->leaving = true;
	unlink(server->socket_path);
	loop_stop(&server->netd);
}

static void lingered(struct netd *netd, struct timer *timer)
{
	struct server *server = container_of(timer, struct server, linger);

	if (flock(server->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		timer_set(netd, timer, LINGER_MS); /* someone starts, or wants to start, a netd, and finds us */
		return;
	}
	listener_ready(netd, &server->listener, EPOLLIN);
	if (server->n_connections == 0)
		leave(server);
	flock(server->lock_fd, LOCK_UN);
}

/* SIGTERM: the bridges stay, and so do the containers. Their supervisors start another one, which is what they are for. */
static void signalled(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct server *server = container_of(watch, struct server, signals);

	(void)netd;
	(void)events;
	flock(server->lock_fd, LOCK_EX);
	leave(server);
	flock(server->lock_fd, LOCK_UN);
}

/*
 * Somebody has removed the runtime directory. Nobody would find us, and the next netd could not take the queue of N, which only one can have: so
 * we leave, and the supervisors bring our containers to it.
 */
static void name_ready(struct netd *netd, struct watch *watch, uint32_t events)
{
	struct server *server = container_of(watch, struct server, name);
	char rest[1024];
	struct stat now;

	(void)events;
	while (read(watch->fd, rest, sizeof(rest)) > 0)
		;
	if (server->leaving || (stat(server->socket_path, &now) == 0 && now.st_ino == server->named.st_ino && now.st_dev == server->named.st_dev))
		return;
	server->leaving = true; /* what stands at the name now is another's */
	loop_stop(netd);
}

/* Without it all works but this. */
static void watch_name(struct server *server)
{
	server->name = (struct watch){ .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .ready = name_ready };
	if (server->name.fd >= 0 && stat(server->socket_path, &server->named) == 0 &&
	    inotify_add_watch(server->name.fd, server->socket_path, IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF) >= 0)
		loop_watch(&server->netd, &server->name, EPOLLIN);
}

/* ---- the beginning ---- */

static int begin_rooms(struct netd *netd, struct err *err)
{
	int r = outward_begin(netd, err);

	if (r == 0)
		r = udp_begin(netd, err);
	if (r == 0)
		r = echo_begin(netd, err);
	if (r == 0)
		r = bridge_begin(netd, err);
	if (r == 0 && !netd->features.tproxy)
		r = err_setf(err, EOPNOTSUPP, "make rules of networks", "nf_tables", "%s", netd->features.why[0]);
	if (r == 0)
		r = names_begin(netd, err);
	if (r == 0 && netd->features.hold)
		r = hold_begin(netd, err);
	return r;
}

static void set_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int watch_signals(struct server *server, struct err *err)
{
	sigset_t wanted;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* the factory */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	server->signals.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	server->signals.ready = signalled;
	r = server->signals.fd < 0 ? -errno : loop_watch(&server->netd, &server->signals, EPOLLIN);
	return r < 0 ? err_set(err, -r, "watch signals", "") : 0;
}

static int serve(struct server *server, int netns, struct err *err)
{
	struct netd *netd = &server->netd;
	int r;

	netd->loop = loop_new();
	if (!netd->loop)
		return err_set(err, errno, "create event loop", "");
	/* The kernel makes N, some milliseconds' work, while we go on. */
	if (factory_start(netd, netns, &server->unfit) == 0 && netns >= 0)
		close(netns);
	r = watch_signals(server, err);
	server->listener.ready = listener_ready;
	if (r == 0) {
		r = loop_watch(netd, &server->listener, EPOLLIN);
		if (r < 0)
			return err_set(err, -r, "watch socket", server->socket_path);
	}
	if (r < 0)
		return r;
	watch_name(server);
	netd->succeeds = netns >= 0;
	if (netd->factory && factory_ready(netd, &server->unfit) == 0)
		begin_rooms(netd, &server->unfit);
	server->linger.expired = lingered;
	server->pause.expired = listen_again;
	timer_set(netd, &server->linger, FIRST_MS);
	loop_run(netd);
	return 0;
}

/* Without so much as a loop: tell those who wait in the queue why, and leave. */
static void refuse_all(const struct server *server, const struct err *err)
{
	struct pollfd waiting = { .fd = server->listener.fd, .events = POLLIN };

	fcntl(waiting.fd, F_SETFD, FD_CLOEXEC);
	while (poll(&waiting, 1, LINGER_MS) == 1) {
		autoclose int fd = accept4(waiting.fd, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		if (fd < 0)
			break;
		if (wire_peer_allowed(fd) && recv(fd, &byte, 1, 0) > 0) /* what is not read would reach the peer as a reset */
			answer_error(fd, err);
	}
}

/*
 * Out of the scope of the container that we were started for, which is to end with that. By a process that waits for the answer in our
 * place and is nobody's child; where it gets none we stay.
 */
static void leave_scope(const char *path)
{
	const pid_t netd = getpid(), pid = fork();

	if (pid == 0 && fork() == 0) {
		autofree char *name = xasprintf("proa-netd-%d.scope", (int)netd);
		const struct bus_scope scope = { .name = name, .slice = "", .description = "networks of containers", .pids = &netd, .n_pids = 1 };
		struct bus *bus;

		syscall(SYS_close_range, 3, ~0U, 0);
		_exit(bus_open(path, BUS_PATIENCE_MS, &bus, NULL) < 0 || bus_start_scope(bus, &scope, NULL) < 0 || bus_await_scope(bus, name, NULL) < 0);
	}
	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int verb_netd(json_t *request)
{
	struct server server = { .lock_fd = -1 };
	json_t *netns_value;
	struct err err = { 0 };
	int lock_fd, netns = -1;
	const char *bus = NULL;
	int r = request_unpack(request, &err, "netd", "{s:s,s:i,s:i,s:o,s:s,s?s!}", "socket", &server.socket_path, "listenFd",
			       &server.listener.fd, "lockFd", &lock_fd, "netns", &netns_value, "resolvConf", &server.netd.resolv_conf,
			       "bus", &bus);

	title_set("proa-netd", "");
	prctl(PR_SET_NAME, "proa-netd");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (r == 0 && bus)
		leave_scope(bus);
	set_limits();
	if (r == 0) {
		autofree char *path = xasprintf("/proc/self/fd/%d", lock_fd);

		/* A description of our own: the one that we were given is also the lock of who started us. */
		server.lock_fd = open(path, O_RDWR | O_CLOEXEC);
		if (server.lock_fd < 0)
			r = err_set(&err, errno, "open lock", path);
		close(lock_fd);
	}
	if (r == 0) {
		if (json_is_integer(netns_value))
			netns = (int)json_integer_value(netns_value);
		fcntl(server.listener.fd, F_SETFD, FD_CLOEXEC);
		fcntl(server.listener.fd, F_SETFL, O_RDWR | O_NONBLOCK);
		if (netns >= 0)
			fcntl(netns, F_SETFD, FD_CLOEXEC);
		r = serve(&server, netns, &err);
	}
	if (r < 0)
		refuse_all(&server, &err);
	return r < 0 ? 1 : 0;
}

/* Called: what this kernel can do for netd, found out in a network namespace that ends with us. */
int verb_netd_probe(json_t *request)
{
	struct server server = { .lock_fd = -1 };
	struct features *features = &server.netd.features;
	struct err err = { 0 };
	int r = request_unpack(request, &err, "netd-probe", "{!}");

	if (r < 0)
		return reply_error(&err);
	server.netd.resolv_conf = "/etc/resolv.conf";
	server.netd.loop = loop_new();
	if (!server.netd.loop)
		r = err_set(&err, errno, "create event loop", "");
	if (r == 0)
		r = factory_start(&server.netd, -1, &err);
	if (r == 0)
		r = factory_ready(&server.netd, &err);
	if (r == 0)
		r = begin_rooms(&server.netd, &err);
	if (r < 0)
		features->tproxy = false;
	return reply_ok(json_pack("{s:o,s:o}", "features", describe_features(&server), "error", r < 0 ? facts(&err) : json_null()));
}
