#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h, since 5.6 */
#endif

/* In the order in which they are entered: the rights over the others come with the user namespace. */
static const struct {
	const char *type, *step;
	int flag;
} types[] = {
	{ "user", "create user namespace", CLONE_NEWUSER },
	{ "pid", "create pid namespace", CLONE_NEWPID },
	{ "network", "create network namespace", CLONE_NEWNET },
	{ "ipc", "create ipc namespace", CLONE_NEWIPC },
	{ "uts", "create uts namespace", CLONE_NEWUTS },
	{ "cgroup", "create cgroup namespace", CLONE_NEWCGROUP },
	{ "time", "create time namespace", CLONE_NEWTIME },
	{ "mount", "create mount namespace", CLONE_NEWNS },
};
_Static_assert(sizeof(types) / sizeof(*types) == NAMESPACE_TYPES, "struct namespaces has room for every type");

static ino_t annotated_inode(const struct bundle *bundle, const char *type)
{
	autofree char *key = xasprintf(NAMESPACE_ANNOTATION "%s", type);
	const char *text = json_string_value(json_object_get(json_object_get(bundle->config, "annotations"), key));

	return text ? (ino_t)strtoull(text, NULL, 10) : 0;
}

static int read_one(const struct bundle *bundle, json_t *array, size_t t, struct namespaces *out, struct err *err)
{
	json_t *object;
	size_t i;

	json_array_foreach(array, i, object) {
		const char *type = json_string_value(json_object_get(object, "type"));
		const char *path = json_string_value(json_object_get(object, "path"));

		if (!type || strcmp(type, types[t].type) != 0)
			continue;
		if ((out->fresh | out->joined) & (unsigned int)types[t].flag)
			return err_setf(err, 0, "read bundle", "linux.namespaces", "%s is there twice", type);
		if (!path || !*path) {
			out->fresh |= (unsigned int)types[t].flag;
			continue;
		}
		if (types[t].flag == CLONE_NEWNS)
			return err_setf(err, 0, "read bundle", "linux.namespaces", "a mount namespace cannot be joined");
		out->joined |= (unsigned int)types[t].flag;
		out->paths[out->n_paths].flag = types[t].flag;
		out->paths[out->n_paths].inode = annotated_inode(bundle, type);
		out->paths[out->n_paths++].path = path;
	}
	return 0;
}

int namespaces_parse(const struct bundle *bundle, struct namespaces *out, struct err *err)
{
	json_t *linux_config = json_object_get(bundle->config, "linux");
	json_t *array = json_object_get(linux_config, "namespaces"), *object;
	size_t i;

	memset(out, 0, sizeof(*out));
	json_array_foreach(array, i, object) {
		const char *type = json_string_value(json_object_get(object, "type"));
		size_t t = 0;

		while (type && t < NAMESPACE_TYPES && strcmp(type, types[t].type) != 0)
			t++;
		if (!type || t == NAMESPACE_TYPES)
			return err_setf(err, 0, "read bundle", "linux.namespaces", "unknown type \"%s\"", type ? type : "");
	}
	for (size_t t = 0; t < NAMESPACE_TYPES; t++) {
		int r = read_one(bundle, array, t, out, err);

		if (r < 0)
			return r;
	}
	if (!(out->fresh & CLONE_NEWNS))
		return err_setf(err, 0, "read bundle", "linux.namespaces", "a container needs a mount namespace of its own");
	if ((out->fresh & CLONE_NEWUSER) && (bundle->maps.n_uid == 0 || bundle->maps.n_gid == 0))
		return err_setf(err, 0, "read bundle", "linux.uidMappings", "a user namespace without mappings");
	return 0;
}

/* The first number in a file of /proc/sys, or -1. */
static long setting(const char *path)
{
	char *text;
	long value;

	if (read_file_at(AT_FDCWD, path, &text, 64) < 0)
		return -1;
	value = strtol(text, NULL, 10);
	free(text);
	return value;
}

int namespaces_user_error(int code, struct err *err)
{
	const char *why = "";

	if (setting("/proc/sys/user/max_user_namespaces") == 0)
		why = "user.max_user_namespaces is 0";
	else if (setting("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		why = "kernel.unprivileged_userns_clone is 0";
	else if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		why = "kernel.apparmor_restrict_unprivileged_userns is 1";
	else if (code == ENOSPC)
		why = "user.max_user_namespaces is reached";
	else if (code == EUSERS)
		why = "user namespaces are nested too deep";
	return err_setf(err, code, "create user namespace", "", "%s", why);
}

int namespaces_unshare(unsigned int flags, struct err *err)
{
	int code;

	if (flags == 0 || unshare((int)flags) == 0)
		return 0;
	code = errno;
	for (size_t t = 0; t < NAMESPACE_TYPES; t++)
		if ((flags & (unsigned int)types[t].flag) && unshare(types[t].flag) < 0) {
			code = errno;
			/* AppArmor lets the user namespace be made, and takes every right in it. */
			if (code == EPERM && setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
				return namespaces_user_error(code, err);
			return err_set(err, code, types[t].step, "");
		}
	return err_set(err, code, "create namespaces", "");
}

/*
 * Where a user namespace is to be joined, FD may be another namespace: its owner is meant then, in which there are the rights to join it.
 * Return: 0 with *FD exchanged, or -errno with ERR.
 */
static int take_owner(int *fd, const char *path, struct err *err)
{
	int type = ioctl(*fd, NS_GET_NSTYPE), owner;
	struct stat ours, theirs;

	if (type == CLONE_NEWUSER)
		return 0;
	if (type < 0)
		return err_setf(err, 0, "join namespace", path, "it is no namespace");
	owner = ioctl(*fd, NS_GET_USERNS);
	if (owner < 0)
		return err_set(err, errno, "join namespace", path);
	close(*fd);
	*fd = owner;
	if (stat("/proc/self/ns/user", &ours) == 0 && fstat(owner, &theirs) == 0 && ours.st_ino == theirs.st_ino)
		return err_setf(err, EPERM, type == CLONE_NEWNET ? "join network namespace" : "join namespace", path, "it was made by root: only root can join it");
	return 0;
}

static bool is_another(int fd, ino_t inode)
{
	struct stat st;

	return inode && fstat(fd, &st) == 0 && st.st_ino != inode;
}

static int check_type(int fd, const struct namespace_path *path, struct err *err)
{
	for (size_t t = 0; t < NAMESPACE_TYPES; t++)
		if (types[t].flag == path->flag && ioctl(fd, NS_GET_NSTYPE) != path->flag) {
			autofree char *step = xasprintf("join %s namespace", types[t].type);

			return err_setf(err, 0, step, path->path, "it is no %s namespace", types[t].type);
		}
	return 0;
}

int namespaces_join(const struct namespaces *namespaces, struct err *err)
{
	int fds[NAMESPACE_TYPES], r = 0;
	unsigned int opened = 0;
	const bool user = namespaces->n_paths > 0 && namespaces->paths[0].flag == CLONE_NEWUSER;

	/* All are opened with the rights that we have now, before the first is entered. */
	for (; opened < namespaces->n_paths && r == 0; opened++) {
		fds[opened] = open(namespaces->paths[opened].path, O_RDONLY | O_CLOEXEC);
		if (fds[opened] < 0)
			r = err_set(err, errno, "open namespace", namespaces->paths[opened].path);
		else if (is_another(fds[opened], namespaces->paths[opened].inode))
			r = err_setf(err, 0, "open namespace", namespaces->paths[opened].path, "it is another one by now");
		else if (namespaces->paths[opened].flag != CLONE_NEWUSER)
			r = check_type(fds[opened], &namespaces->paths[opened], err);
	}
	if (r == 0 && user)
		r = take_owner(&fds[0], namespaces->paths[0].path, err);
	for (unsigned int i = 0; i < namespaces->n_paths && r == 0; i++)
		if (setns(fds[i], namespaces->paths[i].flag) < 0)
			r = err_set(err, errno, "join namespace", namespaces->paths[i].path);
	for (unsigned int i = 0; i < opened; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}
