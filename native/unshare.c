/* unshare: a command as root of the user namespace, to look at what mapped ids own. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "request.h"
#include "userns.h"
#include "util.h"
#include "verbs.h"

struct command {
	const char *proa;
	char **args;
};

static int execute(void *data)
{
	const struct command *command = data;
	struct err err;

	process_reset_signals();
	execvp(command->args[0], command->args);
	err_set(&err, errno, "execute", command->args[0]);
	err.exit = err.code == ENOENT || err.code == ENOTDIR ? 127 : 126;
	return report_failure(command->proa, "unshare", &err);
}

static char **read_args(json_t *array)
{
	char **args = xcalloc(json_array_size(array) + 1, sizeof(*args));
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		args[i] = (char *)json_string_value(value);
		if (!args[i])
			break;
	}
	return args;
}

int verb_unshare(json_t *request)
{
	struct command command = { NULL, NULL };
	struct id_maps maps = { 0 };
	json_t *mappings, *args;
	struct err err;
	int status = 0, r;
	pid_t pid;

	r = request_unpack(request, &err, "unshare", "{s:s,s:o,s:o!}", "proa", &command.proa, "mappings", &mappings, "args",
		&args);
	if (r == 0)
		r = request_mappings(mappings, &maps, &err);
	if (r < 0)
		return report_failure(command.proa, "unshare", &err);
	command.args = read_args(args);
	if (!command.args[0])
		r = err_setf(&err, 0, "read request", "args", "not a list of strings with at least one");
	/* The terminal's signals are for the command; we only pass on how it ended. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if (r == 0)
		r = userns_spawn(&maps, execute, &command, &pid, &err);
	id_maps_free(&maps);
	if (r < 0) {
		free(command.args);
		return report_failure(command.proa, "unshare", &err);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	free(command.args);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
