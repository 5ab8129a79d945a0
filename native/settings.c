#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path.h"
#include "util.h"

int settings_names(const struct bundle *bundle, struct err *err)
{
	const char *host = json_string_value(json_object_get(bundle->config, "hostname"));
	const char *domain = json_string_value(json_object_get(bundle->config, "domainname"));

	if (host && *host && sethostname(host, strlen(host)) < 0)
		return err_set(err, errno, "set host name", host);
	if (domain && *domain && setdomainname(domain, strlen(domain)) < 0)
		return err_set(err, errno, "set domain name", domain);
	return 0;
}

int settings_loopback(struct err *err)
{
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_set(err, errno, "bring up network device", "lo");
	return 0;
}

void settings_interfaces(void)
{
	static const char *const off[] = {
		"ipv6/conf/default/accept_ra", "ipv6/conf/default/autoconf", "ipv6/conf/default/accept_redirects",
		/* IPv4 takes them when either says so. */
		"ipv4/conf/default/accept_redirects", "ipv4/conf/all/accept_redirects",
		/* Addresses are ours to give: nobody has to be asked for a second whether one is taken. */
		"ipv6/conf/default/accept_dad",
	};
	autoclose int net = open("/proc/sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++) {
		autoclose int fd = openat(net, off[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) < 0)
			continue; /* no IPv6 here, or /proc is read-only */
	}
}

/* sysctls that a namespace has for itself; a name that ends in a dot stands for all below it. */
static const struct {
	const char *name;
	unsigned int namespace;
} namespaced[] = {
	{ "kernel.msgmax", CLONE_NEWIPC }, { "kernel.msgmnb", CLONE_NEWIPC }, { "kernel.msgmni", CLONE_NEWIPC },
	{ "kernel.sem", CLONE_NEWIPC }, { "kernel.shmall", CLONE_NEWIPC }, { "kernel.shmmax", CLONE_NEWIPC },
	{ "kernel.shmmni", CLONE_NEWIPC }, { "kernel.shm_rmid_forced", CLONE_NEWIPC },
	{ "kernel.hostname", CLONE_NEWUTS }, { "kernel.domainname", CLONE_NEWUTS },
	{ "fs.mqueue.", CLONE_NEWIPC }, { "net.", CLONE_NEWNET }, { "user.", CLONE_NEWUSER },
};

static unsigned int namespace_of(const char *name)
{
	for (size_t i = 0; i < sizeof(namespaced) / sizeof(*namespaced); i++) {
		size_t length = strlen(namespaced[i].name);
		bool tree = namespaced[i].name[length - 1] == '.';

		if (tree ? strncmp(name, namespaced[i].name, length) == 0 : strcmp(name, namespaced[i].name) == 0)
			return namespaced[i].namespace;
	}
	return 0;
}

/* Both ways of writing a name: with dots, or with slashes where a component has dots itself (a device's name). */
static void to_path(char *name)
{
	if (!strchr(name, '/'))
		for (char *c = name; *c; c++)
			if (*c == '.')
				*c = '/';
}

static int write_sysctl(int proc, const char *key, const char *value, unsigned int fresh, struct err *err)
{
	autofree char *path = xasprintf("sys/%s", key), *dotted = xstrdup(key);
	autoclose int fd = -1;
	unsigned int owner;

	for (char *c = dotted; *c; c++)
		if (*c == '/')
			*c = '.';
	owner = namespace_of(dotted);
	if (owner == 0)
		return err_setf(err, 0, "set sysctl", key, "it belongs to no namespace, but to the host");
	if (!(owner & fresh))
		return err_setf(err, 0, "set sysctl", key, "it belongs to a namespace that the container shares");
	to_path(path + 4);
	fd = path_open(proc, path, O_WRONLY, PATH_NO_LINKS);
	if (fd < 0)
		return err_set(err, -fd, "set sysctl", key);
	if (write(fd, value, strlen(value)) < 0)
		return err_setf(err, errno, "set sysctl", key, "value \"%s\"", value);
	return 0;
}

int settings_sysctls(const struct bundle *bundle, int proc, unsigned int fresh, struct err *err)
{
	json_t *object = json_object_get(json_object_get(bundle->config, "linux"), "sysctl"), *value;
	const char *key;

	json_object_foreach(object, key, value) {
		int r;

		if (!json_is_string(value))
			return err_setf(err, 0, "set sysctl", key, "the value is not a string");
		if (proc < 0)
			return err_setf(err, 0, "set sysctl", key, "no proc is mounted");
		r = write_sysctl(proc, key, json_string_value(value), fresh, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int settings_personality(const struct bundle *bundle, struct err *err)
{
	json_t *object = json_object_get(json_object_get(bundle->config, "linux"), "personality");
	const char *domain = json_string_value(json_object_get(object, "domain"));

	if (!domain)
		return 0;
	if (strcmp(domain, "LINUX") != 0 && strcmp(domain, "LINUX32") != 0)
		return err_setf(err, 0, "set personality", domain, "expected LINUX or LINUX32");
	if (personality(strcmp(domain, "LINUX") == 0 ? PER_LINUX : PER_LINUX32) < 0)
		return err_set(err, errno, "set personality", domain);
	return 0;
}

bool settings_keep_groups(const struct bundle *bundle)
{
	const char *value = json_string_value(json_object_get(json_object_get(bundle->config, "annotations"), "run.oci.keep_original_groups"));

	return value && strcmp(value, "1") == 0;
}
