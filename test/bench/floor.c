/*
 * floor: the least that the kernel asks for the work of a container engine, to measure an engine against.
 *
 *   floor run DIR LOWER PROGRAM...    a container from nothing: every namespace, the id maps of /etc/subuid and /etc/subgid through
 *                                     newuidmap and newgidmap (both started at once), an overlay of LOWER, the usual mounts, pivot_root,
 *                                     seccomp, exec, wait. DIR is a directory for the writable layer.
 *   floor hold DIR LOWER              the same; prints the pid of its first process, which sleeps until it is killed
 *   floor exec PID PROGRAM...         into all namespaces of PID, fork, seccomp, exec, wait
 *   floor read DIR                    read each file of DIR once: state of so many containers
 *   floor time PROGRAM...             run PROGRAM with its stdout at /dev/null; print {"us":…,"maxRssKiB":…,"status":…}, where
 *                                     maxRssKiB is the largest process of it and its waited-for descendants
 *   floor together N PROGRAM...       start N at once, wait for all; {"us":…,"maxRssKiB":…,"status":…} of the whole. "%" in an argument
 *                                     becomes the number, 0 to N-1
 *
 * It reports failures as `floor: step: reason` with status 125 and cleans up no further than its caller's temporary directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

extern char **environ;

static void need(long result, const char *step)
{
	if (result >= 0)
		return;
	fprintf(stderr, "floor: %s: %s\n", step, strerror(errno));
	_exit(125);
}

static int status_of(pid_t pid, struct rusage *usage)
{
	int status;

	while (wait4(pid, &status, 0, usage) < 0)
		need(errno == EINTR ? 0 : -1, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* First id of the caller's range in FILE, lines of NAME:START:COUNT. */
static unsigned long first_subordinate(const char *file)
{
	struct passwd *me = getpwuid(getuid());
	char name[64], line[256];
	unsigned long start;
	FILE *f = fopen(file, "re");

	need(f && me ? 0 : -1, file);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]:%lu:", name, &start) == 2 && !strcmp(name, me->pw_name)) {
			fclose(f);
			return start;
		}
	errno = ENOENT;
	need(-1, file);
	return 0;
}

static pid_t start_map(const char *tool, pid_t pid, unsigned long own, unsigned long range)
{
	char target[24], inner[24], outer[24];
	char *argv[] = { (char *)tool, target, "0", inner, "1", "1", outer, "65536", NULL };
	pid_t child;

	snprintf(target, sizeof(target), "%d", pid);
	snprintf(inner, sizeof(inner), "%lu", own);
	snprintf(outer, sizeof(outer), "%lu", range);
	errno = posix_spawnp(&child, tool, NULL, NULL, argv, environ);
	need(errno ? -1 : 0, tool);
	return child;
}

/* A filter with as many rules as engines' default profiles have denials. */
static void load_filter(void)
{
	static const char *const refused[] = {
		"acct", "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "init_module", "io_uring_setup",
		"ioperm", "iopl", "kexec_load", "keyctl", "mount_setattr", "open_by_handle_at", "perf_event_open", "quotactl",
		"reboot", "request_key", "settimeofday", "swapoff", "swapon", "userfaultfd",
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(refused[i]), 0);
	need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
	need(seccomp_load(filter), "load filter");
	seccomp_release(filter);
}

static void give_up_capabilities(void)
{
	for (int capability = 11; capability <= 40; capability++)
		prctl(PR_CAPBSET_DROP, capability);
}

struct mounted {
	const char *type, *where, *data;
	unsigned long flags;
};

static void mount_all(const char *dir, const char *lower)
{
	static const struct mounted usual[] = {
		{ "proc", "root/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "sysfs", "root/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY },
		{ "tmpfs", "root/dev", "mode=755,size=65536k", MS_NOSUID },
		{ "devpts", "root/dev/pts", "newinstance,ptmxmode=0666,mode=0620", MS_NOSUID | MS_NOEXEC },
		{ "tmpfs", "root/dev/shm", "mode=1777,size=65536k", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "mqueue", "root/dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	};
	static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
	char text[4096], from[64], to[64];

	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
	need(chdir(dir), dir);
	snprintf(text, sizeof(text), "lowerdir=%s,upperdir=upper,workdir=work,userxattr", lower);
	need(mount("overlay", "root", "overlay", 0, text), "mount overlay");
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		mkdir(usual[i].where, 0755);
		need(mount(usual[i].type, usual[i].where, usual[i].type, usual[i].flags, usual[i].data), usual[i].where);
	}
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		snprintf(from, sizeof(from), "/dev/%s", devices[i]);
		snprintf(to, sizeof(to), "root/dev/%s", devices[i]);
		int fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		need(fd, to);
		close(fd);
		need(mount(from, to, NULL, MS_BIND, NULL), to);
	}
	need(chdir("root"), "enter root");
	need(syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(umount2(".", MNT_DETACH), "detach old root");
	need(chdir("/"), "enter /");
}

static void be_container(const char *dir, const char *lower, char **argv, int go)
{
	char byte;

	need(read(go, &byte, 1) == 1 ? 0 : -1, "wait for id maps");
	need(setresgid(0, 0, 0), "setresgid");
	need(setresuid(0, 0, 0), "setresuid");
	mount_all(dir, lower);
	need(sethostname("floor", 5), "sethostname");
	give_up_capabilities();
	load_filter();
	if (!argv[0]) {
		close(STDIN_FILENO), close(STDOUT_FILENO), close(STDERR_FILENO);
		for (;;)
			pause();
	}
	execvp(argv[0], argv);
	need(-1, argv[0]);
}

static pid_t start_container(const char *dir, const char *lower, char **argv)
{
	struct clone_args args = { .flags = NAMESPACES | CLONE_NEWUSER, .exit_signal = SIGCHLD };
	char upper[4096];
	int go[2];

	for (const char *const *name = (const char *const[]){ "upper", "work", "root", NULL }; *name; name++) {
		snprintf(upper, sizeof(upper), "%s/%s", dir, *name);
		need(mkdir(upper, 0755), upper);
	}
	need(pipe2(go, O_CLOEXEC), "pipe");
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));
	need(child, "clone");
	if (child == 0) {
		close(go[1]);
		be_container(dir, lower, argv, go[0]);
	}
	pid_t uids = start_map("newuidmap", child, getuid(), first_subordinate("/etc/subuid"));
	pid_t gids = start_map("newgidmap", child, getgid(), first_subordinate("/etc/subgid"));
	need(-status_of(uids, NULL), "newuidmap");
	need(-status_of(gids, NULL), "newgidmap");
	need(write(go[1], "", 1), "let the container go");
	close(go[0]), close(go[1]);
	return child;
}

static int enter(pid_t pid, char **argv)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	need(fd, "open pid");
	need(setns(fd, NAMESPACES | CLONE_NEWUSER), "join namespaces");
	pid_t child = fork();
	need(child, "fork");
	if (child == 0) {
		need(setresgid(0, 0, 0), "setresgid");
		need(setresuid(0, 0, 0), "setresuid");
		need(chdir("/"), "enter /");
		give_up_capabilities();
		load_filter();
		execvp(argv[0], argv);
		need(-1, argv[0]);
	}
	return status_of(child, NULL);
}

static int read_all(const char *dir)
{
	static char buffer[65536];
	DIR *d = opendir(dir);
	long total = 0;

	need(d ? 0 : -1, dir);
	for (struct dirent *entry; (entry = readdir(d));) {
		int fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, buffer, sizeof(buffer));
		total += n > 0 ? n : 0;
		close(fd);
	}
	closedir(d);
	printf("%ld\n", total);
	return 0;
}

/* "%" replaced by NUMBER, in a fresh string. */
static char *numbered(const char *text, int number)
{
	const char *at = strchr(text, '%');
	char *out;

	need(at ? asprintf(&out, "%.*s%d%s", (int)(at - text), text, number, at + 1) : asprintf(&out, "%s", text), "memory");
	return out;
}

static int measure(int count, char **argv)
{
	pid_t *children = calloc(count, sizeof(*children));
	struct timespec begin, end;
	long rss = 0;
	int status = 0, words = 0;
	posix_spawn_file_actions_t quiet;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	while (argv[words])
		words++;
	char ***each = calloc(count, sizeof(*each));
	for (int i = 0; i < count; i++) {
		each[i] = calloc(words + 1, sizeof(**each));
		for (int w = 0; w < words; w++)
			each[i][w] = numbered(argv[w], i);
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < count; i++) {
		errno = posix_spawnp(&children[i], each[i][0], &quiet, NULL, each[i], environ);
		need(errno ? -1 : 0, argv[0]);
	}
	for (int i = 0; i < count; i++) {
		struct rusage usage;
		int one = status_of(children[i], &usage);
		if (one)
			status = one;
		if (usage.ru_maxrss > rss)
			rss = usage.ru_maxrss;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	long us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	printf("{\"us\":%ld,\"maxRssKiB\":%ld,\"status\":%d}\n", us, rss, status);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (!strcmp(verb, "run") && argc > 4)
		return status_of(start_container(argv[2], argv[3], argv + 4), NULL);
	if (!strcmp(verb, "hold") && argc == 4)
		return printf("%d\n", start_container(argv[2], argv[3], argv + 4)) < 0;
	if (!strcmp(verb, "exec") && argc > 3)
		return enter(atoi(argv[2]), argv + 3);
	if (!strcmp(verb, "read"))
		return read_all(argv[2]);
	if (!strcmp(verb, "time"))
		return measure(1, argv + 2);
	if (!strcmp(verb, "together") && argc > 3)
		return measure(atoi(argv[2]), argv + 3);
	fprintf(stderr, "usage: floor run|hold|exec|read|time|together …, see floor.c\n");
	return 2;
}
