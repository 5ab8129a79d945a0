/*
 * lazy_data: where the bytes of files come from whose layers are on their way. A layer that has arrived is a directory, and its files are read there.
 * Until then a file is chunks: those that have come lie in a file, with a byte for each in a map of what is there; for others their number goes to
 * whoever fetches them (`proa __lazy`, src/image/lazy-server.ts), through a socket, as 4 bytes, and comes back with an errno, 0 when it is there now.
 * That process may end, and another take its place: what is waited for is asked again. Nothing here waits.
 */
#ifndef PROA_LAZY_DATA_H
#define PROA_LAZY_DATA_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "lazy_index.h"

#define LAZY_FILES 16 /* of layers that have arrived, kept open */

struct lazy_data {
	const struct lazy_index *index;
	const char *socket_path;
	int layers_fd;               /* the directory that layers appear in */
	int data_fd;                 /* chunks that have come */
	const unsigned char *there;  /* a byte for each chunk */
	int *layer_fds;              /* -1: not arrived */
	unsigned char *asked;        /* a bit for each chunk: it was asked for, of the one at the other end now */
	int socket;                  /* -1: nobody is there */
	int64_t tried_ms;            /* when a connection was tried last */
	int64_t alone_ms;            /* since when nobody was found who was looked for; 0: somebody is there, or nobody was looked for */
	int keeper;                  /* who has one started where nobody is there: fetcher.h; -1: nobody */
	struct { uint32_t node; int fd; } files[LAZY_FILES];
	unsigned int next_file;
	unsigned char partial[8];    /* of an answer */
	size_t n_partial;
};

/* Descriptors of the files of the same names, -1 where there is none. */
struct lazy_files {
	int index, data, there;
};

#define LAZY_NO_FILES ((struct lazy_files){ -1, -1, -1 })

/* Open the files of DIRECTORY, all or none. Return: 0, or -errno with ERR. */
int lazy_files_open(struct lazy_files *files, const char *directory, struct err *err);

void lazy_files_close(struct lazy_files *files);

/* Take data and there of FILES, and the layers of LAYERS; the keeper is set by the caller. Return: 0, or -errno with ERR. */
int lazy_data_open(struct lazy_data *data, const struct lazy_index *index, struct lazy_files *files, const char *layers,
	const char *socket_path, struct err *err);

/*
 * Read SIZE bytes of the file NODE at OFFSET, all of which are within it. Return: the bytes read, -EAGAIN when a chunk is missing, which was asked for
 * then and is in *CHUNK, or -errno.
 */
ssize_t lazy_data_read(struct lazy_data *data, uint32_t node, uint64_t offset, void *buf, size_t size, uint32_t *chunk);

/* Take the next answer. Return: 1 with *CHUNK and *CODE, 0 when there is none now, or -errno when the other end is gone. */
int lazy_data_answer(struct lazy_data *data, uint32_t *chunk, int *code);

/* Find the one who fetches, again. Return: whether somebody is there. */
bool lazy_data_connect(struct lazy_data *data);

/* There is need of one, and nobody is there: let the keeper know, as often as one likes. SIGPIPE must be ignored. */
void lazy_data_wake(const struct lazy_data *data);

#endif
