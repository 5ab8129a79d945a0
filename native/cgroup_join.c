/* cgroup_join: into the control group of a container that runs. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "cgroup.h"
#include "cgroup_group.h"
#include "live.h"
#include "util.h"

bool cgroup_find(int run_dir_fd, struct cgroup_place *out)
{
	json_t *state = live_read(run_dir_fd, NULL);
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
	r = bus_open(place->bus, BUS_PATIENCE_MS, &bus, err);
	if (r == 0)
		r = bus_attach(bus, unit, end, pid, err);
	if (r == 0 || bus)
		bus_close(bus);
	return r;
}

/* Whether the group takes processes from somebody else: it was given to the container's root (group_delegate()), or a systemd in there has made it. */
static bool is_given(const char *path)
{
	autofree char *file = xasprintf("%s/cgroup.procs", path);
	struct stat st;

	return stat(file, &st) == 0 && st.st_uid != geteuid();
}

/*
 * From the user namespace behind PIDFD, by a child that does not become its root: there it may write what is that root's, and it is still the one to whom the
 * group around both places belongs. Return: 0 or -errno.
 */
static int move_inside(const char *path, pid_t pid, int pidfd)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(setns(pidfd, CLONE_NEWUSER) < 0 ? errno : -group_move(path, pid));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int join_v2(const struct cgroup_place *place, const char *path, pid_t pid, int first_fd, struct err *err)
{
	int r = group_move(path, pid);

	if (r == -EACCES && is_given(path))
		r = move_inside(path, pid, first_fd) == 0 ? 0 : r;
	if (r == -EACCES && place->bus)
		return attach(place, path, pid, err);
	return r < 0 ? err_set(err, -r, "join control group", path) : 0;
}

int cgroup_join(const struct cgroup_place *place, pid_t pid, pid_t first, int first_fd, struct err *err)
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
	r = join_v2(place, place->path, pid, first_fd, err);
	if (r == 0)
		return 0;
	/* A group that passes controllers on (a systemd in there does) takes no processes of its own: those are where the first one is. */
	of_first = group_of(first, GROUP_ROOT);
	if (!of_first || strncmp(of_first, place->path, strlen(place->path)) != 0 || of_first[strlen(place->path)] != '/')
		return r;
	return join_v2(place, of_first, pid, first_fd, err);
}
