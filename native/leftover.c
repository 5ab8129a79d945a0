#include "leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "userns.h"
#include "util.h"

#define ROUNDS 1000 /* of 1 ms: one that forks faster than it is killed is given up */

ino_t leftover_mark(pid_t pid)
{
	char path[40];
	struct stat st;

	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/self/ns/mnt");
	else
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* Kill PID if it is in the namespace. Return: whether it was. */
static bool kill_one(pid_t pid, ino_t mark)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	/* Looked at when it is held: before, the number may have become another's. */
	if (pidfd < 0 || leftover_mark(pid) != mark)
		return false;
	return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

static int kill_all(void *data)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const ino_t mark = *(const ino_t *)data;

	for (int round = 0; round < ROUNDS; round++) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;
		bool found = false;

		if (!proc)
			return 1;
		while ((entry = readdir(proc)))
			if (entry->d_name[0] > '0' && entry->d_name[0] <= '9' && kill_one((pid_t)atoi(entry->d_name), mark))
				found = true;
		closedir(proc);
		if (!found)
			return 0;
		nanosleep(&pause, NULL);
	}
	return 1;
}

void leftover_kill(ino_t mark, int userns_fd)
{
	if (mark == 0)
		return;
	if (userns_fd >= 0)
		userns_enter_and_run(userns_fd, kill_all, &mark, NULL);
	else
		kill_all(&mark);
}
