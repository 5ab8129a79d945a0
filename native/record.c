#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "live.h"
#include "netclient.h"
#include "supervisor.h"
#include "tree.h"
#include "userns.h"
#include "util.h"

#define RECORD_ROOM_BYTES 4096 /* a block: facts of a failed start, which may be longer, come before anything is reserved */

void record_plan(const struct run *run, const struct id_maps *maps, struct afterwards *after)
{
	json_t *path;
	size_t i;

	after->run_dir = xstrdup(run->run_dir);
	after->exit_file = xstrdup(run->exit_file);
	after->n_remove = json_array_size(run->remove);
	after->remove = xcalloc(after->n_remove, sizeof(*after->remove));
	json_array_foreach(run->remove, i, path) {
		after->remove[i] = xstrdup(json_string_value(path));
	}
	after->lock_fd = run->lock_fd;
	after->journal = run->journal;
	after->userns_fd = after->reserved_fd = -1;
	after->reserved = NULL;
	after->maps = maps;
	memset(&after->owners, 0, sizeof(after->owners));
	if (run->owners && after->n_remove > 0)
		request_mappings(run->owners, &after->owners, NULL); /* empty where it is malformed */
}

static int remove_as_root(void *data)
{
	return tree_remove(data, NULL) < 0;
}

/* Remove PATH: as ourselves, and what mapped ids own as root of their user namespace. Return: true when it is gone. */
static bool remove_tree(const struct afterwards *after, char *path)
{
	pid_t pid;
	int status;

	if (tree_remove(path, NULL) == 0)
		return true;
	/* The way to what is removed may be closed to the container's root, where the caller is not mapped. */
	if (after->owners.n_uid > 0) {
		if (userns_spawn(&after->owners, remove_as_root, path, &pid, NULL) == 0)
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
	} else if (after->userns_fd >= 0) {
		if (userns_enter_and_run(after->userns_fd, remove_as_root, path, NULL) == 0)
			return true;
	} else if (after->maps && userns_spawn(after->maps, remove_as_root, path, &pid, NULL) == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return tree_remove(path, NULL) == 0; /* what is left is in a directory of our own */
}

/* True when FILE lies below one of the trees that are removed. */
static bool is_removed(const struct afterwards *after, const char *file)
{
	for (size_t i = 0; i < after->n_remove; i++) {
		size_t len = strlen(after->remove[i]);

		if (strncmp(file, after->remove[i], len) == 0 && file[len] == '/')
			return true;
	}
	return false;
}

/*
 * Take the room for exit.json while there is some: a container that fills its disk still has its end recorded. A file system that
 * cannot reserve, or has no room now either, is no reason not to start.
 */
void record_reserve(struct afterwards *after)
{
	if (is_removed(after, after->exit_file))
		return;
	after->reserved = xasprintf("%s.new", after->exit_file);
	after->reserved_fd = open(after->reserved, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (after->reserved_fd >= 0)
		fallocate(after->reserved_fd, 0, 0, RECORD_ROOM_BYTES);
}

/* Write TEXT to the reserved file, whole and on the disk, and give it its name. Return: true, or false with nothing left of it. */
static bool use_reserved(const struct afterwards *after, const char *text, size_t len)
{
	if (after->reserved_fd < 0)
		return false;
	if (write_all(after->reserved_fd, text, len) == 0 && ftruncate(after->reserved_fd, (off_t)len) == 0 &&
	    fsync(after->reserved_fd) == 0 && rename(after->reserved, after->exit_file) == 0)
		return true;
	unlink(after->reserved);
	return false;
}

/* Write exit.json. Where that cannot be done the free lock without a record tells of an unknown end. */
static void write_record(const struct afterwards *after, const struct record *record)
{
	char health[LIVE_HEALTH_BYTES] = "null";
	autofree char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, "{\"exitCode\":%d,\"signal\":%d,\"startedMs\":%lld,\"finishedMs\":%lld,\"logLostBytes\":%llu,\"error\":",
		record->status, record->signal_number, (long long)record->started_ms, (long long)record->finished_ms,
		(unsigned long long)record->lost);
	if (record->live)
		live_health_json(record->live, health);
	if (record->err)
		err_write_json(record->err, out);
	else
		fputs("null", out);
	fprintf(out, ",\"oomKilled\":%s,\"restartCount\":%u,\"health\":%s}\n", record->oom_killed ? "true" : "false",
		record->live ? record->live->restart_count : 0, health);
	if (fclose(out) == 0 && !use_reserved(after, text, len))
		write_file_atomically(AT_FDCWD, after->exit_file, text, len, true);
}

/* From ended to unlocked: everything that must be true before anyone hears of the end. */
void record_settle(const struct afterwards *after, const struct record *record)
{
	bool removed = true;

	if (!is_removed(after, after->exit_file))
		write_record(after, record);
	for (size_t i = 0; i < after->n_remove; i++)
		removed = remove_tree(after, after->remove[i]) && removed;
	if (!removed && is_removed(after, after->exit_file))
		write_record(after, record);
	/* as late as can be: who still connects is told the end by relay_finish(), who comes later finds the lock free in a moment */
	unlinkat(after->lock_fd, SUPERVISOR_SOCKET, 0);
	unlinkat(after->lock_fd, LIVE_FILE, 0);
	unlinkat(after->lock_fd, NETCLIENT_PORTS, 0);
	if (removed && after->n_remove > 0) {
		journal_write(after->journal, "container", "destroy", (char *)NULL);
		tree_remove(after->run_dir, NULL);
	}
	flock(after->lock_fd, LOCK_UN);
}

int record_exit_of(const struct err *err)
{
	return err->exit ? err->exit : 125;
}

void record_failure(const struct afterwards *after, const struct err *err)
{
	struct record record = { .status = record_exit_of(err), .finished_ms = now_ms(), .err = err };

	record_settle(after, &record);
}
