#include "foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"

/* Copy CONFIG without its user namespace and with the root file system, and the network, that are there already. */
static json_t *derive(const struct foreign *foreign)
{
	const struct bundle *bundle = foreign->bundle;
	json_t *config = json_deep_copy(bundle->config), *linux_config = json_object_get(config, "linux");
	json_t *namespaces = json_object_get(linux_config, "namespaces");

	for (size_t i = json_array_size(namespaces); i-- > 0;) {
		json_t *entry = json_array_get(namespaces, i);
		const char *type = json_string_value(json_object_get(entry, "type"));

		if (type && foreign->network && strcmp(type, "network") == 0)
			json_object_set_new(entry, "path", json_string(foreign->network));
		if (type && strcmp(type, "user") == 0)
			json_array_remove(namespaces, i);
	}
	json_object_del(linux_config, "uidMappings");
	json_object_del(linux_config, "gidMappings");
	/* The runtime is in the container's control group already, and that has its limits. */
	json_object_del(linux_config, "cgroupsPath");
	json_object_del(linux_config, "resources");
	/* Runtimes refuse versions that are newer than they are. All that we write is in the first one, or is ignored. */
	json_object_set_new(config, "ociVersion", json_string("1.0.2"));
	json_object_set_new(json_object_get(config, "root"), "path", json_string(bundle->root));
	return config;
}

static int make_directory(const char *path, struct err *err)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? err_set(err, errno, "create directory", path) : 0;
}

static bool is_crun(const struct foreign *foreign)
{
	const char *name = strrchr(foreign->runtime, '/');

	return name && strncmp(name + 1, "crun", 4) == 0;
}

/*
 * crun refuses to work below both versions of cgroups at once, even where it is told to leave them alone: it is shown
 * the second only. Without success it says so itself.
 */
static void show_one_cgroup_version(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) < 0 || fs.f_type == CGROUP2_SUPER_MAGIC || unshare(CLONE_NEWCGROUP) < 0)
		return;
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

int foreign_prepare(const struct foreign *foreign, struct err *err)
{
	autofree char *state = xasprintf("%s/oci", foreign->run_dir), *bundle = xasprintf("%s/bundle", foreign->run_dir);
	autofree char *file = xasprintf("%s/config.json", bundle), *link = xasprintf("%s/runtime", bundle), *text = NULL;
	json_t *config;
	int r = make_directory(state, err);

	if (r == 0)
		r = make_directory(bundle, err);
	if (r < 0)
		return r;
	config = derive(foreign);
	text = json_dumps(config, JSON_COMPACT);
	json_decref(config);
	r = text ? write_file_atomically(AT_FDCWD, file, text, strlen(text), false) : -ENOMEM;
	if (r < 0)
		return err_set(err, -r, "write bundle", file);
	if (symlink(foreign->runtime, link) < 0 && errno != EEXIST)
		return err_set(err, errno, "write bundle", link);
	/* The runtime is the first of a pid namespace: when it is killed, so is all that it started. */
	if (getpid() == 1 && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_set(err, errno, "mount", "/proc");
	if (is_crun(foreign))
		show_one_cgroup_version();
	return 0;
}

static int take_terminal(int slave, struct err *err)
{
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set(err, errno, "take terminal", "");
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(slave, fd) < 0)
			return err_set(err, errno, "take terminal", "");
	return 0;
}

/* Close all descriptors above 2 but A and B. */
static int close_others(int a, int b, struct err *err)
{
	unsigned int low = (unsigned int)(a < b ? a : b), high = (unsigned int)(a < b ? b : a);

	if ((low > STDERR_FILENO + 1 && close_range(STDERR_FILENO + 1, low - 1, 0) < 0) ||
	    (high > low + 1 && close_range(low + 1, high - 1, 0) < 0) || close_range(high + 1, ~0U, 0) < 0)
		return err_set(err, errno, "close descriptors", "");
	return 0;
}

static int execute(const struct foreign *foreign, const char *const command[], int slave, int keep, int file, struct err *err)
{
	autofree char *state = xasprintf("%s/oci", foreign->run_dir);
	autofree char *runtime_dir = xasprintf("XDG_RUNTIME_DIR=%s", foreign->run_dir);
	const char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", runtime_dir, NULL };
	const char *id = strrchr(foreign->run_dir, '/'), *argv[12];
	size_t n = 0;
	int r = slave >= 0 ? take_terminal(slave, err) : 0;

	if (r == 0)
		r = close_others(keep, file >= 0 ? file : keep, err);
	if (r < 0)
		return r;
	argv[n++] = foreign->runtime;
	argv[n++] = "--root";
	argv[n++] = state;
	if (is_crun(foreign))
		argv[n++] = "--cgroup-manager=disabled";
	while (*command)
		argv[n++] = *command++;
	argv[n++] = id && id[1] ? id + 1 : "container";
	argv[n] = NULL;
	execve(foreign->runtime, (char *const *)argv, (char *const *)env);
	r = err_set(err, errno, "execute runtime", foreign->runtime);
	if (err)
		err->exit = 125;
	return r;
}

int foreign_execute(const struct foreign *foreign, int slave, int keep, struct err *err)
{
	autofree char *bundle = xasprintf("%s/bundle", foreign->run_dir);
	const char *const command[] = { "run", "--bundle", bundle, NULL };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_set(err, errno, "tie process to its supervisor", "");
	return execute(foreign, command, slave, keep, -1, err);
}

int foreign_execute_further(const struct foreign *foreign, json_t *process, int slave, int keep, struct err *err)
{
	autofree char *text = json_dumps(process, JSON_COMPACT), *path = NULL;
	int file = memfd_create("process.json", 0); /* the runtime opens it by its number */
	const char *command[] = { "exec", "--process", NULL, NULL };
	int r = file < 0 ? -errno : text ? write_all(file, text, strlen(text)) : -ENOMEM;

	if (r < 0)
		return err_set(err, -r, "write process", "process.json");
	path = xasprintf("/proc/self/fd/%d", file);
	command[2] = path;
	return execute(foreign, command, slave, keep, file, err);
}

char *foreign_runtime_of(const char *run_dir)
{
	autofree char *link = xasprintf("%s/bundle/runtime", run_dir);
	char path[PATH_MAX];
	ssize_t length = readlink(link, path, sizeof(path) - 1);

	if (length <= 0)
		return NULL;
	path[length] = '\0';
	return xstrdup(path);
}
