/*
 * log: what the container writes, kept in Docker's json-file format: one JSON object a line,
 *
 *     {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}
 *
 * escaped as Go's encoder does, with invalid UTF-8 as U+FFFD. A line of more than 16 KiB becomes several records, of which
 * only the last ends in "\n"; so does a last line that the container never ended. A record is written whole or not at
 * all: when the disk is full its bytes are counted as lost and the container goes on.
 *
 * Rotation: a record that would make the file longer than the limit starts a new file; PATH is the newest, PATH.1 the
 * one before. A rotated file always has a new inode, also where only one file is kept: that is how a reader that follows
 * the log sees it.
 */
#ifndef PROA_LOG_H
#define PROA_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct log;

enum log_stream { LOG_STDOUT, LOG_STDERR };

/*
 * Open or go on with the log at PATH (mode 0600). MAX_SIZE: bytes of a file, 0 for no rotation. MAX_FILES: files kept, PATH
 * counted, at least 1. A torn record that an earlier writer left at the end is cut off.
 * Return: 0 with *OUT, or -errno with ERR.
 */
int log_open(const char *path, uint64_t max_size, unsigned max_files, struct log **out, struct err *err);

/* Add DATA, any bytes; an unended line is kept back (at most 16 KiB) until its end comes. Never fails, see log_close(). */
void log_write(struct log *log, enum log_stream stream, const void *data, size_t len);

/* Give memory back; called when the container is quiet. */
void log_idle(struct log *log);

/* Write unended lines, close and free. Return: bytes of the container that could not be written in all this time. */
uint64_t log_close(struct log *log);

#endif
