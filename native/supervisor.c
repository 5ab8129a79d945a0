#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "cgroup.h"
#include "client.h"
#include "container.h"
#include "fetcher.h"
#include "health.h"
#include "journal.h"
#include "leftover.h"
#include "life.h"
#include "live.h"
#include "log.h"
#include "mount.h"
#include "netclient.h"
#include "notify.h"
#include "orphan.h"
#include "pause.h"
#include "record.h"
#include "relay.h"
#include "request.h"
#include "run.h"
#include "session.h"
#include "title.h"
#include "usernet.h"
#include "util.h"
#include "wire.h"

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

/* A container that is supervised, through all of its lives. */
struct supervised {
	struct relay *relay;
	struct container container; /* of this life */
	struct log *log;            /* or NULL */
	struct relay_guest compressor; /* of the log's older files */
	int keeper;                 /* who has layers fetched that are on their way (fetcher.h); -1: nobody */
	int inherited[3];           /* standard streams of who started it, for a container with `passthrough`; else -1 */
	struct netclient *network;  /* or NULL */
	struct usernet *usernet;    /* or NULL */
	struct live live;
	struct life life;
	struct orphan orphan;
	struct health *health;      /* or NULL */
	struct cgroup *cgroup;      /* or NULL */
	struct pause pause;
	struct afterwards after;
	struct record record;       /* of the last end */
	struct err start_error;     /* why the last life did not begin: record.err */
	int request_fd;             /* the request, for a next life; -1: none can follow */
	bool listens;               /* for further clients */
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

/* What stands beside a life, and begins anew with the next. Its ports and addresses are free afterwards. */
static void let_go(struct supervised *it)
{
	health_end(it->health);
	pause_end(&it->pause, it->relay);
	cgroup_end(it->cgroup, it->container.userns_fd);
	it->live.cgroup = NULL;
	relay_remove_guest(it->relay, &it->compressor);
	if (it->log)
		it->record.lost += log_close(it->log);
	usernet_free(it->usernet);
	netclient_free(it->network);
	it->log = NULL;
	it->usernet = NULL;
	it->network = NULL;
}

/* Write PID, in digits, to the file at PATH, or nothing where that is NULL. Return: 0, or -errno with ERR. */
static int write_pid(const char *path, pid_t pid, struct err *err)
{
	autofree char *text = xasprintf("%d", (int)pid);
	int r = path ? write_file_atomically(AT_FDCWD, path, text, strlen(text), false) : 0;

	return r < 0 ? err_set(err, -r, "write file of the pid", path) : 0;
}

/* The streams of who started it for one life. */
static int copy_inherited(const struct supervised *it, struct relay_stdio *stdio, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		stdio->fd[i] = fcntl(it->inherited[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (stdio->fd[i] < 0) {
			int code = errno;
			relay_stdio_close(stdio);
			return err_set(err, code, "pass on", "the standard streams");
		}
	}
	return 0;
}

/*
 * From starting to running, but for telling the clients; CONTROL is the first one's, -1 for a further life. Return: 0 with the container in IT, or
 * -errno with ERR and no process.
 */
static int start(const struct run *run, const struct bundle *bundle, int control, struct supervised *it, struct err *err)
{
	struct container_request request = { .bundle = bundle, .runtime = run->runtime, .seccomp_cache = run->seccomp_cache,
					     .run_dir = run->run_dir, .init = run->init, .init_path = run->init_path,
					     .preserved = run->preserved, .group_owners = run->group_owners, .cgroup = it->cgroup,
					     .keeper = it->keeper };
	const struct health_place health = { .id = run->id, .bundle = run->bundle, .run_dir = run->run_dir,
					     .seccomp_cache = run->seccomp_cache, .journal = it->after.journal };
	struct relay_stdio stdio = { { -1, -1, -1 } };
	struct rootfs *rootfs = NULL;
	int listen_fd = -1;
	bool with_us;
	int r;

	cgroup_begin(it->cgroup, control);
	r = rootfs_parse(run->rootfs, &rootfs, err);
	request.rootfs = rootfs;
	session_forget(run->run_dir);
	if (r == 0 && run->network)
		r = netclient_parse(run->network, run->run_dir, run->lock_fd, &it->network, err);
	if (it->network)
		netclient_bus(it->network, json_string_value(json_object_get(run->cgroup, "bus")));
	if (it->network && control >= 0)
		netclient_heed(it->network, control);
	else if (it->network)
		netclient_keep_ports(it->network);
	request.network = netclient_network(it->network);
	if (r == 0)
		r = usernet_parse(run->usernet, run->run_dir, &it->usernet, err);
	if (it->usernet)
		request.network = usernet_network(it->usernet);
	if (r == 0 && !it->health)
		r = health_parse(run->health, &health, &it->health, err);
	if (r == 0 && run->log.path)
		r = log_open(&run->log, &it->log, err);
	if (r == 0 && control >= 0 && !it->listens) {
		r = listen_for_clients(run, &listen_fd, err);
		if (r == 0)
			relay_listen(it->relay, listen_fd);
		it->listens = r == 0;
	}
	if (r == 0 && run->passthrough)
		r = copy_inherited(it, &stdio, err);
	else if (r == 0 && !bundle->terminal)
		r = relay_pipes(it->relay, run->stdin_open, &stdio, err);
	memcpy(request.stdio, stdio.fd, sizeof(request.stdio));
	if (r == 0)
		r = container_start(&request, &it->container, err);
	if (r < 0)
		cgroup_explain(it->cgroup, err);
	if (r == 0 || !cgroup_unsure(it->cgroup, &with_us))
		preserve_close(run->preserved); /* they are the container's alone: who waits for their end is to see it */
	relay_stdio_close(&stdio);
	if (r == 0) {
		it->live.pid = it->container.pid;
		it->live.cgroup = cgroup_state(it->cgroup);
		it->live.started_ms = now_ms();
		it->live.restarting = it->live.paused = false;
		it->live.restart_count = it->life.restarts;
		pause_begin(&it->pause, it->relay, bundle, &it->live, it->container.pidfd, it->health, it->cgroup);
		health_begin(it->health, it->relay, &it->live, &it->life, it->container.pid, it->container.pidfd);
		r = live_write(&it->live, err);
		if (r == 0)
			r = write_pid(run->pid_file, it->container.pid, err);
		if (r == 0)
			r = write_pid(run->supervisor_pid_file, getpid(), err);
		if (r < 0)
			abandon(&it->container);
	}
	if (rootfs)
		rootfs_free(rootfs);
	if (r < 0) {
		relay_drop_pipes(it->relay);
		let_go(it);
	}
	return r;
}

/*
 * Go on as another process, with all that this one has: nothing tells yet who the supervisor is. Where that cannot be had, it is better to go on as the one that somebody may move
 * than not at all.
 */
static void become_another(void)
{
	pid_t pid = fork();

	if (pid > 0)
		_exit(0);
	setsid();
}

/* As start(), and once more where a manager that did not answer may still do something to those who are there now. */
static int start_for_sure(const struct run *run, const struct bundle *bundle, int control, struct supervised *it, struct err *err)
{
	bool with_us;
	int r = start(run, bundle, control, it, err);

	if (r == 0 || !cgroup_unsure(it->cgroup, &with_us))
		return r;
	if (with_us)
		become_another();
	*err = (struct err){ 0 };
	return start(run, bundle, control, it, err);
}

static void compressor_ended(struct relay_guest *guest)
{
	struct supervised *it = (struct supervised *)((char *)guest - offsetof(struct supervised, compressor));

	log_reap(it->log);
}

/* To who starts the container: those who come later have nothing to do with it. */
static void warn_of_cgroup(struct supervised *it)
{
	autofree char *facts = cgroup_warnings(it->cgroup);

	if (facts && it->record.started_ms == 0)
		relay_warn(it->relay, facts);
}

/* The process was executed: everything is at work before the clients are told. */
static void begin_life(struct supervised *it, const struct run *run)
{
	relay_process(it->relay, it->container.pidfd, it->container.console_fd, run->stdin_open, run->stdin_once, it->log);
	life_begins(&it->life, it->relay, it->container.pidfd);
	relay_add_guest(it->relay, &it->orphan.guest);
	if (it->log) {
		it->compressor.ready = compressor_ended;
		log_watch(it->log, &it->compressor.fd);
		relay_add_guest(it->relay, &it->compressor);
	}
	if (it->network)
		netclient_guest(it->network, it->relay);
	journal_write_volumes(it->after.journal, "mount");
	if (it->network)
		journal_write_networks(it->after.journal, "connect");
	journal_write(it->after.journal, "container", "start", (char *)NULL);
	cgroup_watch(it->cgroup, it->relay, it->after.journal);
	warn_of_cgroup(it);
	relay_started(it->relay);
	notify_manager(run->notify_socket, run->notify_ready);
	it->record.started_ms = it->live.started_ms;
	it->record.err = NULL;
	close_fd(&it->after.userns_fd); /* that of the life before */
	it->after.userns_fd = it->container.userns_fd;
}

/* The event of an end, before anything is cleared away. */
static void tell_end(const struct supervised *it, int64_t lived_ms)
{
	autofree char *seconds = xasprintf("%lld", (long long)lived_ms / 1000);
	autofree char *status = xasprintf("%d", it->record.status);

	journal_write(it->after.journal, "container", "die", "execDuration", seconds, "exitCode", status, (char *)NULL);
	if (it->network)
		journal_write_networks(it->after.journal, "disconnect");
	journal_write_volumes(it->after.journal, "unmount");
}

/* To the end of the process. Return: how long it lived, by a clock that nobody sets. */
static int64_t live_through(struct supervised *it)
{
	const int64_t since_ms = monotonic_ms();
	int status = relay_run(it->relay, &it->record.signal_number);

	it->record.oom_killed = cgroup_end(it->cgroup, it->container.userns_fd);
	leftover_kill(it->container.mark, it->container.userns_fd);
	it->record.status = life_ended(&it->life, status);
	it->record.finished_ms = now_ms();
	const int64_t lived_ms = monotonic_ms() - since_ms;
	tell_end(it, lived_ms);
	let_go(it);
	return lived_ms;
}

/* Between two lives: the state says so, then the process is reaped, then the clients hear of its end. */
static void end_life(struct supervised *it)
{
	it->live.restarting = true;
	it->live.paused = false;
	it->live.exit_code = it->record.status;
	it->live.finished_ms = it->record.finished_ms;
	it->live.restart_count = it->life.restarts;
	it->live.pid = 0;
	live_write(&it->live, NULL);
	while (it->container.pid > 0 && waitpid(it->container.pid, NULL, 0) < 0 && errno == EINTR)
		;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* what else was forked for it */
	it->container.pid = 0;
	relay_end_life(it->relay, it->record.status);
}

/* Start it once more by the request that was kept. Return: 0, or -errno with ERR. */
static int start_again(struct supervised *it, struct err *err)
{
	struct run run = { .lock_fd = -1 };
	struct bundle *bundle = NULL;
	json_t *request;
	int r = request_read(it->request_fd, &request, err);

	if (r < 0)
		return r;
	json_object_del(request, "preserveFds"); /* closed since: those numbers are other descriptors' now */
	r = run_parse(request, &run, err);
	run.lock_fd = it->after.lock_fd;
	if (r == 0)
		r = bundle_load(run.bundle, &bundle, err);
	if (r == 0)
		r = start_for_sure(&run, bundle, -1, it, err);
	if (r == 0)
		begin_life(it, &run);
	journal_free(run.journal);
	if (bundle)
		bundle_free(bundle);
	json_decref(request);
	malloc_trim(0);
	return r;
}

/* All lives but the first one's start. */
static void live(struct supervised *it)
{
	struct err err;
	int64_t lived_ms = live_through(it);

	while (it->request_fd >= 0 && life_goes_on(&it->life, it->record.status, lived_ms)) {
		end_life(it);
		relay_add_guest(it->relay, &it->orphan.guest);
		if (!life_rest(&it->life, it->relay))
			return;
		err = (struct err){ 0 };
		if (start_again(it, &err) == 0) {
			lived_ms = live_through(it);
			continue;
		}
		/* As a life that ended at once: what is in the way may go away. */
		it->record.status = record_exit_of(&err);
		it->record.signal_number = 0;
		it->record.finished_ms = now_ms();
		it->start_error = err;
		it->record.err = &it->start_error;
		lived_ms = 0;
	}
}

/* The supervisor's life. Takes REQUEST and BUNDLE. */
static void __attribute__((noreturn)) supervise(json_t *request, const struct run *run, struct bundle *bundle,
						const struct client_connection *first, const sigset_t *mask)
{
	struct supervised it = { .relay = relay_new(), .request_fd = request_kept(request) };
	struct err err = { 0 };

	prctl(PR_SET_NAME, "proa-supervise");
	for (int i = 0; i < 3; i++)
		it.inherited[i] = run->passthrough ? fcntl(i, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
	relay_separate(mask);
	record_plan(run, &bundle->maps, &it.after);
	relay_tells(it.relay, it.after.journal, NULL);
	it.live = (struct live){ .run_dir_fd = run->lock_fd, .id = xstrdup(run->id), .bundle = xstrdup(run->bundle) };
	it.record.live = &it.live;
	it.keeper = fetcher_keep(run->rootfs);
	life_init(&it.life, &run->life);
	it.container.userns_fd = -1;
	relay_add_client(it.relay, first->control, 0);
	relay_add_client(it.relay, first->data, run->attached ? client_wants(&run->attach) : 0);

	if (cgroup_parse(run->cgroup, run->id, &it.cgroup, &err) < 0 || start_for_sure(run, bundle, first->control, &it, &err) < 0) {
		cgroup_leave(it.cgroup);
		record_failure(&it.after, &err);
		relay_unlisten(it.relay);
		relay_finish(it.relay, 0, &err);
		_exit(record_exit_of(&err));
	}
	life_handle_signals();
	title_set("proa-supervise", run->id); /* before anyone is told: who looks then finds it by its id */
	orphan_watch(&it.orphan, run->lock_fd, &it.life);
	it.life.cgroup = it.cgroup;
	record_reserve(&it.after); /* before anyone is told that it runs: the disk may be full then */
	begin_life(&it, run);
	it.after.maps = NULL;
	bundle_free(bundle);
	json_decref(request);
	malloc_trim(0);

	live(&it);
	cgroup_leave(it.cgroup);
	record_settle(&it.after, &it.record);
	while (it.container.pid > 0 && waitpid(it.container.pid, NULL, 0) < 0 && errno == EINTR)
		; /* not before the lock is free: until then its pid must not become another's */
	signal(SIGTERM, SIG_DFL); /* it means us now: nothing depends on a client's getting all of its output */
	relay_unlisten(it.relay);
	relay_finish(it.relay, it.record.status, NULL);
	_exit(0);
}

/* The foreground, when the supervisor is at work. */
static int follow(const struct run *run, const struct client_connection *connection)
{
	struct err err = { 0 };
	int r = run->attached ? client_run(&run->attach, connection, &err)
			      : client_wait_started(connection, run->id, &err);

	if (r < 0) {
		if (json_array_size(run->remove) == 0)
			setenv("PROA_STAYS", run->id, 1); /* who puts it into words can say where to look */
		return report_failure(run->proa, "run", &err);
	}
	if (run->print_id && dprintf(STDOUT_FILENO, "%s\n", run->id) < 0)
		return 125; /* as a shell's echo into a full disk: the container runs, but the caller was not told */
	return r;
}

/* A start that failed before there was a supervisor. */
static int give_up(const struct run *run, const struct id_maps *maps, const struct err *err)
{
	struct afterwards after;

	record_plan(run, maps, &after);
	record_failure(&after, err);
	return report_failure(run->proa, "run", err);
}

int verb_run(json_t *request)
{
	struct client_connection ours, theirs;
	struct bundle *bundle = NULL;
	struct run run = { .lock_fd = -1 };
	struct err err = { 0 };
	sigset_t mask;

	if (run_parse(request, &run, &err) < 0)
		return report_failure(run.proa, "run", &err);
	client_warns_by(run.proa);
	fcntl(run.lock_fd, F_SETFD, FD_CLOEXEC);
	preserve_on_exec(run.preserved, false);
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
	preserve_close(run.preserved);
	client_close(&theirs);
	bundle_free(bundle);
	return follow(&run, &ours);
}
