#include "idmapped.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "mount_internal.h"
#include "stage.h"
#include "util.h"

static bool has_option(json_t *mount, const char *name)
{
	json_t *option;
	size_t i;

	json_array_foreach(json_object_get(mount, "options"), i, option)
		if (json_is_string(option) && strcmp(json_string_value(option), name) == 0)
			return true;
	return false;
}

/* A detached mount of SOURCE whose ids are those of the user namespace USERNS, or -errno. */
static int open_mapped(const char *source, bool recursive, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns, .propagation = MS_PRIVATE };
	autoclose int tree = mount_open_tree(AT_FDCWD, source, recursive);

	if (tree < 0)
		return tree;
	if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr)) < 0)
		return -errno;
	return steal_fd(&tree);
}

int idmapped_send(int socket, const struct bundle *bundle, pid_t pid, struct err *err)
{
	json_t *mount;
	size_t i;

	json_array_foreach(json_object_get(bundle->config, "mounts"), i, mount) {
		const char *source = json_string_value(json_object_get(mount, "source"));
		const char *destination = json_string_value(json_object_get(mount, "destination"));
		struct stage_message message = { .kind = STAGE_MOUNT, .pid = (pid_t)i };
		autoclose int userns = -1, tree = -1;
		char path[40];

		if (!has_option(mount, "idmap") || !source || !destination)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		userns = open(path, O_RDONLY | O_CLOEXEC);
		if (userns < 0)
			return err_set(err, errno, "open user namespace", destination);
		tree = open_mapped(source, has_option(mount, "rbind"), userns);
		if (tree < 0)
			return err_set(err, -tree, "map ids of mount", destination);
		stage_send(socket, &message, tree); /* a stage that failed meanwhile says so itself */
	}
	return 0;
}
