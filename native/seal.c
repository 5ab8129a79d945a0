#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_internal.h"
#include "util.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* linux/memfd.h, since 6.3 */
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define OPTION_LIMIT 255 /* bytes of a value for fsconfig(2) */

/* The overlay over the executable's directory and EMPTY: without an upper directory there must be two. Return: -1 if it fails. */
static int open_overlay(const char *empty)
{
	char path[PATH_MAX], lower[OPTION_LIMIT + 1];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	autoclose int fs = -1, mount = -1;
	char *name;
	int n;

	if (length <= 0 || path[0] != '/')
		return -1;
	path[length] = '\0';
	name = strrchr(path, '/');
	*name++ = '\0';
	n = snprintf(lower, sizeof(lower), "%s:%s", *path ? path : "/", empty);
	/* One ':' between them and nothing that needs quotes; long names are left to the memfd. */
	if (n > OPTION_LIMIT || strchr(path, ':') || strchr(empty, ':') || strpbrk(lower, ",\\"))
		return -1;
	fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0 || mount_fsconfig(fs, "lowerdir", lower) < 0 || mount_fsconfig(fs, "userxattr", NULL) < 0)
		return -1;
	mount = mount_fsmount(fs, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return mount < 0 ? -1 : openat(mount, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* A memfd that may hold a program. Kernels before 6.3 do not know the flag; there every memfd may. */
static int create_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

int seal_copy(const char *name, const void *program, size_t len, struct err *err)
{
	autoclose int fd = create_memfd(name);
	int r;

	if (fd < 0)
		return err_setf(err, errno, "copy program", name, "%s", errno == EACCES ? "vm.memfd_noexec forbids it" : "");
	r = write_all(fd, program, len);
	if (r < 0)
		return err_set(err, -r, "copy program", name);
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_set(err, errno, "seal program", name);
	return steal_fd(&fd);
}

static int copy(int exe, struct err *err)
{
	autoclose int fd = create_memfd("proa-helper");
	struct stat st;
	off_t done = 0;

	if (fd < 0)
		return err_setf(err, errno, "copy helper", "memfd", "%s", errno == EACCES ? "vm.memfd_noexec forbids it" : "");
	if (fstat(exe, &st) < 0)
		return err_set(err, errno, "copy helper", "memfd");
	while (done < st.st_size) {
		ssize_t n = sendfile(fd, exe, &done, (size_t)(st.st_size - done));

		if (n <= 0 && errno != EINTR)
			return err_set(err, n == 0 ? EIO : errno, "copy helper", "memfd");
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_set(err, errno, "seal helper", "memfd");
	return steal_fd(&fd);
}

int seal_open(const char *empty, struct err *err)
{
	autoclose int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int seals, fd;

	if (exe < 0)
		return err_set(err, errno, "open", "/proc/self/exe");
	seals = fcntl(exe, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS)
		return steal_fd(&exe); /* we are such a copy already */
	fd = empty ? open_overlay(empty) : -1;
	return fd >= 0 ? fd : copy(exe, err);
}
