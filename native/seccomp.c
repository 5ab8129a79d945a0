#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

#define INSTRUCTIONS BPF_MAXINSNS /* 4096, linux/bpf_common.h: the kernel takes no longer program */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#else
#error "name the AUDIT_ARCH_ of this machine"
#endif

/*
 * System calls newer than the libseccomp we may be linked with, in the order of their numbers. From 424 on these are the
 * same on every architecture (linux, scripts/syscall.tbl).
 */
static const struct {
	const char *name;
	int number;
} recent[] = {
	{ "process_mrelease", 448 }, { "futex_waitv", 449 }, { "set_mempolicy_home_node", 450 }, { "cachestat", 451 },
	{ "fchmodat2", 452 }, { "map_shadow_stack", 453 }, { "futex_wake", 454 }, { "futex_wait", 455 },
	{ "futex_requeue", 456 }, { "statmount", 457 }, { "listmount", 458 }, { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 }, { "setxattrat", 463 },
	{ "getxattrat", 464 }, { "listxattrat", 465 }, { "removexattrat", 466 }, { "open_tree_attr", 467 },
	{ "file_getattr", 468 }, { "file_setattr", 469 },
};

static const struct {
	const char *name;
	enum scmp_compare operation;
} operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE }, { "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ }, { "SCMP_CMP_GE", SCMP_CMP_GE }, { "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct {
	const char *name;
	uint32_t token;
} architectures[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 }, { "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 }, { "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM }, { "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS }, { "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 }, { "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 }, { "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC }, { "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE }, { "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X }, { "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
};

static const struct {
	const char *name;
	unsigned int flag;
} filter_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* for threads; there is one */
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
};

#define RECENT (sizeof(recent) / sizeof(*recent))

/* A filter on its way from JSON to code. */
struct compilation {
	scmp_filter_ctx ctx;
	uint32_t default_action;
	int last;                /* the highest number that the profile names */
	uint32_t actions[RECENT]; /* of the recent calls that libseccomp does not know, 0: none */
	bool has_action[RECENT];
};

static int invalid(struct err *err, const char *object, const char *why)
{
	return err_setf(err, 0, "compile seccomp filter", object, "%s", why);
}

/* SCMP_ACT_* with the errno of `errnoRet` or `defaultErrnoRet` (EPERM when absent). */
static int read_action(json_t *object, const char *key, const char *errno_key, uint32_t *out, struct err *err)
{
	const char *name = json_string_value(json_object_get(object, key));
	json_t *number = json_object_get(object, errno_key);
	uint16_t code = number ? (uint16_t)json_integer_value(number) : EPERM;
	const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD }, { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS }, { "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
		{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(code) }, { "SCMP_ACT_TRACE", SCMP_ACT_TRACE(code) },
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW }, { "SCMP_ACT_LOG", SCMP_ACT_LOG },
	};

	for (size_t i = 0; name && i < sizeof(actions) / sizeof(*actions); i++)
		if (strcmp(name, actions[i].name) == 0) {
			*out = actions[i].action;
			return 0;
		}
	return invalid(err, name ? name : key, "not an action that can be used here");
}

static int read_condition(json_t *object, struct scmp_arg_cmp *out, struct err *err)
{
	const char *name = json_string_value(json_object_get(object, "op"));
	json_int_t index = json_integer_value(json_object_get(object, "index"));
	uint64_t value = (uint64_t)json_integer_value(json_object_get(object, "value"));
	uint64_t second = (uint64_t)json_integer_value(json_object_get(object, "valueTwo"));

	if (index < 0 || index > 5)
		return invalid(err, "args", "an index is not between 0 and 5");
	for (size_t i = 0; name && i < sizeof(operators) / sizeof(*operators); i++)
		if (strcmp(name, operators[i].name) == 0) {
			*out = (struct scmp_arg_cmp){ (unsigned int)index, operators[i].operation, value, second };
			return 0;
		}
	return invalid(err, name ? name : "args", "not an operator");
}

/* Rules of one entry for one system call. */
static int add_rules(scmp_filter_ctx ctx, uint32_t action, int number, json_t *args, const char *name, struct err *err)
{
	struct scmp_arg_cmp conditions[6];
	unsigned int used = 0, n = (unsigned int)json_array_size(args);
	bool repeated = false;
	int r = 0;

	if (n > 6)
		return invalid(err, name, "more than six conditions");
	for (unsigned int i = 0; i < n; i++) {
		r = read_condition(json_array_get(args, i), &conditions[i], err);
		if (r < 0)
			return r;
		repeated = repeated || (used >> conditions[i].arg & 1);
		used |= 1u << conditions[i].arg;
	}
	/* libseccomp takes one condition an argument; several mean "any of them" (runtime spec, config-linux, seccomp). */
	for (unsigned int i = 0; repeated && i < n && r == 0; i++)
		r = seccomp_rule_add_array(ctx, action, number, 1, &conditions[i]);
	if (!repeated)
		r = seccomp_rule_add_array(ctx, action, number, n, conditions);
	/* -EEXIST, -EACCES: the same rule is there, or the rule is the default. -EDOM, -EINVAL: not on this architecture. */
	if (r < 0 && r != -EEXIST && r != -EACCES && r != -EDOM && r != -EINVAL)
		return err_set(err, -r, "compile seccomp filter", name);
	return 0;
}

/* NAME is unknown to libseccomp: where we know it, its rule is kept for the prologue, if it depends on no argument. */
static void add_recent(struct compilation *c, const char *name, uint32_t action, json_t *args)
{
	for (size_t i = 0; i < RECENT; i++) {
		if (strcmp(name, recent[i].name) != 0)
			continue;
		c->last = recent[i].number > c->last ? recent[i].number : c->last;
		if (json_array_size(args) == 0) {
			c->actions[i] = action;
			c->has_action[i] = true;
		}
	}
}

static int add_entry(struct compilation *c, json_t *entry, struct err *err)
{
	json_t *names = json_object_get(entry, "names"), *args = json_object_get(entry, "args"), *value;
	uint32_t action;
	size_t i;
	int r = read_action(entry, "action", "errnoRet", &action, err);

	if (r < 0)
		return r;
	json_array_foreach(names, i, value) {
		const char *name = json_is_string(value) ? json_string_value(value) : "";
		int number = seccomp_syscall_resolve_name(name);

		if (number == __NR_SCMP_ERROR) {
			add_recent(c, name, action, args); /* or of another kernel or another architecture */
			continue;
		}
		c->last = number > c->last ? number : c->last;
		if (action == c->default_action)
			continue;
		r = add_rules(c->ctx, action, number, args, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_architectures(scmp_filter_ctx ctx, json_t *array, struct err *err)
{
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		const char *name = json_string_value(value);
		uint32_t token = 0;
		int r;

		for (size_t j = 0; name && j < sizeof(architectures) / sizeof(*architectures); j++)
			if (strcmp(name, architectures[j].name) == 0)
				token = architectures[j].token;
		if (!token)
			return invalid(err, name ? name : "architectures", "unknown architecture");
		r = seccomp_arch_add(ctx, token);
		if (r < 0 && r != -EEXIST)
			return err_set(err, -r, "compile seccomp filter", name);
	}
	return 0;
}

/*
 * Instructions before libseccomp's own, for system calls that it does not know. What is newer than any that the profile
 * names was not thought of by its authors: ENOSYS instead of the default EPERM lets the C library fall back to the older call.
 *
 *     if the architecture is ours and FIRST <= number < 2^30 (above: x32)
 *             number is one of the recent, with an action: return that
 *             number > LAST: return ENOSYS
 */
static size_t prologue(const struct compilation *c, struct sock_filter *code)
{
	bool denies = c->default_action != SCMP_ACT_ALLOW && c->default_action != SCMP_ACT_LOG && c->last > 0;
	unsigned int first = denies ? (unsigned int)c->last + 1 : UINT32_MAX;
	size_t rules = 0, n = 0;
	uint8_t body;

	for (size_t i = 0; i < RECENT; i++) {
		rules += c->has_action[i];
		if (c->has_action[i] && (unsigned int)recent[i].number < first)
			first = (unsigned int)recent[i].number;
	}
	if (rules == 0 && !denies)
		return 0;
	body = (uint8_t)(2 * rules + (denies ? 2 : 0));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, (uint8_t)(body + 3));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, (uint8_t)(body + 1));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, body, 0);
	for (size_t i = 0; i < RECENT; i++) {
		if (!c->has_action[i])
			continue;
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)recent[i].number, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, c->actions[i]);
	}
	if (denies) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (unsigned int)c->last, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	return n;
}

static int export(const struct compilation *c, struct seccomp_filter *out, struct err *err)
{
	autoclose int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter *code = xcalloc(INSTRUCTIONS, sizeof(*code));
	size_t n = prologue(c, code);
	ssize_t length;
	char more;
	int r = fd < 0 ? -errno : seccomp_export_bpf(c->ctx, fd);

	out->code = code;
	if (r < 0)
		return err_set(err, -r, "compile seccomp filter", "");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "compile seccomp filter", "");
	length = read_all(fd, code + n, (INSTRUCTIONS - n) * sizeof(*code));
	if (length < 0)
		return err_set(err, (int)-length, "compile seccomp filter", "");
	if (read(fd, &more, 1) != 0)
		return err_set(err, E2BIG, "compile seccomp filter", "");
	out->length = (unsigned short)(n + (size_t)length / sizeof(*code));
	return 0;
}

static int compile(json_t *config, struct seccomp_filter *out, struct err *err)
{
	struct compilation c = { 0 };
	json_t *entry;
	size_t i;
	int r;

	r = read_action(config, "defaultAction", "defaultErrnoRet", &c.default_action, err);
	if (r < 0)
		return r;
	c.ctx = seccomp_init(c.default_action);
	if (!c.ctx)
		return err_set(err, ENOMEM, "compile seccomp filter", "");
	seccomp_attr_set(c.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree over the numbers; refused by old libraries */
	r = add_architectures(c.ctx, json_object_get(config, "architectures"), err);
	json_array_foreach(json_object_get(config, "syscalls"), i, entry) {
		if (r < 0)
			break;
		r = add_entry(&c, entry, err);
	}
	if (r == 0)
		r = export(&c, out, err);
	seccomp_release(c.ctx);
	return r;
}

int seccomp_open_cache(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) || st.st_size == 0 ||
	    st.st_size % (off_t)sizeof(struct sock_filter) != 0 ||
	    st.st_size > (off_t)(INSTRUCTIONS * sizeof(struct sock_filter)))
		return -1;
	return steal_fd(&fd);
}

static bool read_cache(int fd, struct seccomp_filter *out)
{
	char *bytes;
	ssize_t length = fd < 0 ? -1 : read_fd(fd, &bytes, INSTRUCTIONS * sizeof(struct sock_filter));

	if (length < 0)
		return false;
	if (length == 0 || (size_t)length % sizeof(struct sock_filter) != 0) {
		free(bytes);
		return false;
	}
	out->code = (struct sock_filter *)(void *)bytes;
	out->length = (unsigned short)((size_t)length / sizeof(struct sock_filter));
	/* Every filter ends in a return. What a power cut has left, zeros for one, does not, and is compiled anew. */
	if (BPF_CLASS(out->code[out->length - 1].code) == BPF_RET)
		return true;
	free(bytes);
	out->code = NULL;
	out->length = 0;
	return false;
}

static int read_flags(json_t *array, unsigned int *out, struct err *err)
{
	json_t *value;
	size_t i, j;

	json_array_foreach(array, i, value) {
		const char *name = json_is_string(value) ? json_string_value(value) : "";

		for (j = 0; j < sizeof(filter_flags) / sizeof(*filter_flags); j++)
			if (strcmp(name, filter_flags[j].name) == 0)
				break;
		if (j == sizeof(filter_flags) / sizeof(*filter_flags))
			return invalid(err, name, "unknown flag");
		*out |= filter_flags[j].flag;
	}
	return 0;
}

int seccomp_prepare(json_t *config, int cache_fd, const char *cache_path, struct seccomp_filter *out, struct err *err)
{
	int r;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(config))
		return 0;
	r = read_flags(json_object_get(config, "flags"), &out->flags, err);
	if (r < 0 || read_cache(cache_fd, out))
		return r;
	r = compile(config, out, err);
	/* A cache that cannot be written costs time at the next start and is no failure. */
	if (r == 0 && cache_path)
		write_file_atomically(AT_FDCWD, cache_path, (const char *)out->code, out->length * sizeof(*out->code), true);
	return r;
}

int seccomp_install(const struct seccomp_filter *filter, struct err *err)
{
	struct sock_fprog program = { .len = filter->length, .filter = filter->code };

	if (!filter->code)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program) < 0)
		return err_set(err, errno, "install seccomp filter", "");
	return 0;
}
