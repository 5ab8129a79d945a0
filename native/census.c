#include "census.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define DEPTH 1000      /* of parents: the tree may change while it is read */
#define STAT_BYTES 1024 /* of /proc/PID/stat: its name has 64 at most */
#define LINK_BYTES 64   /* "mnt:[4026531841]" */
#define NOBODY -1

struct process_seen {
	pid_t pid, parent;
	uint64_t ticks;
	uint64_t namespace; /* its number; 0: another user's */
	ssize_t owner;      /* whose first one it is, or NOBODY */
};

/* The mount namespace of an owner. */
struct home {
	uint64_t namespace;
	size_t owner;
};

struct census {
	struct process_seen *seen; /* by their pids, once they are sorted */
	size_t n, room;
};

void census_add(struct census_owner *owner, pid_t pid)
{
	if (owner->n == owner->room) {
		owner->room = 2 * owner->room + 4;
		owner->pids = xrealloc(owner->pids, owner->room * sizeof(*owner->pids));
	}
	owner->pids[owner->n++] = pid;
}

static uint64_t namespace_of(int proc, const char *name)
{
	char path[NAME_MAX + sizeof("/ns/mnt")], link[LINK_BYTES];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/ns/mnt", name);
	n = readlinkat(proc, path, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	link[n] = '\0';
	return strncmp(link, "mnt:[", 5) == 0 ? strtoull(link + 5, NULL, 10) : 0;
}

/* Fields behind the name, which may hold anything: state, parent, … and 12 to 15 the times (proc(5), counted from state as 1). Return: whether TEXT has them. */
static bool parse_stat(const char *text, struct process_seen *out)
{
	const char *at = strrchr(text, ')');
	char *end;
	int parent;

	if (!at || sscanf(at, ") %*c %d", &parent) != 1)
		return false;
	out->parent = parent;
	out->ticks = 0;
	at += 2;
	for (int field = 1; field <= 15; field++) {
		if (field >= 12) {
			long long ticks = strtoll(at, &end, 10);

			if (end == at)
				return false;
			out->ticks += ticks > 0 ? (uint64_t)ticks : 0; /* the kernel's sum of children is signed */
		}
		at = strchr(at, ' ');
		if (!at)
			return false;
		at++;
	}
	return true;
}

static void look_at(struct census *census, int proc, const char *name)
{
	struct process_seen seen = { .owner = NOBODY };
	char path[NAME_MAX + sizeof("/stat")], text[STAT_BYTES], *end;
	long pid = strtol(name, &end, 10);
	ssize_t n;

	if (end == name || *end || pid <= 0 || pid > INT_MAX)
		return;
	snprintf(path, sizeof(path), "%s/stat", name);
	autoclose int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return; /* it has ended */
	text[n] = '\0';
	seen.pid = (pid_t)pid;
	if (!parse_stat(text, &seen))
		return;
	seen.namespace = namespace_of(proc, name);
	if (census->n == census->room) {
		census->room = 2 * census->room + 64;
		census->seen = xrealloc(census->seen, census->room * sizeof(*census->seen));
	}
	census->seen[census->n++] = seen;
}

static int by_pid(const void *a, const void *b)
{
	pid_t left = *(const pid_t *)a, right = ((const struct process_seen *)b)->pid;

	return left < right ? -1 : left > right;
}

static int by_pids(const void *a, const void *b)
{
	return by_pid(&((const struct process_seen *)a)->pid, b);
}

static struct process_seen *find(const struct census *census, pid_t pid)
{
	return bsearch(&pid, census->seen, census->n, sizeof(*census->seen), by_pid);
}

static int by_namespace(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = ((const struct home *)b)->namespace;

	return left < right ? -1 : left > right;
}

static int by_namespaces(const void *a, const void *b)
{
	return by_namespace(&((const struct home *)a)->namespace, b);
}

/* What exec adds is in the namespace, but no child of the first process, and what has lost its parent may be none either. */
static ssize_t owner_of(const struct census *census, const struct home *homes, size_t n, const struct process_seen *process)
{
	for (int depth = 0; process && depth < DEPTH; depth++) {
		const struct home *home;

		if (process->owner != NOBODY)
			return process->owner;
		home = n > 0 ? bsearch(&process->namespace, homes, n, sizeof(*homes), by_namespace) : NULL;
		if (home)
			return (ssize_t)home->owner;
		process = find(census, process->parent);
	}
	return NOBODY;
}

/* Sorted; without our own, which tells nothing. Return: how many. */
static size_t find_homes(const struct census *census, const struct census_owner *owners, size_t n, uint64_t own, struct home *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		struct process_seen *first = find(census, owners[i].first);

		if (!first)
			continue;
		first->owner = (ssize_t)i;
		if (first->namespace != 0 && first->namespace != own)
			out[found++] = (struct home){ first->namespace, i };
	}
	if (found > 0)
		qsort(out, found, sizeof(*out), by_namespaces);
	return found;
}

int census_take(struct census_owner *owners, size_t n)
{
	autofree struct home *homes = xcalloc(n, sizeof(*homes));
	struct census census = { 0 };
	const struct dirent *entry;
	size_t n_homes;
	uint64_t own;
	DIR *directory = opendir("/proc");

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		look_at(&census, dirfd(directory), entry->d_name);
	own = namespace_of(dirfd(directory), "self");
	closedir(directory);
	if (census.n > 0)
		qsort(census.seen, census.n, sizeof(*census.seen), by_pids);
	n_homes = find_homes(&census, owners, n, own, homes);
	for (size_t i = 0; i < census.n; i++) {
		ssize_t owner = owner_of(&census, homes, n_homes, &census.seen[i]);

		if (owner == NOBODY)
			continue;
		census_add(&owners[owner], census.seen[i].pid);
		owners[owner].ticks += census.seen[i].ticks;
	}
	free(census.seen);
	return 0;
}
