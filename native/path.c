#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util.h"

#define LINK_LIMIT 40 /* dangling links replaced in one path; the kernel's own limit is the same */

int path_open(int root, const char *path, int flags, enum path_links links)
{
	struct open_how how = {
		.flags = (unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (links == PATH_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0),
	};
	long fd;

	do /* EAGAIN: a rename or mount elsewhere raced with the resolution of ".." */
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

/* Put LINK in place of the first END bytes of PATH, whose last component begins at START. Return: 0 or -errno. */
static int replace_link(char *path, size_t start, size_t end, const char *link)
{
	char result[PATH_MAX];
	int n = snprintf(result, sizeof(result), "%.*s%s%s", link[0] == '/' ? 0 : (int)start, path, link, path + end);

	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, result, (size_t)n + 1);
	return 0;
}

/*
 * Create the component of PATH between START and END in PARENT. Return: 0, -EEXIST when a dangling link is in its place and
 * PATH has been rewritten to where that points, or -errno.
 */
static int make_component(int parent, char *path, size_t start, size_t end, bool directory, mode_t mode)
{
	char name[NAME_MAX + 1], link[PATH_MAX];
	ssize_t length;
	int r;

	if (end - start > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, path + start, end - start);
	name[end - start] = '\0';
	r = directory ? mkdirat(parent, name, mode) : mknodat(parent, name, S_IFREG | mode, 0);
	if (r == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	length = readlinkat(parent, name, link, sizeof(link) - 1);
	if (length < 0)
		return -errno; /* EINVAL: no link, somebody was faster */
	link[length] = '\0';
	r = replace_link(path, start, end, link);
	return r < 0 ? r : -EEXIST;
}

/* One walk over PATH (PATH_MAX bytes, rewritten at links). Return: a descriptor, -EEXIST to walk again, or -errno. */
static int walk(int root, char *path, bool directory, mode_t mode, enum path_links links)
{
	autoclose int parent = path_open(root, "/", O_PATH | O_DIRECTORY, links);
	size_t end = 0;

	if (parent < 0)
		return parent;
	for (;;) {
		size_t start = end + strspn(path + end, "/");
		bool last;
		char behind;
		int fd;

		end = start + strcspn(path + start, "/");
		last = path[end + strspn(path + end, "/")] == '\0';
		if (end == start)
			return steal_fd(&parent);
		behind = path[end];
		path[end] = '\0';
		fd = path_open(root, path, O_PATH, links);
		path[end] = behind;
		if (fd == -ENOENT) {
			/* 0755 whatever the mount point's own mode will be: it is only the way to it. */
			int r = make_component(parent, path, start, end, directory || !last, last ? mode : 0755);

			if (r < 0)
				return r == -EEXIST && links == PATH_NO_LINKS ? -ELOOP : r;
			end = start; /* open what is there now */
			continue;
		}
		if (fd < 0)
			return fd;
		close(parent);
		parent = fd;
	}
}

int path_make(int root, const char *path, bool directory, mode_t mode, enum path_links links)
{
	autoclose int fd = path_open(root, path, O_PATH, links);
	char work[PATH_MAX];
	struct stat st;

	if (fd == -ENOENT) {
		if (strlen(path) >= sizeof(work))
			return -ENAMETOOLONG;
		strcpy(work, path);
		fd = -EEXIST;
		for (int i = 0; i < LINK_LIMIT && fd == -EEXIST; i++)
			fd = walk(root, work, directory, mode, links);
		if (fd == -EEXIST)
			return -ELOOP;
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	return steal_fd(&fd);
}
