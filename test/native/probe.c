/* probe: what the tests ask the kernel from inside a container, one question a word. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* `syscall NUMBER`: its errno's name with six zeros as arguments. */
static void ask_syscall(const char *number)
{
	long result = syscall(strtol(number, NULL, 10), 0, 0, 0, 0, 0, 0);

	puts(result < 0 ? strerrorname_np(errno) : "ok");
}

static void try_open(const char *what, const char *path, int flags)
{
	int fd = open(path, flags);

	printf("%s %s\n", what, fd < 0 ? strerrorname_np(errno) : "opened");
	if (fd >= 0)
		close(fd);
}

/* `exe PID`: every way known to get a writable descriptor of the program that PID runs. */
static void ask_exe(const char *pid)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	char path[64], copy[64];
	int fd, tree;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	try_open("write", path, O_WRONLY);
	try_open("truncate", path, O_RDWR | O_TRUNC);
	fd = open(path, O_PATH);
	snprintf(copy, sizeof(copy), "/proc/self/fd/%d", fd);
	try_open("reopen", copy, O_WRONLY);
	tree = open_tree(fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (tree < 0) {
		printf("clone %s\n", strerrorname_np(errno));
		return;
	}
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		printf("remount %s\n", strerrorname_np(errno));
	snprintf(copy, sizeof(copy), "/proc/self/fd/%d", tree);
	try_open("clone", copy, O_WRONLY);
}

/* `fds`: the open descriptors. */
static void ask_fds(void)
{
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	puts("");
}

/* `umask`: in octal. */
static void ask_umask(void)
{
	printf("%04o\n", (unsigned int)umask(0));
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "syscall") && argv[i + 1])
			ask_syscall(argv[++i]);
		else if (!strcmp(argv[i], "exe") && argv[i + 1])
			ask_exe(argv[++i]);
		else if (!strcmp(argv[i], "fds"))
			ask_fds();
		else if (!strcmp(argv[i], "umask"))
			ask_umask();
	}
	return 0;
}
