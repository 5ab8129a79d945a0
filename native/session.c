#include "session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"
#include "tree.h"
#include "util.h"

#define KEPT_MS (5 * 60 * 1000) /* after the end, as Docker has it */
#define KEPT_MOST 256           /* records; with more of them those that have ended go at once */
#define RECORD_LIMIT (1 << 20)

static char *words_of(json_t *process)
{
	char *text = NULL;
	size_t length, i;
	json_t *word;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return xstrdup("");
	json_array_foreach(json_object_get(process, "args"), i, word) {
		fprintf(out, "%s%s", i ? " " : "", json_string_value(word) ? json_string_value(word) : "");
	}
	fclose(out);
	return text;
}

static bool is_id(const char *id)
{
	return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

int session_parse(json_t *object, json_t *process, const char *run_dir, const struct journal *journal, struct session *out,
		  struct err *err)
{
	*out = (struct session){ .run_dir = run_dir };
	if (!object || json_is_null(object))
		return 0;
	int r = request_unpack(object, err, "session", "{s:s,s:o!}", "id", &out->id, "record", &out->record);
	if (r == 0 && (!is_id(out->id) || !json_is_object(out->record)))
		r = err_setf(err, 0, "read request", "session", "no id, or no record");
	if (r < 0) {
		out->id = NULL;
		return r;
	}
	json_incref(out->record);
	out->command = words_of(process);
	out->journal = journal;
	return 0;
}

static void write_record(const struct session *session)
{
	autofree char *path = xasprintf("%s/" SESSION_DIRECTORY "/%s.json", session->run_dir, session->id);
	autofree char *text = json_dumps(session->record, JSON_COMPACT);

	if (text)
		write_file_atomically(AT_FDCWD, path, text, strlen(text), false);
}

static void tell(const struct session *session, const char *action, bool names_command, const char *status)
{
	autofree char *what = names_command ? xasprintf("%s: %s", action, session->command) : xstrdup(action);

	if (status)
		journal_write(session->journal, "container", what, "execID", session->id, "exitCode", status, (char *)NULL);
	else
		journal_write(session->journal, "container", what, "execID", session->id, (char *)NULL);
}

void session_begin(struct session *session, pid_t pid)
{
	autofree char *directory = xasprintf("%s/" SESSION_DIRECTORY, session->run_dir);

	if (!session->id)
		return;
	mkdir(directory, 0700); /* it may be there */
	json_object_set_new(session->record, "Pid", json_integer(pid));
	json_object_set_new(session->record, "Running", json_true());
	json_object_set_new(session->record, "ExitCode", json_null());
	write_record(session);
}

void session_tell(const struct session *session)
{
	if (!session->id)
		return;
	tell(session, "exec_create", true, NULL);
	tell(session, "exec_start", true, NULL);
}

void session_end(struct session *session, int status)
{
	autofree char *number = xasprintf("%d", status);

	if (!session->id)
		return;
	json_object_set_new(session->record, "Running", json_false());
	json_object_set_new(session->record, "ExitCode", json_integer(status));
	write_record(session);
	tell(session, "exec_die", false, number);
}

static bool has_ended(int dir, const char *name)
{
	autofree char *text = NULL;
	ssize_t length = read_file_at(dir, name, &text, RECORD_LIMIT);
	json_t *record = length > 0 ? json_loadb(text, (size_t)length, 0, NULL) : NULL;
	pid_t pid = (pid_t)json_integer_value(json_object_get(record, "Pid"));
	/* or who was to write its end has been killed */
	bool ended = record && (!json_is_true(json_object_get(record, "Running")) || (kill(pid, 0) < 0 && errno == ESRCH));

	json_decref(record);
	return ended;
}

void session_sweep(const struct session *session)
{
	autofree char *path = xasprintf("%s/" SESSION_DIRECTORY, session->run_dir);
	DIR *directory = session->id ? opendir(path) : NULL;
	struct dirent *entry;
	size_t n = 0;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		n++;
	rewinddir(directory);
	while ((entry = readdir(directory))) {
		struct stat st;
		int fd = dirfd(directory);

		if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		int64_t age_ms = now_ms() - ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
		if ((age_ms > KEPT_MS || n > KEPT_MOST) && strncmp(entry->d_name, session->id, 64) != 0 &&
		    has_ended(fd, entry->d_name)) {
			unlinkat(fd, entry->d_name, 0);
			n--;
		}
	}
	closedir(directory);
}

void session_forget(const char *run_dir)
{
	autofree char *path = xasprintf("%s/" SESSION_DIRECTORY, run_dir);

	if (access(path, F_OK) == 0)
		tree_remove(path, NULL);
}
