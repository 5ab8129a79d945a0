#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bundle.h"
#include "caps.h"
#include "cgroup.h"
#include "foreign.h"
#include "fuse.h"
#include "idmapped.h"
#include "lazyfs.h"
#include "mount.h"
#include "namespaces.h"
#include "seal.h"
#include "preserve.h"
#include "seccomp.h"
#include "stage.h"
#include "userns.h"
#include "util.h"

/* A process on its way to execve. */
struct launch {
	int request, socket, cache; /* ours: the request's memfd, our end of the pair, the compiled filter or -1 */
	int stage_socket;           /* the stage's end */
	const struct bundle *bundle;
	int join_user;              /* pidfd of the process whose user namespace is to be entered at once, or -1 */
	pid_t pid, between;         /* the process, and the one that forked it for us (0: none) */
	int pidfd, console;
	ino_t mark;                 /* of the process's mount namespace */
	struct fuse fuse;
	struct lazy_files lazy;     /* for layers on their way */
	int keeper;                 /* of who fetches them, or -1 */
	struct container_network *network; /* or NULL */
	json_t *group_owners;       /* of the request */
	struct cgroup *cgroup;      /* that the stage is to be in before it hears GO, or NULL */
	ino_t group;                /* its inode, when it is in there */
	int netns;                  /* the container's, until its netlink socket has come, too */
	const struct preserved *preserved; /* or NULL */
	bool foreign;               /* another runtime sees to the mounts */
};

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void launch_close(struct launch *launch)
{
	const int fds[] = { launch->request, launch->socket, launch->cache, launch->stage_socket, launch->netns };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	lazy_files_close(&launch->lazy);
	if (launch->between > 0)
		reap(launch->between);
}

/* Put RECORD (stolen) into a memfd for the stage, and make the socket pair. */
static int launch_open(struct launch *launch, json_t *record, struct err *err)
{
	autofree char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	int pair[2], r;

	json_decref(record);
	if (!text)
		return err_setf(err, 0, "write request", "stage", "a string is not valid UTF-8");
	launch->request = memfd_create("request", MFD_CLOEXEC);
	if (launch->request < 0)
		return err_set(err, errno, "write request", "stage");
	r = write_all(launch->request, text, strlen(text));
	if (r < 0)
		return err_set(err, -r, "write request", "stage");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "create socket pair", "");
	launch->socket = pair[0];
	launch->stage_socket = pair[1];
	return 0;
}

/* Make STDIO 0, 1 and 2. First above them, because one of them may be another's number. */
static int take_stdio(const int stdio[3], struct err *err)
{
	int copies[3];

	for (int i = 0; i < 3; i++) {
		copies[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 10);
		if (copies[i] < 0)
			return err_set(err, errno, "take standard streams", "");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(copies[i], i) < 0)
			return err_set(err, errno, "take standard streams", "");
	return 0;
}

/* The helper, sealed, at the number PLACE: made in the user namespace of PIDFD, in a mount namespace that ends with this child. */
__attribute__((noreturn)) static void seal_inside(int pidfd, const char *empty, int place)
{
	int fd;

	if (setns(pidfd, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
		_exit(1);
	fd = seal_open(empty, NULL);
	_exit(fd < 0 || dup3(fd, place, O_CLOEXEC) < 0);
}

/*
 * On the way into a running container. The helper is to be executed outside its user namespace: a program that was executed inside
 * is open to ptrace(2) by everyone with CAP_SYS_PTRACE there, dumpable or not. But only inside it can be sealed without a copy:
 * a child that shares our descriptors goes there for that. Return: a descriptor, or -errno with ERR.
 */
static int seal_for_join(int pidfd, const char *empty, struct err *err)
{
	autoclose int place = open("/", O_PATH | O_CLOEXEC);
	pid_t pid = place < 0 ? -1 : stage_fork(CLONE_FILES, NULL);
	int status = -1;

	if (pid == 0)
		seal_inside(pidfd, empty, place);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? steal_fd(&place) : seal_open(NULL, err);
}

/* The child of launch_start(). It never returns. */
__attribute__((noreturn)) static void enter_stage(const struct launch *launch, unsigned int flags, const int *stdio,
	const int *kept)
{
	struct stage_message failed = { .kind = STAGE_FAILED };
	int r = stdio ? take_stdio(stdio, &failed.err) : 0, sealed = -1;
	const char *root = launch->bundle->root;

	if (r == 0 && (flags & CLONE_NEWUSER))
		r = caps_keep(&failed.err);
	if (launch->preserved)
		preserve_on_exec(launch->preserved, true);
	for (; r == 0 && *kept >= 0; kept++)
		if (fcntl(*kept, F_SETFD, 0) < 0)
			r = err_set(&failed.err, errno, "keep descriptor", "");
	if (r == 0)
		sealed = launch->join_user >= 0 ? seal_for_join(launch->join_user, root, &failed.err)
						: seal_open(flags & CLONE_NEWNS ? root : NULL, &failed.err);
	if (sealed >= 0)
		stage_execute(sealed, launch->request, launch->stage_socket, &failed.err);
	stage_send(launch->stage_socket, &failed, -1);
	_exit(125);
}

/* Start the stage with the namespaces FLAGS; KEPT (ended by -1) are the descriptors that its request names. */
static int launch_start(struct launch *launch, unsigned int flags, const int *stdio, const int *kept, struct err *err)
{
	launch->pid = stage_fork(flags, &launch->pidfd);
	if (launch->pid == 0)
		enter_stage(launch, flags, stdio, kept);
	if (launch->pid < 0) {
		int code = -launch->pid;

		launch->pid = 0;
		launch->pidfd = -1;
		return flags & CLONE_NEWUSER ? namespaces_user_error(code, err) : err_set(err, code, "create process", "");
	}
	/* Ours must go, or the end of the stage would not be seen. */
	close(launch->stage_socket);
	launch->stage_socket = -1;
	return 0;
}

/* A go-between of the stage has forked the process that counts. It ends by itself, and is reaped when there is time. */
static void launch_follow(struct launch *launch, pid_t pid, int pidfd)
{
	close(launch->pidfd);
	launch->between = launch->pid;
	launch->pid = pid;
	launch->pidfd = pidfd;
}

/*
 * The maps could not be written. Where that is only because the stage has failed itself before, its words are the better ones.
 */
static void explain_maps(const struct launch *launch, struct err *err)
{
	struct stage_message message;
	int fd;

	shutdown(launch->socket, SHUT_WR); /* a stage that is well and waits for GO ends, and says that it waited */
	while (stage_receive(launch->socket, &message, &fd) > 0) {
		if (fd >= 0)
			close(fd);
		if (err && message.kind == STAGE_FAILED && strcmp(message.err.step, STAGE_WAITED) != 0)
			*err = message.err;
	}
}

static void send_go(const struct launch *launch)
{
	struct stage_message go = { .kind = STAGE_GO, .mark = launch->group };

	stage_send(launch->socket, &go, -1); /* a stage that failed meanwhile says so itself */
}

/* The stage into its control group, once. */
static int enter_cgroup(struct launch *launch, struct err *err)
{
	struct cgroup *cgroup = launch->cgroup;
	int r;

	launch->cgroup = NULL;
	r = cgroup_enter(cgroup, launch->pid, json_object_get(json_object_get(launch->bundle->config, "linux"), "resources"), err);
	if (r == 0 && cgroup)
		launch->group = cgroup_mark(cgroup);
	if (r == 0 && cgroup && launch->group_owners)
		cgroup_give(cgroup, launch->group_owners, &launch->bundle->maps);
	return r;
}

static int write_maps(struct launch *launch, const struct bundle *bundle, struct err *err)
{
	int r = userns_write_maps(launch->pid, &bundle->maps, err);

	if (r < 0) {
		explain_maps(launch, err);
		return r;
	}
	r = launch->foreign ? 0 : idmapped_send(launch->socket, bundle, launch->pid, err);
	if (r == 0)
		r = enter_cgroup(launch, err);
	if (r == 0)
		send_go(launch);
	return r;
}

/*
 * Listen to the stage until the program is executed. MAPS is the bundle whose id maps are still to be written once the
 * process that needs them is there, or NULL.
 */
static int launch_finish(struct launch *launch, const struct bundle *maps, const struct rootfs *rootfs, struct err *err)
{
	struct stage_message message;
	bool executing = false;
	int fd, r;

	while ((r = stage_receive(launch->socket, &message, &fd)) > 0) {
		switch (message.kind) {
		case STAGE_SPAWNED:
			launch_follow(launch, message.pid, fd);
			if (maps)
				r = write_maps(launch, maps, err);
			else
				send_go(launch);
			break;
		case STAGE_NETNS:
			launch->netns = fd;
			break;
		case STAGE_NETLINK:
			r = launch->network->attach(launch->network, launch->netns, fd, err);
			launch->netns = -1;
			break;
		case STAGE_CONSOLE:
			launch->console = fd;
			break;
		case STAGE_FUSE:
			r = rootfs->driver == ROOTFS_OVERLAY ? lazyfs_start(rootfs, &launch->lazy, launch->pid, fd, launch->keeper, &launch->fuse.pid, err)
							     : fuse_start(&launch->fuse, rootfs, launch->pid, fd, err);
			close(fd);
			break;
		case STAGE_CONNECTED:
			r = launch->network->await(launch->network, err);
			if (r == 0)
				send_go(launch);
			break;
		case STAGE_EXECUTING:
			executing = true;
			launch->mark = message.mark;
			break;
		case STAGE_FAILED:
			fuse_explain(&launch->fuse, &message.err);
			if (err)
				*err = message.err;
			return message.err.code ? -message.err.code : -EINVAL;
		case STAGE_GO:
		case STAGE_MOUNT:
			return err_setf(err, EPROTO, "start process", "", "unexpected message");
		}
		if (r < 0)
			return r;
	}
	if (r < 0)
		return err_set(err, -r, "start process", "");
	return executing ? 0 : err_setf(err, 0, "start process", "", "it died before its program was executed");
}

/* After a failure: leave no process. */
static void launch_kill(struct launch *launch)
{
	if (launch->pid > 0) {
		syscall(SYS_pidfd_send_signal, launch->pidfd, SIGKILL, NULL, 0);
		reap(launch->pid);
		close(launch->pidfd);
	}
	if (launch->console >= 0)
		close(launch->console);
	fuse_stop(&launch->fuse);
}

static struct launch launch_init(const struct bundle *bundle, const char *seccomp_cache)
{
	return (struct launch){
		.bundle = bundle, .join_user = -1, .request = -1, .socket = -1, .stage_socket = -1, .pidfd = -1, .console = -1, .fuse = FUSE_NONE,
		.netns = -1, .lazy = LAZY_NO_FILES, .keeper = -1,
		.cache = seccomp_cache ? seccomp_open_cache(seccomp_cache) : -1,
	};
}

/* What the overlay writes to belongs to the container's root. */
static int give_directories(const struct container_request *request, struct err *err)
{
	const char *const directories[] = { request->rootfs->upper, request->rootfs->work };
	int r = 0;

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories) && r == 0; i++)
		r = directories[i] ? userns_give(directories[i], &request->bundle->maps, err) : 0;
	return r;
}

static int open_user_namespace(pid_t pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int container_start(const struct container_request *request, struct container *out, struct err *err)
{
	const struct bundle *bundle = request->bundle;
	struct launch launch = launch_init(bundle, request->seccomp_cache);
	const int kept[] = { launch.cache, -1 };
	struct namespaces namespaces;
	bool direct, waits_for_maps;
	int r;

	*out = (struct container){ .pidfd = -1, .console_fd = -1, .userns_fd = -1, .ipc_fd = -1 };
	r = namespaces_parse(bundle, &namespaces, err);
	if (r == 0)
		r = lazyfs_open(request->rootfs, &launch.lazy, err);
	if (r == 0)
		r = give_directories(request, err);
	if (r == 0 && mkdir(bundle->root, 0755) < 0 && errno != EEXIST)
		r = err_set(err, errno, "create directory", bundle->root);
	if (r == 0 && request->network && !(namespaces.fresh & CLONE_NEWNET))
		r = err_setf(err, 0, "read bundle", "linux.namespaces", "networks, but no network namespace of its own");
	launch.network = request->network;
	launch.foreign = request->runtime != NULL;
	launch.preserved = request->preserved;
	launch.keeper = request->keeper;
	launch.group_owners = request->group_owners;
	/* With namespaces to be joined first, the stage does that, and forks. */
	direct = namespaces.n_paths == 0 || request->runtime;
	waits_for_maps = direct && (namespaces.fresh & CLONE_NEWUSER);
	if (r == 0)
		r = launch_open(&launch, json_pack("{s:s,s:O,s:n,s:s*,s:i,s:i,s:s*,s:s,s:b,s:i,s:b,s:s*,s:o*}", "bundle", bundle->dir, "rootfs",
			request->rootfs->json, "process", "seccompCache", request->seccomp_cache, "seccompFd", launch.cache,
			"pidfd", -1, "runtime", request->runtime, "runDir", request->run_dir, "network", request->network != NULL,
			"cgroup", !request->cgroup ? STAGE_NO_CGROUP : waits_for_maps ? STAGE_CGROUP_WITH_MAPS : STAGE_CGROUP_FIRST,
			"init", request->init, "initPath", request->init_path,
			"preserveFds", preserve_list(request->preserved)), err);
	if (r == 0)
		r = launch_start(&launch, direct ? namespaces.fresh & STAGE_EARLY : 0,
			bundle->terminal ? NULL : request->stdio, kept, err);
	if (r == 0 && request->cgroup)
		cgroup_ask(request->cgroup, launch.pid);
	launch.cgroup = request->cgroup;
	if (r == 0 && request->cgroup && !waits_for_maps) {
		r = enter_cgroup(&launch, err);
		if (r == 0)
			send_go(&launch);
	}
	if (r == 0 && launch.network)
		r = launch.network->begin(launch.network, err);
	if (r == 0 && direct && (namespaces.fresh & CLONE_NEWUSER))
		r = write_maps(&launch, bundle, err);
	if (r == 0)
		r = launch_finish(&launch, direct || !(namespaces.fresh & CLONE_NEWUSER) ? NULL : bundle, request->rootfs, err);
	if (r == 0 && ((namespaces.fresh | namespaces.joined) & CLONE_NEWUSER))
		out->userns_fd = open_user_namespace(launch.pid);
	if (r == 0 && !request->runtime && !(namespaces.fresh & CLONE_NEWPID))
		out->mark = launch.mark;
	if (r < 0) {
		launch_kill(&launch);
	} else {
		out->pid = launch.pid;
		out->pidfd = launch.pidfd;
		out->console_fd = launch.console;
		fuse_release(&launch.fuse);
	}
	launch_close(&launch);
	return r;
}

static bool find_cgroup(const char *run_dir, struct cgroup_place *place)
{
	autoclose int dir = run_dir ? open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return cgroup_find(dir, place);
}

int container_join(const struct join_request *request, pid_t *pid, int *pidfd, int *console_fd, struct err *err)
{
	struct launch launch = launch_init(request->bundle, request->seccomp_cache);
	const int kept[] = { request->pidfd, launch.cache, -1 };
	bool terminal = json_is_true(json_object_get(request->process, "terminal"));
	autofree char *runtime = request->run_dir ? foreign_runtime_of(request->run_dir) : NULL;
	struct cgroup_place place;
	const bool grouped = find_cgroup(request->run_dir, &place);
	struct namespaces namespaces;
	int r = namespaces_parse(request->bundle, &namespaces, err);

	if (r == 0 && ((namespaces.fresh | namespaces.joined) & CLONE_NEWUSER))
		launch.join_user = request->pidfd;
	launch.preserved = request->preserved;
	if (r == 0)
		r = launch_open(&launch, json_pack("{s:s,s:n,s:O,s:s*,s:i,s:i,s:s*,s:s*,s:b,s:o*,s:b,s:i}", "bundle", request->bundle->dir, "rootfs", "process",
		request->process, "seccompCache", request->seccomp_cache, "seccompFd", launch.cache, "pidfd",
		request->pidfd, "runtime", runtime, "runDir", request->run_dir, "network", 0,
		"preserveFds", preserve_list(request->preserved), "keepsOrphans", request->keeps_orphans, "cgroup",
		grouped ? STAGE_CGROUP_FIRST : STAGE_NO_CGROUP), err);
	if (r == 0)
		r = launch_start(&launch, 0, terminal ? NULL : request->stdio, kept, err);
	if (r == 0 && grouped) {
		r = cgroup_join(&place, launch.pid, request->pid, request->pidfd, err);
		if (r == 0)
			send_go(&launch);
	}
	cgroup_place_free(&place);
	if (r == 0)
		r = launch_finish(&launch, NULL, NULL, err);
	if (r < 0) {
		launch_kill(&launch);
	} else {
		*pid = launch.pid;
		*pidfd = launch.pidfd;
		*console_fd = launch.console;
	}
	launch_close(&launch);
	return r;
}
