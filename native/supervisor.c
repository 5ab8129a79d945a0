#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "client.h"
#include "container.h"
#include "log.h"
#include "mount.h"
#include "netclient.h"
#include "relay.h"
#include "request.h"
#include "title.h"
#include "tree.h"
#include "usernet.h"
#include "userns.h"
#include "util.h"
#include "wire.h"

#define RECORD_ROOM_BYTES 4096 /* a block: facts of a failed start, which may be longer, come before anything is reserved */

/* The request of `run`. Strings are borrowed from its JSON. */
struct run {
	const char *id, *proa, *bundle, *run_dir, *exit_file;
	const char *runtime, *seccomp_cache;  /* NULL for none */
	int lock_fd;
	json_t *rootfs;
	const char *log_path;                 /* NULL: nothing is logged */
	json_int_t log_size, log_files;
	bool stdin_open, stdin_once, print_id, attached;
	struct client_options attach;
	json_t *remove;
	json_t *network, *usernet;            /* null: not by netd, not by another program */
};

/* What the supervisor keeps for the end, of its own when the request is freed. */
struct afterwards {
	char *run_dir, *exit_file;
	char **remove;
	size_t n_remove;
	char *reserved;                       /* path of the file with room for exit.json, or NULL */
	int lock_fd, userns_fd, reserved_fd;
	const struct id_maps *maps;           /* before the start; afterwards the namespace itself is at hand */
};

/* How it ended. */
struct record {
	int status, signal_number;
	int64_t started_ms, finished_ms;
	uint64_t lost;
	const struct err *err;                /* why it did not start, or NULL */
};

static int parse_log(json_t *object, struct run *run, struct err *err)
{
	if (json_is_null(object))
		return 0;
	int r = request_unpack(object, err, "log", "{s:s,s:I,s:I!}", "path", &run->log_path, "maxSizeBytes", &run->log_size,
			       "maxFiles", &run->log_files);

	if (r == 0 && (run->log_size < 0 || run->log_files < 1 || run->log_files > 1000))
		return err_setf(err, 0, "read request", "log", "maxSizeBytes or maxFiles is out of range");
	return r;
}

static int parse_text_or_null(json_t *value, const char *what, const char **out, struct err *err)
{
	*out = json_string_value(value);
	if (!*out && !json_is_null(value))
		return err_setf(err, 0, "read request", what, "neither a string nor null");
	return 0;
}

static int parse_run(json_t *request, struct run *run, struct err *err)
{
	json_t *runtime, *seccomp, *log_target, *attach, *path;
	int input, once, print;
	size_t i;
	int r = request_unpack(
		request, err, "run",
		"{s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:o,s:b,s:b,s:o,s:b,s:o,s:s,s:o,s?o,s?o!}", "id", &run->id, "proa", &run->proa,
		"bundle", &run->bundle, "runDir", &run->run_dir, "lockFd", &run->lock_fd, "rootfs", &run->rootfs, "runtime",
		&runtime, "log", &log_target, "stdin", &input, "stdinOnce", &once, "attach", &attach, "printId", &print,
		"remove", &run->remove, "exitFile", &run->exit_file, "seccompCache", &seccomp, "network", &run->network, "usernet", &run->usernet);

	if (r == 0)
		r = parse_text_or_null(runtime, "runtime", &run->runtime, err);
	if (r == 0)
		r = parse_text_or_null(seccomp, "seccompCache", &run->seccomp_cache, err);
	if (r == 0)
		r = parse_log(log_target, run, err);
	if (r < 0)
		return r;
	run->stdin_open = input;
	run->stdin_once = once;
	run->print_id = print;
	run->attached = !json_is_null(attach);
	if (!json_is_array(run->remove))
		return err_setf(err, 0, "read request", "remove", "not a list");
	json_array_foreach(run->remove, i, path) {
		if (!json_is_string(path) || json_string_value(path)[0] != '/')
			return err_setf(err, 0, "read request", "remove", "not absolute paths");
	}
	return run->attached ? client_parse(attach, &run->attach, err) : 0;
}

static void plan_afterwards(const struct run *run, const struct id_maps *maps, struct afterwards *after)
{
	json_t *path;
	size_t i;

	after->run_dir = xstrdup(run->run_dir);
	after->exit_file = xstrdup(run->exit_file);
	after->n_remove = json_array_size(run->remove);
	after->remove = xcalloc(after->n_remove, sizeof(*after->remove));
	json_array_foreach(run->remove, i, path) {
		after->remove[i] = xstrdup(json_string_value(path));
	}
	after->lock_fd = run->lock_fd;
	after->userns_fd = after->reserved_fd = -1;
	after->reserved = NULL;
	after->maps = maps;
}

static int remove_as_root(void *data)
{
	return tree_remove(data, NULL) < 0;
}

/* Remove PATH: as ourselves, and what mapped ids own as root of their user namespace. Return: true when it is gone. */
static bool remove_tree(const struct afterwards *after, char *path)
{
	pid_t pid;
	int status;

	if (tree_remove(path, NULL) == 0)
		return true;
	if (after->userns_fd >= 0) {
		if (userns_enter_and_run(after->userns_fd, remove_as_root, path, NULL) == 0)
			return true;
	} else if (after->maps && userns_spawn(after->maps, remove_as_root, path, &pid, NULL) == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return tree_remove(path, NULL) == 0; /* what is left is in a directory of our own */
}

/* True when FILE lies below one of the trees that are removed. */
static bool is_removed(const struct afterwards *after, const char *file)
{
	for (size_t i = 0; i < after->n_remove; i++) {
		size_t len = strlen(after->remove[i]);

		if (strncmp(file, after->remove[i], len) == 0 && file[len] == '/')
			return true;
	}
	return false;
}

/*
 * Take the room for exit.json while there is some: a container that fills its disk still has its end recorded. A file system that
 * cannot reserve, or has no room now either, is no reason not to start.
 */
static void reserve_record(struct afterwards *after)
{
	if (is_removed(after, after->exit_file))
		return;
	after->reserved = xasprintf("%s.new", after->exit_file);
	after->reserved_fd = open(after->reserved, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (after->reserved_fd >= 0)
		fallocate(after->reserved_fd, 0, 0, RECORD_ROOM_BYTES);
}

/* Write TEXT to the reserved file, whole and on the disk, and give it its name. Return: true, or false with nothing left of it. */
static bool use_reserved(const struct afterwards *after, const char *text, size_t len)
{
	if (after->reserved_fd < 0)
		return false;
	if (write_all(after->reserved_fd, text, len) == 0 && ftruncate(after->reserved_fd, (off_t)len) == 0 &&
	    fsync(after->reserved_fd) == 0 && rename(after->reserved, after->exit_file) == 0)
		return true;
	unlink(after->reserved);
	return false;
}

/* Write exit.json. Where that cannot be done the free lock without a record tells of an unknown end. */
static void write_record(const struct afterwards *after, const struct record *record)
{
	autofree char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "{\"exitCode\":%d,\"signal\":%d,\"startedMs\":%lld,\"finishedMs\":%lld,\"logLostBytes\":%llu,\"error\":",
		record->status, record->signal_number, (long long)record->started_ms, (long long)record->finished_ms,
		(unsigned long long)record->lost);
	if (record->err)
		err_write_json(record->err, out);
	else
		fputs("null", out);
	fputs("}\n", out);
	if (fclose(out) == 0 && !use_reserved(after, text, len))
		write_file_atomically(AT_FDCWD, after->exit_file, text, len, true);
}

/* From ended to unlocked: everything that must be true before anyone hears of the end. */
static void settle(const struct afterwards *after, const struct record *record)
{
	bool removed = true;

	if (!is_removed(after, after->exit_file))
		write_record(after, record);
	for (size_t i = 0; i < after->n_remove; i++)
		removed = remove_tree(after, after->remove[i]) && removed;
	if (!removed && is_removed(after, after->exit_file))
		write_record(after, record);
	/* as late as can be: who still connects is told the end by relay_finish(), who comes later finds the lock free in a moment */
	unlinkat(after->lock_fd, SUPERVISOR_SOCKET, 0);
	unlinkat(after->lock_fd, SUPERVISOR_STATE, 0);
	unlinkat(after->lock_fd, NETCLIENT_PORTS, 0);
	if (removed && after->n_remove > 0)
		tree_remove(after->run_dir, NULL);
	flock(after->lock_fd, LOCK_UN);
}

static int exit_of(const struct err *err)
{
	return err->exit ? err->exit : 125;
}

static void settle_failure(const struct afterwards *after, const struct err *err)
{
	struct record record = { .status = exit_of(err), .finished_ms = now_ms(), .err = err };

	settle(after, &record);
}

/* A socket with a name in the run directory, 0600 from the moment it can be found. Return: 0 with *OUT, or -errno with ERR. */
static int listen_for_clients(const struct run *run, int *out, struct err *err)
{
	struct sockaddr_un address;
	socklen_t len = wire_address(run->lock_fd, SUPERVISOR_SOCKET, &address);
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177);
	int code = 0;

	unlinkat(run->lock_fd, SUPERVISOR_SOCKET, 0); /* of a supervisor that was killed */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 128) < 0)
		code = errno;
	umask(mask);
	if (code)
		return err_set(err, code, "listen for clients", run->run_dir);
	*out = steal_fd(&fd);
	return 0;
}

static int write_state(const struct run *run, const struct container *container, int64_t started_ms, struct err *err)
{
	json_t *state = json_pack("{s:s,s:s,s:s,s:i,s:s,s:I}", "ociVersion", "1.2.0", "id", run->id, "status", "running", "pid",
				  (int)container->pid, "bundle", run->bundle, "startedMs", (json_int_t)started_ms);
	autofree char *text = state ? json_dumps(state, JSON_COMPACT) : NULL;
	int r = text ? write_file_atomically(run->lock_fd, SUPERVISOR_STATE, text, strlen(text), false) : -ENOMEM;

	json_decref(state);
	return r < 0 ? err_set(err, -r, "write state", run->run_dir) : 0;
}

/* What a started container leaves behind for its supervision. */
struct started {
	struct container container;
	struct log *log;
	struct netclient *network; /* or NULL */
	struct usernet *usernet;   /* or NULL */
	int64_t ms;
};

/* End and reap a container that could not be supervised. */
static void abandon(struct container *container)
{
	syscall(SYS_pidfd_send_signal, container->pidfd, SIGKILL, NULL, 0);
	while (waitpid(container->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(container->pidfd);
	if (container->console_fd >= 0)
		close(container->console_fd);
}

/* From starting to running, but for telling the clients; CONTROL is the first one's. Return: 0 with OUT, or -errno with ERR and no process. */
static int start(const struct run *run, const struct bundle *bundle, struct relay *relay, int control, struct started *out,
		 struct err *err)
{
	struct container_request request = { .bundle = bundle, .runtime = run->runtime, .seccomp_cache = run->seccomp_cache,
					     .run_dir = run->run_dir };
	struct relay_stdio stdio = { { -1, -1, -1 } };
	struct rootfs *rootfs = NULL;
	int listen_fd = -1;
	int r = rootfs_parse(run->rootfs, &rootfs, err);

	request.rootfs = rootfs;
	if (r == 0 && run->network)
		r = netclient_parse(run->network, run->run_dir, run->lock_fd, &out->network, err);
	if (out->network)
		netclient_heed(out->network, control);
	request.network = netclient_network(out->network);
	if (r == 0)
		r = usernet_parse(run->usernet, run->run_dir, &out->usernet, err);
	if (out->usernet)
		request.network = usernet_network(out->usernet);
	if (r == 0 && run->log_path)
		r = log_open(run->log_path, (uint64_t)run->log_size, (unsigned)run->log_files, &out->log, err);
	if (r == 0)
		r = listen_for_clients(run, &listen_fd, err);
	if (r == 0) {
		relay_listen(relay, listen_fd);
		if (!bundle->terminal)
			r = relay_pipes(relay, run->stdin_open, &stdio, err);
	}
	memcpy(request.stdio, stdio.fd, sizeof(request.stdio));
	if (r == 0)
		r = container_start(&request, &out->container, err);
	relay_stdio_close(&stdio);
	out->ms = now_ms();
	if (r == 0) {
		r = write_state(run, &out->container, out->ms, err);
		if (r < 0)
			abandon(&out->container);
	}
	if (rootfs)
		rootfs_free(rootfs);
	return r;
}

static int container_pidfd; /* for the handler only */

/* Who ends the supervisor (a logout, a shutdown) means the container; its end is then recorded as any other. */
static void pass_on(int number)
{
	int saved = errno;

	syscall(SYS_pidfd_send_signal, container_pidfd, number, NULL, 0);
	errno = saved;
}

static void handle_signals(int pidfd)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ, SIGTSTP, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_handler = pass_on, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	container_pidfd = pidfd;
	sigaction(SIGTERM, &action, NULL);
}

/* The supervisor's life. Takes REQUEST and BUNDLE. */
static void __attribute__((noreturn)) supervise(json_t *request, const struct run *run, struct bundle *bundle,
						const struct client_connection *first, const sigset_t *mask)
{
	struct relay *relay = relay_new();
	struct afterwards after;
	struct started started = { .log = NULL };
	struct record record = { 0 };
	struct err err = { 0 };

	prctl(PR_SET_NAME, "proa-supervise");
	relay_separate(mask);
	plan_afterwards(run, &bundle->maps, &after);
	relay_add_client(relay, first->control, 0);
	relay_add_client(relay, first->data, run->attached ? client_wants(&run->attach) : 0);

	if (start(run, bundle, relay, first->control, &started, &err) < 0) {
		if (started.log)
			log_close(started.log);
		netclient_free(started.network);
		usernet_free(started.usernet);
		settle_failure(&after, &err);
		relay_unlisten(relay);
		relay_finish(relay, 0, &err);
		_exit(exit_of(&err));
	}
	handle_signals(started.container.pidfd);
	relay_process(relay, started.container.pidfd, started.container.console_fd, run->stdin_open, run->stdin_once,
		      started.log);
	if (started.network)
		netclient_guest(started.network, relay);
	title_set("proa-supervise", run->id); /* before anyone is told: who looks then finds it by its id */
	relay_started(relay);
	reserve_record(&after);
	record.started_ms = started.ms;
	after.userns_fd = started.container.userns_fd;
	after.maps = NULL;
	bundle_free(bundle);
	json_decref(request);
	malloc_trim(0);

	record.status = relay_run(relay, &record.signal_number);
	record.finished_ms = now_ms();
	if (started.log)
		record.lost = log_close(started.log);
	usernet_free(started.usernet);
	netclient_free(started.network); /* its ports and addresses are free before anyone hears of the end */
	settle(&after, &record);
	while (waitpid(started.container.pid, NULL, 0) < 0 && errno == EINTR)
		; /* not before the lock is free: until then its pid must not become another's */
	signal(SIGTERM, SIG_DFL); /* it means us now: nothing depends on a client's getting all of its output */
	relay_unlisten(relay);
	relay_finish(relay, record.status, NULL);
	_exit(0);
}

/* The foreground, when the supervisor is at work. */
static int follow(const struct run *run, const struct client_connection *connection)
{
	struct err err = { 0 };
	int r = run->attached ? client_run(&run->attach, connection, &err)
			      : client_wait_started(connection, run->id, &err);

	if (r < 0)
		return report_failure(run->proa, "run", &err);
	if (run->print_id && !run->attached && dprintf(STDOUT_FILENO, "%s\n", run->id) < 0)
		return 125; /* as a shell's echo into a full disk: the container runs, but the caller was not told */
	return r;
}

/* A start that failed before there was a supervisor. */
static int give_up(const struct run *run, const struct id_maps *maps, const struct err *err)
{
	struct afterwards after;

	plan_afterwards(run, maps, &after);
	settle_failure(&after, err);
	return report_failure(run->proa, "run", err);
}

int verb_run(json_t *request)
{
	struct client_connection ours, theirs;
	struct bundle *bundle = NULL;
	struct run run = { .lock_fd = -1 };
	struct err err = { 0 };
	sigset_t mask;

	if (parse_run(request, &run, &err) < 0)
		return report_failure(run.proa, "run", &err);
	fcntl(run.lock_fd, F_SETFD, FD_CLOEXEC);
	if (bundle_load(run.bundle, &bundle, &err) < 0)
		return give_up(&run, NULL, &err);
	if (client_pair(&ours, &theirs, &err) < 0)
		return give_up(&run, &bundle->maps, &err);
	run.attach.terminal = run.attach.hangs_up = bundle->terminal;
	run.attach.owns_output = json_array_size(run.remove) > 0; /* --rm: the log goes with it */
	run.attach.object = run.id;
	if (run.attached)
		client_block_signals(&mask);
	pid_t pid = fork();
	if (pid == 0) {
		client_close(&ours);
		supervise(request, &run, bundle, &theirs, run.attached ? &mask : NULL);
	}
	if (pid < 0) {
		err_set(&err, errno, "fork", "");
		if (run.attached)
			sigprocmask(SIG_SETMASK, &mask, NULL);
		return give_up(&run, &bundle->maps, &err);
	}
	close(run.lock_fd);
	client_close(&theirs);
	bundle_free(bundle);
	return follow(&run, &ours);
}
