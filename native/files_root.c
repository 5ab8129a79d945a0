#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bundle.h"
#include "fuse.h"
#include "mount.h"
#include "mount_internal.h"
#include "path.h"
#include "request.h"
#include "userns.h"
#include "util.h"

struct visit {
	int (*function)(int root, void *data);
	void *data;
	pid_t caller;
	/* Of a container that does not run: */
	struct rootfs *rootfs;
	struct bundle bundle; /* only what mounts_open() reads */
	struct mounts *mounts;
	struct rootfs_place place;
	const char *target;
	bool only_root, readonly;
};

/*
 * What files need and nothing else: a root that can read and write all of them and give them away. The container's processes cannot use what they might find in us, and
 * links that they put in our way lead to no power that comes with these.
 */
static int drop_capabilities(struct err *err)
{
	const uint64_t kept = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | 1u << CAP_FSETID |
		1u << CAP_SETFCAP | 1u << CAP_MKNOD;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	sets[0].effective = sets[0].permitted = (uint32_t)kept;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &header, sets) < 0)
		return err_set(err, errno, "drop capabilities", "");
	return 0;
}

/* The mount of TOP without what is mounted below it. */
static int bare(int top, struct err *err)
{
	int tree = open_tree(top, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return tree < 0 ? err_set(err, errno, "open root file system", "/") : tree;
}

/* Whether PID's user namespace is the one that we are in. */
static bool shares_user_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
		ours.st_dev == theirs.st_dev;
}

/* Into the namespaces of the process behind PIDFD. Return: a descriptor of the container's root, or -errno with ERR. */
static int enter_running(int pidfd, pid_t pid, const char *path, bool only_root, struct err *err)
{
	bool shared = shares_user_namespace(pid);
	autoclose int top = -1;
	int r;

	if ((!shared && setns(pidfd, CLONE_NEWUSER) < 0) || setns(pidfd, CLONE_NEWNS) < 0)
		return errno == ESRCH ? err_setf(err, 0, "join namespaces of the container", "", "it has just ended")
				      : err_set(err, errno, "join namespaces of the container", "");
	/* EINVAL: no root in this namespace. It goes on as it is, with all capabilities. */
	if (!shared && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) && errno != EINVAL)
		return err_set(err, errno, "become root of the user namespace", "");
	top = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set(err, errno, "open root file system", path);
	if (only_root) {
		int tree = bare(top, err);
		close(top);
		top = tree;
	}
	r = top < 0 ? top : drop_capabilities(err);
	return r < 0 ? r : steal_fd(&top);
}

static int open_places(void *data, struct err *err)
{
	struct visit *visit = data;
	int r = visit->only_root ? 0 : mounts_open(&visit->bundle, &visit->mounts, err);

	return r < 0 ? r : rootfs_open(visit->rootfs, visit->target, &visit->place, err);
}

static int mount_all(struct visit *visit, struct fuse *fuse, struct err *err)
{
	autoclose int root = -1, proc = -1;
	int device, r = 0;

	root = rootfs_mount(visit->rootfs, &visit->place, &device, err);
	if (root < 0)
		return root;
	if (device >= 0) {
		r = fuse_start(fuse, visit->rootfs, getpid(), device, err);
		close(device);
	}
	if (r == 0 && !visit->only_root)
		r = mounts_apply(visit->mounts, root, false, &proc, err);
	if (r == 0 && visit->readonly) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

		if (mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			r = err_set(err, errno, "make root file system read-only", visit->target);
	}
	if (r < 0)
		fuse_explain(fuse, err);
	return r < 0 ? r : steal_fd(&root);
}

/* fuse-overlayfs writes what it holds back when its mount goes, and ends by itself; what does not is ended. */
static void end_fuse(const struct visit *visit, int root, struct fuse *fuse)
{
	if (root >= 0)
		close(root);
	umount2(visit->target, MNT_DETACH);
	for (int tries = 0; tries < 1000; tries++) { /* 10 s: a disk may be slow */
		if (waitpid(fuse->pid, NULL, WNOHANG) == fuse->pid) {
			fuse_release(fuse);
			return;
		}
		usleep(10000);
	}
	fuse_stop(fuse);
}

/* In the child, root of a user namespace with mounts of its own: until it ends the root file system is there. */
static int visit_stopped(void *data)
{
	struct visit *visit = data;
	struct fuse fuse = FUSE_NONE;
	struct err err = { 0 };
	int root, status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != visit->caller)
		return 1;
	root = mount_all(visit, &fuse, &err);
	if (root >= 0 && fuse.pid <= 0 && drop_capabilities(&err) < 0)
		root = -1;
	err.exit = FILES_EXIT;
	status = root < 0 ? reply_error(&err) : visit->function(root, visit->data);
	if (fuse.pid > 0)
		end_fuse(visit, root, &fuse);
	return status;
}

/* In the child: the host's files, with the owners that a container sees. */
static int visit_mapped(void *data)
{
	struct visit *visit = data;
	struct err err = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != visit->caller)
		return 1;
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || drop_capabilities(&err) < 0) {
		err_set(&err, errno, "open directory", "/");
		err.exit = FILES_EXIT;
		return reply_error(&err);
	}
	return visit->function(root, visit->data);
}

static int wait_for(pid_t pid, struct err *err)
{
	int status = 0;

	/* The archive's other end must see what the child does with it, and it alone. */
	syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return err_setf(err, 0, "copy files", "", "the process was killed by signal %d", WTERMSIG(status));
}

static int in_running(json_t *object, int pidfd, struct visit *visit, struct err *err)
{
	const char *kind, *path;
	int pid, only_root = 0;
	int r = request_unpack(object, err, "root", "{s:s,s:i,s:s,s:b!}", "kind", &kind, "pid", &pid, "path", &path,
			       "onlyRoot", &only_root);

	if (r < 0)
		return r;
	autoclose int root = enter_running(pidfd, pid, path, only_root, err);
	close(pidfd);
	return root < 0 ? root : visit->function(root, visit->data);
}

static int in_stopped(json_t *object, struct visit *visit, struct err *err)
{
	json_t *mappings, *rootfs, *mounts;
	const char *kind;
	int only_root = 0, readonly = 0;
	struct id_maps maps = { 0 };
	pid_t pid = 0;
	int r = request_unpack(object, err, "root", "{s:s,s:s,s:s,s:o,s:o,s:o,s:b,s:b!}", "kind", &kind, "bundle", &visit->bundle.dir,
			       "target", &visit->target, "rootfs", &rootfs, "mounts", &mounts, "mappings", &mappings, "onlyRoot",
			       &only_root, "readonly", &readonly);

	if (r == 0)
		r = rootfs_parse(rootfs, &visit->rootfs, err);
	if (r == 0)
		r = request_mappings(mappings, &maps, err);
	visit->only_root = only_root;
	visit->readonly = readonly;
	visit->bundle.config = json_pack("{s:O}", "mounts", mounts);
	if (r == 0 && visit->rootfs->upper)
		r = userns_give(visit->rootfs->upper, &maps, err);
	if (r == 0 && visit->rootfs->work)
		r = userns_give(visit->rootfs->work, &maps, err);
	if (r == 0)
		r = userns_spawn_prepared(&maps, open_places, visit_stopped, visit, &pid, err);
	id_maps_free(&maps);
	if (r == 0)
		r = wait_for(pid, err);
	json_decref(visit->bundle.config);
	rootfs_free(visit->rootfs);
	return r;
}

static int in_host(json_t *object, struct visit *visit, struct err *err)
{
	struct id_maps maps = { 0 };
	json_t *mappings;
	const char *kind;
	pid_t pid = 0;
	int r = request_unpack(object, err, "root", "{s:s,s:o!}", "kind", &kind, "mappings", &mappings);

	if (r < 0)
		return r;
	if (json_is_null(mappings)) {
		autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return root < 0 ? err_set(err, errno, "open directory", "/") : visit->function(root, visit->data);
	}
	r = request_mappings(mappings, &maps, err);
	if (r == 0)
		r = userns_spawn(&maps, visit_mapped, visit, &pid, err);
	id_maps_free(&maps);
	return r < 0 ? r : wait_for(pid, err);
}

int files_in_root(json_t *root, int pidfd, int (*function)(int root, void *data), void *data, struct err *err)
{
	struct visit visit = { .function = function, .data = data, .caller = getpid(), .place = { .target = -1, .source = -1 } };
	const char *kind = json_string_value(json_object_get(root, "kind"));

	if (kind && !strcmp(kind, "running"))
		return in_running(root, pidfd, &visit, err);
	if (kind && !strcmp(kind, "stopped"))
		return in_stopped(root, &visit, err);
	if (kind && !strcmp(kind, "host"))
		return in_host(root, &visit, err);
	return err_setf(err, 0, "read request", "root", "unknown kind \"%s\"", kind ? kind : "");
}
