/*
 * exec: a further program in a running container. The supervisor has no part in it: a relay of its own (R, forked off the
 * foreground) holds the program's pipes or terminal, so that the program outlives a user who detaches. It stays until the program's
 * end also where there is nothing to hold, to reap it: a zombie that is left to an init which does not reap keeps the container's pid
 * namespace, and so the end of the container, waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "client.h"
#include "container.h"
#include "relay.h"
#include "request.h"
#include "supervisor.h"
#include "util.h"
#include "verbs.h"

#define STATE_LIMIT (64 << 10) /* bytes of state.json */

/* The request of `exec`. Strings are borrowed from its JSON. */
struct exec {
	const char *proa, *run_dir, *bundle, *seccomp_cache;
	json_t *process;
	bool stdin_open, detach, attached, terminal;
	struct client_options attach;
};

static int parse_exec(json_t *request, struct exec *exec, struct err *err)
{
	json_t *attach, *seccomp;
	int input, detach;
	int r = request_unpack(request, err, "exec", "{s:s,s:s,s:s,s:o,s:b,s:b,s:o,s:o!}", "proa", &exec->proa, "runDir",
			       &exec->run_dir, "bundle", &exec->bundle, "process", &exec->process, "stdin", &input, "detach",
			       &detach, "attach", &attach, "seccompCache", &seccomp);

	if (r < 0)
		return r;
	exec->seccomp_cache = json_string_value(seccomp);
	if (!exec->seccomp_cache && !json_is_null(seccomp))
		return err_setf(err, 0, "read request", "seccompCache", "neither a string nor null");
	exec->terminal = json_is_true(json_object_get(exec->process, "terminal"));
	exec->stdin_open = input;
	exec->detach = detach;
	exec->attached = !json_is_null(attach);
	return exec->attached ? client_parse(attach, &exec->attach, err) : 0;
}

static int not_running(const char *run_dir, struct err *err)
{
	return err_setf(err, 0, "execute in container", run_dir, "it is not running");
}

static int read_pid(int dir, const char *run_dir, pid_t *pid, struct err *err)
{
	autofree char *text = NULL;
	ssize_t len = read_file_at(dir, SUPERVISOR_STATE, &text, STATE_LIMIT);

	if (len == -ENOENT)
		return not_running(run_dir, err);
	if (len < 0)
		return err_set(err, (int)-len, "read state of container", run_dir);
	json_t *state = json_loadb(text, (size_t)len, 0, NULL);
	*pid = (pid_t)json_integer_value(json_object_get(state, "pid"));
	json_decref(state);
	if (*pid <= 0)
		return err_setf(err, 0, "read state of container", run_dir, "no process id in it");
	return 0;
}

/*
 * Find the container's first process. The pid on disk counts only when the supervisor holds its lock after the pidfd was
 * opened: as long as it does, it has not reaped that process, so nobody else can have the pid.
 */
static int find_container(const struct exec *exec, struct join_request *join, struct err *err)
{
	autoclose int dir = open(exec->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? not_running(exec->run_dir, err) : err_set(err, errno, "open run directory", exec->run_dir);
	join->run_dir = exec->run_dir;
	int r = read_pid(dir, exec->run_dir, &join->pid, err);
	if (r < 0)
		return r;
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, join->pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? not_running(exec->run_dir, err) : err_set(err, errno, "open process", exec->run_dir);
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	if (flock(dir, LOCK_SH | LOCK_NB) == 0) {
		flock(dir, LOCK_UN);
		return not_running(exec->run_dir, err);
	}
	if (errno != EWOULDBLOCK)
		return err_set(err, errno, "check lock of container", exec->run_dir);
	join->pidfd = steal_fd(&pidfd);
	return 0;
}

/* Execute the program and give it to RELAY. Return: 0 with *PID, our child, or -errno with ERR. */
static int start(const struct exec *exec, struct join_request *join, struct relay *relay, pid_t *pid, struct err *err)
{
	struct relay_stdio stdio = { { -1, -1, -1 } };
	int pidfd = -1, console = -1;
	int r = 0;

	if (!exec->terminal && !exec->detach)
		r = relay_pipes(relay, exec->stdin_open, &stdio, err);
	for (int i = 0; i < 3; i++)
		join->stdio[i] = exec->detach ? i : stdio.fd[i]; /* ours are /dev/null */
	if (r == 0)
		r = container_join(join, pid, &pidfd, &console, err);
	relay_stdio_close(&stdio);
	if (r == 0)
		relay_process(relay, pidfd, console, exec->stdin_open, true, NULL);
	return r;
}

/* R's life. Takes REQUEST and BUNDLE. */
static void __attribute__((noreturn)) serve(json_t *request, const struct exec *exec, struct bundle *bundle,
					    struct join_request *join, const struct client_connection *first,
					    const sigset_t *mask)
{
	struct relay *relay = relay_new();
	struct err err = { 0 };
	int signal_number;
	pid_t pid;

	prctl(PR_SET_NAME, "proa-exec");
	relay_separate(mask);
	relay_add_client(relay, first->control, 0);
	relay_add_client(relay, first->data, exec->attached ? client_wants(&exec->attach) : 0);
	if (start(exec, join, relay, &pid, &err) < 0) {
		relay_finish(relay, 0, &err);
		_exit(125);
	}
	signal(SIGPIPE, SIG_IGN);
	relay_started(relay);
	bundle_free(bundle);
	json_decref(request);
	malloc_trim(0);
	int status = relay_run(relay, &signal_number);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	relay_finish(relay, status, NULL);
	_exit(0);
}

static int execute(json_t *request, struct exec *exec, struct bundle *bundle, struct join_request *join, struct err *err)
{
	struct client_connection ours, theirs;
	sigset_t mask;
	int r = client_pair(&ours, &theirs, err);

	if (r < 0)
		return r;
	client_block_signals(&mask);
	pid_t pid = fork();
	if (pid == 0) {
		client_close(&ours);
		serve(request, exec, bundle, join, &theirs, &mask);
	}
	if (pid < 0)
		r = err_set(err, errno, "fork", "");
	client_close(&theirs);
	if (r == 0 && !exec->detach && exec->attached)
		return client_run(&exec->attach, &ours, err);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return r < 0 ? r : client_wait_started(&ours, exec->run_dir, err);
}

int verb_exec(json_t *request)
{
	struct join_request join = { .pidfd = -1, .stdio = { -1, -1, -1 } };
	struct exec exec = { .proa = NULL };
	struct bundle *bundle = NULL;
	struct err err = { 0 };
	int r = parse_exec(request, &exec, &err);

	if (r == 0)
		r = find_container(&exec, &join, &err);
	if (r == 0)
		r = bundle_load(exec.bundle, &bundle, &err);
	if (r == 0) {
		join.bundle = bundle;
		join.process = exec.process;
		join.seccomp_cache = exec.seccomp_cache;
		exec.attach.terminal = exec.attach.hangs_up = exec.terminal;
		exec.attach.owns_output = true;
		exec.attach.object = exec.run_dir;
		r = execute(request, &exec, bundle, &join, &err);
	}
	if (bundle)
		bundle_free(bundle);
	return r < 0 ? report_failure(exec.proa, "exec", &err) : r;
}
