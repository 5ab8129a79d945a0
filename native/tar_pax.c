/*
 * pax records (POSIX.1-2001, "LENGTH KEY=VALUE\n") and the three sparse formats that GNU tar writes with them.
 *
 * Of a global header ('g') only owner and times are taken: git writes nothing but a comment there, other engines ignore it, and one name or size
 * for all the files that follow would be a trick.
 */
#include <errno.h>
#include <string.h>

#include "tar_internal.h"
#include "util.h"

/* A record's value; not NUL-terminated, may hold NULs. */
struct value {
	char *at;
	size_t size;
};

static bool key_is(const char *key, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(key, name, n);
}

static bool key_begins(const char *key, size_t n, const char *prefix)
{
	return n > strlen(prefix) && !memcmp(key, prefix, strlen(prefix));
}

/* "-1.5": seconds and a fraction of any length, cut at nanoseconds. */
static bool parse_time(struct value value, struct timespec *out)
{
	bool negative = value.size && value.at[0] == '-';
	const char *at = value.at + negative, *end = value.at + value.size;
	const char *point = memchr(at, '.', (size_t)(end - at));
	uint64_t seconds;
	long nanoseconds = 0, unit = 100000000;

	if (!tar_decimal(at, (size_t)((point ? point : end) - at), &seconds))
		return false;
	for (const char *digit = point ? point + 1 : end; digit < end; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		nanoseconds += (*digit - '0') * unit;
		unit /= 10;
	}
	*out = (struct timespec){ (int64_t)seconds, nanoseconds };
	if (negative && nanoseconds)
		*out = (struct timespec){ -(int64_t)seconds - 1, 1000000000 - nanoseconds };
	else if (negative)
		out->tv_sec = -(int64_t)seconds;
	return true;
}

static bool parse_id(struct value value, int64_t *out)
{
	uint64_t id;

	if (!tar_decimal(value.at, value.size, &id))
		return false;
	*out = (int64_t)id;
	return true;
}

/* Set a name. An empty value takes an earlier one back, as the standard says. */
static bool parse_name(struct tar_text *text, struct value value)
{
	if (memchr(value.at, '\0', value.size))
		return false;
	tar_text_set(text, value.at, value.size);
	text->set = value.size > 0;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undo %XX in place. Return: the new length. */
static size_t decode_percent(char *text, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '%' && i + 2 < n && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
			text[to++] = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		} else {
			text[to++] = text[i];
		}
	}
	return to;
}

/* Undo base64 in place, with or without its padding. Return: false where it is none. */
static bool decode_base64(struct value *value)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned int count = 0;
	size_t to = 0;

	while (value->size && value->at[value->size - 1] == '=')
		value->size--;
	for (size_t i = 0; i < value->size; i++) {
		const char *digit = value->at[i] ? strchr(digits, value->at[i]) : NULL;
		if (!digit)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			value->at[to++] = (char)(bits >> count);
		}
	}
	value->size = to;
	return true;
}

/* NAME lies in the records with NAME_SIZE bytes and a byte behind it that may be overwritten ('='). */
static bool add_xattr(struct tar *tar, char *name, size_t name_size, struct value value)
{
	if (!name_size || memchr(name, '\0', name_size))
		return false;
	name[name_size] = '\0';
	if (tar->n_xattrs == tar->xattr_room) {
		tar->xattr_room = tar->xattr_room ? 2 * tar->xattr_room : 8;
		tar->xattrs = xrealloc(tar->xattrs, tar->xattr_room * sizeof(*tar->xattrs));
	}
	tar->xattrs[tar->n_xattrs++] = (struct tar_xattr){ name, (const uint8_t *)value.at, value.size };
	return true;
}

/* "OFFSET,SIZE,OFFSET,SIZE": format 0.1. */
static int parse_sparse_map(struct tar *tar, struct value value, struct err *err)
{
	const char *at = value.at, *end = at + value.size;
	uint64_t numbers[2];
	int n = 0;

	tar->n_map = 0;
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t size = (size_t)((comma ? comma : end) - at);
		if (!tar_decimal(at, size, &numbers[n++]))
			return tar_bad(tar, err, "a sparse file's map is damaged");
		at += size + (comma != NULL);
		if (n == 2) {
			if (tar_map_add(tar, numbers[0], numbers[1], err) < 0)
				return -EINVAL;
			n = 0;
		}
	}
	return n ? tar_bad(tar, err, "a sparse file's map is damaged") : 0;
}

/* GNU.sparse.KEY. Return: 0 or -EINVAL with ERR. */
static int parse_sparse(struct tar *tar, const char *key, size_t n, struct value value, struct err *err)
{
	struct tar_extra *extra = &tar->extra;
	uint64_t number = 0;

	if (key_is(key, n, "name"))
		return parse_name(&extra->sparse_name, value) ? 0 : tar_bad(tar, err, "a NUL in a name");
	if (key_is(key, n, "map")) {
		extra->sparse = true;
		return parse_sparse_map(tar, value, err);
	}
	if (!tar_decimal(value.at, value.size, &number))
		return tar_bad(tar, err, "a sparse file's header is damaged");
	if (key_is(key, n, "size") || key_is(key, n, "realsize")) {
		extra->real_size = number;
		extra->has_real_size = true;
	} else if (key_is(key, n, "major")) {
		extra->sparse_major = number > 9 ? 9 : (unsigned int)number;
		extra->sparse = true;
	} else if (key_is(key, n, "minor")) {
		extra->sparse_minor = number > 9 ? 9 : (unsigned int)number;
	} else if (key_is(key, n, "numblocks")) {
		extra->sparse = true;
	} else if (key_is(key, n, "offset")) {
		extra->pending_offset = number;
		extra->has_pending = true;
	} else if (key_is(key, n, "numbytes")) {
		if (!extra->has_pending)
			return tar_bad(tar, err, "a sparse file's map is damaged");
		extra->has_pending = false;
		return tar_map_add(tar, extra->pending_offset, number, err);
	}
	return 0;
}

/* One record. KEY's N bytes are followed by '=', VALUE's by a newline. Keys that are not known say nothing about files. */
static int apply_record(struct tar *tar, bool global, char *key, size_t n, struct value value, struct err *err)
{
	struct tar_extra *extra = global ? &tar->global : &tar->extra;
	bool fine = true, given = value.size > 0;

	if (key_is(key, n, "uid")) {
		extra->has_uid = given;
		fine = !given || parse_id(value, &extra->uid);
	} else if (key_is(key, n, "gid")) {
		extra->has_gid = given;
		fine = !given || parse_id(value, &extra->gid);
	} else if (key_is(key, n, "mtime")) {
		extra->has_mtime = given;
		fine = !given || parse_time(value, &extra->mtime);
	} else if (key_is(key, n, "atime")) {
		extra->has_atime = given;
		fine = !given || parse_time(value, &extra->atime);
	} else if (global) {
		return 0;
	} else if (key_is(key, n, "path")) {
		fine = parse_name(&extra->path, value);
	} else if (key_is(key, n, "linkpath")) {
		fine = parse_name(&extra->link, value);
	} else if (key_is(key, n, "size")) {
		extra->has_size = given;
		fine = !given || tar_decimal(value.at, value.size, &extra->size);
	} else if (key_begins(key, n, "SCHILY.xattr.")) {
		fine = add_xattr(tar, key + 13, n - 13, value);
	} else if (key_begins(key, n, "LIBARCHIVE.xattr.")) {
		/* libarchive writes both; either gives the same attribute. */
		size_t size = decode_percent(key + 17, n - 17);
		fine = decode_base64(&value) && add_xattr(tar, key + 17, size, value);
	} else if (key_begins(key, n, "GNU.sparse.")) {
		return parse_sparse(tar, key + 11, n - 11, value, err);
	}
	return fine ? 0 : tar_bad(tar, err, "a pax record is damaged");
}

int tar_pax_parse(struct tar *tar, bool global, struct err *err)
{
	char *at = tar->extra.records.text, *end = at + tar->extra.records.size;

	while (at < end) {
		char *blank = memchr(at, ' ', end - at < 20 ? (size_t)(end - at) : 20);
		uint64_t length;
		if (!blank || !tar_decimal(at, (size_t)(blank - at), &length) || length > (uint64_t)(end - at) ||
		    at + length <= blank + 1 || at[length - 1] != '\n')
			return tar_bad(tar, err, "a pax record's length is wrong");
		char *key = blank + 1, *last = at + length - 1, *equals = memchr(key, '=', (size_t)(last - key));
		if (!equals || equals == key)
			return tar_bad(tar, err, "a pax record without a key");
		int status = apply_record(tar, global, key, (size_t)(equals - key),
					  (struct value){ equals + 1, (size_t)(last - equals - 1) }, err);
		if (status < 0)
			return status;
		at += length;
	}
	return 0;
}

int tar_map_add(struct tar *tar, uint64_t offset, uint64_t size, struct err *err)
{
	const struct tar_stretch *last = tar->n_map ? &tar->map[tar->n_map - 1] : NULL;

	if (offset > INT64_MAX || size > INT64_MAX - offset || (last && offset < last->offset + last->size))
		return tar_bad(tar, err, "a sparse file's map is out of order");
	if (tar->n_map == TAR_SPARSE_MAX)
		return tar_bad(tar, err, "a sparse file's map is too long");
	if (tar->n_map == tar->map_room) {
		tar->map_room = tar->map_room ? 2 * tar->map_room : 64;
		tar->map = xrealloc(tar->map, tar->map_room * sizeof(*tar->map));
	}
	tar->map[tar->n_map++] = (struct tar_stretch){ offset, size };
	return 0;
}

/* The next number of a map of format 1.0, a line of its own; *BLOCK is the block being read, *USED what is read of it. */
static int map_number(struct tar *tar, uint64_t *out, size_t *used, struct err *err)
{
	char digits[20];
	size_t n = 0;

	for (;;) {
		const uint8_t *at;
		if (*used == TAR_BLOCK_SIZE) {
			tar->source.skip(tar->source.data, TAR_BLOCK_SIZE);
			tar->left -= TAR_BLOCK_SIZE;
			*used = 0;
		}
		if (tar->left < TAR_BLOCK_SIZE)
			return tar_bad(tar, err, "a sparse file's map is damaged");
		int status = tar_peek(tar, TAR_BLOCK_SIZE, &at, err);
		if (status < 0)
			return status;
		while (*used < TAR_BLOCK_SIZE) {
			char c = (char)at[(*used)++];
			if (c == '\n')
				return tar_decimal(digits, n, out) ? 0 : tar_bad(tar, err, "a sparse file's map is damaged");
			if (n == sizeof(digits))
				return tar_bad(tar, err, "a sparse file's map is damaged");
			digits[n++] = c;
		}
	}
}

int tar_map_read(struct tar *tar, struct err *err)
{
	uint64_t count, offset, size;
	size_t used = 0;
	int status = map_number(tar, &count, &used, err);

	if (status < 0)
		return status;
	tar->n_map = 0;
	if (tar->extra.sparse_minor != 0 || count > TAR_SPARSE_MAX)
		return tar_bad(tar, err, "a sparse file's map is of an unknown kind or too long");
	for (uint64_t i = 0; i < count; i++) {
		if ((status = map_number(tar, &offset, &used, err)) < 0 || (status = map_number(tar, &size, &used, err)) < 0 ||
		    (status = tar_map_add(tar, offset, size, err)) < 0)
			return status;
	}
	/* The block that the map ends in is full of zeros behind it. */
	tar->source.skip(tar->source.data, TAR_BLOCK_SIZE);
	tar->left -= TAR_BLOCK_SIZE;
	return 0;
}

int tar_map_check(struct tar *tar, struct err *err)
{
	uint64_t total = 0;
	const struct tar_stretch *last = tar->n_map ? &tar->map[tar->n_map - 1] : NULL;

	if (tar->extra.sparse_major > 1)
		return tar_bad(tar, err, "a sparse file of an unknown kind");
	if (!tar->extra.has_real_size || (last && last->offset + last->size > tar->extra.real_size))
		return tar_bad(tar, err, "a sparse file's map goes beyond its size");
	for (size_t i = 0; i < tar->n_map; i++)
		total += tar->map[i].size; /* no overflow: the stretches lie one behind the other below 2^63 */
	if (total != tar->left)
		return tar_bad(tar, err, "a sparse file's map does not fit its data");
	return 0;
}
