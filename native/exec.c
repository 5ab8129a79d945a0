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
#include "cgroup.h"
#include "client.h"
#include "container.h"
#include "live.h"
#include "preserve.h"
#include "relay.h"
#include "request.h"
#include "session.h"
#include "util.h"
#include "verbs.h"

/* The request of `exec`. Strings are borrowed from its JSON. */
struct exec {
	const char *proa, *id, *run_dir, *bundle, *seccomp_cache;
	json_t *process;
	bool stdin_open, detach, attached, terminal;
	struct client_options attach;
	struct journal *journal;
	struct session session;
	struct preserved preserved; /* the caller's descriptors for the program */
};

static int parse_exec(json_t *request, struct exec *exec, struct err *err)
{
	json_t *attach, *seccomp, *journal = NULL, *session = NULL, *preserved = NULL;
	int input, detach;
	int r = request_unpack(request, err, "exec", "{s:s,s:s,s:s,s:o,s:b,s:b,s:o,s:o,s?s,s?o,s?o,s?o!}", "proa", &exec->proa, "runDir",
			       &exec->run_dir, "bundle", &exec->bundle, "process", &exec->process, "stdin", &input, "detach",
			       &detach, "attach", &attach, "seccompCache", &seccomp, "id", &exec->id, "journal", &journal,
			       "session", &session, "preserveFds", &preserved);

	if (r < 0)
		return r;
	exec->seccomp_cache = json_string_value(seccomp);
	if (!exec->seccomp_cache && !json_is_null(seccomp))
		return err_setf(err, 0, "read request", "seccompCache", "neither a string nor null");
	r = preserve_parse(preserved, &exec->preserved, err);
	if (r < 0)
		return r;
	preserve_on_exec(&exec->preserved, false);
	r = journal_parse(journal, exec->id, exec->run_dir, &exec->journal, err);
	if (r == 0)
		r = session_parse(session, exec->process, exec->run_dir, exec->journal, &exec->session, err);
	if (r < 0)
		return r;
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

/* Find the container's first process. */
static int find_container(const struct exec *exec, struct join_request *join, struct err *err)
{
	autoclose int dir = open(exec->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return errno == ENOENT ? not_running(exec->run_dir, err) : err_set(err, errno, "open run directory", exec->run_dir);
	join->run_dir = exec->run_dir;
	if (live_is_paused(dir))
		return err_setf(err, 0, "execute in container", exec->run_dir, "it is paused");
	r = live_find(dir, exec->run_dir, &join->pid, &join->pidfd, err);
	return r == -ESRCH ? not_running(exec->run_dir, err) : r;
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

/*
 * The container may have been paused after it was found: its processes were stopped before ours was one of them. Where it is paused later, the state
 * says so before that happens, so one of us two sees the other.
 */
static void stop_if_paused(const char *run_dir, pid_t pid)
{
	autoclose int dir = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_place place;

	if (dir < 0 || !live_is_paused(dir))
		return;
	/* Where there is a freezer, it is in there already, and nobody would send it SIGCONT. */
	cgroup_find(dir, &place);
	if (!place.path && !json_object_get(place.paths, "freezer"))
		kill(pid, SIGSTOP);
	cgroup_place_free(&place);
}

/* R's life. Takes REQUEST and BUNDLE. */
static void __attribute__((noreturn)) serve(json_t *request, struct exec *exec, struct bundle *bundle,
					    struct join_request *join, const struct client_connection *first,
					    const sigset_t *mask)
{
	struct relay *relay = relay_new();
	struct session *session = &exec->session;
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
	preserve_close(&exec->preserved);
	stop_if_paused(exec->run_dir, pid);
	session_begin(session, pid);
	relay_started(relay);
	session_tell(session);
	if (session->id)
		relay_tells(relay, exec->journal, session->id);
	bundle_free(bundle);
	json_object_del(request, "process");
	malloc_trim(0);
	int status = relay_run(relay, &signal_number);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	session_end(session, status);
	relay_finish(relay, status, NULL);
	session_sweep(session);
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
	preserve_close(&exec->preserved); /* who waits for their end is to see it */
	if (r == 0 && !exec->detach && exec->attached)
		return client_run(&exec->attach, &ours, err);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return r < 0 ? r : client_wait_started(&ours, exec->run_dir, err);
}

int verb_exec(json_t *request)
{
	struct join_request join = { .pidfd = -1, .stdio = { -1, -1, -1 } };
	struct exec exec = { .id = "" };
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
		join.preserved = &exec.preserved;
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
