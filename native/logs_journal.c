/* logs_journal: what journalctl finds of a container, one JSON object a line. */
#include "logs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

#define LINE_BYTES (LOGS_BUFFER_BYTES - 1) /* of JSON: a message of 16 KiB that is written as a list of numbers takes 80 */

/* Start journalctl. Return: its output, with *PID, or -errno with ERR. */
static int start(const struct logs_source *source, bool follow, pid_t *pid, struct err *err)
{
	autofree char *match = xasprintf("CONTAINER_ID_FULL=%s", source->id);
	const char *arguments[] = { "journalctl", "--all", "--quiet", "--no-pager", "--output=json", match, follow ? "--follow" : NULL,
				    "--lines=all", NULL };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "make pipe", "journalctl");
	*pid = fork();
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(ends[1], STDOUT_FILENO);
		execv(source->journalctl, (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	close(ends[1]);
	if (*pid > 0)
		return ends[0];
	int code = errno;
	close(ends[0]);
	return err_set(err, code, "start", source->journalctl);
}

/* Microseconds in decimal, of the first of the two fields that is there, as a time in RFC 3339. Return: its length, or 0. */
static size_t time_of(json_t *entry, char *out, size_t room)
{
	const char *text = json_string_value(json_object_get(entry, "_SOURCE_REALTIME_TIMESTAMP"));

	if (!text)
		text = json_string_value(json_object_get(entry, "__REALTIME_TIMESTAMP"));
	long long microseconds = text ? strtoll(text, NULL, 10) : 0;
	time_t seconds = (time_t)(microseconds / 1000000);
	struct tm tm;
	size_t len = gmtime_r(&seconds, &tm) ? strftime(out, room, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
	return len == 0 ? 0 : len + (size_t)snprintf(out + len, room - len, ".%06lldZ", microseconds % 1000000);
}

/* A text, or where it is none in UTF-8 a list of its bytes. Return: its bytes in *OUT for the caller to free, or NULL. */
static char *message_of(json_t *entry, size_t *len)
{
	json_t *message = json_object_get(entry, "MESSAGE"), *byte;
	size_t i;

	if (json_is_string(message)) {
		*len = json_string_length(message);
		char *text = xmalloc(*len + 1);
		memcpy(text, json_string_value(message), *len);
		return text;
	}
	if (!json_is_array(message))
		return NULL;
	*len = json_array_size(message);
	char *text = xmalloc(*len + 1);
	json_array_foreach(message, i, byte) {
		text[i] = (char)json_integer_value(byte);
	}
	return text;
}

/* What of an entry is shown as its attributes: docker's are the tag, and the fields of labels and environment. */
static char *attributes_of(json_t *entry)
{
	json_t *tag = json_object_get(entry, "CONTAINER_TAG");
	json_t *object = json_is_string(tag) ? json_pack("{s:O}", "tag", tag) : json_object();
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	return text;
}

typedef void (*entry_function)(void *data, const struct logs_record *record);

static void each_entry(const char *line, size_t len, entry_function function, void *data)
{
	json_t *entry = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	struct logs_record record = { .is_escaped = false };
	char time[48];

	if (!entry)
		return;
	autofree char *text = message_of(entry, &record.text_len);
	autofree char *attributes = attributes_of(entry);
	const char *priority = json_string_value(json_object_get(entry, "PRIORITY"));
	const char *partial = json_string_value(json_object_get(entry, "CONTAINER_PARTIAL_MESSAGE"));

	record.time = time;
	record.time_len = time_of(entry, time, sizeof(time));
	record.stream = priority && strcmp(priority, "3") == 0 ? LOG_STDERR : LOG_STDOUT;
	record.text = text;
	record.ends = !partial || strcmp(partial, "true") != 0;
	record.attributes = attributes;
	record.attributes_len = attributes ? strlen(attributes) : 0;
	if (text && record.time_len > 0)
		function(data, &record);
	json_decref(entry);
}

/* Read once from FD and give each line that is whole. Return: false at the end. */
static bool read_entries(struct logs_source *source, int fd, entry_function function, void *data)
{
	if (!source->rest)
		source->rest = xmalloc(LOGS_BUFFER_BYTES);
	ssize_t n = read(fd, source->rest + source->rest_len, LINE_BYTES - source->rest_len);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	source->rest_len += (size_t)n;
	const char *at = source->rest, *end = at + source->rest_len, *newline;
	while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		each_entry(at, (size_t)(newline - at), function, data);
		at = newline + 1;
	}
	source->rest_len = (size_t)(end - at);
	if (source->rest_len == LINE_BYTES)
		source->rest_len = 0; /* nothing that is ours */
	memmove(source->rest, at, source->rest_len);
	return true;
}

struct counting {
	const struct logs_sink *sink;
	uint64_t lines;
	bool open[2];             /* the last line of each stream has no end so far */
};

static void count(void *data, const struct logs_record *record)
{
	struct counting *counting = data;

	if (!logs_sink_wants(counting->sink, record))
		return;
	counting->lines += record->ends;
	counting->open[record->stream] = !record->ends;
}

struct printing {
	struct logs_source *source;
	struct logs_sink *sink;
};

static void print(void *data, const struct logs_record *record)
{
	struct printing *printing = data;

	if (printing->source->skip == 0)
		logs_sink_add(printing->sink, printing->source, record);
	else if (record->ends && logs_sink_wants(printing->sink, record))
		printing->source->skip--;
}

int logs_journal_start(struct logs_source *source, struct logs_sink *sink, int64_t tail, bool follow, struct err *err)
{
	struct counting counting = { .sink = sink };

	if (tail >= 0) {
		source->fd = start(source, false, &source->pid, err);
		if (source->fd < 0)
			return source->fd;
		while (read_entries(source, source->fd, count, &counting))
			;
		logs_journal_stop(source);
		uint64_t lines = counting.lines + counting.open[LOG_STDOUT] + counting.open[LOG_STDERR];
		source->skip = lines > (uint64_t)tail ? lines - (uint64_t)tail : 0;
	}
	source->fd = start(source, follow, &source->pid, err);
	return source->fd < 0 ? source->fd : 0;
}

bool logs_journal_read(struct logs_source *source, struct logs_sink *sink)
{
	struct printing printing = { source, sink };

	return read_entries(source, source->fd, print, &printing);
}

void logs_journal_stop(struct logs_source *source)
{
	if (source->pid > 0) {
		kill(source->pid, SIGTERM);
		while (waitpid(source->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	source->pid = 0;
	close_fd(&source->fd);
	free(source->rest);
	source->rest = NULL;
	source->rest_len = 0;
}
