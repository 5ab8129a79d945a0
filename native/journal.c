#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "request.h"
#include "util.h"

#define FILE_BYTES (8 << 20) /* as src/state/events.ts has them, which says how the files are exchanged */
#define FILES 3
#define NAME_BYTES 256       /* longer names there are none */

struct journal {
	char *path, *id, *run_dir, *name;
	char *attributes;    /* image and labels, as the text of a JSON object */
};

int journal_parse(json_t *object, const char *id, const char *run_dir, struct journal **out, struct err *err)
{
	const char *path, *name;
	json_t *attributes;

	*out = NULL;
	if (!object || json_is_null(object))
		return 0;
	int r = request_unpack(object, err, "journal", "{s:s,s:s,s:o!}", "path", &path, "name", &name, "attributes", &attributes);
	if (r < 0)
		return r;
	if (!json_is_object(attributes))
		return err_setf(err, 0, "read request", "journal", "attributes are no object");
	struct journal *journal = xcalloc(1, sizeof(*journal));
	journal->path = xstrdup(path);
	journal->id = xstrdup(id);
	journal->run_dir = xstrdup(run_dir);
	journal->name = xstrdup(name);
	journal->attributes = json_dumps(attributes, JSON_COMPACT);
	if (!journal->attributes) {
		journal_free(journal);
		return err_set(err, ENOMEM, "read request", "journal");
	}
	*out = journal;
	return 0;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	free(journal->path);
	free(journal->id);
	free(journal->run_dir);
	free(journal->name);
	free(journal->attributes);
	free(journal);
}

/* The container's name as it is now, for the caller to free. */
static char *name_now(const struct journal *journal)
{
	autofree char *path = xasprintf("%s/" JOURNAL_RENAMED, journal->run_dir);
	char *name = NULL;

	if (read_file_at(AT_FDCWD, path, &name, NAME_BYTES) > 0)
		return name;
	free(name);
	return xstrdup(journal->name);
}

/* Another has renamed it, or is about to: then the line goes where it is, and readers find it there. */
static void rotate(const char *path, int fd)
{
	struct stat ours, named;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &ours) < 0 || lstat(path, &named) < 0 || ours.st_ino != named.st_ino)
		return;
	for (int i = FILES - 1; i >= 1; i--) {
		autofree char *to = xasprintf("%s.%d", path, i);
		autofree char *from = i == 1 ? xstrdup(path) : xasprintf("%s.%d", path, i - 1);

		rename(from, to);
	}
}

static void append(const char *path, const char *line, size_t len)
{
	autoclose int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size >= FILE_BYTES)
		rotate(path, fd);
	/* in part on a full disk: never a second part behind another's line */
	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
}

static void write_event(const struct journal *journal, const char *type, const char *id, const char *action, json_t *attributes)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	long long nanoseconds = (long long)now.tv_sec * 1000000000 + now.tv_nsec;
	/* in this order: RECORD_START of src/state/events.ts is how a reader finds the beginning behind a torn line */
	json_t *event = json_pack("{s:s,s:s,s:{s:s,s:O},s:s,s:I,s:I}", "Type", type, "Action", action, "Actor", "ID", id, "Attributes",
				  attributes, "scope", "local", "time", (json_int_t)now.tv_sec, "timeNano", (json_int_t)nanoseconds);
	autofree char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

	if (text) {
		autofree char *line = xasprintf("%s\n", text);
		append(journal->path, line, strlen(line));
	}
	json_decref(event);
}

static void add_pairs(json_t *attributes, va_list pairs)
{
	const char *key;

	while ((key = va_arg(pairs, const char *)) != NULL)
		json_object_set_new(attributes, key, json_string(va_arg(pairs, const char *)));
}

void journal_write(const struct journal *journal, const char *type, const char *action, ...)
{
	va_list pairs;

	if (!journal)
		return;
	json_t *attributes = json_loads(journal->attributes, 0, NULL);
	autofree char *name = name_now(journal);
	json_object_set_new(attributes, "name", json_string(name));
	va_start(pairs, action);
	add_pairs(attributes, pairs);
	va_end(pairs);
	write_event(journal, type, journal->id, action, attributes);
	json_decref(attributes);
}

void journal_write_of(const struct journal *journal, const char *type, const char *id, const char *action, ...)
{
	va_list pairs;

	if (!journal)
		return;
	json_t *attributes = json_object();
	va_start(pairs, action);
	add_pairs(attributes, pairs);
	va_end(pairs);
	write_event(journal, type, id, action, attributes);
	json_decref(attributes);
}

void journal_write_networks(const struct journal *journal, const char *action)
{
	const char *id, *name;
	json_t *network;
	size_t i;

	if (!journal)
		return;
	autofree char *path = xasprintf("%s/network.json", journal->run_dir);
	json_t *plan = json_load_file(path, 0, NULL);
	json_array_foreach(json_object_get(plan, "networks"), i, network) {
		if (json_unpack(network, "{s:s,s:s}", "id", &id, "name", &name) == 0)
			journal_write_of(journal, "network", id, action, "container", journal->id, "name", name, "type", "bridge", (char *)NULL);
	}
	json_decref(plan);
}

void journal_write_volumes(const struct journal *journal, const char *action)
{
	const char *name, *destination, *propagation;
	json_t *volume;
	int writable;
	size_t i;

	if (!journal)
		return;
	autofree char *path = xasprintf("%s/volumes.json", journal->run_dir);
	json_t *volumes = json_load_file(path, 0, NULL);
	json_array_foreach(volumes, i, volume) {
		if (json_unpack(volume, "{s:s,s:s,s:s,s:b}", "name", &name, "destination", &destination, "propagation", &propagation,
				"writable", &writable) < 0)
			continue;
		if (strcmp(action, "mount") != 0)
			journal_write_of(journal, "volume", name, action, "container", journal->id, "driver", "local", (char *)NULL);
		else
			journal_write_of(journal, "volume", name, action, "container", journal->id, "destination", destination, "driver",
					 "local", "propagation", propagation, "read/write", writable ? "true" : "false", (char *)NULL);
	}
	json_decref(volumes);
}
