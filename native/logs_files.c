/* logs_files: the files of one log, PATH the newest, PATH.N or PATH.N.gz the older ones. */
#include "logs_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_compress.h"
#include "util.h"

#define TAIL_BYTES (256 << 10)  /* looked at at once, from the end; longer than any record */
#define BEGINNING_BYTES (4 << 20) /* looked through for the beginning of a line that both streams' records stand between */
#define SNAPSHOT_TRIES 20

struct part {
	int fd;
	bool compressed;
	uint64_t inode;          /* of the log when it was written */
};

/* Opened, oldest first. */
struct chain {
	struct part *parts;
	size_t n;
};

/* OFFSET: where LINE begins; -1 in a compressed file. */
typedef void (*line_function)(void *data, const char *line, size_t len, off_t offset);

static void chain_close(struct chain *chain)
{
	for (size_t i = 0; i < chain->n; i++)
		close_fd(&chain->parts[i].fd);
	free(chain->parts);
	chain->parts = NULL;
	chain->n = 0;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static uint64_t inode_before(int fd)
{
	struct log_member_reader *reader = log_members_open(fd);
	uint64_t inode = reader ? log_members_inode(reader) : 0;

	if (reader)
		log_members_close(reader);
	return inode;
}

static int open_log(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

/* PATH.I, compressed or not: it may change from one to the other meanwhile. Return: false where there is none. */
static bool open_older(const char *path, unsigned i, struct part *out)
{
	autofree char *plain = xasprintf("%s.%u", path, i);
	autofree char *compressed = xasprintf("%s.%u.gz", path, i);

	for (int look = 0; look < 3; look++) {
		out->compressed = look != 1;
		out->fd = open_log(out->compressed ? compressed : plain);
		if (out->fd >= 0) {
			out->inode = out->compressed ? inode_before(out->fd) : inode_of(out->fd);
			return true;
		}
	}
	return false;
}

static void turn(struct chain *chain)
{
	for (size_t i = 0; i < chain->n / 2; i++) {
		struct part other = chain->parts[i];
		chain->parts[i] = chain->parts[chain->n - 1 - i];
		chain->parts[chain->n - 1 - i] = other;
	}
}

/* Has PATH still the inode of the newest part? Else there was a rotation while the others were opened. */
static bool is_newest(const char *path, const struct chain *chain, bool has_newest)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return !has_newest;
	return has_newest && st.st_ino == chain->parts[0].inode;
}

/* Open them all as they are at one moment. Return: 0, or -errno with ERR. */
static int chain_open(const struct logs_source *source, struct chain *out, struct err *err)
{
	for (int tries = 0;; tries++) {
		struct part newest = { .fd = open_log(source->path) };
		if (newest.fd < 0 && errno != ENOENT)
			return err_set(err, errno, "open log", source->path);
		out->parts = xcalloc(source->max_files + 1, sizeof(*out->parts));
		out->n = 0;
		if (newest.fd >= 0) {
			newest.inode = inode_of(newest.fd);
			out->parts[out->n++] = newest;
		}
		for (unsigned i = 1; i < source->max_files; i++)
			if (open_older(source->path, i, &out->parts[out->n]))
				out->n++;
		if (is_newest(source->path, out, newest.fd >= 0) || tries == SNAPSHOT_TRIES) {
			turn(out);
			return 0;
		}
		chain_close(out);
	}
}

/* Each whole line of FD from *POSITION on, which moves behind it. */
static void each_line(int fd, off_t *position, char *buffer, line_function function, void *data)
{
	for (;;) {
		ssize_t n = pread(fd, buffer, LOGS_BUFFER_BYTES, *position);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		const char *at = buffer, *end = buffer + n, *newline;
		while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			function(data, at, (size_t)(newline - at), *position + (at - buffer));
			at = newline + 1;
		}
		if (at == buffer) {
			if (n < LOGS_BUFFER_BYTES)
				return; /* it is being written */
			at = end;
		}
		*position += at - buffer;
	}
}

/* Each line of a compressed part: one that two members share is put together in BUFFER. */
static void each_member_line(int fd, char *buffer, line_function function, void *data)
{
	struct log_member_reader *reader = log_members_open(fd);
	size_t rest = 0, n;
	const char *at;

	while (reader && (n = log_members_next(reader, &at)) > 0) {
		const char *end = at + n, *newline;
		while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
			size_t len = (size_t)(newline - at);
			if (rest == 0) {
				function(data, at, len, -1);
			} else if (rest + len <= LOGS_BUFFER_BYTES) {
				memcpy(buffer + rest, at, len);
				function(data, buffer, rest + len, -1);
			}
			rest = 0;
			at = newline + 1;
		}
		size_t left = (size_t)(end - at);
		if (left > 0 && rest + left <= LOGS_BUFFER_BYTES) {
			memcpy(buffer + rest, at, left);
			rest += left;
		}
	}
	if (reader)
		log_members_close(reader);
}

static void each_part_line(const struct part *part, off_t *position, char *buffer, line_function function, void *data)
{
	if (part->compressed)
		each_member_line(part->fd, buffer, function, data);
	else
		each_line(part->fd, position, buffer, function, data);
}

/* Read a line, or the whole record behind a torn one in it. */
static bool read_record(enum log_driver driver, const char *line, size_t len, struct logs_record *out)
{
	if (logs_parse(driver, line, len, out))
		return true;
	const char *whole = logs_resume(driver, line, len);
	return whole && logs_parse(driver, whole, (size_t)(line + len - whole), out);
}

struct printing {
	struct logs_source *source;
	struct logs_sink *sink;
};

static void print_line(void *data, const char *line, size_t len, off_t offset)
{
	struct printing *printing = data;
	struct logs_source *source = printing->source;
	struct logs_record record;

	if (!read_record(source->driver, line, len, &record))
		return;
	if (offset >= 0 && offset < source->only_before && record.stream != source->only)
		return;
	if (source->skip > 0) {
		if (record.ends && logs_sink_wants(printing->sink, &record))
			source->skip--;
		return;
	}
	logs_sink_add(printing->sink, source, &record);
}

/* Counting lines from the end. */
struct counting {
	const struct logs_source *source;
	const struct logs_sink *sink;
	uint64_t lines, want;
	bool seen[2];            /* a record of each stream */
	enum log_stream stop;    /* stream of the line before the first one that is wanted */
	off_t begin;             /* where that begins; -1: not found yet */
};

/* Does a line end with this record, or has it, as the last of its stream, no end at all? */
static bool is_last_of_line(struct counting *counting, const char *text, size_t len, enum log_stream *stream)
{
	struct logs_record record;

	if (!read_record(counting->source->driver, text, len, &record) || !logs_sink_wants(counting->sink, &record))
		return false;
	bool first = !counting->seen[record.stream];
	counting->seen[record.stream] = true;
	*stream = record.stream;
	return record.ends || first;
}

static void count_line(void *data, const char *line, size_t len, off_t offset)
{
	struct counting *counting = data;
	enum log_stream stream;

	(void)offset;
	/* of an older part: its last record has its end in the next one */
	counting->seen[LOG_STDOUT] = counting->seen[LOG_STDERR] = true;
	counting->lines += is_last_of_line(counting, line, len, &stream);
}

/* LINE begins at OFFSET. Return: true to go on. */
typedef bool (*back_function)(void *data, const char *line, size_t len, off_t offset);

/* Each whole line of FD before END, the last one first, as far back as LEAST. */
static void each_line_back(int fd, off_t end, off_t least, char *buffer, back_function function, void *data)
{
	while (end > least) {
		off_t start = end > TAIL_BYTES ? end - TAIL_BYTES : 0;
		ssize_t n = pread(fd, buffer, (size_t)(end - start), start);
		if (n != end - start)
			return;
		const char *first = start == 0 ? buffer : memchr(buffer, '\n', (size_t)n);
		if (!first || (start > 0 && first == buffer + n - 1)) { /* no record is so long */
			end = start;
			continue;
		}
		first += start > 0;
		const char *line_end = memrchr(buffer, '\n', (size_t)n); /* behind it is one that is being written */
		while (line_end && line_end >= first) {
			const char *before = line_end > first ? memrchr(first, '\n', (size_t)(line_end - first)) : NULL;
			const char *line = before ? before + 1 : first;
			if (!function(data, line, (size_t)(line_end - line), start + (line - buffer)))
				return;
			line_end = line - 1;
		}
		end = start + (first - buffer);
	}
}

static bool count_back(void *data, const char *line, size_t len, off_t offset)
{
	struct counting *counting = data;
	enum log_stream stream;

	if (!is_last_of_line(counting, line, len, &stream))
		return true;
	if (counting->lines < counting->want) {
		counting->lines++;
		return true;
	}
	counting->begin = offset + (off_t)len + 1;
	counting->stop = stream;
	return false;
}

/* The beginning of a line of one stream that goes on behind the other's last unwanted one. */
struct beginning {
	const struct counting *counting;
	enum log_stream stream;
	off_t offset;
};

static bool go_to_beginning(void *data, const char *line, size_t len, off_t offset)
{
	struct beginning *beginning = data;
	struct logs_record record;

	if (!read_record(beginning->counting->source->driver, line, len, &record) || record.stream != beginning->stream)
		return true;
	if (!record.ends)
		beginning->offset = offset;
	return !record.ends;
}

/*
 * Go back from the end of FD until the wanted number of lines is counted. Return: the offset where they begin, or -1 where FD has fewer. The source is
 * told of records before those that belong to them.
 */
static off_t seek_back(int fd, struct counting *counting, struct logs_source *source, char *buffer)
{
	counting->begin = -1;
	each_line_back(fd, lseek(fd, 0, SEEK_END), 0, buffer, count_back, counting);
	if (counting->begin < 0)
		return -1;
	enum log_stream other = counting->stop == LOG_STDOUT ? LOG_STDERR : LOG_STDOUT;
	struct beginning beginning = { counting, other, counting->begin };
	off_t least = counting->begin > BEGINNING_BYTES ? counting->begin - BEGINNING_BYTES : 0;
	if (counting->seen[other])
		each_line_back(fd, counting->begin, least, buffer, go_to_beginning, &beginning);
	source->only = other;
	source->only_before = beginning.offset < counting->begin ? counting->begin : 0;
	return beginning.offset;
}

/* Where the last TAIL lines begin: the part, and in it the offset, or in a compressed one the lines before. */
static size_t find_tail(const struct chain *chain, struct logs_source *source, const struct logs_sink *sink, uint64_t tail, char *buffer,
			off_t *offset)
{
	struct counting counting = { .source = source, .sink = sink, .want = tail };

	for (size_t i = chain->n; i-- > 0;) {
		const struct part *part = &chain->parts[i];
		uint64_t before = counting.lines;
		if (!part->compressed) {
			off_t found = seek_back(part->fd, &counting, source, buffer);
			if (found >= 0) {
				*offset = found;
				return i;
			}
			continue;
		}
		each_member_line(part->fd, buffer, count_line, &counting);
		if (counting.lines > tail) {
			source->skip = counting.lines - before - (tail - before);
			return i;
		}
	}
	return 0;
}

/* Print parts FROM to the last, of which the source is then reading. OFFSET is that in the first one. */
static void print_parts(struct chain *chain, size_t from, off_t offset, struct logs_source *source, struct logs_sink *sink, char *buffer)
{
	struct printing printing = { source, sink };

	for (size_t i = from; i < chain->n && sink->error == 0; i++) {
		struct part *part = &chain->parts[i];
		each_part_line(part, &offset, buffer, print_line, &printing);
		source->skip = 0;
		source->only_before = 0;
		if (i + 1 == chain->n && !part->compressed) {
			if (source->fd >= 0)
				close(source->fd);
			source->inode = part->inode;
			source->position = offset;
			source->fd = steal_fd(&part->fd);
		}
		offset = 0;
	}
}

int logs_files_print(struct logs_source *source, struct logs_sink *sink, int64_t tail, char *buffer, struct err *err)
{
	struct chain chain;
	off_t offset = 0;
	size_t from = 0;

	if (chain_open(source, &chain, err) < 0)
		return -EIO;
	if (tail == 0 && chain.n > 0) {
		from = chain.n - 1;
		offset = lseek(chain.parts[from].fd, 0, SEEK_END);
	} else if (tail > 0) {
		from = find_tail(&chain, source, sink, (uint64_t)tail, buffer, &offset);
	}
	print_parts(&chain, from, offset, source, sink, buffer);
	chain_close(&chain);
	return 0;
}

/* After a rotation: the parts that are newer than the one that was read. */
static void follow_rotation(struct logs_source *source, struct logs_sink *sink, char *buffer)
{
	struct chain chain;
	size_t next = 0;

	if (chain_open(source, &chain, NULL) < 0)
		return;
	for (size_t i = 0; i < chain.n; i++)
		if (chain.parts[i].inode == source->inode)
			next = i + 1;
	print_parts(&chain, next, 0, source, sink, buffer);
	chain_close(&chain);
}

void logs_files_go_on(struct logs_source *source, struct logs_sink *sink, char *buffer)
{
	struct printing printing = { source, sink };
	struct stat st;

	if (source->fd < 0) {
		follow_rotation(source, sink, buffer);
		return;
	}
	if (fstat(source->fd, &st) == 0 && st.st_size < source->position)
		source->position = 0; /* somebody has emptied it */
	each_line(source->fd, &source->position, buffer, print_line, &printing);
	if (stat(source->path, &st) < 0 || st.st_ino == source->inode)
		return;
	each_line(source->fd, &source->position, buffer, print_line, &printing); /* written between the reading and the rotation */
	follow_rotation(source, sink, buffer);
}
