#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "path.h"
#include "unpack_internal.h"
#include "util.h"

#define LATE_BYTES ((size_t)4 << 20) /* of remembered directories; then their times are set early */

static bool is_mapped(const struct id_map *map, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= map[i].inside && id - map[i].inside < map[i].size)
			return true;
	return false;
}

int unpack_owner(const struct unpack *unpack, const struct tar_entry *entry, uid_t *uid, gid_t *gid, struct err *err)
{
	const struct id_maps *maps = unpack->options.maps;

	*uid = 0;
	*gid = 0;
	if (unpack->options.owners != UNPACK_ENTRY)
		return 0;
	bool uid_mapped = is_mapped(maps->uid, maps->n_uid, entry->uid);
	if (!uid_mapped || !is_mapped(maps->gid, maps->n_gid, entry->gid))
		return err_setf(err, EINVAL, "set owner", entry->name, "%s %lld is not mapped: add subordinate ids",
				uid_mapped ? "gid" : "uid", (long long)(uid_mapped ? entry->gid : entry->uid));
	*uid = (uid_t)entry->uid;
	*gid = (gid_t)entry->gid;
	return 0;
}

/*
 * Of "security." only file capabilities mean something in a container. What overlay and fuse-overlayfs keep for themselves in "user." would
 * let a layer hide or redirect the files of others. "trusted." and "system." are not for a user namespace.
 */
static bool is_allowed(const char *name)
{
	static const char *const reserved[] = { "user.overlay.", "user.fuseoverlayfs.", "user.containers.override_stat" };

	if (!strcmp(name, "security.capability"))
		return true;
	if (strncmp(name, "user.", 5) != 0)
		return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (!strncmp(name, reserved[i], strlen(reserved[i])))
			return false;
	return true;
}

int unpack_xattrs(const struct unpack *unpack, int fd, const struct tar_entry *entry, struct err *err)
{
	bool mine = unpack->options.owners == UNPACK_MINE;

	for (size_t i = 0; i < entry->n_xattrs; i++) {
		const struct tar_xattr *xattr = &entry->xattrs[i];
		/* A file system without attributes runs most images well. */
		if (is_allowed(xattr->name) && fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0 && errno != ENOTSUP &&
		    !(mine && errno == EPERM))
			return err_setf(err, errno, "unpack", entry->name, "set extended attribute %s", xattr->name);
	}
	return 0;
}

int unpack_later(struct unpack *unpack, const char *path, const struct tar_entry *entry, struct err *err)
{
	/* Of a copy more are kept: a mode that is set early may close a directory to who still has to write in it. */
	if (unpack->late_bytes > (unpack->options.copy ? 32 * LATE_BYTES : LATE_BYTES)) {
		int status = unpack_set_late_times(unpack, err);
		if (status < 0)
			return status;
	}
	if (unpack->n_late == unpack->late_room) {
		unpack->late_room = unpack->late_room ? 2 * unpack->late_room : 256;
		unpack->late = xrealloc(unpack->late, unpack->late_room * sizeof(*unpack->late));
	}
	unpack->late[unpack->n_late++] = (struct late_time){ entry->atime, entry->mtime, entry->mode, xstrdup(*path ? path : ".") };
	unpack->late_bytes += sizeof(*unpack->late) + strlen(path) + 16; /* 16: malloc's own */
	return 0;
}

int unpack_set_late_times(struct unpack *unpack, struct err *err)
{
	int status = 0;

	/* The deepest first: a mode that closes a directory must not come before those below it. */
	for (size_t i = unpack->n_late; i-- > 0;) {
		struct late_time *late = &unpack->late[i];
		struct timespec times[] = { late->atime, late->mtime };
		autoclose int fd = status ? -1 : path_open(unpack->options.target, late->path,
							   O_RDONLY | O_DIRECTORY | O_NOFOLLOW, PATH_FOLLOW);
		/* A later entry may have removed it or put something else in its place. */
		if (fd >= 0 && ((unpack->options.copy && fchmod(fd, late->mode) < 0) || futimens(fd, times) < 0))
			status = err_set(err, errno, "set times", late->path);
		free(late->path);
	}
	unpack->n_late = 0;
	unpack->late_bytes = 0;
	return status;
}
