#include "initial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seal.h"
#include "util.h"

#define HANDOVER 64 /* the signal that init/init.c waits for: SIGRTMAX of the kernel */

/* The program that `make` has built, in the helper itself. */
__asm__(".section .rodata\n"
	".globl initial_program, initial_program_size\n"
	"\t.balign 8\n"
	"initial_program_size:\n"
	"\t.quad 1f - initial_program\n"
	"initial_program:\n"
	"\t.incbin \"" INITIAL_PROGRAM "\"\n"
	"1:\n"
	".previous\n");
extern const char initial_program[];
extern const uint64_t initial_program_size;

int initial_open(const char *path, struct err *err)
{
	autofree char *text = NULL;
	ssize_t length;

	if (!path)
		return seal_copy("init", initial_program, initial_program_size, err);
	length = read_file_at(AT_FDCWD, path, &text, INITIAL_LIMIT);
	if (length < 0)
		return err_set(err, (int)-length, "open init", path);
	return seal_copy("init", text, (size_t)length, err);
}

/* What a shell does with a job: its own group, and the terminal if there is one. */
static void begin_job(void)
{
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN); /* we are not in the terminal's foreground yet */
	tcsetpgrp(STDIN_FILENO, getpid());
	signal(SIGTTOU, SIG_DFL);
}

pid_t initial_fork(struct err *err)
{
	sigset_t all, before;
	int death_signal = 0, ends[2]; /* of a pipe that the parent closes by becoming the init */
	char nothing;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "create pipe", "init");
	prctl(PR_GET_PDEATHSIG, &death_signal);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid < 0) {
		int code = errno;

		sigprocmask(SIG_SETMASK, &before, NULL);
		return err_set(err, code, "fork", "init");
	}
	if (pid == 0) {
		/* Where it shares a pid namespace it would outlive an init that is killed. */
		prctl(PR_SET_PDEATHSIG, death_signal);
		begin_job();
		close(ends[1]);
		while (read(ends[0], &nothing, 1) < 0 && errno == EINTR)
			; /* the program is to find its init */
		close(ends[0]);
		sigprocmask(SIG_SETMASK, &before, NULL);
	} else {
		close(ends[0]);
	}
	return pid;
}

int initial_become(int fd, char *const *args, char *const *env, pid_t program, struct err *err)
{
	size_t n = 0;

	while (args[n])
		n++;
	char **argv = xcalloc(n + 3, sizeof(*argv));
	argv[0] = (char *)INITIAL_NAME;
	argv[1] = (char *)"--";
	memcpy(argv + 2, args, n * sizeof(*argv));
	if (program > 0 && sigqueue(getpid(), HANDOVER, (union sigval){ .sival_int = program }) < 0)
		return err_set(err, errno, "hand program to init", INITIAL_NAME);
	syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
	int code = errno;
	free(argv);
	return err_setf(err, code, "execute init", INITIAL_NAME, "%s",
			code == ENOENT ? "a script, or its interpreter is not in the container" : "");
}
