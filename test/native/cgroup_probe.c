/*
 * cgroup_probe: native/cgroup.c where a kernel's hierarchy is played by plain directories, for cgroup-lives.test.ts. What mkdir() makes has the files of a group,
 * and rmdir() sees to them. Called as `probe SCENARIO DIRECTORY`, it prints one line of JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *denied = "";   /* directories with this in their path take no process */
static const char *stuck = "/";   /* directories that end so cannot be removed */
static const char *events = "oom_kill 0\n";
static const char *const files[] = { "cgroup.procs", "cgroup.max.depth", "memory.events", "memory.max", "memory.swap.max", "pids.max", "cgroup.kill",
				     "cgroup.events", "memory.limit_in_bytes", "cgroup.subtree_control", "cgroup.controllers" };

static void put_file(const char *directory, const char *name, const char *text)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static int make_group(const char *path, mode_t mode)
{
	char procs[4096];

	if (mkdir(path, mode) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		put_file(path, files[i], strcmp(files[i], "memory.events") == 0 ? events : "");
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (*denied && strstr(path, denied)) {
		unlink(procs);
		mkdir(procs, 0755);
	}
	return 0;
}

static int remove_group(const char *path)
{
	const size_t len = strlen(path), end = strlen(stuck);
	char file[4096];

	if (len >= end && strcmp(path + len - end, stuck) == 0 && access(path, F_OK) == 0) {
		errno = EBUSY;
		return -1;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, files[i]);
		if (unlink(file) < 0)
			rmdir(file);
	}
	return rmdir(path);
}

static int remove_group_at(int parent, const char *name, int flags)
{
	char path[300];

	(void)flags;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent, name);
	return remove_group(path);
}

#define mkdir make_group
#define rmdir remove_group
#define unlinkat remove_group_at
#include "cgroup_group.c"
#include "cgroup.c"
#undef mkdir
#undef rmdir
#undef unlinkat

#define NOBODY (1 << 30) /* no pid is that high: plain files do not forget who ends */

static json_t *told;

int netclient_interruption(int control)
{
	(void)control;
	return 0;
}

void journal_write(const struct journal *journal, const char *type, const char *action, ...)
{
	(void)journal;
	(void)type;
	json_array_append_new(told, json_string(action));
}

void relay_add_guest(struct relay *relay, struct relay_guest *guest)
{
	(void)relay;
	(void)guest;
}

int userns_enter_and_run(int fd, int (*act)(void *), void *data, struct err *err)
{
	(void)fd;
	(void)act;
	(void)data;
	(void)err;
	return -1;
}

/* One life of CGROUP with RESOURCES. Return: what was seen of it. */
static json_t *life(struct cgroup *cgroup, json_t *resources)
{
	struct err err = { 0 };
	int r = cgroup_enter(cgroup, NOBODY, resources, &err);
	autofree char *warnings = cgroup_warnings(cgroup), *depth = NULL;
	autofree char *file = cgroup->path ? xasprintf("%s/cgroup.max.depth", cgroup->path) : NULL;
	json_t *seen = json_pack("{s:i,s:s*,s:s,s:s,s:O*}", "code", r, "path", cgroup->path ? strrchr(cgroup->path, '/') + 1 : NULL, "warnings",
				 warnings ? warnings : "", "error", err.step, "paths", cgroup->paths);

	if (file && read_file_at(AT_FDCWD, file, &depth, 64) > 0)
		json_object_set_new(seen, "depth", json_string(depth));
	if (r == 0)
		cgroup_watch(cgroup, NULL, NULL);
	json_object_set_new(seen, "oomKilled", json_boolean(cgroup_end(cgroup, -1)));
	return seen;
}

static struct cgroup *parse(json_t *plan)
{
	struct cgroup *cgroup = NULL;
	struct err err = { 0 };

	if (cgroup_parse(plan, "0123456789abcdef", &cgroup, &err) < 0)
		abort();
	json_decref(plan);
	return cgroup;
}

static json_t *lives(const char *scenario, const char *directory)
{
	json_t *limits = json_pack("{s:{s:i}}", "memory", "limit", 67108864), *usual_ones = json_pack("{s:{s:i}}", "pids", "limit", 2048);
	struct cgroup *cgroup = parse(strcmp(scenario, "v1") == 0
		? json_pack("{s:s,s:s,s:{s:s+,s:s+}}", "manager", "v1", "name", "proa-1", "parents", "memory", directory, "/memory", "cpuset", directory,
			    "/cpuset")
		: json_pack("{s:s,s:s,s:s}", "manager", "cgroupfs", "parent", directory, "name", "proa-1"));
	json_t *seen = json_array();

	if (strcmp(scenario, "v1") == 0) {
		denied = "/cpuset/";
		json_array_append_new(seen, life(cgroup, NULL));
	} else if (strcmp(scenario, "none") == 0) {
		for (int i = 0; i < 3; i++)
			json_array_append_new(seen, life(cgroup, NULL));
	} else {
		if (strcmp(scenario, "stuck") == 0)
			stuck = "/container";
		json_array_append_new(seen, life(cgroup, limits));
		if (strcmp(scenario, "lost") == 0)
			denied = "/container";
		else
			events = "oom_kill 3\n";
		json_array_append_new(seen, life(cgroup, limits));
		json_array_append_new(seen, life(cgroup, usual_ones));
	}
	json_decref(limits);
	json_decref(usual_ones);
	stuck = "/";
	if (cgroup->top)
		group_remove(cgroup->top, -1);
	cgroup_free(cgroup);
	return seen;
}

/* The name after so many that were in use. */
static json_t *name(void)
{
	struct cgroup *cgroup = parse(json_pack("{s:s,s:s,s:s}", "manager", "systemd", "bus", "/nowhere", "scope", "proa-0123.scope"));
	json_t *names = json_array();

	for (int i = 0; i < 40; i++) {
		rename_scope(cgroup);
		json_array_append_new(names, json_string(cgroup->name));
	}
	cgroup_free(cgroup);
	return names;
}

/* A group with so many below each other, removed. */
static json_t *depth(const char *directory)
{
	autofree char *path = xasprintf("%s/scope", directory), *at = xstrdup(path);

	mkdir(path, 0755);
	for (int i = 0; i <= GROUP_DEPTH; i++) {
		char *below = xasprintf("%s/a", at);

		free(at);
		at = below;
		mkdir(at, 0755);
	}
	return json_integer(group_remove(path, -1));
}

/* The state of a group whose path is no text. */
static json_t *state(void)
{
	struct cgroup *cgroup = parse(json_pack("{s:s,s:s,s:s}", "manager", "cgroupfs", "parent", "/x", "name", "y"));
	json_t *text;

	cgroup->path = xstrdup("/x/\xff");
	describe(cgroup);
	text = json_string(cgroup_state(cgroup));
	cgroup_free(cgroup);
	return text;
}

int main(int argc, char **argv)
{
	const char *scenario = argc > 1 ? argv[1] : "", *directory = argc > 2 ? argv[2] : "";
	json_t *answer;

	told = json_array();
	if (strcmp(scenario, "name") == 0)
		answer = name();
	else if (strcmp(scenario, "depth") == 0)
		answer = depth(directory);
	else if (strcmp(scenario, "state") == 0)
		answer = state();
	else if (strcmp(scenario, "kill") == 0)
		answer = json_boolean(group_kill_listed(AT_FDCWD, directory));
	else
		answer = lives(scenario, directory);
	answer = json_pack("{s:o,s:o}", "seen", answer, "told", told);
	json_dumpf(answer, stdout, JSON_COMPACT);
	json_decref(answer);
	return 0;
}
