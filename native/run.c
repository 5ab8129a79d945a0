#include "run.h"

#include "request.h"
#include "util.h"

static int parse_text_or_null(json_t *value, const char *what, const char **out, struct err *err)
{
	*out = json_string_value(value);
	if (!*out && !json_is_null(value))
		return err_setf(err, 0, "read request", what, "neither a string nor null");
	return 0;
}

int run_parse(json_t *request, struct run *run, struct err *err)
{
	json_t *runtime, *seccomp, *log_target, *attach, *path, *journal = NULL, *restart = NULL, *limit = NULL, *preserved = NULL;
	int input, once, print, init = 0, passthrough = 0, notify_ready = 0;
	size_t i;
	int r = request_unpack(
		request, err, "run",
		"{s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:o,s:b,s:b,s:o,s:b,s:o,s:s,s:o,s?o,s?o,s?o,s?b,s?s,s?o,s?o,s?o,s?o,s?s,s?s,s?o,s?{s:s,s:b!},s?b,s?o,s?o!}", "id", &run->id, "proa", &run->proa,
		"bundle", &run->bundle, "runDir", &run->run_dir, "lockFd", &run->lock_fd, "rootfs", &run->rootfs, "runtime",
		&runtime, "log", &log_target, "stdin", &input, "stdinOnce", &once, "attach", &attach, "printId", &print,
		"remove", &run->remove, "exitFile", &run->exit_file, "seccompCache", &seccomp, "network", &run->network, "usernet", &run->usernet,
		"journal", &journal, "init", &init, "initPath", &run->init_path, "restart", &restart, "timeLimit", &limit,
		"health", &run->health, "preserveFds", &preserved, "pidFile", &run->pid_file, "supervisorPidFile",
		&run->supervisor_pid_file, "owners", &run->owners, "notify", "socket", &run->notify_socket, "ready", &notify_ready, "passthrough", &passthrough, "cgroup", &run->cgroup, "groupOwners", &run->group_owners);

	if (r == 0)
		r = parse_text_or_null(runtime, "runtime", &run->runtime, err);
	if (r == 0)
		r = parse_text_or_null(seccomp, "seccompCache", &run->seccomp_cache, err);
	if (r == 0)
		r = preserved ? preserve_parse(preserved, run->preserved = xcalloc(1, sizeof(*run->preserved)), err) : 0;
	if (r == 0)
		r = log_parse(log_target, run->run_dir, &run->log, err);
	if (r == 0)
		r = journal_parse(journal, run->id, run->run_dir, &run->journal, err);
	if (r == 0)
		r = life_parse(restart, limit, &run->life, err);
	if (r < 0)
		return r;
	run->stdin_open = input;
	run->stdin_once = once;
	run->print_id = print;
	run->init = init;
	run->passthrough = passthrough;
	run->notify_ready = notify_ready;
	run->attached = !json_is_null(attach);
	if (!json_is_array(run->remove))
		return err_setf(err, 0, "read request", "remove", "not a list");
	json_array_foreach(run->remove, i, path) {
		if (!json_is_string(path) || json_string_value(path)[0] != '/')
			return err_setf(err, 0, "read request", "remove", "not absolute paths");
	}
	run->log.temporary = json_array_size(run->remove) > 0;
	return run->attached ? client_parse(attach, &run->attach, err) : 0;
}
