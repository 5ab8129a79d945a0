/* cgroup_join: into the control group of a container that runs. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "bus.h"
#include "cgroup.h"
#include "cgroup_group.h"
#include "util.h"

#define STATE_LIMIT (64 << 10)

bool cgroup_find(int run_dir_fd, struct cgroup_place *out)
{
	autofree char *text = NULL;
	ssize_t len = read_file_at(run_dir_fd, "state.json", &text, STATE_LIMIT);
	json_t *state = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
	const char *path = json_string_value(json_object_get(state, "cgroup")), *bus = json_string_value(json_object_get(state, "bus"));
	json_t *paths = json_object_get(state, "cgroups");

	if (json_is_object(paths))
		path = NULL;
	*out = (struct cgroup_place){ .path = path && *path ? xstrdup(path) : NULL, .bus = bus ? xstrdup(bus) : NULL,
				      .paths = json_is_object(paths) ? json_incref(paths) : NULL };
	json_decref(state);
	return out->path || out->paths;
}

void cgroup_place_free(struct cgroup_place *place)
{
	free(place->path);
	free(place->bus);
	json_decref(place->paths);
	*place = (struct cgroup_place){ .path = NULL };
}

/*
 * The name of the scope that the container's group stands in, and in *BELOW what of PATH, that group or one below it, comes after it. There may be scopes
 * around it, and below. Return: owned, or NULL.
 */
static char *unit_of(const struct cgroup_place *place, const char *path, const char **below)
{
	const char *end = strrchr(place->path, '/'), *start = end;

	while (start && start > place->path && start[-1] != '/')
		start--;
	if (!end || end - start < (ptrdiff_t)strlen(".scope") || strncmp(end - strlen(".scope"), ".scope", strlen(".scope")) != 0)
		return NULL;
	*below = path + (end - place->path); /* PATH begins with it */
	return xasprintf("%.*s", (int)(end - start), start);
}

/* By the manager. */
static int attach(const struct cgroup_place *place, const char *path, pid_t pid, struct err *err)
{
	const char *end = NULL;
	autofree char *unit = unit_of(place, path, &end);
	struct bus *bus;
	int r;

	if (!unit)
		return err_set(err, EACCES, "join control group", path);
	r = bus_open(place->bus, &bus, err);
	if (r == 0)
		r = bus_attach(bus, unit, end, pid, err);
	if (r == 0 || bus)
		bus_close(bus);
	return r;
}

static int join_v2(const struct cgroup_place *place, const char *path, pid_t pid, struct err *err)
{
	int r = group_move(path, pid);

	if (r == -EACCES && place->bus)
		return attach(place, path, pid, err);
	return r < 0 ? err_set(err, -r, "join control group", path) : 0;
}

int cgroup_join(const struct cgroup_place *place, pid_t pid, pid_t first, struct err *err)
{
	autofree char *of_first = NULL;
	const char *controller;
	json_t *path;
	int r = 0;

	json_object_foreach(place->paths, controller, path) {
		r = r < 0 ? r : group_move(json_string_value(path), pid);
		if (r < 0)
			return err_set(err, -r, "join control group", json_string_value(path));
	}
	if (!place->path)
		return 0;
	r = join_v2(place, place->path, pid, err);
	if (r == 0)
		return 0;
	/* A group that passes controllers on (a systemd in there does) takes no processes of its own: those are where the first one is. */
	of_first = group_of(first, GROUP_ROOT);
	if (!of_first || strncmp(of_first, place->path, strlen(place->path)) != 0 || of_first[strlen(place->path)] != '/')
		return r;
	return join_v2(place, of_first, pid, err);
}
