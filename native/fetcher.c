#include "fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "title.h"
#include "util.h"

#define FIRST_PAUSE_MS 1000  /* from one start to the next, doubled each time */
#define LONGEST_PAUSE_MS 15000
#define PIPE_FD 3

extern char **environ;

struct keeper {
	char **argv;
	const char *request; /* what the fetcher is told on its standard input */
	pid_t child;         /* 0: none yet */
	int64_t pause_ms, next_ms;
};

/* Its command line is about to become something else, and the environment's room with it. */
static void keep_environment(void)
{
	for (char **variable = environ; *variable; variable++)
		*variable = xstrdup(*variable);
}

static void __attribute__((noreturn)) become_fetcher(const struct keeper *keeper)
{
	int request = memfd_create("request", MFD_CLOEXEC);

	if (request < 0 || write_all(request, keeper->request, strlen(keeper->request)) < 0 || lseek(request, 0, SEEK_SET) < 0 ||
	    dup2(request, STDIN_FILENO) < 0)
		_exit(127);
	setsid();
	execv(keeper->argv[0], keeper->argv);
	_exit(127);
}

/* Somebody needs it: start it, unless it is at work, or was started a moment ago and has failed. */
static void see_to_it(struct keeper *keeper)
{
	const int64_t now = monotonic_ms();

	if ((keeper->child > 0 && waitpid(keeper->child, NULL, WNOHANG) == 0) || now < keeper->next_ms)
		return;
	if (keeper->pause_ms == 0 || now - keeper->next_ms > LONGEST_PAUSE_MS)
		keeper->pause_ms = FIRST_PAUSE_MS;
	keeper->child = fork();
	if (keeper->child == 0)
		become_fetcher(keeper);
	keeper->next_ms = now + keeper->pause_ms;
	keeper->pause_ms = keeper->pause_ms * 2 < LONGEST_PAUSE_MS ? keeper->pause_ms * 2 : LONGEST_PAUSE_MS;
}

static void __attribute__((noreturn)) keep(struct keeper *keeper, const char *image, int end)
{
	char words[64];
	ssize_t n;

	/* Not the run directory's lock, nor clients. */
	if (dup2(end, PIPE_FD) < 0 || syscall(SYS_close_range, PIPE_FD + 1, ~0U, 0) < 0)
		_exit(1);
	fcntl(PIPE_FD, F_SETFD, FD_CLOEXEC);
	process_reset_signals();
	keep_environment();
	prctl(PR_SET_NAME, "proa-keeper");
	title_set("proa-keeper", image);
	while ((n = read(PIPE_FD, words, sizeof(words))) != 0)
		if (n > 0)
			see_to_it(keeper);
		else if (errno != EINTR)
			break;
	_exit(0);
}

/* LIST as a program's arguments, NULL where it is none. The strings are LIST's. */
static char **arguments_of(json_t *list)
{
	char **argv;
	json_t *word;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0)
		return NULL;
	argv = xcalloc(json_array_size(list) + 1, sizeof(*argv));
	json_array_foreach(list, i, word) {
		argv[i] = (char *)json_string_value(word);
		if (!argv[i]) {
			free(argv);
			return NULL;
		}
	}
	return argv;
}

int fetcher_keep(json_t *rootfs)
{
	const char *directory = NULL;
	struct keeper keeper = { 0 };
	json_t *words = NULL;
	int ends[2];
	pid_t pid;

	if (json_unpack(rootfs, "{s:{s:s,s:{s:o,s:s}}}", "lazy", "directory", &directory, "fetcher", "args", &words, "request",
			&keeper.request) < 0)
		return -1;
	keeper.argv = arguments_of(words);
	if (!keeper.argv || pipe2(ends, O_CLOEXEC) < 0) {
		free(keeper.argv);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		keep(&keeper, strrchr(directory, '/') ? strrchr(directory, '/') + 1 : directory, ends[0]);
	free(keeper.argv);
	close(ends[0]);
	if (pid < 0)
		close_fd(&ends[1]);
	else
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
	return ends[1];
}
