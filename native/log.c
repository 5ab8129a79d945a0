#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define PIECE_BYTES 16384                             /* of the container, in one record; as Docker's copier */
#define RECORD_BYTES (PIECE_BYTES * 6 + 128)          /* \uXXXX for each byte, and the frame around them */
#define BATCH_BYTES (256 << 10)                       /* records written by one write(2), at least two of them */
#define BATCH_RECORDS 512

struct log {
	char *path;
	uint64_t max_size, size, lost;
	unsigned max_files;
	int fd;                                       /* -1 while no file can be opened */
	char time[40];                                /* of the chunk being added */
	struct { char *data; size_t len; } partial[2]; /* an unended line of each stream; data is NULL when there is none */
	char *batch;                                  /* mapped, BATCH_BYTES */
	size_t batch_len, records;
	uint16_t payload[BATCH_RECORDS];              /* bytes of the container in each record of the batch, less one */
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

static void batch_write(struct log *log)
{
	size_t done = 0;
	ssize_t n;

	if (log->batch_len == 0)
		return;
	while (log->fd >= 0 && done < log->batch_len) {
		n = write(log->fd, log->batch + done, log->batch_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == log->batch_len) {
		log->size += done;
	} else {
		/* The disk is full, or a limit reached: keep whole records only. A record holds exactly one newline. */
		size_t whole = 0, kept = 0;
		const char *end;
		while (whole < done && (end = memchr(log->batch + whole, '\n', done - whole)) != NULL) {
			whole = (size_t)(end - log->batch) + 1;
			kept++;
		}
		if (done > whole && ftruncate(log->fd, (off_t)(log->size + whole)) < 0)
			whole = done; /* a torn record stays; the next log_open() cuts it off if it is the last */
		log->size += whole;
		for (size_t i = kept; i < log->records; i++)
			log->lost += log->payload[i] + 1u;
	}
	log->batch_len = log->records = 0;
}

static int open_file(struct log *log)
{
	log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return log->fd < 0 ? -errno : 0;
}

static void rotate(struct log *log)
{
	batch_write(log);
	if (log->fd >= 0)
		close(log->fd);
	for (unsigned i = log->max_files - 1; i >= 1; i--) {
		autofree char *to = xasprintf("%s.%u", log->path, i);
		autofree char *from = i == 1 ? xstrdup(log->path) : xasprintf("%s.%u", log->path, i - 1);
		rename(from, to);
	}
	unlink(log->path); /* still there where one file is kept, or the rename failed */
	open_file(log);
	log->size = 0;
}

/* Add one record of at most PIECE_BYTES. */
static void add_record(struct log *log, enum log_stream stream, const unsigned char *data, size_t len)
{
	if (log->records == BATCH_RECORDS || BATCH_BYTES - log->batch_len < RECORD_BYTES)
		batch_write(log);
	if (log->fd < 0 && open_file(log) == 0)
		log->size = (uint64_t)lseek(log->fd, 0, SEEK_END);

	char *start = log->batch + log->batch_len;
	char *out = put(start, "{\"log\":\"");
	out = put_json(out, data, len);
	out = put(out, "\",\"stream\":\"");
	out = put(out, stream_name[stream]);
	out = put(out, "\",\"time\":\"");
	out = put(out, log->time);
	out = put(out, "\"}\n");

	size_t record = (size_t)(out - start);
	uint64_t before = log->size + log->batch_len;
	if (log->max_size > 0 && before > 0 && before + record > log->max_size) {
		rotate(log);
		memmove(log->batch, start, record);
	}
	log->payload[log->records++] = (uint16_t)(len - 1);
	log->batch_len += record;
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
 * PIECE_BYTES at most are left out. Return: bytes added.
 */
static size_t add_line(struct log *log, enum log_stream stream, const unsigned char *data, size_t len, bool ended)
{
	size_t done = 0;

	while (len - done - (ended ? 1 : 0) > PIECE_BYTES) {
		size_t piece = piece_length(data + done);
		add_record(log, stream, data + done, piece);
		done += piece;
	}
	if (!ended)
		return done;
	add_record(log, stream, data + done, len - done);
	return len;
}

static void stamp(struct log *log)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(log->time, sizeof(log->time), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(log->time + n, sizeof(log->time) - n, ".%09ldZ", now.tv_nsec);
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
	size_t done = add_line(log, stream, line, have + take, end != NULL);
	keep_partial(log, stream, line, done, have + take);
	return take;
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
		add_line(log, stream, at, (size_t)(newline + 1 - at), true);
		at = newline + 1;
	}
	if (at < end) {
		at += add_line(log, stream, at, (size_t)(end - at), false);
		log->partial[stream].len = (size_t)(end - at);
		log->partial[stream].data = xmalloc(log->partial[stream].len);
		memcpy(log->partial[stream].data, at, log->partial[stream].len);
	}
	batch_write(log);
}

/* Cut off a record that a writer was killed, or ran out of disk, in the middle of. */
static void cut_torn_record(struct log *log)
{
	off_t from = log->size > RECORD_BYTES ? (off_t)log->size - RECORD_BYTES : 0;
	autoclose int fd = open(log->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : pread(fd, log->batch, RECORD_BYTES, from);

	if (n <= 0 || log->batch[n - 1] == '\n')
		return;
	const char *newline = memrchr(log->batch, '\n', (size_t)n);
	off_t keep = newline != NULL ? from + (newline - log->batch) + 1 : from;
	if (ftruncate(log->fd, keep) == 0)
		log->size = (uint64_t)keep;
}

int log_open(const char *path, uint64_t max_size, unsigned max_files, struct log **out, struct err *err)
{
	struct log *log = xcalloc(1, sizeof(*log));
	struct stat st;

	log->path = xstrdup(path);
	log->max_size = max_size;
	log->max_files = max_files > 0 ? max_files : 1;
	log->batch = mmap(NULL, BATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int code = log->batch == MAP_FAILED ? -errno : open_file(log);
	if (code == 0 && fstat(log->fd, &st) < 0)
		code = -errno;
	if (code < 0) {
		if (log->batch != MAP_FAILED)
			munmap(log->batch, BATCH_BYTES);
		if (log->fd > 0)
			close(log->fd);
		free(log->path);
		free(log);
		return err_set(err, -code, "open log", path);
	}
	log->size = (uint64_t)st.st_size;
	if (log->size > 0)
		cut_torn_record(log);
	*out = log;
	return 0;
}

void log_idle(struct log *log)
{
	madvise(log->batch, BATCH_BYTES, MADV_DONTNEED);
	for (int i = 0; i < 2; i++)
		if (log->partial[i].data != NULL)
			log->partial[i].data = xrealloc(log->partial[i].data, log->partial[i].len);
}

uint64_t log_close(struct log *log)
{
	stamp(log);
	for (int i = 0; i < 2; i++) {
		if (log->partial[i].len > 0)
			add_record(log, (enum log_stream)i, (unsigned char *)log->partial[i].data, log->partial[i].len);
		free(log->partial[i].data);
	}
	batch_write(log);
	uint64_t lost = log->lost;
	if (log->fd >= 0)
		close(log->fd);
	munmap(log->batch, BATCH_BYTES);
	free(log->path);
	free(log);
	return lost;
}
