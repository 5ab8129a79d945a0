#include "log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_compress.h"
#include "util.h"

#define LAST_MS 1000 /* for what was rotated last; the rest is compressed in the container's next life */

void log_file_flush(struct log_file *file)
{
	size_t done = 0;
	ssize_t n;

	if (file->batch_len == 0)
		return;
	while (file->fd >= 0 && done < file->batch_len) {
		n = write(file->fd, file->batch + done, file->batch_len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == file->batch_len) {
		file->size += done;
	} else {
		/* The disk is full, or a limit reached: keep whole records only. A record holds exactly one newline. */
		size_t whole = 0, kept = 0;
		const char *end;
		while (whole < done && (end = memchr(file->batch + whole, '\n', done - whole)) != NULL) {
			whole = (size_t)(end - file->batch) + 1;
			kept++;
		}
		if (done > whole && ftruncate(file->fd, (off_t)(file->size + whole)) < 0)
			whole = done; /* a torn record stays; the next log_open() cuts it off if it is the last */
		file->size += whole;
		for (size_t i = kept; i < file->records; i++)
			file->lost += file->payload[i] + 1u;
	}
	file->batch_len = file->records = 0;
}

static int open_file(struct log_file *file)
{
	/* a path of the user's may be a FIFO that nobody reads */
	file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	return file->fd < 0 ? -errno : 0;
}

static void tell_compressor(const struct log_file *file)
{
	if (file->watched)
		*file->watched = file->compressor_fd;
}

/* End the process that compresses: what it was making is begun again by the next one. */
static void stop_compressor(struct log_file *file)
{
	if (file->compressor_fd < 0)
		return;
	kill(file->compressor, SIGKILL); /* not reaped yet: the pid is its own */
	log_file_reap(file);
	autofree char *unfinished = xasprintf("%s" LOG_UNFINISHED, file->path);
	unlink(unfinished);
}

void log_file_reap(struct log_file *file)
{
	if (file->compressor_fd < 0)
		return;
	while (waitpid(file->compressor, NULL, 0) < 0 && errno == EINTR)
		;
	close_fd(&file->compressor_fd);
	tell_compressor(file);
}

static void start_compressor(struct log_file *file)
{
	file->compressor_fd = log_compress_start(file->path, file->max_files, &file->compressor);
	tell_compressor(file);
}

void log_file_watch(struct log_file *file, int *fd)
{
	file->watched = fd;
	tell_compressor(file);
}

/* PATH.I becomes PATH.(I+1), compressed or not; of 0 PATH becomes PATH.1. */
static void shift(const struct log_file *file, unsigned i)
{
	static const char *const suffixes[] = { "", ".gz" };

	for (size_t s = 0; s < 2; s++) {
		autofree char *to = xasprintf("%s.%u%s", file->path, i + 1, suffixes[s]);
		autofree char *from = i == 0 ? xstrdup(file->path) : xasprintf("%s.%u%s", file->path, i, suffixes[s]);

		unlink(to); /* of the other kind than the one that comes */
		if (i > 0 || s == 0)
			rename(from, to);
	}
}

static void rotate(struct log_file *file)
{
	log_file_flush(file);
	if (file->fd >= 0)
		close(file->fd);
	stop_compressor(file);
	for (unsigned i = file->max_files - 1; i >= 1; i--)
		shift(file, i - 1);
	unlink(file->path); /* still there where one file is kept, or the rename failed */
	open_file(file);
	file->size = 0;
	if (file->compress && file->max_files > 1)
		start_compressor(file);
}

char *log_file_room(struct log_file *file)
{
	if (file->records == BATCH_RECORDS || BATCH_BYTES - file->batch_len < RECORD_BYTES)
		log_file_flush(file);
	if (file->fd < 0 && open_file(file) == 0)
		file->size = (uint64_t)lseek(file->fd, 0, SEEK_END);
	return file->batch + file->batch_len;
}

void log_file_add(struct log_file *file, size_t record, size_t payload)
{
	char *start = file->batch + file->batch_len;
	uint64_t before = file->size + file->batch_len;

	if (file->max_size > 0 && before > 0 && before + record > file->max_size) {
		rotate(file);
		memmove(file->batch, start, record);
	}
	file->payload[file->records++] = (uint16_t)(payload - 1);
	file->batch_len += record;
}

/* Cut off a record that a writer was killed, or ran out of disk, in the middle of. */
static void cut_torn_record(struct log_file *file)
{
	off_t from = file->size > RECORD_BYTES ? (off_t)file->size - RECORD_BYTES : 0;
	autoclose int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : pread(fd, file->batch, RECORD_BYTES, from);

	if (n <= 0 || file->batch[n - 1] == '\n')
		return;
	const char *newline = memrchr(file->batch, '\n', (size_t)n);
	off_t keep = newline != NULL ? from + (newline - file->batch) + 1 : from;
	if (ftruncate(file->fd, keep) == 0)
		file->size = (uint64_t)keep;
}

int log_file_open(struct log_file *file, const struct log_options *options, struct err *err)
{
	struct stat st;

	file->path = xstrdup(options->path);
	file->max_size = options->max_size;
	file->max_files = options->max_files;
	file->compress = options->compress;
	file->temporary = options->temporary;
	file->compressor_fd = -1;
	file->batch = mmap(NULL, BATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int code = file->batch == MAP_FAILED ? -errno : open_file(file);
	if (code == 0 && fstat(file->fd, &st) < 0)
		code = -errno;
	if (code == 0 && !S_ISREG(st.st_mode))
		code = -EINVAL; /* a path of the user's may be anything */
	if (code < 0) {
		if (file->batch != MAP_FAILED)
			munmap(file->batch, BATCH_BYTES);
		if (file->fd > 0)
			close(file->fd);
		free(file->path);
		return err_set(err, -code, "open log", options->path);
	}
	file->size = (uint64_t)st.st_size;
	if (file->size > 0)
		cut_torn_record(file);
	if (file->compress && file->max_files > 1 && log_compress_wanted(file->path, file->max_files))
		start_compressor(file);
	return 0;
}

void log_file_idle(struct log_file *file)
{
	madvise(file->batch, BATCH_BYTES, MADV_DONTNEED);
}

void log_file_close(struct log_file *file)
{
	struct pollfd compressor = { .fd = file->compressor_fd, .events = POLLIN };

	if (compressor.fd >= 0 && !file->temporary)
		poll(&compressor, 1, LAST_MS);
	stop_compressor(file);
	if (file->fd >= 0)
		close(file->fd);
	munmap(file->batch, BATCH_BYTES);
	free(file->path);
}
