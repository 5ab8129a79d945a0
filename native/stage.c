#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bundle.h"
#include "cgroup_group.h"
#include "foreign.h"
#include "initial.h"
#include "lazyfs.h"
#include "leftover.h"
#include "mount.h"
#include "namespaces.h"
#include "netoffer.h"
#include "path.h"
#include "process.h"
#include "seccomp.h"
#include "settings.h"
#include "util.h"
#include "volume.h"
#include "wire.h"

struct stage {
	int socket;
	json_t *request;
	struct bundle *bundle;
	struct rootfs *rootfs;
	struct process process;
	struct namespaces namespaces;
	struct seccomp_filter filter;
	struct mounts *mounts;
	struct volumes *volumes;
	struct devices *devices;
	struct rootfs_place place;
	int root, slave, fuse;
	ino_t mark;          /* of its mount namespace */
	ino_t group;         /* of its control group, or 0 */
	bool join;           /* a further process in a running container */
	int cgroup;          /* STAGE_NO_CGROUP, … */
	int network;         /* the fresh network namespace is to be connected to netd */
	const char *runtime; /* another runtime is to do it */
	int keeps_orphans;   /* of a further process: it is to be the parent of its orphans */
	int init;            /* its first process is to be an init */
	const char *init_path; /* NULL: ours */
	struct preserved preserved;
};

int stage_send(int socket, const struct stage_message *message, int fd)
{
	struct iovec io = { .iov_base = (void *)message, .iov_len = sizeof(*message) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr packet = { .msg_iov = &io, .msg_iovlen = 1 };

	if (fd >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	while (sendmsg(socket, &packet, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int stage_receive(int socket, struct stage_message *message, int *fd)
{
	ssize_t n;

	do /* ECONNRESET, once: the peer ended without having read all of ours. What it sent before is still there. */
		n = wire_receive_descriptor(socket, message, sizeof(*message), 0, fd);
	while (n == -ECONNRESET);
	return n <= 0 ? (int)n : n == sizeof(*message) ? 1 : -EPROTO;
}

pid_t stage_fork(unsigned long long flags, int *pidfd)
{
	struct clone_args args = {
		.flags = flags | (pidfd ? CLONE_PIDFD : 0),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

int stage_execute(int sealed, int request, int socket, struct err *err)
{
	char request_text[12], socket_text[12];
	char *argv[] = { (char *)"proa-helper", (char *)STAGE_VERB, request_text, socket_text, NULL };
	char *no_environment[] = { NULL };

	snprintf(request_text, sizeof(request_text), "%d", request);
	snprintf(socket_text, sizeof(socket_text), "%d", socket);
	if (fcntl(request, F_SETFD, 0) < 0 || fcntl(socket, F_SETFD, 0) < 0)
		return err_set(err, errno, "keep descriptor", "");
	syscall(SYS_execveat, sealed, "", argv, no_environment, AT_EMPTY_PATH);
	return err_set(err, errno, "execute helper", "");
}

static int read_request(struct stage *stage, int fd, struct err *err)
{
	json_t *rootfs = NULL, *process = NULL;
	json_t *preserved = NULL;
	const char *bundle, *cache = NULL, *run_dir = NULL;
	int cache_fd, pidfd, r;

	r = request_read(fd, &stage->request, err);
	close(fd);
	if (r == 0)
		r = request_unpack(stage->request, err, "stage", "{s:s,s:o,s:o,s?s,s:i,s:i,s?s,s?s,s:b,s?i,s?b,s?s,s?o,s?b!}", "bundle", &bundle,
			"rootfs", &rootfs, "process", &process, "seccompCache", &cache, "seccompFd", &cache_fd, "pidfd", &pidfd,
			"runtime", &stage->runtime, "runDir", &run_dir, "network", &stage->network, "cgroup", &stage->cgroup,
			"init", &stage->init, "initPath", &stage->init_path, "preserveFds", &preserved,
			"keepsOrphans", &stage->keeps_orphans);
	if (r == 0)
		r = bundle_load(bundle, &stage->bundle, err);
	if (r == 0)
		r = namespaces_parse(stage->bundle, &stage->namespaces, err);
	if (r == 0 && json_is_object(rootfs))
		r = rootfs_parse(rootfs, &stage->rootfs, err);
	stage->join = json_is_object(process);
	if (r == 0)
		r = process_parse(stage->join ? process : stage->bundle->process, &stage->process, err);
	stage->process.joins = stage->join;
	stage->process.keeps_groups = settings_keep_groups(stage->bundle);
	if (r == 0)
		r = preserve_parse(preserved, &stage->preserved, err);
	stage->process.preserved = &stage->preserved;
	if (r == 0 && !stage->runtime)
		r = seccomp_prepare(json_object_get(json_object_get(stage->bundle->config, "linux"), "seccomp"), cache_fd, cache,
			&stage->filter, err);
	if (cache_fd >= 0)
		close(cache_fd);
	return r;
}

/* Let the starter know of the child PID that goes on, and end. */
static void hand_over(struct stage *stage, pid_t pid, int pidfd)
{
	struct stage_message message = { .kind = STAGE_SPAWNED, .pid = pid };

	if (pid < 0)
		return;
	_exit(stage_send(stage->socket, &message, pidfd) < 0);
}

static int await_go(struct stage *stage, struct err *err)
{
	struct stage_message message;
	int fd, r = stage_receive(stage->socket, &message, &fd);

	while (r == 1 && message.kind == STAGE_MOUNT && stage->mounts) {
		int taken = mounts_take(stage->mounts, (size_t)message.pid, fd, err);

		if (taken < 0)
			return taken;
		r = stage_receive(stage->socket, &message, &fd);
	}
	if (r != 1 || message.kind != STAGE_GO)
		return err_setf(err, 0, STAGE_WAITED, "", "the supervisor is gone");
	stage->group = message.mark;
	return 0;
}

/*
 * Go on in a child, whose parent is the starter. Return: 0 in the child, or -errno with ERR in this process.
 */
static int continue_in_child(struct stage *stage, unsigned int fresh, struct err *err)
{
	int pidfd = -1;
	pid_t pid = stage_fork(CLONE_PARENT | (fresh & STAGE_EARLY), &pidfd);

	/* Not before the starter knows of us: a failure that it heard of first would leave a process that it does not. */
	if (pid == 0)
		return fresh & CLONE_NEWUSER ? 0 : await_go(stage, err);
	hand_over(stage, pid, pidfd);
	if ((fresh & CLONE_NEWUSER) && (pid == -EPERM || pid == -ENOSPC || pid == -EUSERS))
		return namespaces_user_error(-pid, err);
	return err_set(err, -pid, "fork", "");
}

/*
 * What the container writes to, and the files that are bound over its own, become its root's, where the caller is another in there. Call before
 * the user id changes.
 */
static int give_to_root(struct stage *stage, struct err *err)
{
	static const char *const names[] = { "passwd", "group" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		autofree char *path = xasprintf("%s/%s", stage->bundle->dir, names[i]);

		rootfs_give_path(path);
	}
	return rootfs_give(stage->rootfs, err);
}

static int become_root(struct err *err)
{
	/* EINVAL: no root in this user namespace. It goes on as it is, with all capabilities. */
	if ((setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) && errno != EINVAL)
		return err_set(err, errno, "become root of the user namespace", "");
	return 0;
}

/* Layers that have not arrived are mounted first, and served at once: overlay looks at them. Return: 0 with *MOUNT, or -errno with ERR. */
static int mount_lazily(struct stage *stage, int *mount, struct err *err)
{
	struct stage_message message = { .kind = STAGE_FUSE };
	autoclose int device = lazyfs_is_needed(stage->rootfs) ? lazyfs_mount(stage->rootfs, &stage->place, mount, err) : -1;

	if (device >= 0 && stage_send(stage->socket, &message, device) < 0)
		return err_setf(err, 0, "mount layers on their way", "", "the supervisor is gone");
	return device < 0 && err->step[0] ? -EIO : 0;
}

static int mount_root(struct stage *stage, struct err *err)
{
	autoclose int mount = -1;
	int r = mount_lazily(stage, &mount, err);

	if (r < 0)
		return r;
	stage->root = rootfs_mount(stage->rootfs, &stage->place, &stage->fuse, err);
	if (stage->root >= 0 && stage->fuse >= 0) {
		struct stage_message message = { .kind = STAGE_FUSE };

		if (stage_send(stage->socket, &message, stage->fuse) < 0)
			return err_setf(err, 0, "start fuse-overlayfs", "", "the supervisor is gone");
		close(stage->fuse);
	}
	return stage->root < 0 ? stage->root : 0;
}

/*
 * What needs no mapped id, done while newuidmap is at work. It must also come before the change of user, as host paths may be
 * open to the caller's own id only.
 */
static int prepare(struct stage *stage, struct err *err)
{
	unsigned int fresh = stage->namespaces.fresh;
	int r;

	/* The control group that we are in then is the root of its namespace. */
	if (stage->cgroup == STAGE_CGROUP_WITH_MAPS)
		fresh &= ~(unsigned int)CLONE_NEWCGROUP;
	r = namespaces_unshare(fresh & ~(unsigned int)STAGE_EARLY, err);
	stage->mark = leftover_mark(0);
	if (r == 0 && stage->network)
		settings_interfaces();
	if (r == 0 && stage->network)
		r = netoffer_send(stage->socket, err);
	if (r == 0)
		r = mount_isolate(stage->bundle, err);
	if (r == 0)
		r = mounts_open(stage->bundle, &stage->mounts, err);
	if (r == 0)
		r = volumes_open(stage->bundle, &stage->volumes, err);
	if (r == 0 && !mounts_bind_at(stage->mounts, "/dev"))
		r = devices_open(stage->bundle, &stage->devices, err);
	if (r == 0 && (fresh & CLONE_NEWNET))
		r = settings_loopback(err);
	if (r == 0 && (fresh & CLONE_NEWUTS))
		r = settings_names(stage->bundle, err);
	if (r == 0)
		r = rootfs_open(stage->rootfs, stage->bundle->root, &stage->place, err);
	return r;
}

/* The container's own devpts if it has one, else the host's. */
static int open_ptmx(int root)
{
	autoclose int fd = path_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, PATH_NO_LINKS);
	struct statfs fs;

	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC)
		return steal_fd(&fd);
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int open_terminal(struct stage *stage, int root, struct err *err)
{
	struct stage_message message = { .kind = STAGE_CONSOLE };
	autoclose int ptmx = open_ptmx(root);
	int r;

	if (ptmx < 0)
		return err_set(err, errno, "create terminal", "/dev/ptmx");
	r = process_open_terminal(&stage->process, ptmx, &stage->slave, err);
	if (r == 0 && stage_send(stage->socket, &message, ptmx) < 0)
		r = err_setf(err, 0, "create terminal", "", "the supervisor is gone");
	return r;
}

static int build(struct stage *stage, struct err *err)
{
	autoclose int proc = -1;
	int r = mount_root(stage, err);

	if (r == 0)
		r = volumes_prepare(stage->volumes, stage->root, err);
	if (r == 0)
		r = mounts_apply(stage->mounts, stage->root, stage->namespaces.fresh & CLONE_NEWPID, &proc, err);
	if (r == 0 && stage->cgroup && (stage->namespaces.fresh & CLONE_NEWCGROUP))
		group_delegate(stage->root, stage->group);
	if (r == 0 && stage->devices)
		r = devices_apply(stage->devices, stage->root, err);
	if (r == 0 && stage->process.terminal)
		r = open_terminal(stage, stage->root, err);
	if (r == 0 && stage->slave >= 0)
		r = devices_console(stage->root, stage->slave, err);
	/* Settings may name its interfaces, and forbid what netd gives them (disable_ipv6): they come afterwards. */
	if (r == 0 && stage->network)
		r = netoffer_await(stage->socket, err);
	if (r == 0)
		r = settings_sysctls(stage->bundle, proc, stage->namespaces.fresh, err);
	if (r == 0)
		r = mounts_protect(stage->mounts, stage->root, err);
	if (r == 0)
		r = mount_enter(stage->bundle, stage->root, err);
	return r;
}

/* Keep the processes of a namespace that is shared from looking into us, up to execve. */
static int hide(struct err *err)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_set(err, errno, "hide process", "") : 0;
}

static int start(struct stage *stage, struct err *err)
{
	const struct namespaces *namespaces = &stage->namespaces;
	int r;

	if (!stage->rootfs)
		return err_setf(err, 0, "read request", "rootfs", "missing");
	if (stage->init) {
		stage->process.init_fd = initial_open(stage->init_path, err);
		stage->process.init_starts = stage->init_path != NULL;
		if (stage->process.init_fd < 0)
			return stage->process.init_fd;
	}
	r = stage->cgroup == STAGE_CGROUP_FIRST ? await_go(stage, err) : 0;
	if (r == 0)
		r = process_set_oom_score(&stage->process, err);
	/* newuidmap only serves processes that it sees to be the caller's, so with a map to come this has to wait. */
	if (r == 0 && !(namespaces->fresh & CLONE_NEWUSER))
		r = hide(err);
	if (r < 0)
		return r;
	if (namespaces->n_paths > 0) {
		r = namespaces_join(namespaces, err);
		if (r == 0)
			r = continue_in_child(stage, namespaces->fresh, err);
	}
	if (r == 0)
		r = prepare(stage, err);
	if (r == 0 && (namespaces->fresh & CLONE_NEWUSER)) {
		r = await_go(stage, err);
		if (r == 0 && stage->cgroup == STAGE_CGROUP_WITH_MAPS)
			r = namespaces_unshare(namespaces->fresh & CLONE_NEWCGROUP, err);
		if (r == 0)
			r = hide(err);
	}
	if (r == 0 && ((namespaces->fresh | namespaces->joined) & CLONE_NEWUSER)) {
		r = give_to_root(stage, err);
		if (r == 0)
			r = become_root(err);
	}
	return r < 0 ? r : build(stage, err);
}

/* Into all namespaces of the running container that are not the host's. */
static int join(struct stage *stage, struct err *err)
{
	int pidfd = (int)json_integer_value(json_object_get(stage->request, "pidfd"));
	unsigned int flags = stage->namespaces.fresh | stage->namespaces.joined;
	int r = stage->cgroup ? await_go(stage, err) : 0;

	if (r == 0)
		r = process_set_oom_score(&stage->process, err);
	if (r == 0)
		r = hide(err);
	if (r < 0)
		return r;
	if (setns(pidfd, (int)flags) < 0)
		return err_set(err, errno, "join namespaces of the container", "");
	close(pidfd);
	if ((stage->namespaces.fresh | stage->namespaces.joined) & CLONE_NEWUSER)
		r = become_root(err);
	if (r == 0)
		r = continue_in_child(stage, 0, err);
	if (r == 0 && stage->process.terminal) {
		autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		r = root < 0 ? err_set(err, errno, "open root file system", "/") : open_terminal(stage, root, err);
	}
	return r;
}

/* The user and mount namespaces, the rootfs in place, and then RUNTIME on what is left of the bundle. */
static int start_foreign(struct stage *stage, struct err *err)
{
	struct stage_message executing = { .kind = STAGE_EXECUTING };
	struct foreign foreign = {
		.runtime = stage->runtime, .bundle = stage->bundle,
		.run_dir = json_string_value(json_object_get(stage->request, "runDir")),
	};
	int r = stage->cgroup == STAGE_CGROUP_FIRST ? await_go(stage, err) : 0;

	if (r == 0)
		r = mount_isolate(stage->bundle, err);
	if (r == 0)
		r = volumes_open(stage->bundle, &stage->volumes, err);
	if (r == 0)
		r = rootfs_open(stage->rootfs, stage->bundle->root, &stage->place, err);
	if (r == 0 && (stage->namespaces.fresh & CLONE_NEWUSER))
		r = await_go(stage, err);
	if (r == 0)
		r = give_to_root(stage, err);
	if (r == 0)
		r = become_root(err);
	if (r == 0 && stage->network) {
		foreign.network = xasprintf("%s/" FOREIGN_NETWORK, foreign.run_dir);
		r = netoffer_make(foreign.network, stage->socket, err);
	}
	if (r == 0)
		r = mount_root(stage, err);
	if (r == 0)
		r = volumes_prepare(stage->volumes, stage->root, err);
	if (r == 0)
		r = foreign_prepare(&foreign, err);
	if (r == 0 && stage->process.terminal)
		r = open_terminal(stage, stage->root, err);
	if (r == 0 && stage->network)
		r = netoffer_await(stage->socket, err);
	if (r == 0 && stage_send(stage->socket, &executing, -1) < 0)
		r = err_setf(err, 0, "execute", stage->runtime, "the supervisor is gone");
	return r < 0 ? r : foreign_execute(&foreign, stage->slave, stage->socket, err);
}

/* Into the user, mount and pid namespaces that start_foreign() made, and RUNTIME again for the rest of the way. */
static int join_foreign(struct stage *stage, struct err *err)
{
	struct stage_message executing = { .kind = STAGE_EXECUTING };
	int pidfd = (int)json_integer_value(json_object_get(stage->request, "pidfd"));
	const struct foreign foreign = {
		.runtime = stage->runtime, .bundle = stage->bundle,
		.run_dir = json_string_value(json_object_get(stage->request, "runDir")),
	};
	unsigned int also = (stage->namespaces.fresh | stage->namespaces.joined) & (CLONE_NEWPID | CLONE_NEWUSER);
	int r = stage->cgroup ? await_go(stage, err) : 0;

	if (r < 0)
		return r;
	if (setns(pidfd, CLONE_NEWNS | (int)also) < 0)
		return err_set(err, errno, "join namespaces of the runtime", stage->runtime);
	r = become_root(err);
	if (r == 0)
		r = continue_in_child(stage, 0, err);
	if (r == 0 && stage->process.terminal)
		r = open_terminal(stage, AT_FDCWD, err);
	if (r == 0 && stage_send(stage->socket, &executing, -1) < 0)
		r = err_setf(err, 0, "execute", stage->runtime, "the supervisor is gone");
	return r < 0 ? r : foreign_execute_further(&foreign, json_object_get(stage->request, "process"), stage->slave,
		stage->socket, err);
}

static int run(struct stage *stage, int request, struct err *err)
{
	struct stage_message executing = { .kind = STAGE_EXECUTING };
	int r = read_request(stage, request, err);

	if (r == 0 && stage->runtime)
		return stage->join ? join_foreign(stage, err) : start_foreign(stage, err);
	if (r == 0)
		r = stage->join ? join(stage, err) : start(stage, err);
	if (r < 0)
		return r;
	executing.mark = stage->mark;
	/* Told before the filter is in place, which may forbid it. */
	if (stage_send(stage->socket, &executing, -1) < 0)
		return err_setf(err, 0, "execute", stage->process.args[0], "the supervisor is gone");
	r = settings_personality(stage->bundle, err);
	if (r < 0)
		return r;
	if (stage->keeps_orphans && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "keep orphans", "");
	/* The container's first process dies with its supervisor, so that none is ever left without one. */
	r = process_become(&stage->process, stage->slave, &stage->filter, stage->socket, stage->join ? 0 : SIGKILL, err);
	return r < 0 ? r : process_execute(&stage->process, err);
}

int stage_main(const char *request_text, const char *socket_text)
{
	struct stage stage = { .socket = atoi(socket_text), .root = -1, .slave = -1, .fuse = -1 };
	struct stage_message failed = { .kind = STAGE_FAILED };

	/* The supervisor's own signal mask and what it ignores are not for the container. */
	process_reset_signals();
	fcntl(stage.socket, F_SETFD, FD_CLOEXEC);
	run(&stage, atoi(request_text), &failed.err);
	stage_send(stage.socket, &failed, -1);
	_exit(failed.err.exit ? failed.err.exit : 125);
}
