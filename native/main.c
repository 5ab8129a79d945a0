/*
 * proa-helper VERB [REQUEST_FD]: the mechanism behind proa. PROTOCOL.md is the contract of every verb.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "process.h"
#include "preserve.h"
#include "request.h"
#include "stage.h"
#include "util.h"
#include "verbs.h"

extern char **environ;

static const struct verb {
	const char *name;
	int (*run)(json_t *request);
	bool becomes; /* Bun became this process: failures are reported by `proa __report` */
	bool keeps;   /* the request is read again: request_kept() */
} verbs[] = {
	{ "run", verb_run, true, true },
	{ "attach", verb_attach, true, false },
	{ "logs", verb_logs, true, false },
	{ "exec", verb_exec, true, false },
	{ "unshare", verb_unshare, true, false },
	{ "netd", verb_netd, true, false },
	{ "layer-apply", verb_layer_apply, false, false },
	{ "layer-share", verb_layer_share, false, false },
	{ "remove-tree", verb_remove_tree, false, false },
	{ "copy-tree", verb_copy_tree, false, false },
	{ "features", verb_features, false, false },
	{ "files", verb_files, false, false },
	{ "layer-diff", verb_layer_diff, false, false },
	{ "mount-root", verb_mount_root, false, false },
	{ "netd-probe", verb_netd_probe, false, false },
	{ "netd-status", verb_netd_status, false, false },
	{ "network-reload", verb_network_reload, false, false },
	{ "chown-tree", verb_chown_tree, false, false },
	{ "tree-size", verb_tree_size, false, false },
	{ "usage", verb_usage, false, false },
	{ "processes", verb_processes, false, false },
};

/* Keys of a request whose value is a descriptor that the caller left open for us. */
static const char *const descriptor_keys[] = { "dataFd", "pidfd", "lockFd", "layerFd", "listenFd", "netns" };

static void drop_bun_variables(void)
{
	char **to = environ;

	for (char **from = environ; *from; from++)
		if (strncmp(*from, "BUN_", 4) != 0)
			*to++ = *from;
	*to = NULL;
}

/* A standard stream that our caller closed (`<&-`) must not become the number of something else: it is an empty one. */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Close every descriptor above 2 that REQUEST does not name, but ALSO (-1: none). */
static void close_unnamed(json_t *request, int also)
{
	int kept[sizeof(descriptor_keys) / sizeof(*descriptor_keys) + 1];
	struct preserved preserved;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(descriptor_keys) / sizeof(*descriptor_keys); i++) {
		json_t *value = json_object_get(request, descriptor_keys[i]);
		json_int_t fd = json_is_integer(value) ? json_integer_value(value) : -1;

		if (fd > STDERR_FILENO && fd < INT_MAX)
			kept[n++] = (int)fd;
	}
	kept[n++] = also;
	preserve_parse(json_object_get(request, "preserveFds"), &preserved, NULL); /* the verb says what is wrong with it */
	preserve_close_others(&preserved, kept, n);
	free(preserved.fds);
}

static int fail(const struct verb *verb, json_t *request, const struct err *err)
{
	if (verb->becomes)
		return report_failure(json_string_value(json_object_get(request, "proa")), verb->name, err);
	return reply_error(err);
}

int main(int argc, char **argv)
{
	const struct verb *verb = NULL;
	json_t *request = NULL;
	struct err err = { 0 };
	char *end = NULL;
	long fd;
	int status;

	if (argc == 4 && strcmp(argv[1], STAGE_VERB) == 0)
		return stage_main(argv[2], argv[3]);
	if (argc == 2 && strcmp(argv[1], "hasten") == 0)
		return verb_hasten();
	open_standard_streams();
	process_reset_signals();
	drop_bun_variables();
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			verb = &verbs[i];
	if (!verb || argc != 3) {
		fputs("usage: proa-helper VERB REQUEST_FD\n", stderr);
		return 125;
	}
	errno = 0;
	fd = strtol(argv[2], &end, 10);
	if (errno || end == argv[2] || *end || fd < 0 || fd > INT_MAX) {
		err_setf(&err, 0, "read request", argv[2], "not a descriptor");
		return fail(verb, NULL, &err);
	}
	if (request_read((int)fd, &request, &err) < 0)
		return fail(verb, NULL, &err);
	close_unnamed(request, verb->keeps && request_keep((int)fd) ? (int)fd : -1);
	status = verb->run(request);
	json_decref(request);
	return status;
}
