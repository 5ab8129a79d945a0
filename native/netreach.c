#include "netreach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "live.h"
#include "net/netd.h"
#include "supervisor.h"
#include "util.h"
#include "wire.h"

#define NEIGHBOURS_MS 1000 /* for living supervisors to give us N */
#define NEIGHBOURS 64      /* asked at once */

/* Address of the socket at PATH, however long that is; *DIRECTORY is to be closed after its use. Return: its length, or -errno. */
static int socket_address(const char *path, struct sockaddr_un *address, int *directory)
{
	autofree char *parent = xstrdup(path);
	char *slash = strrchr(parent, '/');

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	*directory = open(*parent ? parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *directory < 0 ? -errno : (int)wire_address(*directory, slash + 1, address);
}

int netreach_connect(const char *path, int type)
{
	autoclose int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), directory = -1;
	struct sockaddr_un address;
	int len;

	if (fd < 0)
		return -errno;
	len = socket_address(path, &address, &directory);
	if (len < 0)
		return len;
	while (connect(fd, (struct sockaddr *)&address, (socklen_t)len) < 0)
		if (errno != EINTR)
			return -errno;
	/* The peer is who began to listen: a supervisor of ours. */
	return wire_peer_allowed(fd) ? steal_fd(&fd) : -EPERM;
}

/* A fresh socket with the name PATH, 0600 from the moment it can be found. With the lock held. Return: descriptor or -errno. */
static int listen_at(const char *path)
{
	autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), directory = -1;
	struct sockaddr_un address;
	mode_t mask;
	int len, code = 0;

	if (fd < 0)
		return -errno;
	len = socket_address(path, &address, &directory);
	if (len < 0)
		return len;
	unlink(path); /* of a netd that was killed */
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&address, (socklen_t)len) < 0 || listen(fd, 1024) < 0)
		code = errno;
	umask(mask);
	return code ? -code : steal_fd(&fd);
}

/* Become netd: only what it is to have stays open. */
static void __attribute__((noreturn)) become_netd(int request, int listener, int lock, int netns)
{
	char *argv[] = { (char *)"proa-netd", (char *)"netd", (char *)"3", NULL }, *no_environment[] = { NULL };
	int fds[] = { request, listener, lock, netns }, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	for (int i = 0; i < 4; i++) /* out of the way first: one may be another's number */
		fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0 && dup2(fds[i], 3 + i) < 0)
			_exit(1);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	syscall(SYS_close_range, netns < 0 ? 6 : 7, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	if (chdir("/") < 0)
		_exit(1);
	execve("/proc/self/exe", argv, no_environment);
	_exit(1);
}

/* Start netd on LISTENER. Return: 0, or -errno with ERR. Whether it gets along is seen by who connects. */
static int spawn_netd(const struct netreach_place *place, int listener, int lock, int netns, struct err *err)
{
	autoclose int request = memfd_create("request", MFD_CLOEXEC);
	json_t *json = json_pack("{s:s,s:i,s:i,s:o,s:s,s:s*}", "socket", place->socket, "listenFd", 4, "lockFd", 5, "netns",
				 netns < 0 ? json_null() : json_integer(6), "resolvConf", place->resolv_conf, "bus", place->bus);
	autofree char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	int r = !text ? -ENOMEM : request < 0 ? -errno : write_all(request, text, strlen(text));
	pid_t pid;

	json_decref(json);
	if (r < 0)
		return err_set(err, -r, "start netd", "");
	pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() == 0) /* nobody's child: it outlives each of us */
			become_netd(request, listener, lock, netns);
		_exit(0);
	}
	if (pid < 0)
		return err_set(err, errno, "start netd", "fork");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- N, from a supervisor that lives ---- */

struct neighbour {
	unsigned char bytes[2 * WIRE_HEADER_BYTES + 1]; /* STARTED, and NETNS_IS with its byte */
	size_t have;
};

static int ask_neighbour(int directory, const char *name)
{
	static const unsigned char question[WIRE_HEADER_BYTES] = { WIRE_NETNS };
	autofree char *state = xasprintf("%s/" LIVE_FILE, name), *socket_name = xasprintf("%s/" SUPERVISOR_SOCKET, name);
	autoclose int fd = -1;
	struct sockaddr_un address;
	socklen_t len = wire_address(directory, socket_name, &address);
	struct stat st;

	if (fstatat(directory, state, &st, 0) < 0) /* without it, it is still starting: it has no N, and cannot answer */
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0 || !wire_peer_allowed(fd) ||
	    send(fd, question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
		return -1;
	return steal_fd(&fd);
}

/* Take what has come. Return: true when nothing more is to come; *FOUND is a network namespace then, or stays -1. */
static bool hear_neighbour(int fd, struct neighbour *neighbour, int *found)
{
	int given;
	ssize_t n = wire_receive_descriptor(fd, neighbour->bytes + neighbour->have, sizeof(neighbour->bytes) - neighbour->have, 0, &given);

	if (n <= 0)
		return n != -EAGAIN;
	neighbour->have += (size_t)n;
	if (given < 0)
		return neighbour->have == sizeof(neighbour->bytes);
	if (*found < 0 && ioctl(given, NS_GET_NSTYPE) == CLONE_NEWNET)
		*found = given;
	else
		close(given);
	return true;
}

/* Ask the supervisors that live, all at once, for the N that they hold. Return: descriptor, or -1. */
static int ask_neighbours(const struct netreach_place *place)
{
	autoclose int directory = open(place->containers, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t until = monotonic_ms() + NEIGHBOURS_MS;
	struct neighbour neighbours[NEIGHBOURS] = { 0 };
	struct pollfd slots[NEIGHBOURS];
	struct dirent *entry;
	int n = 0, waiting, found = -1;
	DIR *list = directory < 0 ? NULL : fdopendir(dup(directory));

	if (!list)
		return -1;
	while (n < NEIGHBOURS && (entry = readdir(list))) {
		int fd = entry->d_name[0] == '.' || strcmp(entry->d_name, place->own) == 0 ? -1 : ask_neighbour(directory, entry->d_name);

		if (fd >= 0)
			slots[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	closedir(list);
	for (waiting = n; waiting > 0 && found < 0;) {
		int64_t left = until - monotonic_ms();

		if (left <= 0 || poll(slots, (nfds_t)n, (int)left) == 0)
			break;
		for (int i = 0; i < n; i++)
			if (slots[i].fd >= 0 && slots[i].revents && hear_neighbour(slots[i].fd, &neighbours[i], &found)) {
				close_fd(&slots[i].fd);
				waiting--;
			}
	}
	for (int i = 0; i < n; i++)
		close_fd(&slots[i].fd);
	return found;
}

/* ---- the connection ---- */

bool netreach_is_nobody(int code)
{
	return code == -ENOENT || code == -ECONNREFUSED;
}

/* With the lock held and nobody behind the socket. Return: a connection, or -errno with ERR. */
static int start_netd(const struct netreach_place *place, int lock, int netns, struct err *err)
{
	autoclose int given = netns >= 0 ? -1 : ask_neighbours(place), listener = listen_at(place->socket);
	int r;

	if (listener < 0)
		return err_set(err, -listener, "listen for containers", place->socket);
	r = spawn_netd(place, listener, lock, netns >= 0 ? netns : given, err);
	if (r < 0)
		return r;
	r = netreach_connect(place->socket, SOCK_SEQPACKET); /* waits in its queue */
	return r < 0 ? err_set(err, -r, "connect to netd", place->socket) : r;
}

int netreach(const struct netreach_place *place, int netns, struct err *err)
{
	int fd = netreach_connect(place->socket, SOCK_SEQPACKET);
	autoclose int lock = -1;

	if (fd >= 0)
		return fd;
	if (!netreach_is_nobody(fd))
		return err_set(err, -fd, "connect to netd", place->socket);
	lock = open(place->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return err_set(err, errno, "open lock", place->lock);
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "lock", place->lock);
	fd = netreach_connect(place->socket, SOCK_SEQPACKET);
	if (netreach_is_nobody(fd))
		fd = start_netd(place, lock, netns, err);
	else if (fd < 0)
		err_set(err, -fd, "connect to netd", place->socket);
	flock(lock, LOCK_UN); /* netd has this description, too: closing would not do it */
	return fd;
}

void netreach_facts(json_t *facts, struct err *err)
{
	const char *step = "", *object = "", *name = "", *detail = "";
	int status = 0, code = 0;

	json_unpack(facts, "{s?s,s?s,s?s,s?s,s?i}", "step", &step, "object", &object, "errno", &name, "detail", &detail, "exit", &status);
	for (int i = 1; i < 200 && *name; i++)
		if (strcmp(err_name(i), name) == 0) {
			code = i;
			break;
		}
	err_setf(err, code, step, object, "%s", detail);
	err->exit = status;
}

int netreach_answer(int socket, int flags, json_t **reply, int *fd, struct err *err)
{
	autofree char *text = xmalloc(NETD_MESSAGE_BYTES);
	ssize_t n = wire_receive_descriptor(socket, text, NETD_MESSAGE_BYTES, flags, fd);
	json_t *json, *ok, *facts;

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return 0; /* a connection that is reset has ended as well */
	json = json_loadb(text, (size_t)n, 0, NULL);
	ok = json_object_get(json, "ok");
	facts = json_object_get(json, "error");
	if (ok) {
		*reply = json_incref(ok);
		json_decref(json);
		return 1;
	}
	close_fd(fd);
	if (json_is_object(facts))
		netreach_facts(facts, err);
	else
		err_setf(err, EPROTO, "connect container", "netd", "its answer is not understood");
	json_decref(json);
	return err->code && err->code != EAGAIN ? -err->code : -EINVAL;
}
