#include "tar_write.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "util.h"

#define BLOCK 512
#define OCTAL_ID 07777777u            /* what seven octal digits hold */
#define OCTAL_SIZE 077777777777u      /* eleven */

struct ustar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	char link[100], magic[8], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};

_Static_assert(sizeof(struct ustar) == BLOCK, "a header is a block");

/* A text that grows. */
struct text {
	char *at;
	size_t size, room;
};

static void append(struct text *text, const void *data, size_t size)
{
	if (text->size + size > text->room) {
		text->room = 2 * (text->size + size) + 256;
		text->at = xrealloc(text->at, text->room);
	}
	memcpy(text->at + text->size, data, size);
	text->size += size;
}

/* A pax record: "LENGTH KEY=VALUE\n", the length being that of all of it. */
static void record(struct text *text, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3, length = rest;
	char digits[24];
	int n;

	do /* one digit more may need one digit more */
		n = snprintf(digits, sizeof(digits), "%zu", length);
	while ((size_t)n + rest != length && (length = (size_t)n + rest));
	append(text, digits, (size_t)n);
	append(text, " ", 1);
	append(text, key, strlen(key));
	append(text, "=", 1);
	append(text, value, size);
	append(text, "\n", 1);
}

static void __attribute__((format(printf, 3, 4))) record_number(struct text *text, const char *key, const char *format, ...)
{
	char value[48];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	record(text, key, value, (size_t)n);
}

static void record_time(struct text *text, const char *key, struct timespec time)
{
	/* -1.5 s is -2 s and 500 million nanoseconds */
	bool borrow = time.tv_sec < 0 && time.tv_nsec;
	int64_t seconds = borrow ? (int64_t)time.tv_sec + 1 : (int64_t)time.tv_sec;
	long nanoseconds = borrow ? 1000000000 - time.tv_nsec : time.tv_nsec;

	if (nanoseconds)
		record_number(text, key, "%s%" PRId64 ".%09ld", borrow && seconds == 0 ? "-" : "", seconds, nanoseconds);
	else
		record_number(text, key, "%" PRId64, seconds);
}

static void octal(char *field, size_t size, uint64_t value)
{
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static int write_block(struct sink *sink, struct ustar *header, struct err *err)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned int sum = 0;

	memcpy(header->magic, "ustar\00000", 8);
	memset(header->sum, ' ', sizeof(header->sum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += bytes[i];
	octal(header->sum, 7, sum);
	header->sum[6] = '\0';
	return sink_write(sink, header, BLOCK, err);
}

/* The pax header that holds RECORDS, for the entry called NAME. */
static int write_records(struct sink *sink, const char *name, const struct text *records, struct err *err)
{
	struct ustar header = { .type = 'x' };
	const char *base = strrchr(name, '/');
	/* Only readers that know no pax show this name. */
	int n = snprintf(header.name, sizeof(header.name), "PaxHeaders/%.80s", base && base[1] ? base + 1 : "entry");

	if (n >= (int)sizeof(header.name))
		header.name[sizeof(header.name) - 1] = '\0';
	octal(header.mode, sizeof(header.mode), 0644);
	octal(header.uid, sizeof(header.uid), 0);
	octal(header.gid, sizeof(header.gid), 0);
	octal(header.size, sizeof(header.size), records->size);
	octal(header.mtime, sizeof(header.mtime), 0);
	int status = write_block(sink, &header, err);
	if (status == 0)
		status = sink_write(sink, records->at, records->size, err);
	return status < 0 ? status : sink_pad(sink, BLOCK, err);
}

static char type_of(const struct tar_head *head)
{
	if (head->hard_link)
		return '1';
	switch (head->st.st_mode & S_IFMT) {
	case S_IFDIR: return '5';
	case S_IFLNK: return '2';
	case S_IFCHR: return '3';
	case S_IFBLK: return '4';
	case S_IFIFO: return '6';
	default:      return '0';
	}
}

/* The map of a sparse file 1.0: decimal numbers, a line each, in whole blocks before the data. */
static void write_map(struct text *map, const struct tar_head *head)
{
	static const char zeros[BLOCK];
	char line[48];

	append(map, line, (size_t)snprintf(line, sizeof(line), "%zu\n", head->n_map));
	for (size_t i = 0; i < head->n_map; i++)
		append(map, line, (size_t)snprintf(line, sizeof(line), "%" PRIu64 "\n%" PRIu64 "\n", head->map[i].offset,
						   head->map[i].size));
	append(map, zeros, (BLOCK - map->size % BLOCK) % BLOCK);
}

/* Everything that the block of 512 bytes has no room for. Return: the bytes that the entry stores. */
static void extend(struct text *records, const struct tar_head *head, const char *name, uint64_t stored)
{
	const char *link = head->hard_link ? head->hard_link : head->symlink;

	if (head->map) {
		record(records, "GNU.sparse.major", "1", 1);
		record(records, "GNU.sparse.minor", "0", 1);
		record(records, "GNU.sparse.name", name, strlen(name));
		record_number(records, "GNU.sparse.realsize", "%" PRIu64, (uint64_t)head->st.st_size);
	} else if (strlen(name) > sizeof(((struct ustar *)NULL)->name)) {
		record(records, "path", name, strlen(name));
	}
	if (link && strlen(link) > sizeof(((struct ustar *)NULL)->link))
		record(records, "linkpath", link, strlen(link));
	if (stored > OCTAL_SIZE)
		record_number(records, "size", "%" PRIu64, stored);
	if (head->st.st_uid > OCTAL_ID)
		record_number(records, "uid", "%u", head->st.st_uid);
	if (head->st.st_gid > OCTAL_ID)
		record_number(records, "gid", "%u", head->st.st_gid);
	if (head->st.st_mtim.tv_nsec || head->st.st_mtim.tv_sec < 0 || (uint64_t)head->st.st_mtim.tv_sec > OCTAL_SIZE)
		record_time(records, "mtime", head->st.st_mtim);
	for (size_t i = 0; i < head->n_xattrs; i++) {
		autofree char *key = xasprintf("SCHILY.xattr.%s", head->xattrs[i].name);
		record(records, key, head->xattrs[i].value, head->xattrs[i].size);
	}
}

int tar_write_head(struct sink *sink, const struct tar_head *head, struct err *err)
{
	struct ustar header = { .type = type_of(head) };
	struct text records = { 0 }, map = { 0 };
	autofree char *slashed = NULL;
	const char *name = head->name, *link = head->hard_link ? head->hard_link : head->symlink;
	size_t n = strlen(name);
	uint64_t stored = header.type == '0' ? (uint64_t)head->st.st_size : 0;
	int status = 0;

	if (header.type == '5' && (n == 0 || name[n - 1] != '/'))
		name = slashed = xasprintf("%s/", name);
	if (head->map) {
		write_map(&map, head);
		stored = map.size;
		for (size_t i = 0; i < head->n_map; i++)
			stored += head->map[i].size;
	}
	extend(&records, head, name, stored);
	if (records.size)
		status = write_records(sink, name, &records, err);
	memcpy(header.name, name, strnlen(name, sizeof(header.name)));
	if (link)
		memcpy(header.link, link, strnlen(link, sizeof(header.link)));
	octal(header.mode, sizeof(header.mode), head->st.st_mode & 07777);
	octal(header.uid, sizeof(header.uid), head->st.st_uid > OCTAL_ID ? 0 : head->st.st_uid);
	octal(header.gid, sizeof(header.gid), head->st.st_gid > OCTAL_ID ? 0 : head->st.st_gid);
	octal(header.size, sizeof(header.size), stored > OCTAL_SIZE ? 0 : stored);
	octal(header.mtime, sizeof(header.mtime), head->st.st_mtim.tv_sec < 0 ? 0 : (uint64_t)head->st.st_mtim.tv_sec);
	if (header.type == '3' || header.type == '4') {
		octal(header.major, sizeof(header.major), major(head->st.st_rdev));
		octal(header.minor, sizeof(header.minor), minor(head->st.st_rdev));
	}
	if (status == 0)
		status = write_block(sink, &header, err);
	if (status == 0 && map.size)
		status = sink_write(sink, map.at, map.size, err);
	free(records.at);
	free(map.at);
	return status;
}

int tar_write_end(struct sink *sink, struct err *err)
{
	static const char zeros[2 * BLOCK];

	return sink_write(sink, zeros, sizeof(zeros), err);
}
