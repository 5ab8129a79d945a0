#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "container.h"
#include "family.h"
#include "util.h"

#define CHUNK_BYTES 4096
#define ENDING_MS 100 /* a container's end kills the probe first, and is seen a moment later */

static volatile sig_atomic_t cancelled;

static void cancel(int number)
{
	(void)number;
	cancelled = 1;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void probe_separate(const int *keep)
{
	static const int defaults[] = { SIGHUP, SIGINT, SIGQUIT, SIGXFSZ, SIGTSTP, SIGUSR1, SIGUSR2 };
	const struct sigaction action = { .sa_handler = cancel }; /* poll(2) is to return */
	unsigned int from = STDERR_FILENO + 1;
	int sorted[8] = { 0 }, n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		signal(defaults[i], SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	while (*keep >= 0)
		sorted[n++] = *keep++;
	qsort(sorted, (size_t)n, sizeof(*sorted), compare);
	for (int i = 0; i < n; i++) {
		if ((unsigned int)sorted[i] > from)
			close_range(from, (unsigned int)sorted[i] - 1, 0);
		if ((unsigned int)sorted[i] >= from)
			from = (unsigned int)sorted[i] + 1;
	}
	close_range(from, ~0U, 0);
}

/* As a Go program prints a duration, which is how people know it. */
static char *duration(int64_t ms)
{
	int64_t seconds = ms / 1000;

	if (ms % 1000 || ms == 0)
		return ms < 1000 ? xasprintf("%lldms", (long long)ms) : xasprintf("%lld.%03llds", (long long)seconds, (long long)ms % 1000);
	if (seconds < 60)
		return xasprintf("%llds", (long long)seconds);
	if (seconds < 3600)
		return xasprintf("%lldm%llds", (long long)seconds / 60, (long long)seconds % 60);
	return xasprintf("%lldh%lldm%llds", (long long)seconds / 3600, (long long)seconds / 60 % 60, (long long)seconds % 60);
}

struct capture {
	char *text;
	size_t length, limit;
	bool cut;
};

/* Read what there is. Return: false at the end of the pipe. */
static bool take(int fd, struct capture *capture)
{
	char chunk[CHUNK_BYTES];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		size_t fits = capture->limit - capture->length < (size_t)n ? capture->limit - capture->length : (size_t)n;
		capture->cut = capture->cut || fits < (size_t)n;
		capture->text = xrealloc(capture->text, capture->length + fits + 4);
		memcpy(capture->text + capture->length, chunk, fits);
		capture->length += fits;
		if (cancelled)
			return true;
	}
}

static int launch(const struct probe_plan *plan, int *pipe_fd, pid_t *pid, int *pidfd, struct err *err)
{
	struct join_request request = { .pid = plan->pid, .pidfd = plan->pidfd, .run_dir = plan->run_dir,
					.seccomp_cache = plan->seccomp_cache, .keeps_orphans = true };
	autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC), writer = -1;
	struct bundle *bundle = NULL;
	int ends[2], console = -1, r = bundle_load(plan->bundle, &bundle, err);
	json_t *process = json_loads(plan->process, 0, NULL);

	if (r == 0 && (null < 0 || pipe2(ends, O_CLOEXEC) < 0))
		r = err_set(err, errno, "create pipe", "");
	if (r == 0) {
		*pipe_fd = ends[0];
		writer = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		fchmod(writer, 0666); /* as relay.c has it: /dev/stdout is opened by this inode */
		request.bundle = bundle;
		request.process = process;
		request.stdio[0] = null;
		request.stdio[1] = request.stdio[2] = writer;
		r = container_join(&request, pid, pidfd, &console, err);
	}
	json_decref(process);
	if (bundle)
		bundle_free(bundle);
	return r;
}

/* Until it has ended: true. False: its time is up, or it was cancelled. */
static bool await_end(int pidfd, int *pipe_fd, struct capture *capture, int64_t deadline)
{
	while (!cancelled) {
		struct pollfd slots[] = { { .fd = pidfd, .events = POLLIN }, { .fd = *pipe_fd, .events = POLLIN } };
		int64_t left = deadline - monotonic_ms();

		if (left <= 0)
			return false;
		if (poll(slots, 2, left > 60000 ? 60000 : (int)left) <= 0)
			continue;
		if (slots[1].revents && !take(*pipe_fd, capture))
			close_fd(pipe_fd);
		if (slots[0].revents)
			return true;
	}
	return false;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return PROBE_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool container_ends(const struct probe_plan *plan)
{
	struct pollfd end = { .fd = plan->pidfd, .events = POLLIN };

	return poll(&end, 1, ENDING_MS) != 0;
}

static void set_output(struct probe_outcome *out, char *text)
{
	out->output = text;
	out->length = strlen(text);
}

static void describe(const struct err *err, struct probe_outcome *out)
{
	const char *why = err->detail[0] ? err->detail : err->code ? strerror(err->code) : "failed";

	out->exit_code = PROBE_FAILED;
	set_output(out, xasprintf("%s: %s: %s", err->step, err->object, why));
}

void probe_run(const struct probe_plan *plan, struct probe_outcome *out)
{
	struct capture capture = { .limit = plan->output_limit };
	const int64_t deadline = monotonic_ms() + plan->timeout_ms;
	struct err err = { 0 };
	int pipe_fd = -1, pidfd = -1;
	pid_t pid;

	*out = (struct probe_outcome){ .exit_code = PROBE_FAILED };
	clock_gettime(CLOCK_REALTIME, &out->start);
	if (launch(plan, &pipe_fd, &pid, &pidfd, &err) < 0) {
		describe(&err, out);
		out->counts = !cancelled && !container_ends(plan);
		goto end;
	}
	bool ended = await_end(pidfd, &pipe_fd, &capture, deadline);
	if (!ended)
		family_signal(pid, FAMILY_DESCENT, false, SIGKILL);
	out->exit_code = reap(pid);
	if (pipe_fd >= 0)
		take(pipe_fd, &capture); /* what it left behind; who else holds the pipe is not waited for */
	out->counts = !cancelled && !(ended && out->exit_code == 128 + SIGKILL && container_ends(plan));
	if (capture.cut) {
		memcpy(capture.text + capture.length, "...", 3); /* there is room: take() */
		capture.length += 3;
	}
	out->output = capture.text;
	out->length = capture.length;
	if (!ended && out->counts) {
		autofree char *limit = duration(plan->timeout_ms), *text = capture.text;

		out->exit_code = PROBE_FAILED;
		out->output = NULL;
		out->length = 0;
		FILE *words = open_memstream(&out->output, &out->length);
		if (words) {
			fprintf(words, "Health check exceeded timeout (%s)%s", limit, capture.length > 0 ? ": " : "");
			fwrite(text, 1, capture.length, words);
			fclose(words);
		}
	}
end:
	close_fd(&pipe_fd);
	close_fd(&pidfd);
	clock_gettime(CLOCK_REALTIME, &out->end);
}
