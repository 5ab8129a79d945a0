#include "log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "request.h"
#include "util.h"

struct log {
	enum log_driver driver;
	char time[40];                                /* of the chunk being added */
	struct { char *data; size_t len; bool more; } partial[2]; /* an unended line of each stream; data is NULL when there is none */
	char *attributes;                             /* `,"attrs":{…}`, or "" */
	char *loss_path;
	uint64_t lost, told, before;                  /* told: what the file of loss_path says, with what lives BEFORE this one lost */
	struct log_journal *journal;                  /* journald; else: */
	struct log_file file;
};

static const char *const stream_name[] = { [LOG_STDOUT] = "stdout", [LOG_STDERR] = "stderr" };

/* Length of the well-formed UTF-8 sequence at S (1-4, RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (len < n || (s[1] & 0xc0) != 0x80)
		return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static char *put(char *out, const char *text)
{
	size_t len = strlen(text);
	memcpy(out, text, len);
	return out + len;
}

/* Write one byte that JSON or HTML gives a meaning. */
static char *put_escaped(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	*out++ = '\\';
	switch (c) {
	case '"':
	case '\\':
		*out++ = (char)c;
		return out;
	case '\n':
		*out++ = 'n';
		return out;
	case '\r':
		*out++ = 'r';
		return out;
	case '\t':
		*out++ = 't';
		return out;
	default:
		out = put(out, "u00");
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
		return out;
	}
}

/* Write DATA as the inside of a JSON string. OUT has room for six times its length. Return: the end. */
static char *put_json(char *out, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t run = i;
		while (run < len && is_plain(data[run]))
			run++;
		memcpy(out, data + i, run - i);
		out += run - i;
		i = run;
		if (i == len)
			break;
		if (data[i] < 0x80) {
			out = put_escaped(out, data[i++]);
			continue;
		}
		size_t n = utf8_length(data + i, len - i);
		if (n == 0) {
			out = put(out, "\\ufffd");
			n = 1;
		} else if (n == 3 && data[i] == 0xe2 && data[i + 1] == 0x80 && (data[i + 2] & 0xfe) == 0xa8) {
			out = put(out, data[i + 2] == 0xa8 ? "\\u2028" : "\\u2029"); /* ends a line in JavaScript */
		} else {
			memcpy(out, data + i, n);
			out += n;
		}
		i += n;
	}
	return out;
}

static size_t encode_json(const struct log *log, const struct log_record *record, char *start)
{
	char *out = put(start, "{\"log\":\"");

	out = put_json(out, record->data, record->len);
	out = put(out, "\",\"stream\":\"");
	out = put(out, stream_name[record->stream]);
	out = put(out, "\"");
	out = put(out, log->attributes);
	out = put(out, ",\"time\":\"");
	out = put(out, log->time);
	out = put(out, "Z\"}\n");
	return (size_t)(out - start);
}

static size_t encode_k8s(const struct log *log, const struct log_record *record, char *start)
{
	char *out = put(start, log->time);

	out = put(out, "+00:00 ");
	out = put(out, stream_name[record->stream]);
	out = put(out, record->ends ? " F " : " P ");
	memcpy(out, record->data, record->len);
	out += record->len;
	if (!record->ends)
		*out++ = '\n';
	return (size_t)(out - start);
}

static void add_record(struct log *log, const struct log_record *record)
{
	if (log->journal) {
		if (!log_journal_add(log->journal, record))
			log->lost += record->len;
		return;
	}
	char *start = log_file_room(&log->file);
	size_t len = log->driver == LOG_K8S_FILE ? encode_k8s(log, record, start) : encode_json(log, record, start);
	log_file_add(&log->file, len, record->len);
}

/* Where to cut DATA so that no more than PIECE_BYTES come first and no character is cut in two. */
static size_t piece_length(const unsigned char *data)
{
	for (size_t back = 1; back <= 3; back++) {
		unsigned char c = data[PIECE_BYTES - back];
		if ((c & 0xc0) == 0x80)
			continue;
		size_t wants = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		return wants > back ? PIECE_BYTES - back : PIECE_BYTES;
	}
	return PIECE_BYTES;
}

/*
 * Add a line in records of PIECE_BYTES, the last of which also holds the newline. Of one that is not ENDED yet the last
 * PIECE_BYTES at most are left out. *MORE: pieces of it have been added before, and have been when this returns. Return: bytes added.
 */
static size_t add_line(struct log *log, enum log_stream stream, const unsigned char *data, size_t len, bool ended, bool *more)
{
	struct log_record record = { .stream = stream };
	size_t done = 0;

	while (len - done - (ended ? 1 : 0) > PIECE_BYTES) {
		record.data = data + done;
		record.len = piece_length(data + done);
		record.more = *more;
		add_record(log, &record);
		done += record.len;
		*more = true;
	}
	if (!ended)
		return done;
	record.data = data + done;
	record.len = len - done;
	record.ends = true;
	record.more = *more;
	add_record(log, &record);
	*more = false;
	return len;
}

static void stamp(struct log *log)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(log->time, sizeof(log->time), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(log->time + n, sizeof(log->time) - n, ".%09ld", now.tv_nsec);
}

/* Keep what is behind DONE of LINE, allocated and now ours, as the unended line of STREAM. */
static void keep_partial(struct log *log, enum log_stream stream, unsigned char *line, size_t done, size_t len)
{
	if (done > 0)
		memmove(line, line + done, len - done);
	if (len == done) {
		free(line);
		line = NULL;
	}
	log->partial[stream].data = (char *)line;
	log->partial[stream].len = len - done;
}

/* Complete the unended line of STREAM with the start of DATA. Return: bytes of DATA that went into it. */
static size_t complete_partial(struct log *log, enum log_stream stream, const unsigned char *data, size_t len)
{
	size_t have = log->partial[stream].len;
	const unsigned char *end = memchr(data, '\n', len < PIECE_BYTES + 1 ? len : PIECE_BYTES + 1);
	size_t take = end != NULL ? (size_t)(end - data) + 1 : len < PIECE_BYTES ? len : PIECE_BYTES;

	unsigned char *line = xrealloc(log->partial[stream].data, have + take);
	memcpy(line + have, data, take);
	size_t done = add_line(log, stream, line, have + take, end != NULL, &log->partial[stream].more);
	keep_partial(log, stream, line, done, have + take);
	return take;
}

/* Have what was lost in the file that says so. */
static void tell_loss(struct log *log)
{
	uint64_t lost = log->lost + log->file.lost;
	char text[32];

	if (lost == log->told)
		return;
	log->told = lost;
	int len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(log->before + lost));
	write_file_atomically(AT_FDCWD, log->loss_path, text, (size_t)len, false);
}

static void flush(struct log *log)
{
	if (!log->journal)
		log_file_flush(&log->file);
	tell_loss(log);
}

void log_write(struct log *log, enum log_stream stream, const void *data, size_t len)
{
	const unsigned char *at = data, *end = at + len;

	stamp(log);
	while (at < end && log->partial[stream].len > 0)
		at += complete_partial(log, stream, at, (size_t)(end - at));
	while (at < end) {
		const unsigned char *newline = memchr(at, '\n', (size_t)(end - at));
		if (newline == NULL)
			break;
		add_line(log, stream, at, (size_t)(newline + 1 - at), true, &log->partial[stream].more);
		at = newline + 1;
	}
	if (at < end) {
		at += add_line(log, stream, at, (size_t)(end - at), false, &log->partial[stream].more);
		log->partial[stream].len = (size_t)(end - at);
		log->partial[stream].data = xmalloc(log->partial[stream].len);
		memcpy(log->partial[stream].data, at, log->partial[stream].len);
	}
	flush(log);
}

static int parse_driver(const char *name, enum log_driver *out, struct err *err)
{
	static const char *const names[] = { [LOG_JSON_FILE] = "json-file", [LOG_K8S_FILE] = "k8s-file", [LOG_JOURNALD] = "journald" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum log_driver)i;
			return 0;
		}
	return err_setf(err, 0, "read request", "log", "no such driver: %s", name);
}

int log_parse(json_t *object, const char *run_dir, struct log_options *out, struct err *err)
{
	json_int_t size, files;
	const char *driver = "json-file";
	int compress = 0, non_blocking = 0;

	memset(out, 0, sizeof(*out));
	if (json_is_null(object))
		return 0;
	out->run_dir = run_dir;
	int r = request_unpack(object, err, "log", "{s:s,s:I,s:I,s?s,s?b,s?o,s?o,s?s,s?b,s?I!}", "path", &out->path, "maxSizeBytes", &size,
			       "maxFiles", &files, "driver", &driver, "compress", &compress, "attributes", &out->attributes,
			       "fields", &out->fields, "socket", &out->socket, "nonBlocking", &non_blocking, "bufferBytes",
			       &out->buffer);
	if (r == 0)
		r = parse_driver(driver, &out->driver, err);
	if (r < 0)
		return r;
	if (size < 0 || files < 1 || files > 1000 || out->buffer < 0)
		return err_setf(err, 0, "read request", "log", "a size or number is out of range");
	if (out->driver == LOG_JOURNALD && (!out->socket || !out->fields))
		return err_setf(err, 0, "read request", "log", "journald without socket or fields");
	out->max_size = (uint64_t)size;
	out->max_files = (unsigned)files;
	out->compress = compress;
	out->non_blocking = non_blocking;
	return 0;
}

/* `,"attrs":{…}` as each record has it. Return: 0 with *OUT, or -errno with ERR. */
static int encode_attributes(json_t *attributes, char **out, struct err *err)
{
	if (!attributes || json_object_size(attributes) == 0) {
		*out = xstrdup("");
		return 0;
	}
	autofree char *text = json_dumps(attributes, JSON_COMPACT);
	if (!text || strlen(text) > ATTRIBUTES_BYTES - 32)
		return err_setf(err, 0, "open log", "attributes", "they take more than %d bytes", ATTRIBUTES_BYTES - 32);
	*out = xasprintf(",\"attrs\":%s", text);
	return 0;
}

int log_open(const struct log_options *options, struct log **out, struct err *err)
{
	struct log *log = xcalloc(1, sizeof(*log));

	log->driver = options->driver;
	int r = encode_attributes(options->attributes, &log->attributes, err);
	if (r == 0)
		r = log->driver == LOG_JOURNALD ? log_journal_open(options, &log->journal, err)
						: log_file_open(&log->file, options, err);
	if (r < 0) {
		free(log->attributes);
		free(log);
		return r;
	}
	log->loss_path = xasprintf("%s/" LOG_LOSS, options->run_dir);
	autofree char *before = NULL;
	if (read_file_at(AT_FDCWD, log->loss_path, &before, 32) > 0)
		log->before = strtoull(before, NULL, 10);
	*out = log;
	return 0;
}

void log_idle(struct log *log)
{
	if (!log->journal)
		log_file_idle(&log->file);
	for (int i = 0; i < 2; i++)
		if (log->partial[i].data != NULL)
			log->partial[i].data = xrealloc(log->partial[i].data, log->partial[i].len);
}

void log_watch(struct log *log, int *fd)
{
	*fd = -1;
	if (!log->journal)
		log_file_watch(&log->file, fd);
}

void log_reap(struct log *log)
{
	if (!log->journal)
		log_file_reap(&log->file);
}

uint64_t log_close(struct log *log)
{
	stamp(log);
	for (int i = 0; i < 2; i++) {
		struct log_record record = { .stream = (enum log_stream)i, .data = (unsigned char *)log->partial[i].data,
					     .len = log->partial[i].len, .more = log->partial[i].more };
		if (record.len > 0)
			add_record(log, &record);
		free(log->partial[i].data);
	}
	flush(log);
	uint64_t lost = log->lost + log->file.lost;
	if (log->journal)
		log_journal_close(log->journal);
	else
		log_file_close(&log->file);
	free(log->attributes);
	free(log->loss_path);
	free(log);
	return lost;
}
