#include "netoffer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "namespaces.h"
#include "settings.h"
#include "stage.h"
#include "util.h"

int netoffer_send(int socket_fd, struct err *err)
{
	static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct stage_message netns = { .kind = STAGE_NETNS }, netlink = { .kind = STAGE_NETLINK };
	autoclose int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), routes = -1;

	if (fd < 0)
		return err_set(err, errno, "open network namespace", "/proc/self/ns/net");
	routes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	/* Connected: a process of the container with CAP_NET_ADMIN could otherwise answer netd in the kernel's place. */
	if (routes < 0 || connect(routes, (const void *)&kernel, sizeof(kernel)) < 0)
		return err_set(err, errno, "open netlink socket", "");
	if (stage_send(socket_fd, &netns, fd) < 0 || stage_send(socket_fd, &netlink, routes) < 0)
		return err_setf(err, 0, "connect container", "", "the supervisor is gone");
	return 0;
}

static int make(const char *path, int socket_fd, struct err *err)
{
	autoclose int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	int r = namespaces_unshare(CLONE_NEWNET, err);

	if (r == 0)
		r = settings_loopback(err);
	if (r == 0 && mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		r = err_set(err, errno, "keep network namespace", path);
	return r == 0 ? netoffer_send(socket_fd, err) : r;
}

int netoffer_make(const char *path, int socket_fd, struct err *err)
{
	/* In a child: there would be no way back to the one that we are in. */
	struct stage_message failed = { .kind = STAGE_FAILED };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (make(path, socket_fd, &failed.err) == 0)
			_exit(0);
		stage_send(socket_fd, &failed, -1);
		_exit(1);
	}
	if (pid < 0)
		return err_set(err, errno, "fork", "");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "wait for child process", "");
	/* Its own words came before. */
	return status == 0 ? 0 : err_setf(err, 0, "create network namespace", "", "its process failed");
}

int netoffer_await(int socket_fd, struct err *err)
{
	struct stage_message message = { .kind = STAGE_CONNECTED };
	int fd;

	if (stage_send(socket_fd, &message, -1) < 0 || stage_receive(socket_fd, &message, &fd) != 1 || message.kind != STAGE_GO)
		return err_setf(err, 0, "wait for network", "", "the supervisor is gone");
	return 0;
}
