/*
 * log_internal: between log.c (lines and records), log_file.c (files and their rotation) and log_journald.c.
 */
#ifndef PROA_LOG_INTERNAL_H
#define PROA_LOG_INTERNAL_H

#include <sys/types.h>

#include "log.h"

#define PIECE_BYTES 16384                             /* of the container, in one record; as Docker's copier */
#define ATTRIBUTES_BYTES 24576                        /* of "attrs" at most, so that two records fit a batch */
#define RECORD_BYTES (PIECE_BYTES * 6 + 128 + ATTRIBUTES_BYTES) /* \uXXXX for each byte, and the frame around them */
#define BATCH_BYTES (256 << 10)                       /* records written by one write(2), at least two of them */
#define BATCH_RECORDS 512

struct log_file {
	char *path;
	uint64_t max_size, size, lost;
	unsigned max_files;
	bool compress, temporary;
	int fd;                                       /* -1 while no file can be opened */
	int compressor_fd, *watched;                  /* pidfd, or -1, and where it is to be known; the latter may be NULL */
	pid_t compressor;
	char *batch;                                  /* mapped, BATCH_BYTES */
	size_t batch_len, records;
	uint16_t payload[BATCH_RECORDS];              /* bytes of the container in each record of the batch, less one */
};

/* One piece of a line, with its newline where it ENDS it. */
struct log_record {
	enum log_stream stream;
	const unsigned char *data;
	size_t len;
	bool ends;
	bool more;                                    /* another piece of the same line came before */
};

int log_file_open(struct log_file *file, const struct log_options *options, struct err *err);

/* Where a record of up to RECORD_BYTES can be written; log_file_add() takes it over: RECORD bytes that hold PAYLOAD of the container. */
char *log_file_room(struct log_file *file);
void log_file_add(struct log_file *file, size_t record, size_t payload);

/* Write what has been added. */
void log_file_flush(struct log_file *file);

void log_file_idle(struct log_file *file);
void log_file_watch(struct log_file *file, int *fd);
void log_file_reap(struct log_file *file);
void log_file_close(struct log_file *file);

struct log_journal;

int log_journal_open(const struct log_options *options, struct log_journal **out, struct err *err);

/* Return: false when the journal did not take it. */
bool log_journal_add(struct log_journal *journal, const struct log_record *record);

void log_journal_close(struct log_journal *journal);

#endif
