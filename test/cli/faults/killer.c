/*
 * killer WHOM N COMMAND…: run COMMAND, which becomes proa's helper, and kill -9 its supervisor (s), its foreground (f) or both (b) at the N-th
 * system call that the supervisor makes; entries and returns count. With N 0 nothing is killed. Prints `calls COUNT` on stderr; the status is
 * the foreground's, 128 + the signal where it was killed.
 *
 * The supervisor's own children are not traced: a traced newuidmap has no rights.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t foreground, supervisor;
static long calls, deadly;
static char whom;
static bool is_helper;

static bool runs_helper(pid_t pid)
{
	char path[64], exe[512] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, exe, sizeof(exe) - 1) > 0 && strstr(exe, "proa-helper");
}

/* Act on a stop of PID. Return: the request that lets it go on. */
static enum __ptrace_request stopped(pid_t pid, int status, long *deliver)
{
	int number = WSTOPSIG(status), event = status >> 16;
	unsigned long child = 0;

	*deliver = 0;
	if (pid == supervisor && number == (SIGTRAP | 0x80)) {
		if (++calls == deadly) {
			if (whom != 'f')
				kill(supervisor, SIGKILL);
			if (whom != 's')
				kill(foreground, SIGKILL);
		}
		return PTRACE_SYSCALL;
	}
	if (event == PTRACE_EVENT_EXEC && pid == foreground && runs_helper(pid)) {
		is_helper = true;
		ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
	} else if ((event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE) && pid == foreground && supervisor == 0) {
		ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
		supervisor = (pid_t)child;
		ptrace(PTRACE_SETOPTIONS, pid, 0, 0);
		waitpid(supervisor, NULL, __WALL); /* its first stop */
		ptrace(PTRACE_SETOPTIONS, supervisor, 0, PTRACE_O_TRACESYSGOOD);
		ptrace(PTRACE_SYSCALL, supervisor, 0, 0);
	} else if (event == 0 && number != (SIGTRAP | 0x80) && number != SIGTRAP) {
		*deliver = number;
	}
	return pid == supervisor ? PTRACE_SYSCALL : PTRACE_CONT;
}

int main(int argc, char **argv)
{
	int status, result = 125;
	long deliver;
	pid_t pid;

	if (argc < 4)
		return 2;
	whom = argv[1][0];
	deadly = atol(argv[2]);
	foreground = fork();
	if (foreground == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	waitpid(foreground, &status, 0);
	ptrace(PTRACE_SETOPTIONS, foreground, 0, PTRACE_O_TRACEEXEC);
	ptrace(PTRACE_CONT, foreground, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status)) {
			enum __ptrace_request request = stopped(pid, status, &deliver);

			ptrace(request, pid, 0, deliver);
		} else if (pid == foreground) {
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
	fprintf(stderr, "calls %ld\n", calls);
	return result;
}
