#include "logs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include "live.h"
#include "request.h"
#include "util.h"
#include "verbs.h"

#define LOOK_MS 500         /* without a change seen: for file systems that do not tell, and supervisors that were killed */
#define END_LOOK_MS 2       /* the end is under way: state.json is gone, and the lock not free yet */
#define END_MS 2000         /* and no longer than this */
#define JOURNAL_QUIET_MS 300 /* journald passes on what it has got with some delay */
#define SOURCES 1024
#define LOG_CHANGES (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_ONLYDIR | IN_MASK_ADD)
#define RUN_DIR_CHANGES (IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD)

struct logs {
	const char *proa;
	struct logs_source *sources;
	size_t n;
	struct logs_sink sink;
	bool follow;
	int64_t tail;
	char *buffer;              /* mapped, LOGS_BUFFER_BYTES */
	int inotify;               /* -1: there are no more of them; then we look */
	int64_t ending_until;      /* on the monotonic clock */
	struct pollfd *poll;
};

/* {"seconds","nanoseconds"} or null: USUAL. */
static int parse_bound(json_t *object, int64_t usual, int64_t *out, struct err *err)
{
	json_int_t seconds, nanoseconds;

	*out = usual;
	if (!object || json_is_null(object))
		return 0;
	int r = request_unpack(object, err, "time", "{s:I,s:I!}", "seconds", &seconds, "nanoseconds", &nanoseconds);
	if (r < 0)
		return r;
	if (seconds > INT64_MAX / 1000000000 - 1)
		*out = INT64_MAX;
	else
		*out = seconds < INT64_MIN / 1000000000 + 1 ? INT64_MIN + 1 : seconds * 1000000000 + nanoseconds;
	return 0;
}

static int parse_source(json_t *object, struct logs_source *out, struct err *err)
{
	const char *driver = "";
	int files;

	out->fd = -1;
	out->prefix = "";
	int r = request_unpack(object, err, "logs", "{s:s,s:s,s:s,s:i,s:s,s?s,s?s!}", "driver", &driver, "path", &out->path, "runDir", &out->run_dir,
			       "maxFiles", &files, "prefix", &out->prefix, "journalctl", &out->journalctl, "id", &out->id);
	if (r < 0)
		return r;
	out->driver = strcmp(driver, "k8s-file") == 0   ? LOG_K8S_FILE
		      : strcmp(driver, "journald") == 0 ? LOG_JOURNALD
							: LOG_JSON_FILE;
	if (out->driver == LOG_JSON_FILE && strcmp(driver, "json-file") != 0)
		return err_setf(err, 0, "read request", "logs", "no such driver: %s", driver);
	if (files < 1 || files > 1000 || (out->driver == LOG_JOURNALD && (!out->journalctl || !out->id)))
		return err_setf(err, 0, "read request", "logs", "a log without what belongs to it");
	out->max_files = (unsigned)files;
	return 0;
}

static int parse(json_t *request, struct logs *logs, struct err *err)
{
	json_t *sources, *since = NULL, *until = NULL;
	int follow, timestamps, details, multiplexed = 0, out = 1, errors = 1;
	json_int_t tail;
	int r = request_unpack(request, err, "logs", "{s:s,s:o,s:b,s:I,s?o,s?o,s:b,s:b,s?b,s?b,s?b!}", "proa", &logs->proa, "sources", &sources,
			       "follow", &follow, "tail", &tail, "since", &since, "until", &until, "timestamps", &timestamps, "details",
			       &details, "multiplexed", &multiplexed, "stdout", &out, "stderr", &errors);
	if (r == 0)
		r = parse_bound(since, INT64_MIN, &logs->sink.since, err);
	if (r == 0)
		r = parse_bound(until, INT64_MAX, &logs->sink.until, err);
	if (r < 0)
		return r;
	logs->follow = follow;
	logs->tail = tail;
	logs->sink.timestamps = timestamps;
	logs->sink.details = details;
	logs->sink.multiplexed = multiplexed;
	logs->sink.wanted[LOG_STDOUT] = out;
	logs->sink.wanted[LOG_STDERR] = errors;
	logs->n = json_array_size(sources);
	if (logs->n == 0 || logs->n > SOURCES)
		return err_setf(err, 0, "read request", "logs", "no logs, or more than %d", SOURCES);
	logs->sources = xcalloc(logs->n, sizeof(*logs->sources));
	logs->poll = xcalloc(logs->n + 2, sizeof(*logs->poll));
	for (size_t i = 0; r == 0 && i < logs->n; i++)
		r = parse_source(json_array_get(sources, i), &logs->sources[i], err);
	return r;
}

/* Does a supervisor hold the lock? */
static bool is_alive(const struct logs_source *source)
{
	autoclose int fd = open(source->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* What is there now, of each in turn. Return: 0, or -errno with ERR. */
static int print_all(struct logs *logs, struct err *err)
{
	for (size_t i = 0; i < logs->n && logs->sink.error == 0; i++) {
		struct logs_source *source = &logs->sources[i];
		int r;

		if (source->driver == LOG_JOURNALD) {
			/* what has ended has nothing to come, and its entries are given to the end */
			bool follow = logs->follow && is_alive(source);
			r = logs_journal_start(source, &logs->sink, logs->tail, follow, err);
			while (r == 0 && !follow && logs_journal_read(source, &logs->sink) && logs->sink.error == 0)
				;
			if (r == 0 && !follow) {
				logs_journal_stop(source);
				source->ended = true;
			}
		} else {
			r = logs_files_print(source, &logs->sink, logs->tail, logs->buffer, err);
		}
		if (r < 0)
			return r;
		logs_sink_flush(&logs->sink);
	}
	return 0;
}

static void watch_all(struct logs *logs)
{
	logs->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (size_t i = 0; logs->inotify >= 0 && i < logs->n; i++) {
		inotify_add_watch(logs->inotify, logs->sources[i].run_dir, RUN_DIR_CHANGES);
		if (logs->sources[i].driver == LOG_JOURNALD)
			continue;
		autofree char *path = xstrdup(logs->sources[i].path);
		inotify_add_watch(logs->inotify, dirname(path), LOG_CHANGES);
	}
}

/* Take note of changes: those of the log are looked at anyway; state.json that is removed tells of an end. */
static void read_changes(struct logs *logs)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t n;

	while ((n = read(logs->inotify, events, sizeof(events))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);
			bool state = (event->mask & IN_DELETE) && event->len > 0 && strcmp(event->name, LIVE_FILE) == 0;
			if (state || (event->mask & (IN_DELETE_SELF | IN_IGNORED)))
				logs->ending_until = monotonic_ms() + END_MS;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
}

/* Until something has changed. */
static void wait_for_change(struct logs *logs)
{
	nfds_t n = 0;
	int patience = monotonic_ms() < logs->ending_until ? END_LOOK_MS : LOOK_MS;

	logs->poll[n++] = (struct pollfd){ .fd = logs->inotify, .events = POLLIN };
	logs->poll[n++] = (struct pollfd){ .fd = STDOUT_FILENO }; /* POLLERR: nobody reads it any more */
	for (size_t i = 0; i < logs->n; i++) {
		struct logs_source *source = &logs->sources[i];
		if (source->driver == LOG_JOURNALD && !source->ended)
			logs->poll[n++] = (struct pollfd){ .fd = source->fd, .events = POLLIN };
	}
	if (poll(logs->poll, n, patience) <= 0)
		return;
	if (logs->poll[0].revents)
		read_changes(logs);
	if (logs->poll[1].revents & POLLERR)
		raise(SIGPIPE); /* as the next line would */
}

/* Read what the journal has passed on. Its end is told by nothing: after the container's it is given some time. */
static void go_on_with_journal(struct logs *logs, struct logs_source *source)
{
	struct pollfd pollfd = { .fd = source->fd, .events = POLLIN };
	bool alive = is_alive(source);

	while (poll(&pollfd, 1, alive ? 0 : JOURNAL_QUIET_MS) > 0 && logs->sink.error == 0) {
		if (!logs_journal_read(source, &logs->sink)) {
			alive = false;
			break;
		}
		logs_sink_flush(&logs->sink);
	}
	if (!alive) {
		logs_journal_stop(source);
		source->ended = true;
	}
}

/* Return: true when there is more to come. */
static bool go_on(struct logs *logs)
{
	bool more = false;

	for (size_t i = 0; i < logs->n; i++) {
		struct logs_source *source = &logs->sources[i];

		if (source->ended)
			continue;
		if (source->driver == LOG_JOURNALD) {
			go_on_with_journal(logs, source);
		} else {
			bool alive = is_alive(source); /* asked before reading: what comes later would be missed */
			logs_files_go_on(source, &logs->sink, logs->buffer);
			source->ended = !alive;
		}
		more = more || !source->ended;
		logs_sink_flush(&logs->sink);
	}
	return more && logs->sink.error == 0 && now_ms() <= logs->sink.until / 1000000;
}

static void stop_all(struct logs *logs)
{
	for (size_t i = 0; i < logs->n; i++) {
		if (logs->sources[i].driver == LOG_JOURNALD)
			logs_journal_stop(&logs->sources[i]);
		else
			close_fd(&logs->sources[i].fd);
	}
	if (logs->inotify >= 0)
		close(logs->inotify);
	logs_sink_close(&logs->sink);
	munmap(logs->buffer, LOGS_BUFFER_BYTES);
	free(logs->sources);
	free(logs->poll);
}

static int report(const struct logs *logs, struct err *err)
{
	err->exit = 1;
	return report_failure(logs->proa, "logs", err);
}

int verb_logs(json_t *request)
{
	struct logs logs = { .inotify = -1 };
	struct err err = { 0 };

	if (parse(request, &logs, &err) < 0)
		return report(&logs, &err);
	logs.buffer = mmap(NULL, LOGS_BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (logs.buffer == MAP_FAILED || !logs_sink_open(&logs.sink)) {
		err_set(&err, errno, "get memory", "");
		return report(&logs, &err);
	}
	if (logs.follow)
		watch_all(&logs); /* before the first look */
	int r = print_all(&logs, &err);
	while (r == 0 && logs.follow && go_on(&logs))
		wait_for_change(&logs);
	if (r == 0 && logs.sink.error)
		r = err_set(&err, logs.sink.error, "write", "the output");
	stop_all(&logs);
	return r < 0 ? report(&logs, &err) : 0;
}
