#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../namespaces.h"
#include "../util.h"

static int write_proc(const char *path, const char *text, struct err *err)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* The kernel takes a map in one write only. */
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(err, errno, "write id map", path);
	return 0;
}

int space_make(struct err *err)
{
	char uids[32], gids[32];
	int r;

	snprintf(uids, sizeof(uids), "0 %u 1\n", geteuid()); /* before: afterwards we are nobody until the map is there */
	snprintf(gids, sizeof(gids), "0 %u 1\n", getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return namespaces_user_error(errno, err);
	/* Groups of ours that were given to keep us out of something stay ours: user_namespaces(7), setgroups. */
	r = write_proc("/proc/self/setgroups", "deny", err);
	if (r == 0)
		r = write_proc("/proc/self/uid_map", uids, err);
	if (r == 0)
		r = write_proc("/proc/self/gid_map", gids, err);
	return r == 0 ? namespaces_unshare(CLONE_NEWNET, err) : r;
}

int space_join(int fd, struct err *err)
{
	autoclose int owner = ioctl(fd, NS_GET_USERNS);

	if (owner < 0)
		return err_set(err, errno, "find owner of network namespace", "");
	if (setns(owner, CLONE_NEWUSER) < 0)
		return err_set(err, errno, "join user namespace of the networks", "");
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join network namespace of the networks", "");
	return 0;
}
