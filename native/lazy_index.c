#include "lazy_index.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MAGIC "PROALAZ1"

struct header {
	char magic[8];
	uint32_t n_nodes, n_names, n_chunks, n_layers;
	uint32_t nodes, names, chunks, layers, bytes, n_bytes; /* where they begin */
	uint64_t data_size, reserved;
};

_Static_assert(sizeof(struct header) == 64 && sizeof(struct lazy_node) == 80 && sizeof(struct lazy_name) == 16 &&
	       sizeof(struct lazy_chunk) == 24 && sizeof(struct lazy_layer) == 8, "as src/image/_lazy-index.ts writes them");

/* The table of COUNT records of SIZE bytes at OFFSET; NULL where it is not within the file. */
static const void *table(const struct lazy_index *index, uint32_t offset, uint32_t count, size_t size)
{
	if (offset % 8 || offset > index->size || count > (index->size - offset) / size)
		return NULL;
	return index->map + offset;
}

int lazy_index_open(int fd, struct lazy_index *index, struct err *err)
{
	const struct header *header;
	struct stat st;
	void *map;

	*index = (struct lazy_index){ 0 };
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "read table of contents", "");
	if (st.st_size < (off_t)sizeof(*header))
		return err_setf(err, EINVAL, "read table of contents", "", "too short");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "read table of contents", "");
	index->map = map;
	index->size = (size_t)st.st_size;
	header = map;
	index->n_nodes = header->n_nodes;
	index->n_names = header->n_names;
	index->n_chunks = header->n_chunks;
	index->n_layers = header->n_layers;
	index->n_bytes = header->n_bytes;
	index->nodes = table(index, header->nodes, header->n_nodes, sizeof(*index->nodes));
	index->names = table(index, header->names, header->n_names, sizeof(*index->names));
	index->chunks = table(index, header->chunks, header->n_chunks, sizeof(*index->chunks));
	index->layers = table(index, header->layers, header->n_layers, sizeof(*index->layers));
	index->bytes = table(index, header->bytes, header->n_bytes, 1);
	if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 || index->n_nodes == 0 || !index->nodes || !index->names ||
	    !index->chunks || !index->layers || !index->bytes)
		return err_setf(err, EINVAL, "read table of contents", "", "damaged");
	return 0;
}

const char *lazy_index_text(const struct lazy_index *index, uint32_t text, uint32_t length)
{
	return text > index->n_bytes || length > index->n_bytes - text ? NULL : index->bytes + text;
}

const struct lazy_name *lazy_index_names(const struct lazy_index *index, const struct lazy_node *node, uint32_t *count)
{
	*count = node->count;
	if (S_ISDIR(node->mode) && node->count > 0 && node->first < index->n_names && node->count <= index->n_names - node->first)
		return index->names + node->first;
	*count = 0;
	return NULL;
}

const struct lazy_chunk *lazy_index_chunks(const struct lazy_index *index, const struct lazy_node *node, uint32_t *count)
{
	*count = node->count;
	if (S_ISREG(node->mode) && node->count > 0 && node->first < index->n_chunks && node->count <= index->n_chunks - node->first)
		return index->chunks + node->first;
	*count = 0;
	return NULL;
}

static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int r = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return r ? r : a_length < b_length ? -1 : a_length > b_length;
}

uint32_t lazy_index_find(const struct lazy_index *index, const struct lazy_node *directory, const char *name, size_t length)
{
	uint32_t low = 0, high;
	const struct lazy_name *names = lazy_index_names(index, directory, &high);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const char *text = lazy_index_text(index, names[middle].text, names[middle].length);
		int order = text ? compare(name, length, text, names[middle].length) : 0;

		if (!text)
			return LAZY_NONE;
		if (order == 0)
			return names[middle].node < index->n_nodes ? names[middle].node : LAZY_NONE;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return LAZY_NONE;
}

/* The next attribute at *AT of a node's block, which ends at END: two lengths of 16 bits, the name, the value. Return: whether there is one. */
static bool next_xattr(const char **at, const char *end, const char **name, uint16_t *name_length, const char **value, uint16_t *value_length)
{
	if (end - *at < 4)
		return false;
	memcpy(name_length, *at, 2);
	memcpy(value_length, *at + 2, 2);
	if (end - *at - 4 < *name_length + *value_length)
		return false;
	*name = *at + 4;
	*value = *name + *name_length;
	*at = *value + *value_length;
	return true;
}

const char *lazy_index_xattr(const struct lazy_index *index, const struct lazy_node *node, const char *name, size_t *size)
{
	const char *at = lazy_index_text(index, node->xattrs, node->xattrs_length), *end, *each, *value;
	uint16_t name_length, value_length;
	size_t length = strlen(name);

	if (!at)
		return NULL;
	end = at + node->xattrs_length;
	while (next_xattr(&at, end, &each, &name_length, &value, &value_length))
		if (name_length == length && memcmp(each, name, length) == 0) {
			*size = value_length;
			return value;
		}
	return NULL;
}

size_t lazy_index_xattrs(const struct lazy_index *index, const struct lazy_node *node, char *buf, size_t room)
{
	const char *at = lazy_index_text(index, node->xattrs, node->xattrs_length), *end, *name, *value;
	uint16_t name_length, value_length;
	size_t used = 0;

	if (!at)
		return 0;
	end = at + node->xattrs_length;
	while (next_xattr(&at, end, &name, &name_length, &value, &value_length)) {
		if (used + name_length + 1 <= room) {
			memcpy(buf + used, name, name_length);
			buf[used + name_length] = '\0';
		}
		used += (size_t)name_length + 1;
	}
	return used;
}
