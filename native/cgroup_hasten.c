/*
 * cgroup_hasten: what the first move of a process into a control group waits for, begun while there is something else to do.
 *
 * The kernel lets processes be moved, by whomever, when a grace period of RCU has passed since it was asked to: 5 to 20 ms, with nothing at work. For as long again, others are moved at once.
 * Whether the move is allowed is looked at afterwards. So a child asks to be moved again and again, to where it is or where it may not go.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_group.h"
#include "cgroup_internal.h"
#include "util.h"
#include "verbs.h"

#define TIMES 100
#define PAUSE_MS 2 /* shorter than the shortest grace period */

/* `cgroup.procs` of a group of version 2 that takes nobody who asks from ours. Return: -1 where there is none. */
static int open_harmless(void)
{
	autofree char *own = group_of(getpid(), GROUP_ROOT), *file = NULL, *managers = NULL;
	struct statfs fs;
	int fd;

	if (!own || statfs(GROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return -1;
	file = xasprintf("%s/cgroup.procs", own);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	/* That of a login, which is root's: nobody leaves it for the one that is the user's manager's. */
	managers = xasprintf(GROUP_ROOT "/user.slice/user-%u.slice/user@%u.service", (unsigned)geteuid(), (unsigned)geteuid());
	if (strncmp(own, managers, strlen(managers)) == 0)
		return -1;
	free(file);
	file = xasprintf("%s/cgroup.procs", managers);
	return open(file, O_WRONLY | O_CLOEXEC);
}

/* That of a directory which is the user's: the child goes there, and ends there. */
static int open_any(json_t *parents)
{
	const char *controller;
	json_t *parent;

	json_object_foreach(parents, controller, parent) {
		autofree char *file = xasprintf("%s/cgroup.procs", json_string_value(parent));
		int fd = open(file, O_WRONLY | O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

/* Until the other end of stdin is closed, where it is a pipe; not for long in any case. */
static void __attribute__((noreturn)) ask_to_be_moved(int fd)
{
	struct pollfd slot = { .fd = STDIN_FILENO }; /* of /dev/null there is nothing to be told */

	/* Nothing of the supervisor's, above all not its lock. */
	if (dup2(fd, STDOUT_FILENO) < 0 || syscall(SYS_close_range, STDOUT_FILENO + 1, ~0U, 0) < 0)
		_exit(1);
	for (int i = 0; i < TIMES; i++) {
		if (write(STDOUT_FILENO, "0", 1) < 0 && errno == ENODEV)
			break;
		if (poll(&slot, 1, PAUSE_MS) > 0)
			break;
	}
	_exit(0);
}

void cgroup_hasten(struct cgroup *cgroup)
{
	autoclose int fd = cgroup->manager == CGROUP_V1 ? open_any(cgroup->parents) : open_harmless();

	if (fd < 0)
		return;
	cgroup_hasten_reap(cgroup); /* of a start that has failed */
	cgroup->hastener = fork();
	if (cgroup->hastener == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ask_to_be_moved(fd);
	}
}

int verb_hasten(void)
{
	autoclose int fd = open_harmless();
	const pid_t pid = fd < 0 ? -1 : fork();

	if (pid == 0) {
		setsid(); /* no signal of the terminal's is meant for it */
		ask_to_be_moved(fd);
	}
	return pid < 0;
}

void cgroup_hasten_no_more(struct cgroup *cgroup)
{
	if (cgroup->hastener > 0)
		kill(cgroup->hastener, SIGKILL);
}

void cgroup_hasten_reap(struct cgroup *cgroup)
{
	cgroup_hasten_no_more(cgroup);
	if (cgroup->hastener > 0)
		while (waitpid(cgroup->hastener, NULL, 0) < 0 && errno == EINTR)
			;
	cgroup->hastener = 0;
}
