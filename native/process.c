#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initial.h"
#include "path.h"
#include "util.h"

#define EXACT_LIMIT ((1LL << 53) - 1) /* the highest number that every JSON reader and writer holds exactly: "unlimited" */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_FILES 1024 /* the kernel's own default of the soft limit (INR_OPEN_CUR): Bun has raised ours */

static const struct {
	const char *name;
	int resource;
} limit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE }, { "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO }, { "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK },
};

void process_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		struct sigaction now;

		/* What nohup, and a script that says `&`, set on purpose is kept. */
		if ((number == SIGHUP || number == SIGINT || number == SIGQUIT) && sigaction(number, NULL, &now) == 0 &&
		    now.sa_handler == SIG_IGN)
			continue;
		sigaction(number, &action, NULL); /* EINVAL for KILL, STOP and the C library's own */
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int invalid(struct err *err, const char *object, const char *why)
{
	return err_setf(err, 0, "read process", object, "%s", why);
}

static char **string_list(json_t *array)
{
	char **list = xcalloc(json_array_size(array) + 1, sizeof(*list));
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		if (!json_is_string(value)) {
			free(list);
			return NULL;
		}
		list[i] = (char *)json_string_value(value);
	}
	return list;
}

static int parse_user(json_t *user, struct process *out, struct err *err)
{
	json_t *groups = json_object_get(user, "additionalGids"), *umask_value = json_object_get(user, "umask"), *value;
	size_t i;

	out->uid = (uid_t)json_integer_value(json_object_get(user, "uid"));
	out->gid = (gid_t)json_integer_value(json_object_get(user, "gid"));
	out->umask = json_is_integer(umask_value) ? (mode_t)(json_integer_value(umask_value) & 0777) : 0022;
	out->n_groups = json_array_size(groups);
	out->groups = xcalloc(out->n_groups, sizeof(*out->groups));
	json_array_foreach(groups, i, value) {
		if (!json_is_integer(value))
			return invalid(err, "user.additionalGids", "not a list of numbers");
		out->groups[i] = (gid_t)json_integer_value(value);
	}
	return 0;
}

static rlim_t limit_value(json_t *value)
{
	/* The spec's numbers are 64 bits without sign; "unlimited" is all ones, which JSON may also hold as -1 or as a real. */
	if (json_is_real(value))
		return json_real_value(value) >= 9.2e18 ? RLIM_INFINITY : (rlim_t)json_real_value(value);
	return json_integer_value(value) < 0 || json_integer_value(value) >= EXACT_LIMIT ? RLIM_INFINITY
		: (rlim_t)json_integer_value(value);
}

static int parse_limits(json_t *array, struct process *out, struct err *err)
{
	json_t *object;
	size_t i, j;

	out->limits = xcalloc(json_array_size(array), sizeof(*out->limits));
	json_array_foreach(array, i, object) {
		const char *name = json_string_value(json_object_get(object, "type"));
		const size_t n = sizeof(limit_names) / sizeof(*limit_names);

		for (j = 0; name && j < n && strcmp(name, limit_names[j].name) != 0; j++)
			;
		if (!name || j == n)
			return invalid(err, name ? name : "rlimits", "unknown resource limit");
		out->limits[out->n_limits++] = (struct process_limit){
			.resource = limit_names[j].resource,
			.name = limit_names[j].name,
			.limit = { limit_value(json_object_get(object, "soft")), limit_value(json_object_get(object, "hard")) },
		};
	}
	return 0;
}

static void parse_size(json_t *size, struct process *out)
{
	json_int_t rows = json_integer_value(json_object_get(size, "height"));
	json_int_t columns = json_integer_value(json_object_get(size, "width"));

	if (rows > 0 && rows <= USHRT_MAX && columns > 0 && columns <= USHRT_MAX) {
		out->rows = (int)rows;
		out->columns = (int)columns;
	}
}

int process_parse(json_t *object, struct process *out, struct err *err)
{
	json_t *score = json_object_get(object, "oomScoreAdj");
	int r;

	memset(out, 0, sizeof(*out));
	out->init_fd = -1;
	out->args = string_list(json_object_get(object, "args"));
	if (!out->args || !out->args[0])
		return invalid(err, "args", "not a list of strings with at least one");
	out->env = string_list(json_object_get(object, "env"));
	if (!out->env)
		return invalid(err, "env", "not a list of strings");
	out->cwd = json_string_value(json_object_get(object, "cwd"));
	if (!out->cwd || out->cwd[0] != '/')
		return invalid(err, "cwd", "not an absolute path");
	out->no_new_privileges = json_is_true(json_object_get(object, "noNewPrivileges"));
	out->terminal = json_is_true(json_object_get(object, "terminal"));
	if (json_is_integer(score))
		out->oom_score_adj = xasprintf("%d", (int)json_integer_value(score));
	parse_size(json_object_get(object, "consoleSize"), out);
	r = parse_user(json_object_get(object, "user"), out, err);
	if (r == 0)
		r = parse_limits(json_object_get(object, "rlimits"), out, err);
	if (r == 0)
		r = caps_parse(json_object_get(object, "capabilities"), &out->caps, err);
	return r;
}

int process_set_oom_score(const struct process *process, struct err *err)
{
	autoclose int fd = -1;

	if (!process->oom_score_adj)
		return 0;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, process->oom_score_adj, strlen(process->oom_score_adj)) < 0)
		return err_set(err, errno, "set oom score", process->oom_score_adj);
	return 0;
}

int process_open_terminal(const struct process *process, int ptmx, int *slave, struct err *err)
{
	struct winsize size = { .ws_row = (unsigned short)process->rows, .ws_col = (unsigned short)process->columns };
	autoclose int fd = -1;
	int unlocked = 0;

	if (ioctl(ptmx, TIOCSPTLCK, &unlocked) < 0)
		return err_set(err, errno, "create terminal", "");
	/* By descriptor, so that nothing that the image put at the name can be opened in its place. */
	fd = ioctl(ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "create terminal", "");
	if (process->rows > 0 && ioctl(fd, TIOCSWINSZ, &size) < 0)
		return err_set(err, errno, "set size of terminal", "");
	if (fchown(fd, process->uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL)
		return err_set(err, errno, "give terminal to user", "");
	*slave = steal_fd(&fd);
	return 0;
}

static int take_terminal(int slave, struct err *err)
{
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set(err, errno, "take terminal", "");
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(slave, fd) < 0)
			return err_set(err, errno, "take terminal", "");
	return 0;
}

/* /dev/stdout opens the pipe behind it anew, which only its owner may: that is to be the process's user. */
static void give_pipes(uid_t uid)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0)
			continue; /* not ours to give: it can be written all the same */
	}
}

static int set_limits(const struct process *process, struct err *err)
{
	bool files = false;

	for (size_t i = 0; i < process->n_limits; i++) {
		const struct process_limit *limit = &process->limits[i];
		struct rlimit now;

		files = files || limit->resource == RLIMIT_NOFILE;
		if (setrlimit((__rlimit_resource_t)limit->resource, &limit->limit) == 0)
			continue;
		if (errno == EPERM && getrlimit((__rlimit_resource_t)limit->resource, &now) == 0)
			return err_setf(err, EPERM, "set resource limit", limit->name, "%llu is wanted, at most %llu is allowed",
				(unsigned long long)limit->limit.rlim_max, (unsigned long long)now.rlim_max);
		return err_set(err, errno, "set resource limit", limit->name);
	}
	if (!files) {
		struct rlimit limit;

		if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > DEFAULT_FILES) {
			limit.rlim_cur = DEFAULT_FILES;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	return 0;
}

static int enter_cwd(const struct process *process, struct err *err)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;

	if (root < 0)
		return err_set(err, errno, "enter working directory", process->cwd);
	fd = process->joins ? path_open(root, process->cwd, O_PATH | O_DIRECTORY, PATH_FOLLOW)
			    : path_make(root, process->cwd, true, 0755, PATH_FOLLOW);
	if (fd < 0) {
		err_set(err, -fd, "enter working directory", process->cwd);
		if (err && process->joins) /* the container is as it was: the status is that of a program that cannot be executed */
			err->exit = fd == -ENOENT || fd == -ENOTDIR ? 127 : 126;
		return fd;
	}
	if (fchdir(fd) < 0)
		return err_set(err, errno, "enter working directory", process->cwd);
	return 0;
}

/* Where setgroups is denied in the user namespace (a map of our own id only), the groups stay as they are. */
static bool groups_are_denied(void)
{
	char *text;
	ssize_t length = read_file_at(AT_FDCWD, "/proc/self/setgroups", &text, 64);
	bool denied;

	if (length < 0)
		return false;
	denied = strncmp(text, "deny", 4) == 0;
	free(text);
	return denied;
}

static int change_user(const struct process *process, struct err *err)
{
	autofree char *uid = xasprintf("%u", process->uid), *gid = xasprintf("%u", process->gid);

	if (!process->keeps_groups && setgroups(process->n_groups, process->groups) < 0 && !(errno == EPERM && groups_are_denied()))
		return err_setf(err, errno, "set groups", gid, errno == EINVAL ? "a group id is not mapped" : "");
	if (setresgid(process->gid, process->gid, process->gid) < 0)
		return err_setf(err, errno, "set group", gid, errno == EINVAL ? "the group id is not mapped" : "");
	if (setresuid(process->uid, process->uid, process->uid) < 0)
		return err_setf(err, errno, "set user", uid, errno == EINVAL ? "the user id is not mapped" : "");
	return 0;
}

/*
 * Close all descriptors above 2 but KEEP and those that PROCESS gets. Not left to close-on-exec: a program named /proc/self/fd/7/… is looked up before
 * execve closes anything.
 */
static int close_others(const struct process *process, int keep, struct err *err)
{
	const int more[] = { keep, process->init_fd };
	int r = preserve_close_others(process->preserved, more, sizeof(more) / sizeof(*more));

	return r < 0 ? err_set(err, -r, "close descriptors", "") : 0;
}

int process_become(const struct process *process, int slave, const struct seccomp_filter *filter, int keep,
	int death_signal, struct err *err)
{
	int r;

	setsid(); /* EPERM: we lead a session already */
	if (slave >= 0) {
		r = take_terminal(slave, err);
		if (r < 0)
			return r;
	} else if (process->uid != 0) {
		give_pipes(process->uid);
	}
	r = set_limits(process, err);
	if (r == 0)
		r = enter_cwd(process, err);
	if (r == 0)
		r = close_others(process, keep, err);
	if (r == 0)
		r = caps_bound(&process->caps, err);
	/* Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go; with it, it comes last. */
	if (r == 0 && !process->no_new_privileges)
		r = seccomp_install(filter, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "keep capabilities", "");
	r = change_user(process, err);
	if (r == 0)
		r = caps_apply(&process->caps, err);
	if (r < 0)
		return r;
	umask(process->umask);
	/* After the change of user, which clears it (prctl(2)). */
	if (death_signal && prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) < 0)
		return err_set(err, errno, "tie process to its supervisor", "");
	if (process->no_new_privileges) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return err_set(err, errno, "set no_new_privs", "");
		r = seccomp_install(filter, err);
	}
	return r;
}

static const char *path_variable(char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return DEFAULT_PATH;
}

/* The errors of execve that mean "not here": the search goes on. */
static bool is_absent(int code)
{
	return code == ENOENT || code == ENOTDIR || code == ENAMETOOLONG;
}

/* execve, with ENOENT told apart: ERR's detail when the file is there and only its interpreter is not. */
static int try_execute(const struct process *process, const char *file, bool *missing_interpreter)
{
	int code;

	execve(file, process->args, process->env);
	code = errno;
	if (code == ENOENT && faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) == 0)
		*missing_interpreter = true;
	return code;
}

static int execute(const struct process *process, struct err *err)
{
	const char *name = process->args[0], *path = path_variable(process->env);
	bool missing_interpreter = false;
	int code = ENOENT, r;

	if (strchr(name, '/')) {
		code = try_execute(process, name, &missing_interpreter);
	} else if (*name) {
		bool denied = false;

		for (const char *end; path; path = *end ? end + 1 : NULL) {
			char file[PATH_MAX];
			struct stat st;

			end = strchrnul(path, ':');
			if (snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name) >=
			    (int)sizeof(file))
				continue;
			code = try_execute(process, file, &missing_interpreter);
			if (code == EACCES) /* a directory of that name in PATH is not what was meant */
				denied = denied || stat(file, &st) < 0 || !S_ISDIR(st.st_mode);
			else if (!is_absent(code))
				break;
		}
		if (denied && (is_absent(code) || code == EACCES))
			code = EACCES;
		else if (code == EACCES)
			code = ENOENT;
	}
	r = err_setf(err, code, "execute", name, "%s",
		missing_interpreter && is_absent(code) ? "the interpreter of the program is missing" : "");
	if (err)
		err->exit = is_absent(code) ? 127 : 126;
	return r;
}

int process_execute(const struct process *process, struct err *err)
{
	pid_t program = 0;

	if (process->init_fd < 0)
		return execute(process, err);
	if (!process->init_starts) {
		program = initial_fork(err);
		if (program <= 0)
			return program < 0 ? program : execute(process, err);
	}
	return initial_become(process->init_fd, process->args, process->env, program, err);
}
