/* features: what works on this host for this user, found out by doing it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"
#include "mount_internal.h"
#include "request.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

struct probe {
	const char *scratch;
	int replies; /* takes a struct findings */
};

struct findings {
	struct err overlay; /* step "" when it works */
	bool lowerdir_append;
};

/* Old kernels take every key, and say that they do not know it when the file system is to be made of them. */
static bool lowerdir_append_works(const char *lower, const char *other)
{
	autoclose int fs = fsopen("overlay", FSOPEN_CLOEXEC), mount = -1;

	if (fs < 0 || mount_fsconfig(fs, "lowerdir+", lower) < 0 || mount_fsconfig(fs, "lowerdir+", other) < 0 ||
	    mount_fsconfig(fs, "userxattr", NULL) < 0)
		return false;
	mount = mount_fsmount(fs, 0);
	return mount >= 0;
}

static int make_directory(const char *parent, const char *name, struct err *err)
{
	autofree char *path = xasprintf("%s/%s", parent, name);

	return mkdir(path, 0755) < 0 && errno != EEXIST ? err_set(err, errno, "create directory", path) : 0;
}

/* A file of the lower directory is removed in ROOT, and a merged directory: both leave marks that not every host can store. */
static int try_changes(int root, struct err *err)
{
	if (unlinkat(root, "file", 0) < 0)
		return err_set(err, errno, "remove file of a layer", "overlay");
	if (unlinkat(root, "directory", AT_REMOVEDIR) < 0)
		return err_set(err, errno, "remove directory of a layer", "overlay");
	if (mkdirat(root, "directory", 0755) < 0)
		return err_set(err, errno, "replace directory of a layer", "overlay");
	return 0;
}

static int try_overlay(const char *scratch, struct findings *findings)
{
	static const char *const names[] = { "lower", "upper", "work", "merged", "lower/directory" };
	struct err *err = &findings->overlay;
	autofree char *lower = xasprintf("%s/lower", scratch), *upper = xasprintf("%s/upper", scratch);
	autofree char *work = xasprintf("%s/work", scratch), *merged = xasprintf("%s/merged", scratch);
	autofree char *file = xasprintf("%s/lower/file", scratch);
	const char *layers[] = { lower };
	const struct rootfs rootfs = {
		.driver = ROOTFS_OVERLAY, .lower = layers, .n_lower = 1, .upper = upper, .work = work,
	};
	struct rootfs_place place;
	autoclose int root = -1;
	int fuse, fd;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (make_directory(scratch, names[i], err) < 0)
			return 1;
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		err_set(err, errno, "create file", file);
		return 1;
	}
	close(fd);
	findings->lowerdir_append = lowerdir_append_works(lower, merged);
	if (rootfs_open(&rootfs, merged, &place, err) < 0)
		return 1;
	root = rootfs_mount(&rootfs, &place, &fuse, err);
	return root < 0 || try_changes(root, err) < 0;
}

static int probe_inside(void *data)
{
	const struct probe *probe = data;
	struct findings findings = { 0 };

	try_overlay(probe->scratch, &findings);
	return write_all(probe->replies, &findings, sizeof(findings)) < 0;
}

static json_t *facts(const struct err *err)
{
	char *text = NULL;
	size_t length;
	json_t *value = NULL;
	FILE *out;

	if (!err->step[0])
		return json_null();
	out = open_memstream(&text, &length);
	if (!out)
		return json_null();
	err_write_json(err, out);
	fclose(out);
	value = json_loads(text, 0, NULL);
	free(text);
	return value;
}

static bool seccomp_works(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static int cgroup_version(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
}

int verb_features(json_t *request)
{
	struct findings findings = { 0 };
	struct err err = { 0 };
	struct probe probe;
	struct id_maps maps;
	const char *scratch;
	json_t *mappings;
	int replies[2];
	bool range;
	pid_t pid;

	if (request_unpack(request, &err, "features", "{s:o,s:s!}", "mappings", &mappings, "scratch", &scratch) < 0 ||
	    request_mappings(mappings, &maps, &err) < 0)
		return reply_error(&err);
	if (userns_give(scratch, &maps, &err) < 0) {
		id_maps_free(&maps);
		return reply_error(&err);
	}
	/* From within: what leads to it may be closed to the root of the user namespace. */
	probe.scratch = chdir(scratch) < 0 ? scratch : ".";
	range = maps.n_uid > 1 || (maps.n_uid == 1 && maps.uid[0].size > 1);
	if (pipe2(replies, O_CLOEXEC) < 0) {
		err_set(&err, errno, "create pipe", "");
		id_maps_free(&maps);
		return reply_error(&err);
	}
	probe.replies = replies[1];
	if (userns_spawn(&maps, probe_inside, &probe, &pid, &err) == 0) {
		close(replies[1]);
		if (read_all(replies[0], &findings, sizeof(findings)) != sizeof(findings))
			err_setf(&findings.overlay, 0, "mount overlay", "", "the child process died");
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	} else {
		close(replies[1]);
		findings.overlay = err;
	}
	close(replies[0]);
	id_maps_free(&maps);
	return reply_ok(json_pack("{s:o,s:o,s:b,s:b,s:i,s:s}", "userNamespace", facts(&err), "overlay",
		facts(&findings.overlay), "overlayLowerdirAppend", findings.lowerdir_append, "seccomp", seccomp_works(),
		"cgroupVersion", cgroup_version(), "mappings", range && !err.step[0] ? "range" : "single"));
}
