/* cgroup_give: a group handed over to a container's root to whom the caller is nobody. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "request.h"
#include "userns.h"
#include "util.h"

#define NOBODY UINT32_MAX

struct gift {
	int group;
	uint32_t uid, gid; /* in the namespace that it is given in */
};

/* What FROM calls its root, as TO calls it. */
static uint32_t translated_root(const struct id_map *from, size_t n_from, const struct id_map *to, size_t n_to)
{
	uint32_t root = NOBODY;

	for (size_t i = 0; i < n_from; i++)
		if (from[i].inside == 0)
			root = from[i].outside;
	for (size_t i = 0; i < n_to && root != NOBODY; i++)
		if (root >= to[i].outside && root - to[i].outside < to[i].size)
			return to[i].inside + (root - to[i].outside);
	return NOBODY;
}

/* As far as a group is delegated (cgroups(7)), as group_delegate() has it. */
static int give(void *data)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads" };
	const struct gift *gift = data;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (fchownat(gift->group, files[i], gift->uid, gift->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return 1;
	return 0;
}

void cgroup_give(const struct cgroup *cgroup, json_t *owners, const struct id_maps *maps)
{
	autoclose int group = cgroup->path ? open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct gift gift = { .group = group };
	struct id_maps usual = { 0 };
	pid_t pid;

	if (group < 0 || request_mappings(owners, &usual, NULL) < 0)
		return;
	gift.uid = translated_root(maps->uid, maps->n_uid, usual.uid, usual.n_uid);
	gift.gid = translated_root(maps->gid, maps->n_gid, usual.gid, usual.n_gid);
	if (gift.uid != NOBODY && gift.gid != NOBODY && userns_spawn(&usual, give, &gift, &pid, NULL) == 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	id_maps_free(&usual);
}
