/*
 * Blocks of 512 bytes: headers, each followed by its data padded to whole blocks. Extension headers ('x', 'g', 'L', 'K') are gathered in
 * tar->extra until the entry that they speak of comes; then what they say wins over the block: pax over GNU over ustar.
 *
 * Where readers differ, this one does as Go's archive/tar, which the other engines read layers with, so that nobody can show one
 * content to a scanner and another one to us: links, devices and directories have no data whatever their size says; a lone block of
 * zeros followed by anything else is an error.
 */
#include "tar.h"

#include <errno.h>
#include <string.h>

#include "tar_internal.h"
#include "util.h"

#define GNU_MAGIC "ustar  " /* with the version behind it; POSIX has "ustar", NUL, "00" */
#define EXTENSIONS_MAX 64   /* extension headers in a row: more is an attack on our time */

/* The header block, POSIX.1-1988 and the variants of its tail. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type;
	char link[100], magic[8], user[32], group[32], major[8], minor[8];
	union {
		char prefix[155];
		struct {
			char atime[12], ctime[12], offset[12], long_names[4], unused;
			struct { char offset[12], size[12]; } sparse[4];
			char more, real_size[12];
		} gnu;
		struct {
			char prefix[131], atime[12], ctime[12];
		} star;
	};
	char tail[12];
};

struct sparse_block {
	struct { char offset[12], size[12]; } sparse[21];
	char more, padding[7];
};

_Static_assert(sizeof(struct header) == TAR_BLOCK_SIZE, "a header is a block");
_Static_assert(sizeof(struct sparse_block) == TAR_BLOCK_SIZE, "a sparse extension is a block");

struct tar *tar_new(const struct tar_source *source)
{
	struct tar *tar = xcalloc(1, sizeof(*tar));

	tar->source = *source;
	return tar;
}

void tar_free(struct tar *tar)
{
	if (!tar)
		return;
	struct tar_text *texts[] = {
		&tar->extra.path, &tar->extra.link, &tar->extra.long_name, &tar->extra.long_link, &tar->extra.sparse_name,
		&tar->extra.records, &tar->name, &tar->link_text,
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]->text);
	free(tar->xattrs);
	free(tar->map);
	free(tar);
}

void tar_text_set(struct tar_text *text, const void *from, size_t n)
{
	if (text->room < n + 1) {
		text->room = n + 1 < 256 ? 256 : n + 1;
		text->text = xrealloc(text->text, text->room);
	}
	memcpy(text->text, from, n);
	text->text[n] = '\0';
	text->size = n;
	text->set = true;
}

int tar_bad(const struct tar *tar, struct err *err, const char *why)
{
	return err_setf(err, 0, "read tar", tar->entry.name ? tar->entry.name : "", "%s", why);
}

int tar_peek(struct tar *tar, size_t n, const uint8_t **at, struct err *err)
{
	ssize_t there = tar->source.peek(tar->source.data, n, at, err);

	if (there < 0)
		return (int)there;
	return (size_t)there < n ? tar_bad(tar, err, "the archive ends too early") : 0;
}

static void skip(struct tar *tar, size_t n)
{
	tar->source.skip(tar->source.data, n);
}

bool tar_decimal(const char *text, size_t n, uint64_t *out)
{
	uint64_t value = 0;

	if (n == 0 || n > 19)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*out = value;
	return value <= INT64_MAX;
}

/* A number field: octal between blanks, or with the first bit set a big-endian binary one (GNU). Return: false where it is neither. */
static bool number(const char *field, size_t n, int64_t *out)
{
	const unsigned char *at = (const unsigned char *)field, *end = at + n;
	uint64_t value = 0;

	if (*at & 0x80) {
		bool negative = *at & 0x40;
		value = negative ? ~(uint64_t)0 : 0;
		value = value << 6 | (*at++ & 0x3f);
		for (; at < end; at++) {
			/* What is shifted out, and the sign, must be nothing but copies of the sign. */
			if ((int64_t)value >> 55 != (negative ? -1 : 0))
				return false;
			value = value << 8 | *at;
		}
		*out = (int64_t)value;
		return true;
	}
	while (at < end && (*at == ' ' || *at == '\0'))
		at++;
	for (; at < end && *at != ' ' && *at != '\0'; at++) {
		if (*at < '0' || *at > '7' || value >> 60)
			return false;
		value = value << 3 | (uint64_t)(*at - '0');
	}
	for (; at < end; at++)
		if (*at != ' ' && *at != '\0')
			return false;
	*out = (int64_t)value;
	return true;
}

#define NUMBER(field, out) number(field, sizeof(field), out)

/* The checksum is of the bytes as unsigned; some old programs took them as signed. */
static bool checksum_holds(const struct header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	size_t sum_at = offsetof(struct header, sum);
	int64_t wanted, sum = 0, signed_sum = 0;

	for (size_t i = 0; i < TAR_BLOCK_SIZE; i++) {
		uint8_t byte = i >= sum_at && i < sum_at + sizeof(header->sum) ? ' ' : bytes[i];
		sum += byte;
		signed_sum += (int8_t)byte;
	}
	return NUMBER(header->sum, &wanted) && (wanted == sum || wanted == signed_sum);
}

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK_SIZE - 1) == 0;
}

/* The name of a header block, with ustar's prefix. */
static void block_name(struct tar *tar, const struct header *header)
{
	char name[sizeof(header->prefix) + 1 + sizeof(header->name)];
	size_t n = 0;

	if (!memcmp(header->magic, "ustar", 6)) {
		bool star = !memcmp(header->tail + 8, "tar", 4);
		n = strnlen(header->prefix, star ? sizeof(header->star.prefix) : sizeof(header->prefix));
		memcpy(name, header->prefix, n);
		if (n)
			name[n++] = '/';
	}
	size_t more = strnlen(header->name, sizeof(header->name));
	memcpy(name + n, header->name, more);
	tar_text_set(&tar->name, name, n + more);
}

/* Forget everything that extension headers said. */
static void reset_extra(struct tar *tar)
{
	struct tar_extra *extra = &tar->extra;
	struct tar_text *texts[] = {
		&extra->path, &extra->link, &extra->long_name, &extra->long_link, &extra->sparse_name, &extra->records,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		texts[i]->set = false;
	extra->has_size = extra->has_uid = extra->has_gid = extra->has_mtime = extra->has_atime = false;
	extra->sparse = extra->has_real_size = extra->has_pending = false;
	extra->sparse_major = extra->sparse_minor = 0;
	tar->n_xattrs = 0;
	tar->n_map = 0;
}

/* Read the data of an extension header, SIZE bytes of at most LIMIT, into TEXT. */
static int read_text(struct tar *tar, struct tar_text *text, int64_t size, size_t limit, struct err *err)
{
	if (size < 0 || (uint64_t)size > limit)
		return tar_bad(tar, err, "an extension header is too long");
	size_t left = (size_t)size, padded = (left + TAR_BLOCK_SIZE - 1) / TAR_BLOCK_SIZE * TAR_BLOCK_SIZE;

	tar_text_set(text, "", 0);
	if (text->room < left + 1) {
		text->text = xrealloc(text->text, left + 1);
		text->room = left + 1;
	}
	while (padded) {
		size_t n = padded < (64 << 10) ? padded : (64 << 10), use = n < left ? n : left;
		const uint8_t *at;
		int status = tar_peek(tar, n, &at, err);
		if (status < 0)
			return status;
		memcpy(text->text + text->size, at, use);
		text->size += use;
		left -= use;
		padded -= n;
		skip(tar, n);
	}
	text->text[text->size] = '\0';
	return 0;
}

static int read_long(struct tar *tar, struct tar_text *text, int64_t size, struct err *err)
{
	int status = read_text(tar, text, size, TAR_NAME_MAX, err);

	if (status == 0)
		text->size = strlen(text->text); /* ends at its NUL */
	return status;
}

/* What is left of the current entry's data. */
static int skip_rest(struct tar *tar, struct err *err)
{
	const uint8_t *at;

	skip(tar, tar->peeked);
	tar->peeked = 0;
	tar->left += tar->padding;
	tar->padding = 0;
	while (tar->left) {
		size_t n = tar->left < (64 << 10) ? (size_t)tar->left : (64 << 10);
		int status = tar_peek(tar, n, &at, err);
		if (status < 0)
			return status;
		skip(tar, n);
		tar->left -= n;
	}
	return 0;
}

/* The map of GNU's old sparse files: four stretches in the header, 21 more in each block behind it. */
static int read_old_sparse(struct tar *tar, const struct header *header, struct err *err)
{
	int64_t offset, size, real_size;
	bool more = header->gnu.more != 0;

	if (memcmp(header->magic, GNU_MAGIC, 8) || !NUMBER(header->gnu.real_size, &real_size) || real_size < 0)
		return tar_bad(tar, err, "a sparse file's header is damaged");
	tar->extra.real_size = (uint64_t)real_size;
	tar->extra.has_real_size = tar->extra.sparse = true;
	tar->n_map = 0;
	for (size_t i = 0; i < 4 && header->gnu.sparse[i].size[0]; i++) {
		if (!NUMBER(header->gnu.sparse[i].offset, &offset) || !NUMBER(header->gnu.sparse[i].size, &size) ||
		    offset < 0 || size < 0)
			return tar_bad(tar, err, "a sparse file's map is damaged");
		if (tar_map_add(tar, (uint64_t)offset, (uint64_t)size, err) < 0)
			return -EINVAL;
	}
	while (more) {
		const uint8_t *at;
		int status = tar_peek(tar, TAR_BLOCK_SIZE, &at, err);
		if (status < 0)
			return status;
		const struct sparse_block *block = (const struct sparse_block *)at;
		more = block->more != 0;
		for (size_t i = 0; i < 21 && block->sparse[i].size[0]; i++) {
			if (!NUMBER(block->sparse[i].offset, &offset) || !NUMBER(block->sparse[i].size, &size) ||
			    offset < 0 || size < 0)
				return tar_bad(tar, err, "a sparse file's map is damaged");
			if (tar_map_add(tar, (uint64_t)offset, (uint64_t)size, err) < 0)
				return -EINVAL;
		}
		skip(tar, TAR_BLOCK_SIZE);
	}
	return 0;
}

static int type_of(const struct tar *tar, char flag, enum tar_type *type)
{
	size_t n = strlen(tar->entry.name);

	switch (flag) {
	case '\0': case '0':
		/* Before ustar a directory was a file whose name ends in a slash. */
		*type = tar->entry.name[n - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
		return 0;
	case '7': case 'S':
		*type = TAR_FILE;
		return 0;
	case '1': *type = TAR_HARD_LINK; return 0;
	case '2': *type = TAR_SYMLINK; return 0;
	case '3': *type = TAR_CHAR; return 0;
	case '4': *type = TAR_BLOCK; return 0;
	case '5': *type = TAR_DIRECTORY; return 0;
	case '6': *type = TAR_FIFO; return 0;
	default:  return -1;
	}
}

/* Times and owner: pax's own record, then the global one, then the block's. */
static int fill_numbers(struct tar *tar, const struct header *header, struct err *err)
{
	struct tar_entry *entry = &tar->entry;
	const struct tar_extra *local = &tar->extra, *global = &tar->global;
	int64_t mode, uid, gid, mtime, atime = 0;

	if (!NUMBER(header->mode, &mode) || !NUMBER(header->uid, &uid) || !NUMBER(header->gid, &gid) ||
	    !NUMBER(header->mtime, &mtime))
		return tar_bad(tar, err, "a number in the header is damaged");
	entry->mode = (mode_t)(mode & 07777);
	entry->uid = local->has_uid ? local->uid : global->has_uid ? global->uid : uid;
	entry->gid = local->has_gid ? local->gid : global->has_gid ? global->gid : gid;
	entry->mtime = local->has_mtime ? local->mtime : global->has_mtime ? global->mtime : (struct timespec){ mtime, 0 };
	entry->atime = entry->mtime;
	if (!memcmp(header->magic, GNU_MAGIC, 8) && NUMBER(header->gnu.atime, &atime) && atime)
		entry->atime = (struct timespec){ atime, 0 };
	if (local->has_atime || global->has_atime)
		entry->atime = local->has_atime ? local->atime : global->atime;
	return 0;
}

static const char *text_or(const struct tar_text *first, const struct tar_text *second, const struct tar_text *third)
{
	return first->set ? first->text : second->set ? second->text : third->text;
}

/* Turn HEADER and what came before it into tar->entry. HEADER is a copy: reading on may move the source. */
static int fill_entry(struct tar *tar, const struct header *header, int64_t size, struct err *err)
{
	struct tar_entry *entry = &tar->entry;
	struct tar_extra *extra = &tar->extra;
	int status;

	block_name(tar, header);
	tar_text_set(&tar->link_text, header->link, strnlen(header->link, sizeof(header->link)));
	entry->name = extra->sparse_name.set ? extra->sparse_name.text : text_or(&extra->path, &extra->long_name, &tar->name);
	entry->link = text_or(&extra->link, &extra->long_link, &tar->link_text);
	if (!*entry->name)
		return tar_bad(tar, err, "an entry without a name");
	if (strlen(entry->name) > TAR_NAME_MAX || strlen(entry->link) > TAR_NAME_MAX)
		return tar_bad(tar, err, "a name is too long");
	if (type_of(tar, header->type, &entry->type) < 0)
		return err_setf(err, 0, "read tar", entry->name, "entries of type '%c' are not supported",
				header->type >= ' ' && header->type <= '~' ? header->type : '?');
	if ((status = fill_numbers(tar, header, err)) < 0)
		return status;
	if (entry->type != TAR_HARD_LINK && entry->type != TAR_SYMLINK)
		entry->link = "";
	entry->xattrs = tar->xattrs;
	entry->n_xattrs = tar->n_xattrs;
	entry->size = 0;
	tar->sparse = false;
	tar->left = 0;
	tar->padding = 0;
	tar->offset = 0;
	tar->at_stretch = 0;
	if (entry->type != TAR_FILE)
		return 0;

	uint64_t stored = extra->has_size ? extra->size : (uint64_t)size;
	tar->left = stored;
	tar->padding = (unsigned int)(-stored & (TAR_BLOCK_SIZE - 1));
	entry->size = stored;
	if (header->type == 'S' && (status = read_old_sparse(tar, header, err)) < 0)
		return status;
	if (extra->sparse_major == 1 && (status = tar_map_read(tar, err)) < 0)
		return status;
	if (extra->sparse) {
		if ((status = tar_map_check(tar, err)) < 0)
			return status;
		entry->size = extra->real_size;
		tar->sparse = true;
	}
	return 0;
}

/* An extension header. Return: 1 when TYPE was one, 0 when it is an entry's, or -errno. */
static int read_extension(struct tar *tar, char type, int64_t size, struct err *err)
{
	int status;

	switch (type) {
	case 'x': case 'X': { /* 'X': Solaris' name for it */
		bool long_name = tar->extra.long_name.set, long_link = tar->extra.long_link.set;
		reset_extra(tar);
		tar->extra.long_name.set = long_name;
		tar->extra.long_link.set = long_link;
		status = read_text(tar, &tar->extra.records, size, TAR_PAX_MAX, err);
		if (status == 0)
			status = tar_pax_parse(tar, false, err);
		break;
	}
	case 'g': {
		struct tar_text records = { 0 }, own = tar->extra.records;
		tar->extra.records = records;
		status = read_text(tar, &tar->extra.records, size, TAR_PAX_MAX, err);
		if (status == 0)
			status = tar_pax_parse(tar, true, err);
		free(tar->extra.records.text);
		tar->extra.records = own;
		break;
	}
	case 'L':
		status = read_long(tar, &tar->extra.long_name, size, err);
		break;
	case 'K':
		status = read_long(tar, &tar->extra.long_link, size, err);
		break;
	case 'V': /* a volume's label: says nothing about files */
		tar->left = (uint64_t)size;
		tar->padding = (unsigned int)(-(uint64_t)size & (TAR_BLOCK_SIZE - 1));
		status = skip_rest(tar, err);
		break;
	default:
		return 0;
	}
	return status < 0 ? status : 1;
}

int tar_next(struct tar *tar, const struct tar_entry **entry, struct err *err)
{
	int status = skip_rest(tar, err);

	if (status < 0)
		return status;
	tar->entry.name = NULL; /* its text is about to be used anew */
	reset_extra(tar);
	for (int extensions = 0;; extensions++) {
		const uint8_t *at;
		ssize_t there = tar->source.peek(tar->source.data, TAR_BLOCK_SIZE, &at, err);
		if (there < 0)
			return (int)there;
		if (there == 0 && extensions == 0)
			return 0;
		if (there < TAR_BLOCK_SIZE)
			return tar_bad(tar, err, "the archive ends too early");
		if (is_zero(at)) {
			skip(tar, TAR_BLOCK_SIZE);
			there = tar->source.peek(tar->source.data, TAR_BLOCK_SIZE, &at, err);
			if (there < 0)
				return (int)there;
			if (extensions || (there >= TAR_BLOCK_SIZE && !is_zero(at)))
				return tar_bad(tar, err, "a block of zeros within the archive");
			return 0;
		}
		struct header header;
		memcpy(&header, at, sizeof(header));
		int64_t size;
		if (!checksum_holds(&header))
			return tar_bad(tar, err, "not a tar header, or its checksum is wrong");
		if (!NUMBER(header.size, &size) || size < 0)
			return tar_bad(tar, err, "a size in the header is damaged");
		if (extensions > EXTENSIONS_MAX)
			return tar_bad(tar, err, "too many extension headers");
		skip(tar, TAR_BLOCK_SIZE);
		status = read_extension(tar, header.type, size, err);
		if (status == 0)
			status = fill_entry(tar, &header, size, err);
		else if (status > 0)
			continue;
		*entry = &tar->entry;
		return status < 0 ? status : 1;
	}
}

int tar_data(struct tar *tar, const uint8_t **at, size_t *size, uint64_t *offset, struct err *err)
{
	skip(tar, tar->peeked);
	tar->peeked = 0;
	if (tar->sparse) {
		while (tar->at_stretch < tar->n_map && tar->offset == tar->map[tar->at_stretch].size) {
			tar->at_stretch++;
			tar->offset = 0;
		}
		if (tar->at_stretch == tar->n_map)
			return 0;
	}
	uint64_t wanted = tar->sparse ? tar->map[tar->at_stretch].size - tar->offset : tar->left;
	if (!wanted)
		return 0;
	/* At least 64 KiB a write where there are so many; all that is there if it is more. */
	ssize_t there = tar->source.peek(tar->source.data, wanted < (64 << 10) ? (size_t)wanted : (64 << 10), at, err);
	if (there < 0)
		return (int)there;
	if (there == 0 || ((uint64_t)there < wanted && there < (64 << 10)))
		return tar_bad(tar, err, "the archive ends too early");
	*size = (uint64_t)there < wanted ? (size_t)there : (size_t)wanted;
	*offset = tar->offset + (tar->sparse ? tar->map[tar->at_stretch].offset : 0);
	tar->offset += *size;
	tar->left -= *size;
	tar->peeked = *size;
	return 1;
}

#define MOVE_LEAST (128 << 10) /* bytes: below, the calls cost more than the copying */

int64_t tar_move(struct tar *tar, int to, struct err *err)
{
	int64_t end = 0;

	if (!tar->source.move || tar->sparse || tar->left < MOVE_LEAST)
		return 0;
	skip(tar, tar->peeked);
	tar->peeked = 0;
	while (tar->left) {
		ssize_t n = tar->source.move(tar->source.data, to, tar->offset, tar->left < (1 << 30) ? (size_t)tar->left : (1 << 30));
		if (n < 0)
			return err_set(err, (int)-n, "unpack", tar->entry.name);
		if (n == 0)
			break;
		tar->left -= (uint64_t)n;
		tar->offset += (uint64_t)n;
		end = (int64_t)tar->offset;
	}
	return end;
}
