/*
 * Unpacking any archive: nothing but the target is ever touched, and what has been unpacked can be packed again into an archive that the reader takes.
 *
 * Works in ./fuzz-tree: "target" beside "outside", which must stay as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "feed.h"
#include "fuzz.h"
#include "pack.h"
#include "tar_write.h"
#include "tree.h"
#include "unpack.h"

static const char sentinel[] = "outside";

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

static void must(int status)
{
	if (status < 0) {
		perror("fuzz-tree");
		abort();
	}
}

/* A fresh tree. Return: the target. */
static int begin(void)
{
	struct err err;

	must(tree_remove("fuzz-tree", &err));
	must(mkdir("fuzz-tree", 0755));
	must(mkdir("fuzz-tree/target", 0755));
	int fd = open("fuzz-tree/outside", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	must(fd);
	if (write(fd, sentinel, sizeof(sentinel)) != sizeof(sentinel))
		abort();
	close(fd);
	must(symlink("../../outside", "fuzz-tree/target/way-out"));
	fd = open("fuzz-tree/target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd);
	return fd;
}

static void check_outside(void)
{
	char text[sizeof(sentinel)];
	struct stat st, top;
	int fd = open("fuzz-tree/outside", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || read(fd, text, sizeof(text)) != sizeof(text) || memcmp(text, sentinel, sizeof(text)) ||
	    st.st_size != sizeof(sentinel) || st.st_nlink != 1 || (st.st_mode & 07777) != 0644)
		abort();
	close(fd);
	/* Nothing was put beside them: the target is the only directory. */
	if (stat("fuzz-tree", &top) < 0 || top.st_nlink > 3)
		abort();
}

/* What was unpacked, packed: the reader must take it. */
static void check_packed(int target)
{
	const struct pack_options options = { .owners = PACK_ROOT };
	const struct tar_entry *entry;
	struct err err;
	int fd = memfd_create("packed", MFD_CLOEXEC), status;
	struct sink *sink = sink_new(fd, false, false);
	struct pack *pack = pack_new(sink, &options);

	if (pack_tree(pack, target, ".", ".", &err) < 0 || tar_write_end(sink, &err) < 0 || sink_finish(sink, NULL, &err) < 0)
		abort();
	lseek(fd, 0, SEEK_SET);
	struct feed *feed = feed_new(fd);
	const struct tar_source source = feed_source(feed);
	struct tar *tar = tar_new(&source);
	uint64_t entries = 0;
	while ((status = tar_next(tar, &entry, &err)) > 0)
		entries++;
	if (status < 0 || entries != pack_entries(pack))
		abort();
	tar_free(tar);
	feed_free(feed);
	pack_free(pack);
	sink_free(sink);
	close(fd);
}

/* Checksums that fit, so that mutations get past them. */
static void repair(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned int total = 8 * ' ';
		char text[8];

		if (data[at + 257] != 'u') /* no header of ours */
			continue;
		for (size_t i = 0; i < 512; i++)
			total += i >= 148 && i < 156 ? 0 : data[at + i];
		snprintf(text, sizeof(text), "%06o", total & 0777777);
		memcpy(data + at + 148, text, 7);
		data[at + 155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unpack_options options = { .owners = UNPACK_MINE, .copy = size % 4 != 0, .replace = size % 2 != 0, .target = begin() };
	uint8_t *copy = malloc(size ? size : 1);
	const struct tar_entry *entry;
	struct unpack *unpack;
	struct err err;

	memcpy(copy, data, size);
	repair(copy, size);
	struct bytes bytes = { copy, size };
	struct tar *tar = tar_new(&(struct tar_source){ &bytes, peek, skip, NULL });
	must(unpack_begin(&options, &unpack, &err));
	while (tar_next(tar, &entry, &err) > 0) {
		if (entry->size > (1 << 20))
			break; /* a sparse file costs time, and says nothing new */
		if (unpack_entry(unpack, tar, entry, &err) < 0 && size % 3)
			break;
	}
	unpack_finish(unpack, &err);
	unpack_free(unpack);
	tar_free(tar);
	check_outside();
	/* Directories that nobody may read are no fault. */
	if (geteuid() == 0)
		check_packed(options.target);
	close(options.target);
	free(copy);
	return 0;
}

struct archive {
	uint8_t *at;
	size_t size;
};

static void add(struct archive *archive, const char *name, char type, const char *link, const char *content)
{
	uint8_t *header = archive->at + archive->size;
	size_t n = content ? strlen(content) : 0;

	memset(header, 0, 512 + (n + 511) / 512 * 512);
	snprintf((char *)header, 100, "%s", name);
	memcpy(header + 100, type == '5' ? "0000755" : "0000644", 7);
	memcpy(header + 108, "0000000", 7);
	memcpy(header + 116, "0000000", 7);
	snprintf((char *)header + 124, 12, "%011o", (unsigned int)n & 0777);
	memcpy(header + 136, "14700000000", 11);
	header[156] = (uint8_t)type;
	snprintf((char *)header + 157, 100, "%s", link);
	memcpy(header + 257, "ustar\0" "00", 8);
	if (n)
		memcpy(header + 512, content, n);
	repair(header, 512);
	archive->size += 512 + (n + 511) / 512 * 512;
}

size_t fuzz_seed(unsigned int n, uint8_t *out)
{
	struct archive archive = { out, 0 };

	switch (n) {
	case 0:
		add(&archive, "dir/", '5', "", NULL);
		add(&archive, "dir/file", '0', "", "hello");
		add(&archive, "dir/hard", '1', "dir/file", NULL);
		add(&archive, "dir/fifo", '6', "", NULL);
		break;
	case 1: /* through links that lead out */
		add(&archive, "up", '2', "..", NULL);
		add(&archive, "up/outside", '0', "", "overwritten");
		add(&archive, "way-out", '0', "", "overwritten");
		add(&archive, "hard", '1', "up/outside", NULL);
		break;
	case 2:
		add(&archive, "a", '2', "../outside", NULL);
		add(&archive, "b", '1', "a", NULL);
		add(&archive, "b", '0', "", "overwritten");
		add(&archive, "../outside", '0', "", "overwritten");
		break;
	case 3: /* one thing in the place of another */
		add(&archive, "x", '5', "", NULL);
		add(&archive, "x/y", '0', "", "1");
		add(&archive, "x", '2', "..", NULL);
		add(&archive, "x/outside", '5', "", NULL);
		add(&archive, "x", '0', "", "2");
		break;
	case 4: /* whiteouts */
		add(&archive, "d", '5', "", NULL);
		add(&archive, "d/.wh..wh..opq", '0', "", NULL);
		add(&archive, ".wh.way-out", '0', "", NULL);
		add(&archive, "l", '2', "..", NULL);
		add(&archive, "l/.wh.outside", '0', "", NULL);
		break;
	default:
		return 0;
	}
	memset(out + archive.size, 0, 1024);
	return archive.size + 1024;
}
