/* borrow: a mount out of the mount namespace of another container. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount_internal.h"
#include "path.h"
#include "stage.h"
#include "util.h"

/* The child, which shares our descriptors: what it opens takes the number PLACE. The other's tree is hostile: no link is followed. */
__attribute__((noreturn)) static void borrow_inside(int namespace, const char *path, int place)
{
	int root, tree, fd;

	if (setns(namespace, CLONE_NEWNS) < 0)
		_exit(errno);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = root < 0 ? -errno : path_open(root, path, O_PATH, PATH_NO_LINKS);
	if (fd < 0)
		_exit(-fd);
	tree = mount_open_tree(fd, "", false);
	if (tree < 0)
		_exit(-tree);
	if (dup3(tree, place, O_CLOEXEC) < 0)
		_exit(errno);
	close(tree);
	close(fd);
	close(root);
	_exit(0);
}

int mount_borrow(const char *path)
{
	autofree char *link = NULL;
	autoclose int namespace = -1, place = -1;
	int pid = 0, used = 0, status = 0;
	pid_t child;

	if (sscanf(path, "/proc/%d/root%n", &pid, &used) != 1 || used == 0 || path[used] != '/')
		return -EINVAL;
	link = xasprintf("/proc/%d/ns/mnt", pid);
	namespace = open(link, O_RDONLY | O_CLOEXEC);
	place = open("/", O_PATH | O_CLOEXEC);
	if (namespace < 0 || place < 0)
		return -errno;
	child = stage_fork(CLONE_FILES, NULL);
	if (child == 0)
		borrow_inside(namespace, path + used, place);
	if (child < 0)
		return child;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return steal_fd(&place);
}
