#include "log_compress.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define LEVEL 4            /* of libdeflate: text to a tenth, at 200 MB/s and more */
#define HEADER_BYTES 24    /* RFC 1952: 10, length of the extra field 2, subfield "PR" 4, inode 8 */
#define TRAILER_BYTES 8    /* CRC-32 and size */

static void put_number(unsigned char *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_number(const unsigned char *at, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static char *rotated(const char *path, unsigned i, const char *suffix)
{
	return xasprintf("%s.%u%s", path, i, suffix);
}

bool log_compress_wanted(const char *path, unsigned files)
{
	for (unsigned i = 1; i < files; i++) {
		autofree char *name = rotated(path, i, "");

		if (access(name, F_OK) == 0)
			return true;
	}
	return false;
}

/* One member: DATA as OUT. Return: its length, or 0. */
static size_t compress_member(struct libdeflate_compressor *compressor, const unsigned char *data, size_t len, uint64_t inode,
			      unsigned char *out, size_t room)
{
	static const unsigned char start[] = { 0x1f, 0x8b, 8, 4 /* FEXTRA */, 0, 0, 0, 0, 0, 3, HEADER_BYTES - 12, 0, 'P', 'R', 8, 0 };

	memcpy(out, start, sizeof(start));
	put_number(out + sizeof(start), inode, 8);
	size_t n = libdeflate_deflate_compress(compressor, data, len, out + HEADER_BYTES, room - HEADER_BYTES - TRAILER_BYTES);
	if (n == 0)
		return 0;
	put_number(out + HEADER_BYTES + n, libdeflate_crc32(0, data, len), 4);
	put_number(out + HEADER_BYTES + n + 4, len, 4);
	return HEADER_BYTES + n + TRAILER_BYTES;
}

static int compress_into(int from, int to)
{
	struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(LEVEL);
	size_t room = compressor ? libdeflate_deflate_compress_bound(compressor, LOG_MEMBER_BYTES) + HEADER_BYTES + TRAILER_BYTES : 0;
	unsigned char *data = xmalloc(LOG_MEMBER_BYTES), *out = xmalloc(room);
	struct stat st;
	ssize_t n = -1;

	if (compressor && fstat(from, &st) == 0) {
		while ((n = read_all(from, data, LOG_MEMBER_BYTES)) > 0) {
			size_t len = compress_member(compressor, data, (size_t)n, st.st_ino, out, room);
			if (len == 0 || write_all(to, out, len) < 0) {
				n = -1;
				break;
			}
		}
	}
	free(data);
	free(out);
	libdeflate_free_compressor(compressor);
	return n == 0 ? 0 : -1;
}

/* Return: 0, or -1 where it stays as it is. */
static int compress_file(const char *path, unsigned i)
{
	autofree char *plain = rotated(path, i, "");
	autofree char *whole = rotated(path, i, ".gz");
	autofree char *temporary = xasprintf("%s" LOG_UNFINISHED, path);
	autoclose int from = open(plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (from < 0)
		return -1;
	unlink(temporary); /* of one that was killed */
	autoclose int to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return -1;
	if (compress_into(from, to) == 0 && fsync(to) == 0 && rename(temporary, whole) == 0)
		return unlink(plain);
	unlink(temporary);
	return -1;
}

int log_compress_start(const char *path, unsigned files, pid_t *pid)
{
	pid_t child = fork();

	if (child == 0) {
		/* the lock, the pipes and the sockets of our parent are not ours to hold open */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		syscall(SYS_close_range, 3, ~0U, 0);
		prctl(PR_SET_NAME, "proa-log");
		signal(SIGTERM, SIG_DFL);
		for (unsigned i = files - 1; i >= 1; i--)
			compress_file(path, i);
		_exit(0);
	}
	if (child < 0)
		return -1;
	int fd = (int)syscall(SYS_pidfd_open, child, 0); /* close-on-exec by itself */
	if (fd < 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*pid = child;
	return fd;
}

struct log_member_reader {
	struct libdeflate_decompressor *decompressor;
	unsigned char *file;
	size_t size, at;
	char *data;
	size_t room;
	uint64_t inode;
};

struct log_member_reader *log_members_open(int fd)
{
	struct log_member_reader *reader = xcalloc(1, sizeof(*reader));
	struct stat st;

	reader->decompressor = libdeflate_alloc_decompressor();
	reader->room = LOG_MEMBER_BYTES;
	if (!reader->decompressor || fstat(fd, &st) < 0)
		goto fail;
	reader->size = (size_t)st.st_size;
	if (reader->size > 0) {
		/* whole and never written again: a mapping cannot lose its file's end */
		reader->file = mmap(NULL, reader->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (reader->file == MAP_FAILED) {
			reader->file = NULL;
			goto fail;
		}
		if (reader->size >= HEADER_BYTES && (reader->file[3] & 4) && memcmp(reader->file + 12, "PR\10", 4) == 0)
			reader->inode = get_number(reader->file + 16, 8);
	}
	reader->data = xmalloc(reader->room);
	return reader;
fail:
	log_members_close(reader);
	return NULL;
}

/* Where the deflate data of the member at AT begin, RFC 1952; 0 where it is no member. */
static size_t member_start(const unsigned char *file, size_t at, size_t size)
{
	if (size - at < 18 || file[at] != 0x1f || file[at + 1] != 0x8b || file[at + 2] != 8)
		return 0;
	unsigned flags = file[at + 3];
	size_t next = at + 10;

	if (flags & 4)
		next += 2 + get_number(file + next, 2);
	for (unsigned text = 8; text <= 16; text <<= 1) { /* name, comment */
		if (!(flags & text) || next >= size)
			continue;
		const unsigned char *end = memchr(file + next, 0, size - next);
		next = end ? (size_t)(end - file) + 1 : size;
	}
	if (flags & 2)
		next += 2;
	return next + TRAILER_BYTES < size ? next : 0;
}

size_t log_members_next(struct log_member_reader *reader, const char **data)
{
	size_t from = reader->at < reader->size ? member_start(reader->file, reader->at, reader->size) : 0;
	size_t taken, made;

	if (from == 0)
		return 0;
	for (;;) {
		enum libdeflate_result result = libdeflate_deflate_decompress_ex(reader->decompressor, reader->file + from,
										 reader->size - from - TRAILER_BYTES, reader->data,
										 reader->room, &taken, &made);
		if (result == LIBDEFLATE_SUCCESS)
			break;
		if (result != LIBDEFLATE_INSUFFICIENT_SPACE || reader->room >= (size_t)1 << 30)
			return 0;
		reader->room *= 4; /* of another compressor's making */
		reader->data = xrealloc(reader->data, reader->room);
	}
	reader->at = from + taken + TRAILER_BYTES;
	*data = reader->data;
	return made;
}

uint64_t log_members_inode(const struct log_member_reader *reader)
{
	return reader->inode;
}

void log_members_close(struct log_member_reader *reader)
{
	if (reader->file)
		munmap(reader->file, reader->size);
	libdeflate_free_decompressor(reader->decompressor);
	free(reader->data);
	free(reader);
}
