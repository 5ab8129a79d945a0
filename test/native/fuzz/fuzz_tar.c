/* The tar reader on any bytes: no crash, no more memory than its limits, pieces of data in order and within the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tar.h"

struct bytes {
	const uint8_t *at;
	size_t left;
};

static ssize_t peek(void *data, size_t want, const uint8_t **at, struct err *err)
{
	struct bytes *bytes = data;

	(void)want;
	(void)err;
	*at = bytes->at;
	return (ssize_t)bytes->left;
}

static void skip(void *data, size_t n)
{
	struct bytes *bytes = data;

	if (n > bytes->left)
		abort();
	bytes->at += n;
	bytes->left -= n;
}

static volatile unsigned int sum; /* every byte handed out is read */

static void read_all_of(const struct tar_entry *entry)
{
	for (const char *c = entry->name; *c; c++)
		sum += (unsigned char)*c;
	for (const char *c = entry->link; *c; c++)
		sum += (unsigned char)*c;
	for (size_t i = 0; i < entry->n_xattrs; i++) {
		sum += (unsigned int)strlen(entry->xattrs[i].name);
		for (size_t j = 0; j < entry->xattrs[i].size; j++)
			sum += entry->xattrs[i].value[j];
	}
	if (!*entry->name || entry->mtime.tv_nsec < 0 || entry->mtime.tv_nsec > 999999999 || entry->atime.tv_nsec < 0 ||
	    entry->atime.tv_nsec > 999999999)
		abort();
}

/* Checksums that fit, so that mutations get past them. */
static void repair(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned int total = 8 * ' ';
		if (data[at + 257] != 'u') /* no header of ours */
			continue;
		for (size_t i = 0; i < 512; i++)
			total += i >= 148 && i < 156 ? 0 : data[at + i];
		char text[8];
		snprintf(text, sizeof(text), "%06o", total & 0777777);
		memcpy(data + at + 148, text, 7);
		data[at + 155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct err err;

	memcpy(copy, data, size);
	if (size % 8)
		repair(copy, size);
	struct bytes bytes = { copy, size };
	struct tar *tar = tar_new(&(struct tar_source){ &bytes, peek, skip, NULL });
	const struct tar_entry *entry;
	for (unsigned int n = 0; tar_next(tar, &entry, &err) > 0; n++) {
		const uint8_t *at;
		size_t piece;
		uint64_t offset, end = 0;
		read_all_of(entry);
		while (n % 3 != 2 && tar_data(tar, &at, &piece, &offset, &err) > 0) {
			if (!piece || offset < end || offset + piece > entry->size)
				abort();
			end = offset + piece;
			sum += at[0] + at[piece - 1];
		}
	}
	tar_free(tar);
	free(copy);
	return 0;
}

struct archive {
	uint8_t *at;
	size_t size;
};

static void add(struct archive *archive, const char *name, char type, const char *content, size_t n)
{
	uint8_t *header = archive->at + archive->size;

	memset(header, 0, 512 + (n + 511) / 512 * 512);
	snprintf((char *)header, 100, "%s", name);
	memcpy(header + 100, "0000644", 7);
	memcpy(header + 108, "0001750", 7);
	memcpy(header + 116, "0001750", 7);
	snprintf((char *)header + 124, 12, "%011zo", n);
	memcpy(header + 136, "14700000000", 11);
	header[156] = (uint8_t)type;
	memcpy(header + 157, "target", 6);
	memcpy(header + 257, type == 'S' ? "ustar  " : "ustar\0" "00", 8);
	if (type == 'S') {
		snprintf((char *)header + 386, 12, "%011o", 1024);
		snprintf((char *)header + 398, 12, "%011zo", n);
		snprintf((char *)header + 483, 12, "%011o", 5000);
	}
	if (content)
		memcpy(header + 512, content, n);
	repair(header, 512);
	archive->size += 512 + (n + 511) / 512 * 512;
}

static void add_pax(struct archive *archive, char type, const char *const *records)
{
	char text[2048];
	size_t n = 0;

	for (; *records; records++) {
		/* "LENGTH RECORD\n", where LENGTH counts itself: two digits, as none here is longer than 99. */
		n += (size_t)sprintf(text + n, "%zu %s\n", strlen(*records) + 4, *records);
	}
	add(archive, "pax", type, text, n);
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	struct archive archive = { out, 0 };
	static const char *const common[] = { "path=a/long/name", "mtime=1700000000.123456789", "uid=70000", "SCHILY.xattr.user.a=bcd",
		"LIBARCHIVE.xattr.user.%62=YmM=", NULL };
	static const char *const sparse_01[] = { "GNU.sparse.size=9000", "GNU.sparse.map=0,5,8000,5", "GNU.sparse.name=s", NULL };
	static const char *const sparse_00[] = { "GNU.sparse.size=9000", "GNU.sparse.numblocks=2", "GNU.sparse.offset=0",
		"GNU.sparse.numbytes=5", "GNU.sparse.offset=8000", "GNU.sparse.numbytes=5", NULL };
	static const char *const sparse_10[] = { "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=9000", NULL };
	char map[522] = "2\n0\n5\n8000\n5\n";
	memcpy(map + 512, "helloworld", 10);

	switch (n) {
	case 0:
		add(&archive, "dir/", '5', NULL, 0);
		add(&archive, "dir/file", '0', "hello", 5);
		add(&archive, "dir/link", '2', NULL, 0);
		add(&archive, "dir/hard", '1', NULL, 0);
		break;
	case 1:
		add_pax(&archive, 'g', common);
		add_pax(&archive, 'x', common);
		add(&archive, "short", '0', "hello", 5);
		break;
	case 2:
		add(&archive, "././@LongLink", 'L', "a/very/long/name", 17);
		add(&archive, "././@LongLink", 'K', "a/very/long/target", 19);
		add(&archive, "a/very", '2', NULL, 0);
		break;
	case 3:
		add(&archive, "sparse", 'S', "hello", 5);
		break;
	case 4:
		add_pax(&archive, 'x', sparse_01);
		add(&archive, "x", '0', "helloworld", 10);
		break;
	case 5:
		add_pax(&archive, 'x', sparse_00);
		add(&archive, "x", '0', "helloworld", 10);
		break;
	case 6:
		add_pax(&archive, 'x', sparse_10);
		add(&archive, "x", '0', map, sizeof(map));
		break;
	default:
		return 0;
	}
	memset(out + archive.size, 0, 1024);
	return archive.size + 1024;
}
