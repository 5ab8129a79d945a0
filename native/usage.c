/*
 * usage: the verbs that tell what containers use, by what their control groups count, else by their processes, and which processes they have.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "census.h"
#include "cgroup_group.h"
#include "live.h"
#include "request.h"
#include "util.h"
#include "verbs.h"

#define FILE_LIMIT (256 << 10) /* of a figure's file: io.stat has a line a disk */
#define UNKNOWN -1
#define NO_LIMIT (INT64_C(1) << 62) /* "max", and what version 1 has for it (PAGE_COUNTER_MAX, a little above), is no limit */
#define MICROSECONDS INT64_C(1000000)

/* Of one life; UNKNOWN: not counted. */
struct usage {
	int64_t started_ms;
	bool of_group; /* the group has counted the CPU's time, from the start on */
	int64_t cpu_us, system_us;
	int64_t memory;       /* without the cache that nobody has asked for lately, as docker counts */
	int64_t memory_limit; /* 0: none */
	int64_t processes;    /* threads, where the group counts them */
	int64_t read_bytes, written_bytes;
};

struct container {
	char *id, *run_dir; /* owned */
	bool is_there, is_whole;
	struct usage usage;
	struct census_owner members;
};

/*
 * The text of FILE, which is the kernel's, made as a whole for one read. Kept until the next one. Return: NULL where it cannot be read, or is longer than any.
 */
static const char *text_of(int dir, const char *file)
{
	static char text[FILE_LIMIT];
	autoclose int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n < 0 || n == sizeof(text))
		return NULL;
	text[n] = '\0';
	return text;
}

/* The number behind the first KEY of TEXT, 0 where there is none. */
static int64_t behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) : 0;
}

/* The sum of the numbers behind each KEY. */
static int64_t sum_behind(const char *text, const char *key)
{
	int64_t sum = 0;

	for (const char *at = text; (at = strstr(at, key)); at += strlen(key))
		sum += strtoll(at + strlen(key), NULL, 10);
	return sum;
}

/* As behind(), of FILE. */
static int64_t behind_in(int dir, const char *file, const char *key)
{
	const char *text = text_of(dir, file);

	return text ? behind(text, key) : 0;
}

/* A file with one number; UNKNOWN where it is not there, or holds none. */
static int64_t number_in(int dir, const char *file)
{
	const char *text = text_of(dir, file);
	int64_t number;
	char *end;

	if (!text)
		return UNKNOWN;
	number = strtoll(text, &end, 10);
	return end == text ? UNKNOWN : number;
}

static int64_t limit_in(int dir, const char *file)
{
	int64_t limit = number_in(dir, file);

	return limit < 0 || limit > NO_LIMIT ? 0 : limit;
}

/* Never less than nothing: the figures are of two moments. */
static int64_t without(int64_t used, int64_t cache)
{
	return used == UNKNOWN || cache >= used ? used : used - cache;
}

static int open_directory(const char *path)
{
	return path && path[0] == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* GROUP: its directory, or -1. Return: whether there is one that counts the CPU's time. */
static bool count_version2(int group, struct usage *out)
{
	const char *cpu = text_of(group, "cpu.stat"), *io;

	if (!cpu)
		return false;
	out->cpu_us = behind(cpu, "usage_usec ");
	out->system_us = behind(cpu, "\nsystem_usec ");
	out->memory = number_in(group, "memory.current");
	if (out->memory != UNKNOWN) {
		out->memory = without(out->memory, behind_in(group, "memory.stat", "\ninactive_file "));
		out->memory_limit = limit_in(group, "memory.max");
	}
	out->processes = number_in(group, "pids.current");
	io = text_of(group, "io.stat");
	if (io) {
		out->read_bytes = sum_behind(io, " rbytes=");
		out->written_bytes = sum_behind(io, " wbytes=");
	}
	return true;
}

static int open_controller(json_t *groups, const char *controller)
{
	return open_directory(json_string_value(json_object_get(groups, controller)));
}

/* A share of the CPU is what one looks for first: without its time all is counted by the processes. */
static bool count_version1(json_t *groups, int cpuacct, struct usage *out)
{
	autoclose int memory = open_controller(groups, "memory"), pids = open_controller(groups, "pids"), blkio = open_controller(groups, "blkio");
	const char *io;
	int64_t nanoseconds = number_in(cpuacct, "cpuacct.usage");

	if (nanoseconds == UNKNOWN)
		return false;
	out->cpu_us = nanoseconds / 1000;
	out->system_us = behind_in(cpuacct, "cpuacct.stat", "\nsystem ") * (MICROSECONDS / sysconf(_SC_CLK_TCK));
	if (memory >= 0) {
		out->memory = without(number_in(memory, "memory.usage_in_bytes"),
				      behind_in(memory, "memory.stat", "\ntotal_inactive_file "));
		out->memory_limit = limit_in(memory, "memory.limit_in_bytes");
	}
	if (pids >= 0)
		out->processes = number_in(pids, "pids.current");
	io = blkio >= 0 ? text_of(blkio, "blkio.throttle.io_service_bytes") : NULL;
	if (io) {
		out->read_bytes = sum_behind(io, " Read ");
		out->written_bytes = sum_behind(io, " Write ");
	}
	return true;
}

/*
 * Add the processes of the group behind DIR, and of those below it. Return: whether they can all be told: a container to whose root its group was given may keep the
 * ones that it makes to itself.
 */
static bool add_members(int dir, int depth, struct census_owner *members)
{
	autofree char *text = NULL;
	const struct dirent *entry;
	struct stat st;
	bool all = true;
	long pid;

	if (read_file_at(dir, "cgroup.procs", &text, FILE_LIMIT) < 0 || fstat(dir, &st) < 0)
		return false;
	for (char *at = text, *end; pid = strtol(at, &end, 10), end != at; at = end) {
		if (pid <= 0)
			return false; /* from outside of our pid namespace */
		census_add(members, (pid_t)pid);
	}
	if (st.st_nlink == 2)
		return true;
	autoclose int again = depth < GROUP_DEPTH ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *groups = again < 0 ? NULL : fdopendir(again);
	if (!groups)
		return false;
	steal_fd(&again);
	while (all && (entry = readdir(groups))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		autoclose int below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		all = below >= 0 && add_members(below, depth + 1, members);
	}
	closedir(groups);
	return all;
}

/* What of the processes counts is what lives, their proportional set size and what they have read and written. */
static void add_processes(const struct census_owner *members, struct usage *usage)
{
	bool memory = usage->memory == UNKNOWN, disk = usage->read_bytes == UNKNOWN;

	if (memory)
		usage->memory = 0;
	if (disk)
		usage->read_bytes = usage->written_bytes = 0;
	if (usage->processes == UNKNOWN)
		usage->processes = (int64_t)members->n;
	for (size_t i = 0; i < members->n; i++) {
		const char *io;
		char path[64];

		if (memory) {
			snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)members->pids[i]);
			usage->memory += behind_in(AT_FDCWD, path, "\nPss:") * 1024; /* nothing of one that has ended, or is a zombie */
		}
		snprintf(path, sizeof(path), "/proc/%d/io", (int)members->pids[i]);
		io = disk ? text_of(AT_FDCWD, path) : NULL;
		if (io) {
			usage->read_bytes += behind(io, "\nread_bytes: ");
			usage->written_bytes += behind(io, "\nwrite_bytes: ");
		}
	}
}

static bool is_whole(const struct usage *usage)
{
	return usage->memory != UNKNOWN && usage->processes != UNKNOWN && usage->read_bytes != UNKNOWN;
}

/* By its group, and by those of its processes that the group tells. What is not whole then is left to the census. */
static void count_group(struct container *container, json_t *state)
{
	json_t *version1 = json_object_get(state, "cgroups");
	autoclose int group = version1 ? open_controller(version1, "cpuacct") : open_directory(json_string_value(json_object_get(state, "cgroup")));
	struct usage *usage = &container->usage;

	if (group < 0)
		return;
	usage->of_group = version1 ? count_version1(version1, group, usage) : count_version2(group, usage);
	container->is_whole = usage->of_group && is_whole(usage);
	if (!usage->of_group || container->is_whole)
		return;
	container->is_whole = add_members(group, 0, &container->members);
	if (container->is_whole)
		add_processes(&container->members, usage);
}

static void look_at(struct container *container, int run_dir, bool figures)
{
	json_t *state = live_read(run_dir, NULL);

	container->usage = (struct usage){ .memory = UNKNOWN, .processes = UNKNOWN, .read_bytes = UNKNOWN };
	container->usage.started_ms = json_integer_value(json_object_get(state, "startedMs"));
	container->is_there = json_integer_value(json_object_get(state, "pid")) > 0; /* else it is between two lives */
	if (container->is_there && figures)
		count_group(container, state);
	json_decref(state);
}

/* Its first process, while it lives for sure; 0 where it does not. */
static pid_t find_first(const struct container *container)
{
	autoclose int run_dir = open_directory(container->run_dir), pidfd = -1;
	pid_t pid;

	return run_dir < 0 || live_find(run_dir, container->id, &pid, &pidfd, NULL) < 0 ? 0 : pid;
}

/* Give those that are there and not whole all of their processes; one that has just ended is there no more. Return: 0, or -errno with ERR. */
static int take_census(struct container *containers, size_t n, struct err *err)
{
	autofree struct census_owner *owners = xcalloc(n, sizeof(*owners));
	autofree struct container **asked = xcalloc(n, sizeof(*asked));
	size_t n_asked = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		struct container *container = &containers[i];

		if (!container->is_there || container->is_whole)
			continue;
		owners[n_asked].first = find_first(container);
		container->is_there = owners[n_asked].first != 0;
		if (container->is_there)
			asked[n_asked++] = container;
	}
	if (n_asked == 0)
		return 0;
	r = census_take(owners, n_asked);
	for (size_t i = 0; i < n_asked; i++) {
		free(asked[i]->members.pids);
		asked[i]->members = owners[i];
	}
	return r < 0 ? err_set(err, -r, "list processes", "/proc") : 0;
}

static void count_members(struct container *container)
{
	struct usage *usage = &container->usage;

	if (!usage->of_group)
		usage->cpu_us = (int64_t)container->members.ticks * (MICROSECONDS / sysconf(_SC_CLK_TCK));
	add_processes(&container->members, usage);
}

static json_t *describe(const struct usage *usage)
{
	return json_pack("{s:I,s:b,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I}}", "startedMs", (json_int_t)usage->started_ms, "isOfGroup", usage->of_group,
			 "cpuMicroseconds", (json_int_t)usage->cpu_us, "systemMicroseconds", (json_int_t)usage->system_us, "memoryBytes",
			 (json_int_t)usage->memory, "memoryLimitBytes", (json_int_t)usage->memory_limit, "processes",
			 (json_int_t)usage->processes, "disk", "readBytes", (json_int_t)usage->read_bytes, "writtenBytes",
			 (json_int_t)usage->written_bytes);
}

static json_t *describe_members(const struct census_owner *members)
{
	json_t *pids = json_array();

	for (size_t i = 0; i < members->n; i++)
		json_array_append_new(pids, json_integer(members->pids[i]));
	return json_pack("{s:i,s:o}", "first", (int)members->first, "pids", pids);
}

static void look_at_all(struct container *containers, size_t n, bool figures)
{
	for (size_t i = 0; i < n; i++) {
		autoclose int run_dir = open_directory(containers[i].run_dir);

		if (run_dir >= 0)
			look_at(&containers[i], run_dir, figures);
	}
}

static json_t *describe_all(struct container *containers, size_t n, bool figures)
{
	json_t *described = json_object();

	for (size_t i = 0; i < n; i++) {
		struct container *container = &containers[i];

		if (!container->is_there)
			continue;
		if (figures && !container->is_whole)
			count_members(container);
		json_object_set_new(described, container->id, figures ? describe(&container->usage) : describe_members(&container->members));
	}
	return described;
}

struct list {
	struct container *containers;
	size_t n, room;
	json_t *names; /* once each */
};

static void add_container(struct list *list, const char *directory, const char *name)
{
	if (json_object_get(list->names, name))
		return;
	json_object_set_new(list->names, name, json_true());
	if (list->n == list->room) {
		list->room = 2 * list->room + 16;
		list->containers = xrealloc(list->containers, list->room * sizeof(*list->containers));
	}
	list->containers[list->n++] = (struct container){ .id = xstrdup(name), .run_dir = xasprintf("%s/%s", directory, name) };
}

/* Return: 0, also where it is not there, or -errno with ERR. */
static int add_all(struct list *list, const char *directory, struct err *err)
{
	const struct dirent *entry;
	DIR *all = opendir(directory);

	if (!all)
		return errno == ENOENT ? 0 : err_set(err, errno, "open directory", directory);
	while ((entry = readdir(all)))
		if (entry->d_name[0] != '.')
			add_container(list, directory, entry->d_name);
	closedir(all);
	return 0;
}

/* RUN_DIRS: a list of them, or the directory that holds them. */
static int add_named(struct list *list, json_t *run_dirs, struct err *err)
{
	json_t *each;
	size_t i;

	if (json_is_string(run_dirs))
		return add_all(list, json_string_value(run_dirs), err);
	json_array_foreach(run_dirs, i, each) {
		autofree char *path = xstrdup(json_is_string(each) ? json_string_value(each) : "");
		char *name = strrchr(path, '/');

		if (!name)
			return err_setf(err, 0, "read request", path, "not the path of a run directory");
		*name++ = '\0';
		add_container(list, path, name);
	}
	return 0;
}

static void list_free(struct list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->containers[i].id);
		free(list->containers[i].run_dir);
		free(list->containers[i].members.pids);
	}
	free(list->containers);
	json_decref(list->names);
}

static int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * MICROSECONDS + now.tv_nsec / 1000;
}

/* Both verbs. Without FIGURES the processes are told. */
static int answer(json_t *request, const char *what, bool figures)
{
	struct err err = { 0 };
	struct list list = { .names = json_object() };
	int64_t at = monotonic_us();
	json_t *run_dirs;
	int r = request_unpack(request, &err, what, "{s:o!}", "runDirs", &run_dirs);

	if (r == 0)
		r = add_named(&list, run_dirs, &err);
	if (r == 0) {
		look_at_all(list.containers, list.n, figures);
		r = take_census(list.containers, list.n, &err);
	}
	if (r == 0)
		r = reply_ok(json_pack("{s:I,s:o}", "atMicroseconds", (json_int_t)at, "containers",
				       describe_all(list.containers, list.n, figures)));
	else
		r = reply_error(&err);
	list_free(&list);
	return r;
}

int verb_usage(json_t *request)
{
	return answer(request, "usage", true);
}

int verb_processes(json_t *request)
{
	return answer(request, "processes", false);
}
