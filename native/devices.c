/* devices: /dev. No device can be created in a user namespace, so the host's are mounted over empty files. */
#include "mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount_internal.h"
#include "path.h"
#include "util.h"

struct device {
	const char *path; /* in the container; borrowed */
	int tree;
};

struct devices {
	struct device *list;
	size_t n;
};

/* Runtime spec, config-linux, "Default Devices". /dev/console and /dev/ptmx follow with the terminal and as a link. */
static const char *const default_devices[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
};

/* Runtime spec, runtime-linux, "Dev symbolic links". */
static const struct {
	const char *name, *target;
	const char *needs; /* only when this is there, in the container */
} links[] = {
	{ "fd", "/proc/self/fd", NULL },
	{ "stdin", "/proc/self/fd/0", NULL },
	{ "stdout", "/proc/self/fd/1", NULL },
	{ "stderr", "/proc/self/fd/2", NULL },
	{ "ptmx", "pts/ptmx", NULL },
	{ "core", "/proc/kcore", "/proc/kcore" },
};

static bool is_device(const char *path, mode_t type, dev_t number)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_rdev == number;
}

/*
 * The name of a device on the host: config.json has only its name in the container and its numbers. Return: an owned
 * path, or NULL.
 */
static char *find_device(const char *path, mode_t type, dev_t number)
{
	autofree char *by_number =
		xasprintf("/dev/%s/%u:%u", type == S_IFBLK ? "block" : "char", major(number), minor(number));
	struct dirent *entry;
	char *found = NULL;
	DIR *dir;

	if (is_device(path, type, number))
		return xstrdup(path);
	if (is_device(by_number, type, number))
		return xstrdup(by_number);
	dir = opendir("/dev");
	while (dir && !found && (entry = readdir(dir))) {
		autofree char *name = xasprintf("/dev/%s", entry->d_name);

		if (is_device(name, type, number))
			found = xstrdup(name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int add_device(struct devices *devices, const char *path, const char *host_path, struct err *err)
{
	int tree;

	for (size_t i = 0; i < devices->n; i++)
		if (strcmp(devices->list[i].path, path) == 0)
			return 0;
	tree = mount_open_tree(AT_FDCWD, host_path, false);
	if (tree < 0)
		return err_set(err, -tree, "open device", host_path);
	devices->list[devices->n++] = (struct device){ path, tree };
	return 0;
}

static int add_configured(struct devices *devices, json_t *object, struct err *err)
{
	const char *path = json_string_value(json_object_get(object, "path"));
	const char *type = json_string_value(json_object_get(object, "type"));
	json_int_t high = json_integer_value(json_object_get(object, "major"));
	json_int_t low = json_integer_value(json_object_get(object, "minor"));
	autofree char *host_path = NULL;

	if (!path || path[0] != '/' || !type || strlen(type) != 1 || !strchr("cub", type[0]))
		return err_setf(err, 0, "read bundle", "linux.devices", "no path, or a type that is not c, u or b");
	host_path = find_device(path, type[0] == 'b' ? S_IFBLK : S_IFCHR, makedev((unsigned int)high, (unsigned int)low));
	if (!host_path)
		return err_setf(err, ENODEV, "open device", path, "no %s device %lld:%lld on this host",
			type[0] == 'b' ? "block" : "character", (long long)high, (long long)low);
	return add_device(devices, path, host_path, err);
}

int devices_open(const struct bundle *bundle, struct devices **out, struct err *err)
{
	json_t *array = json_object_get(json_object_get(bundle->config, "linux"), "devices"), *object;
	struct devices *devices = xcalloc(1, sizeof(*devices));
	size_t i;
	int r;

	devices->list = xcalloc(json_array_size(array) + sizeof(default_devices) / sizeof(*default_devices),
		sizeof(*devices->list));
	for (i = 0; i < sizeof(default_devices) / sizeof(*default_devices); i++) {
		r = add_device(devices, default_devices[i], default_devices[i], err);
		if (r < 0)
			return r;
	}
	json_array_foreach(array, i, object) {
		r = add_configured(devices, object, err);
		if (r < 0)
			return r;
	}
	*out = devices;
	return 0;
}

static int attach_device(int root, const char *path, int tree, struct err *err)
{
	/* No links: an image whose /dev/null points at a file must not get that file covered, and keep its link. */
	autoclose int target = path_make(root, path, false, 0666, PATH_NO_LINKS);
	int r;

	if (target < 0)
		return err_set(err, -target, "create device", path);
	r = mount_attach(tree, target);
	return r < 0 ? err_set(err, -r, "mount device", path) : 0;
}

static int make_links(int root, struct err *err)
{
	autoclose int dev = path_make(root, "/dev", true, 0755, PATH_NO_LINKS);

	if (dev < 0)
		return err_set(err, -dev, "create directory", "/dev");
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		if (links[i].needs) {
			autoclose int needed = path_open(root, links[i].needs, O_PATH, PATH_NO_LINKS);

			if (needed < 0)
				continue;
		}
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return err_set(err, errno, "create link in /dev", links[i].name);
	}
	return 0;
}

int devices_apply(struct devices *devices, int root, struct err *err)
{
	for (size_t i = 0; i < devices->n; i++) {
		int r = attach_device(root, devices->list[i].path, devices->list[i].tree, err);

		if (r < 0)
			return r;
		close(devices->list[i].tree);
	}
	return make_links(root, err);
}

int devices_console(int root, int slave, struct err *err)
{
	autoclose int tree = mount_open_tree(slave, "", false);

	if (tree < 0)
		return err_set(err, -tree, "open terminal", "/dev/console");
	return attach_device(root, "/dev/console", tree, err);
}
