#include "cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "util.h"

#define FILE_LIMIT (64 << 10) /* bytes that are read of a file of the kernel's */

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "memory.swap.max" is of the controller "memory". */
static void controller_of(const char *file, char out[32])
{
	size_t len = strcspn(file, ".");

	snprintf(out, 32, "%.*s", (int)(len < 31 ? len : 31), file);
}

/* The directory that has FILE; NULL where the controller is not there. */
static const char *directory_of(const struct limits *limits, const char *file)
{
	char controller[32];

	if (!limits->paths)
		return limits->path;
	controller_of(file, controller);
	return json_string_value(json_object_get(limits->paths, controller));
}

static int open_limit(const struct limits *limits, const char *file, int flags)
{
	const char *directory = directory_of(limits, file);
	autofree char *path = directory ? xasprintf("%s/%s", directory, file) : NULL;
	int fd = path ? open(path, flags | O_CLOEXEC) : -1;

	return fd >= 0 ? fd : path ? -errno : -ENOENT;
}

/* The text of FILE, without the newline at its end; NULL where it cannot be read. */
static char *read_limit(const struct limits *limits, const char *file)
{
	autoclose int fd = open_limit(limits, file, O_RDONLY);
	char *text = NULL;
	ssize_t n = fd < 0 ? -1 : read_fd(fd, &text, FILE_LIMIT);

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return n < 0 ? NULL : text;
}

static bool has(const struct limits *limits, const char *file)
{
	autoclose int fd = open_limit(limits, file, O_WRONLY);

	return fd >= 0;
}

/* Whether CONTROLLER can be had in the group at all. */
static bool has_controller(const struct limits *limits, const char *controller)
{
	autofree char *path = limits->path ? xasprintf("%s/cgroup.controllers", limits->path) : NULL, *text = NULL;
	char *rest = NULL;

	if (limits->paths)
		return json_object_get(limits->paths, controller) != NULL;
	if (!path || read_file_at(AT_FDCWD, path, &text, FILE_LIMIT) < 0)
		return false;
	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		if (strcmp(word, controller) == 0)
			return true;
	return false;
}

static int missing(const struct limits *limits, const char *file, const char *value, struct err *err)
{
	struct err facts = { 0 };
	char controller[32];
	int r;

	controller_of(file, controller);
	if (!limits->path && !limits->paths)
		err_setf(&facts, 0, LIMITS_STEP, file, "%s: there is no control group", value);
	else if (!has_controller(limits, controller) && strcmp(controller, "cgroup") != 0)
		err_setf(&facts, 0, LIMITS_STEP, file, "%s: the controller \"%s\" is not available", value, controller);
	else
		err_setf(&facts, ENOENT, LIMITS_STEP, file, "%s: the kernel has no such limit", value);
	r = limits->missing ? limits->missing(limits->data, &facts) : facts.code ? -facts.code : -ENOENT;
	if (r < 0 && err)
		*err = facts;
	return r;
}

static int set(const struct limits *limits, const char *file, struct err *err, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Write a value to FILE. Return: 0, or -errno with ERR. */
static int set(const struct limits *limits, const char *file, struct err *err, const char *format, ...)
{
	autofree char *value = NULL;
	char controller[32];
	va_list args;
	int r, fd;

	va_start(args, format);
	r = vasprintf(&value, format, args);
	va_end(args);
	if (r < 0)
		abort();
	fd = open_limit(limits, file, O_WRONLY);
	controller_of(file, controller);
	if (fd == -ENOENT && limits->enable && (limits->path || limits->paths) && limits->enable(limits->data, controller))
		fd = open_limit(limits, file, O_WRONLY);
	if (fd == -ENOENT)
		return missing(limits, file, value, err);
	r = fd < 0 ? fd : write_all(fd, value, strlen(value));
	if (fd >= 0)
		close(fd);
	return r < 0 ? err_setf(err, -r, LIMITS_STEP, file, "%s", value) : 0;
}

/* "max" for less than nothing. */
static int set_most(const struct limits *limits, const char *file, json_int_t value, struct err *err)
{
	return value < 0 ? set(limits, file, err, "max") : set(limits, file, err, "%lld", (long long)value);
}

/* ---- memory ---- */

/* The number after KEY in the text of a file of lines "key number"; 0 where there is none. */
static unsigned long long stat_of(const char *text, const char *key)
{
	const size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	return 0;
}

/*
 * Less than the processes have in memory that no disk has: the kernel would not refuse that on version 2, but kill them.
 * Return: 0, or -errno with ERR.
 */
static int check_room(const struct limits *limits, json_int_t limit, struct err *err)
{
	autofree char *stat = NULL, *most = NULL, *used = NULL;
	unsigned long long anonymous, room = 0;
	struct sysinfo info;

	if (!limits->runs || limits->paths || limit < 0)
		return 0;
	stat = read_limit(limits, "memory.stat");
	most = read_limit(limits, "memory.swap.max");
	used = read_limit(limits, "memory.swap.current");
	if (!stat)
		return 0;
	anonymous = stat_of(stat, "anon");
	if (most && sysinfo(&info) == 0) {
		unsigned long long swap = strcmp(most, "max") == 0 ? UINT64_MAX : strtoull(most, NULL, 10);
		unsigned long long taken = used ? strtoull(used, NULL, 10) : 0;

		room = (unsigned long long)info.freeswap * info.mem_unit;
		if (swap <= taken)
			room = 0;
		else if (swap - taken < room)
			room = swap - taken;
	}
	if (anonymous <= room || anonymous - room <= (unsigned long long)limit)
		return 0;
	return err_setf(err, EBUSY, LIMITS_STEP, "memory.max", "%lld: the container uses %llu bytes that cannot be given up", (long long)limit,
			anonymous - room);
}

/* Memory and swap together, as the spec has it, into swap alone. Return: 0 with *OUT (-1: no limit) and *GIVEN, or -errno with ERR. */
static int swap_alone(const struct limits *limits, json_int_t limit, json_int_t both, json_int_t *out, bool *given, struct err *err)
{
	*given = true;
	*out = -1;
	if (limit < 0 && both == 0)
		return 0;
	if (both <= 0) {
		*given = both < 0;
		return 0;
	}
	if (limit == 0 && limits->runs) { /* of an update that leaves the memory as it is */
		autofree char *now = read_limit(limits, "memory.max");

		limit = now && strcmp(now, "max") != 0 ? (json_int_t)strtoll(now, NULL, 10) : 0;
	}
	if (limit <= 0)
		return err_setf(err, EINVAL, LIMITS_STEP, "memory.swap.max", "%lld: swap is limited together with memory only", (long long)both);
	if (both < limit)
		return err_setf(err, EINVAL, LIMITS_STEP, "memory.swap.max", "%lld: less than the memory limit", (long long)both);
	*out = both - limit;
	return 0;
}

static int memory_v2(const struct limits *limits, json_t *memory, struct err *err)
{
	const json_int_t limit = number(memory, "limit"), low = number(memory, "reservation");
	json_int_t swap = 0;
	bool swap_given = false;
	int r = limit > 0 ? check_room(limits, limit, err) : 0;

	if (r == 0)
		r = swap_alone(limits, limit, number(memory, "swap"), &swap, &swap_given, err);
	/* Without accounting of swap there is none to be limited: "0" and "max" are so already, or do not matter. */
	if (r == 0 && swap_given && (swap > 0 || has(limits, "memory.swap.max")))
		r = set_most(limits, "memory.swap.max", swap, err);
	if (r == 0 && limit != 0)
		r = set_most(limits, "memory.max", limit, err);
	/* The file of swap has come with the controller. */
	if (r == 0 && swap_given && swap == 0 && has(limits, "memory.swap.max"))
		r = set_most(limits, "memory.swap.max", swap, err);
	if (r == 0 && low != 0)
		r = set_most(limits, "memory.low", low, err);
	return r;
}

/* Which of the two may be written first depends on whether they grow. */
static int memory_v1(const struct limits *limits, json_t *memory, struct err *err)
{
	const char *const memory_file = "memory.limit_in_bytes", *const both_file = "memory.memsw.limit_in_bytes";
	const json_int_t limit = number(memory, "limit"), both = number(memory, "swap"), low = number(memory, "reservation");
	json_t *swappiness = json_object_get(memory, "swappiness");
	int r = 0;

	if (limit != 0 && both != 0 && has(limits, both_file)) {
		struct err first;

		r = set(limits, memory_file, &first, "%lld", (long long)limit);
		if (r < 0) {
			r = set(limits, both_file, err, "%lld", (long long)both);
			if (r == 0)
				r = set(limits, memory_file, err, "%lld", (long long)limit);
		} else {
			r = set(limits, both_file, err, "%lld", (long long)both);
		}
	} else {
		if (limit != 0)
			r = set(limits, memory_file, err, "%lld", (long long)limit);
		if (r == 0 && both != 0)
			r = set(limits, both_file, err, "%lld", (long long)both);
	}
	if (r == 0 && low != 0)
		r = set(limits, "memory.soft_limit_in_bytes", err, "%lld", (long long)low);
	if (r == 0 && json_is_integer(swappiness))
		r = set(limits, "memory.swappiness", err, "%lld", (long long)json_integer_value(swappiness));
	if (r == 0 && json_is_true(json_object_get(memory, "disableOOMKiller")))
		r = set(limits, "memory.oom_control", err, "1");
	return r;
}

/* ---- cpu ---- */

static long long weight_of_shares(json_int_t shares)
{
	return 1 + ((shares < 2 ? 2 : shares > 262144 ? 262144 : shares) - 2) * 9999 / 262142;
}

static int cpu_time_v2(const struct limits *limits, json_int_t quota, json_int_t period, struct err *err)
{
	autofree char *now = quota == 0 || period == 0 ? read_limit(limits, "cpu.max") : NULL;
	const char *now_period = now ? strchr(now, ' ') : NULL;

	/* What is not given stays as it is: of a fresh group "max 100000". */
	if (period == 0)
		period = now_period ? strtoll(now_period, NULL, 10) : 100000;
	if (quota == 0 && now && strncmp(now, "max", 3) != 0)
		quota = strtoll(now, NULL, 10);
	if (quota > 0)
		return set(limits, "cpu.max", err, "%lld %lld", (long long)quota, (long long)period);
	return set(limits, "cpu.max", err, "max %lld", (long long)period);
}

static int cpu_v2(const struct limits *limits, json_t *cpu, struct err *err)
{
	const json_int_t shares = number(cpu, "shares"), quota = number(cpu, "quota"), period = number(cpu, "period");
	json_t *idle = json_object_get(cpu, "idle"), *burst = json_object_get(cpu, "burst");
	int r = 0;

	if (json_is_integer(idle))
		r = set(limits, "cpu.idle", err, "%lld", (long long)json_integer_value(idle));
	if (r == 0 && shares != 0 && json_integer_value(idle) != 1)
		r = set(limits, "cpu.weight", err, "%lld", weight_of_shares(shares));
	if (r == 0 && (quota != 0 || period != 0))
		r = cpu_time_v2(limits, quota, period, err);
	if (r == 0 && json_is_integer(burst))
		r = set(limits, "cpu.max.burst", err, "%lld", (long long)json_integer_value(burst));
	return r;
}

static int cpu_v1(const struct limits *limits, json_t *cpu, struct err *err)
{
	const json_int_t shares = number(cpu, "shares"), quota = number(cpu, "quota"), period = number(cpu, "period");
	int r = 0;

	if (shares != 0)
		r = set(limits, "cpu.shares", err, "%lld", (long long)shares);
	if (r == 0 && period != 0)
		r = set(limits, "cpu.cfs_period_us", err, "%lld", (long long)period);
	if (r == 0 && quota != 0)
		r = set(limits, "cpu.cfs_quota_us", err, "%lld", (long long)quota);
	return r;
}

static int cpuset(const struct limits *limits, json_t *cpu, struct err *err)
{
	static const char *const keys[] = { "cpus", "mems" }, *const files[] = { "cpuset.cpus", "cpuset.mems" };
	int r = 0;

	for (size_t i = 0; i < 2 && r == 0; i++) {
		const char *list = json_string_value(json_object_get(cpu, keys[i]));

		if (list && *list)
			r = set(limits, files[i], err, "%s", list);
	}
	return r;
}

/* ---- block devices ---- */

static json_int_t io_weight(json_int_t weight)
{
	return 1 + ((weight < 10 ? 10 : weight > 1000 ? 1000 : weight) - 10) * 9999 / 990;
}

static int weights_v2(const struct limits *limits, json_t *io, struct err *err)
{
	const json_int_t weight = number(io, "weight");
	json_t *devices = json_object_get(io, "weightDevice"), *device;
	size_t i;
	bool bfq;
	int r = 0;

	if (weight == 0 && json_array_size(devices) == 0)
		return 0;
	if (limits->enable && limits->path && !has(limits, "io.max"))
		limits->enable(limits->data, "io");
	bfq = has(limits, "io.bfq.weight");
	if (weight != 0)
		r = bfq ? set(limits, "io.bfq.weight", err, "%lld", (long long)weight)
			: set(limits, "io.weight", err, "default %lld", (long long)io_weight(weight));
	json_array_foreach(devices, i, device) {
		const json_int_t own = number(device, "weight");

		if (r == 0 && own != 0)
			r = set(limits, bfq ? "io.bfq.weight" : "io.weight", err, "%lld:%lld %lld", (long long)number(device, "major"),
				(long long)number(device, "minor"), (long long)(bfq ? own : io_weight(own)));
	}
	return r;
}

static int weights_v1(const struct limits *limits, json_t *io, struct err *err)
{
	const char *prefix = has(limits, "blkio.bfq.weight") ? "blkio.bfq.weight" : "blkio.weight";
	autofree char *device_file = xasprintf("%s_device", prefix);
	json_t *devices = json_object_get(io, "weightDevice"), *device;
	size_t i;
	int r = number(io, "weight") != 0 ? set(limits, prefix, err, "%lld", (long long)number(io, "weight")) : 0;

	json_array_foreach(devices, i, device) {
		if (r == 0 && number(device, "weight") != 0)
			r = set(limits, device_file, err, "%lld:%lld %lld", (long long)number(device, "major"), (long long)number(device, "minor"),
				(long long)number(device, "weight"));
	}
	return r;
}

static int throttles(const struct limits *limits, json_t *io, struct err *err)
{
	static const struct {
		const char *key, *word, *file;
	} kinds[] = {
		{ "throttleReadBpsDevice", "rbps", "blkio.throttle.read_bps_device" },
		{ "throttleWriteBpsDevice", "wbps", "blkio.throttle.write_bps_device" },
		{ "throttleReadIOPSDevice", "riops", "blkio.throttle.read_iops_device" },
		{ "throttleWriteIOPSDevice", "wiops", "blkio.throttle.write_iops_device" },
	};
	int r = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		json_t *devices = json_object_get(io, kinds[k].key), *device;
		size_t i;

		json_array_foreach(devices, i, device) {
			const long long major = number(device, "major"), minor = number(device, "minor"), rate = number(device, "rate");

			if (r < 0)
				return r;
			if (limits->paths)
				r = set(limits, kinds[k].file, err, "%lld:%lld %lld", major, minor, rate);
			else if (rate > 0)
				r = set(limits, "io.max", err, "%lld:%lld %s=%lld", major, minor, kinds[k].word, rate);
			else
				r = set(limits, "io.max", err, "%lld:%lld %s=max", major, minor, kinds[k].word);
		}
	}
	return r;
}

/* ---- the rest ---- */

static int huge_pages(const struct limits *limits, json_t *list, struct err *err)
{
	json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, entry) {
		const char *size = json_string_value(json_object_get(entry, "pageSize"));
		autofree char *file = xasprintf(limits->paths ? "hugetlb.%s.limit_in_bytes" : "hugetlb.%s.max", size ? size : "");
		autofree char *reserved = xasprintf("hugetlb.%s.rsvd.max", size ? size : "");

		if (r < 0)
			return r;
		if (!size || strchr(size, '/'))
			return err_setf(err, 0, "read bundle", "linux.resources.hugepageLimits", "pageSize is missing");
		r = set(limits, file, err, "%lld", (long long)number(entry, "limit"));
		if (r == 0 && !limits->paths && has(limits, reserved))
			r = set(limits, reserved, err, "%lld", (long long)number(entry, "limit"));
	}
	return r;
}

int limits_write_files(const struct limits *limits, json_t *files, struct err *err)
{
	const char *file;
	json_t *value;
	int r = 0;

	json_object_foreach(files, file, value) {
		autofree char *lines = json_is_string(value) ? xstrdup(json_string_value(value)) : NULL;
		char *rest = NULL;

		if (r < 0)
			return r;
		if (!lines || strchr(file, '/') || !strchr(file, '.'))
			return err_setf(err, EINVAL, LIMITS_STEP, file, "%s", lines ? "no name of a file" : "the value is no text");
		/* What moves processes or delegates is not a limit. */
		if (strncmp(file, "cgroup.", 7) == 0 && strncmp(file, "cgroup.max.", 11) != 0)
			return err_setf(err, EPERM, LIMITS_STEP, file, "%s: the container's own", lines);
		for (char *line = strtok_r(lines, "\n", &rest); line && r == 0; line = strtok_r(NULL, "\n", &rest))
			r = set(limits, file, err, "%s", line);
	}
	return r;
}

int limits_write(const struct limits *limits, json_t *resources, struct err *err)
{
	json_t *memory = json_object_get(resources, "memory"), *cpu = json_object_get(resources, "cpu");
	json_t *io = json_object_get(resources, "blockIO"), *pids = json_object_get(resources, "pids");
	const json_int_t most = number(pids, "limit");
	int r = limits->paths ? memory_v1(limits, memory, err) : memory_v2(limits, memory, err);

	if (r == 0)
		r = limits->paths ? cpu_v1(limits, cpu, err) : cpu_v2(limits, cpu, err);
	if (r == 0)
		r = cpuset(limits, cpu, err);
	if (r == 0 && most != 0)
		r = set_most(limits, "pids.max", most, err);
	if (r == 0)
		r = limits->paths ? weights_v1(limits, io, err) : weights_v2(limits, io, err);
	if (r == 0)
		r = throttles(limits, io, err);
	if (r == 0)
		r = huge_pages(limits, json_object_get(resources, "hugepageLimits"), err);
	if (r == 0 && !limits->paths)
		r = limits_write_files(limits, json_object_get(resources, "unified"), err);
	return r;
}
