/* cgroup_v1: what version 1 of control groups has otherwise. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

#include "cgroup_group.h"
#include "cgroup_internal.h"
#include "util.h"

#define FILE_LIMIT (1 << 20)
#define ROUNDS 500   /* of 2 ms */

void group_inherit_cpuset(const char *parent, const char *path)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		autofree char *file = xasprintf("%s/%s", parent, files[i]), *text = NULL;

		if (read_file_at(AT_FDCWD, file, &text, FILE_LIMIT) > 0)
			group_write(path, files[i], text);
	}
}

int group_oom_events(const char *path, int *held)
{
	autofree char *file = xasprintf("%s/memory.oom_control", path);
	autoclose int control = open(file, O_RDONLY | O_CLOEXEC), events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[32];

	if (control < 0 || events < 0)
		return -1;
	snprintf(text, sizeof(text), "%d %d", events, control);
	if (group_write(path, "cgroup.event_control", text) < 0)
		return -1;
	*held = steal_fd(&control);
	return steal_fd(&events);
}

/* FREEZING is the kernel's word for not yet; it wants to be asked again. */
int group_freeze_v1(const char *path, bool frozen)
{
	const char *const wanted = frozen ? "FROZEN" : "THAWED";
	autofree char *file = xasprintf("%s/freezer.state", path);

	for (int i = 0; i < ROUNDS; i++) {
		autofree char *text = NULL;
		int r = group_write(path, "freezer.state", wanted);

		if (r < 0)
			return r;
		if (read_file_at(AT_FDCWD, file, &text, 64) > 0 && strncmp(text, wanted, 6) == 0)
			return 0;
		usleep(2000);
	}
	return -ETIMEDOUT;
}

/* Return: whether there was one. */
static bool kill_all(const char *path)
{
	autofree char *file = xasprintf("%s/cgroup.procs", path);

	return group_kill_listed(AT_FDCWD, file);
}

void group_kill_v1(json_t *paths)
{
	const char *freezer = json_string_value(json_object_get(paths, "freezer"));
	const char *path = freezer ? freezer : json_string_value(json_object_iter_value(json_object_iter(paths)));

	if (!path)
		return;
	for (int i = 0; i < ROUNDS && kill_all(path); i++) {
		if (freezer)
			group_write(freezer, "freezer.state", "THAWED"); /* who is frozen does not die */
		usleep(2000);
	}
}
