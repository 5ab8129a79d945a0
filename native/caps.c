#include "caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
	[CAP_CHOWN] = "CHOWN", [CAP_DAC_OVERRIDE] = "DAC_OVERRIDE", [CAP_DAC_READ_SEARCH] = "DAC_READ_SEARCH",
	[CAP_FOWNER] = "FOWNER", [CAP_FSETID] = "FSETID", [CAP_KILL] = "KILL", [CAP_SETGID] = "SETGID",
	[CAP_SETUID] = "SETUID", [CAP_SETPCAP] = "SETPCAP", [CAP_LINUX_IMMUTABLE] = "LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "NET_BIND_SERVICE", [CAP_NET_BROADCAST] = "NET_BROADCAST",
	[CAP_NET_ADMIN] = "NET_ADMIN", [CAP_NET_RAW] = "NET_RAW", [CAP_IPC_LOCK] = "IPC_LOCK",
	[CAP_IPC_OWNER] = "IPC_OWNER", [CAP_SYS_MODULE] = "SYS_MODULE", [CAP_SYS_RAWIO] = "SYS_RAWIO",
	[CAP_SYS_CHROOT] = "SYS_CHROOT", [CAP_SYS_PTRACE] = "SYS_PTRACE", [CAP_SYS_PACCT] = "SYS_PACCT",
	[CAP_SYS_ADMIN] = "SYS_ADMIN", [CAP_SYS_BOOT] = "SYS_BOOT", [CAP_SYS_NICE] = "SYS_NICE",
	[CAP_SYS_RESOURCE] = "SYS_RESOURCE", [CAP_SYS_TIME] = "SYS_TIME", [CAP_SYS_TTY_CONFIG] = "SYS_TTY_CONFIG",
	[CAP_MKNOD] = "MKNOD", [CAP_LEASE] = "LEASE", [CAP_AUDIT_WRITE] = "AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "AUDIT_CONTROL", [CAP_SETFCAP] = "SETFCAP", [CAP_MAC_OVERRIDE] = "MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "MAC_ADMIN", [CAP_SYSLOG] = "SYSLOG", [CAP_WAKE_ALARM] = "WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "BLOCK_SUSPEND", [CAP_AUDIT_READ] = "AUDIT_READ", [CAP_PERFMON] = "PERFMON",
	[CAP_BPF] = "BPF", [CAP_CHECKPOINT_RESTORE] = "CHECKPOINT_RESTORE",
};

static uint64_t bit_of(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strcasecmp(name + 4, names[i]) == 0)
				return UINT64_C(1) << i;
	return 0;
}

/* Capabilities of the running kernel, which may know fewer. */
static uint64_t known(void)
{
	uint64_t all = 0;

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0)
			all |= UINT64_C(1) << i;
	return all;
}

static int parse_set(json_t *object, const char *key, uint64_t mask, uint64_t *out, struct err *err)
{
	json_t *array = json_object_get(object, key), *value;
	size_t i;

	*out = 0;
	if (array && !json_is_array(array))
		return err_setf(err, 0, "read capabilities", key, "not a list");
	json_array_foreach(array, i, value) {
		if (!json_is_string(value))
			return err_setf(err, 0, "read capabilities", key, "not a list of names");
		*out |= bit_of(json_string_value(value)) & mask;
	}
	return 0;
}

int caps_parse(json_t *object, struct caps *out, struct err *err)
{
	const struct {
		const char *key;
		uint64_t *set;
	} sets[] = {
		{ "bounding", &out->bounding }, { "effective", &out->effective }, { "permitted", &out->permitted },
		{ "inheritable", &out->inheritable }, { "ambient", &out->ambient },
	};
	uint64_t mask = object ? known() : 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		int r = parse_set(object, sets[i].key, mask, sets[i].set, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int caps_bound(const struct caps *caps, struct err *err)
{
	/* Up to the first number that the kernel does not know, beyond our table too. */
	for (unsigned int i = 0; i < 64; i++) {
		if (i < sizeof(names) / sizeof(*names) && (caps->bounding >> i & 1))
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				break;
			return err_set(err, errno, "drop capability", i < sizeof(names) / sizeof(*names) ? names[i] : "");
		}
	}
	return 0;
}

int caps_apply(const struct caps *caps, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(caps->effective >> (32 * i)),
			.permitted = (uint32_t)(caps->permitted >> (32 * i)),
			.inheritable = (uint32_t)(caps->inheritable >> (32 * i)),
		};
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set(err, errno, "set capabilities", "");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_set(err, errno, "clear ambient capabilities", "");
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((caps->ambient >> i & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return err_set(err, errno, "raise ambient capability", names[i]);
	return 0;
}

int caps_keep(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint64_t permitted = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return err_set(err, errno, "keep capabilities", "");
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].inheritable = data[i].permitted;
		permitted |= (uint64_t)data[i].permitted << (32 * i);
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set(err, errno, "keep capabilities", "");
	for (unsigned int i = 0; i < 64; i++)
		if ((permitted >> i & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return err_set(err, errno, "keep capabilities", "");
	return 0;
}
