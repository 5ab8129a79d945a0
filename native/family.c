#include "family.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "util.h"

#define PASSES 2000    /* of a millisecond: a family that is still growing then forks faster than it can be told to stop */
#define MANY_LEFT 50   /* passes after which those that do not stop are left: they sleep in the kernel, and stop before they run again */

struct member {
	pid_t pid, parent, group, session;
	char state;
	unsigned long long start; /* ticks since boot: with the pid, who it is */
	bool belongs;
};

struct family {
	struct member *members;
	size_t n, room;
	char mount[64];      /* what the link of the mount namespace says, or "" */
};

static bool read_mount(pid_t pid, char *out, size_t room)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	ssize_t n = readlink(path, out, room - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The fields of /proc/PID/stat behind the name, which may hold anything. Return: false where it has ended. */
static bool read_member(pid_t pid, struct member *out)
{
	char path[40], text[1024];
	int parent, group, session;
	char *rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_all(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	rest = strrchr(text, ')');
	*out = (struct member){ .pid = pid };
	/* fields 3 to 6 and 22 of proc(5) */
	if (!rest || sscanf(rest + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &out->state,
			    &parent, &group, &session, &out->start) != 5)
		return false;
	out->parent = parent;
	out->group = group;
	out->session = session;
	return true;
}

static void read_all_members(struct family *family)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	family->n = 0;
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (family->n == family->room) {
			family->room = family->room ? 2 * family->room : 256;
			family->members = xrealloc(family->members, family->room * sizeof(*family->members));
		}
		if (read_member((pid_t)atoi(entry->d_name), &family->members[family->n]))
			family->n++;
	}
	closedir(proc);
}

static bool is_in(const struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->n; i++)
		if (family->members[i].pid == pid)
			return family->members[i].belongs;
	return false;
}

static bool is_relative(const struct family *family, const struct member *member, pid_t first, enum family_kind kind)
{
	char mount[64];

	if (member->pid == first || is_in(family, member->parent))
		return true;
	if (kind == FAMILY_DESCENT)
		return member->group == first || member->session == first;
	return family->mount[0] && read_mount(member->pid, mount, sizeof(mount)) && strcmp(mount, family->mount) == 0;
}

static void mark(struct family *family, pid_t first, enum family_kind kind)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < family->n; i++) {
			struct member *member = &family->members[i];

			if (member->belongs || member->pid == getpid() || !is_relative(family, member, first, kind))
				continue;
			member->belongs = more = true;
		}
	}
}

static bool is_done(const struct member *member, int number)
{
	if (member->state == 'Z' || member->state == 'X')
		return true;
	if (number == SIGSTOP)
		return member->state == 'T' || member->state == 't';
	return number == SIGCONT && member->state != 'T';
}

/* Nobody else who has got its pid meanwhile. */
static void signal_member(const struct member *member, int number)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, member->pid, 0);
	struct member now;

	if (pidfd >= 0 && read_member(member->pid, &now) && now.start == member->start)
		syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

/* Return: how many are not yet what they are to be. */
static size_t pass(struct family *family, pid_t first, enum family_kind kind, bool spare, int number)
{
	size_t left = 0;

	read_all_members(family);
	mark(family, first, kind);
	for (size_t i = 0; i < family->n; i++) {
		const struct member *member = &family->members[i];

		if (!member->belongs || is_done(member, number) || (spare && member->pid == first))
			continue;
		signal_member(member, number);
		left++;
	}
	return left;
}

void family_signal(pid_t first, enum family_kind kind, bool spare, int number)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct family family = { .members = NULL };
	size_t before = 0;
	int same = 0;

	if (kind == FAMILY_CONTAINER)
		read_mount(first, family.mount, sizeof(family.mount));
	for (int i = 0; i < PASSES && same < MANY_LEFT; i++) {
		size_t left = pass(&family, first, kind, spare, number);

		if (left == 0)
			break;
		same = left == before ? same + 1 : 0;
		before = left;
		nanosleep(&moment, NULL);
	}
	free(family.members);
}
