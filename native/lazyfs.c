#include "lazyfs.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lazyfs_serve.h"
#include "mount_internal.h"
#include "process.h"
#include "title.h"
#include "util.h"

static bool is_missing(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && errno == ENOENT;
}

bool lazyfs_is_needed(const struct rootfs *rootfs)
{
	for (size_t i = 0; rootfs->lazy_directory && i < rootfs->n_lower; i++)
		if (is_missing(rootfs->lower[i]))
			return true;
	return false;
}

static int mount_fuse(const struct rootfs_place *place, int *mounted, struct err *err)
{
	autoclose int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), fs = -1;
	char number[12], most[12];
	int fd, r;

	if (fuse < 0)
		return err_set(err, errno, "open", "/dev/fuse");
	fs = fsopen("fuse", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_set(err, errno, "mount layers on their way", place->path);
	snprintf(number, sizeof(number), "%d", fuse);
	snprintf(most, sizeof(most), "%d", LAZYFS_READ_BYTES); /* with large pages the kernel would ask for more, and take less for the end */
	if (mount_fsconfig(fs, "source", "proa-lazy") < 0 || mount_fsconfig(fs, "fd", number) < 0 ||
	    mount_fsconfig(fs, "rootmode", "40000") < 0 || mount_fsconfig(fs, "user_id", "0") < 0 ||
	    mount_fsconfig(fs, "group_id", "0") < 0 || mount_fsconfig(fs, "max_read", most) < 0 || mount_fsconfig(fs, "allow_other", NULL) < 0 ||
	    mount_fsconfig(fs, "default_permissions", NULL) < 0)
		return mount_fs_error(fs, errno, "mount layers on their way", place->path, err);
	fd = mount_fsmount(fs, 0);
	if (fd < 0)
		return mount_fs_error(fs, -fd, "mount layers on their way", place->path, err);
	/* Overlay takes directories only of mounts that are attached somewhere. */
	r = mount_attach(fd, place->target);
	if (r < 0) {
		close(fd);
		return err_set(err, -r, "attach layers on their way", place->path);
	}
	*mounted = fd;
	return steal_fd(&fuse);
}

int lazyfs_mount(struct rootfs *rootfs, const struct rootfs_place *place, int *mount, struct err *err)
{
	int device = mount_fuse(place, mount, err);

	for (size_t i = 0; device >= 0 && i < rootfs->n_lower; i++) {
		autofree char *path = xstrdup(rootfs->lower[i]);

		if (!is_missing(path))
			continue;
		/* By the descriptor: the way there may be closed to the container's root. The record keeps it. */
		autofree char *replaced = xasprintf("/proc/self/fd/%d/%s", *mount, basename(path));
		json_t *list = json_object_get(rootfs->json, "lower");

		if (json_array_set_new(list, i, json_string(replaced)) < 0)
			return err_setf(err, 0, "mount layers on their way", place->path, "a name is not valid UTF-8");
		rootfs->lower[i] = json_string_value(json_array_get(list, i));
	}
	return device;
}

/* All that the child keeps: DEVICE, and what DATA has open; not the run directory's lock, nor clients. Return: 0 or -errno. */
static int close_others(const struct lazy_data *data, int device)
{
	int kept[] = { device, data->layers_fd, data->data_fd, data->keeper };
	const size_t n = data->keeper < 0 ? 3 : 4;

	for (size_t i = 0; i < n; i++) /* sorted */
		for (size_t j = i + 1; j < n; j++)
			if (kept[j] < kept[i]) {
				int other = kept[i];
				kept[i] = kept[j];
				kept[j] = other;
			}
	for (size_t i = 0, from = 0; i <= n; i++) {
		unsigned int to = i < n ? (unsigned int)kept[i] : ~0U;

		if (to > from && syscall(SYS_close_range, (unsigned int)from, i < n ? to - 1 : to, 0) < 0)
			return -errno;
		from = (size_t)to + 1;
	}
	return 0;
}

/* Layers belong to all ids of the container; nothing but reading them is needed. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	sets[0].effective = sets[0].permitted = 1U << CAP_DAC_READ_SEARCH;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

__attribute__((noreturn)) static void serve(const struct rootfs *rootfs, int userns, int device, const struct lazy_index *index,
	struct lazy_data *data)
{
	process_reset_signals();
	signal(SIGPIPE, SIG_IGN);
	/* EINVAL: we are in it. */
	if ((setns(userns, CLONE_NEWUSER) < 0 && errno != EINVAL) || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || chdir("/") < 0 ||
	    drop_capabilities() < 0 || close_others(data, device) < 0)
		_exit(1);
	prctl(PR_SET_NAME, "proa-lazyfs");
	title_set("proa-lazyfs", strrchr(rootfs->lazy_directory, '/') + 1);
	fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
	_exit(lazyfs_serve(device, index, data) < 0);
}

int lazyfs_open(const struct rootfs *rootfs, struct lazy_files *files, struct err *err)
{
	struct err failed = { 0 };
	int r;

	*files = LAZY_NO_FILES;
	if (!lazyfs_is_needed(rootfs))
		return 0;
	r = lazy_files_open(files, rootfs->lazy_directory, &failed);
	if (r == 0 || !lazyfs_is_needed(rootfs)) /* they have come meanwhile */
		return 0;
	if (err)
		*err = failed;
	return r;
}

int lazyfs_start(const struct rootfs *rootfs, struct lazy_files *files, pid_t pid, int device, int keeper, pid_t *server, struct err *err)
{
	autofree char *userns_path = xasprintf("/proc/%d/ns/user", (int)pid);
	autoclose int userns = open(userns_path, O_RDONLY | O_CLOEXEC);
	struct lazy_index index;
	struct lazy_data data;
	pid_t child;
	int r;

	if (userns < 0)
		return err_set(err, errno, "open", userns_path);
	if (files->index < 0)
		return err_setf(err, ENOENT, "mount layers on their way", rootfs->lazy_directory, "a layer has gone");
	child = fork();
	if (child < 0)
		return err_set(err, errno, "fork", "");
	if (child > 0) {
		*server = child;
		return 0;
	}
	/* Read by the child, which keeps it; who waits for a mount that nobody serves sees that it is gone. */
	r = lazy_index_open(files->index, &index, err);
	if (r == 0)
		r = lazy_data_open(&data, &index, files, rootfs->lazy_layers, rootfs->lazy_socket, err);
	if (r < 0)
		_exit(1);
	data.keeper = keeper;
	serve(rootfs, userns, device, &index, &data);
}
