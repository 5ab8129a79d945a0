/*
 * log: what the container writes, kept line by line. Three forms:
 *
 *     json-file   {"log":"text\n","stream":"stdout","attrs":{"tag":"web"},"time":"2026-01-02T03:04:05.678901234Z"}
 *                 Docker's: one JSON object a line, escaped as Go's encoder does, invalid UTF-8 as U+FFFD. "attrs" only where there are any.
 *     k8s-file    2026-01-02T03:04:05.678901234+00:00 stdout F text
 *                 Kubernetes': the container's bytes as they are, F at the end of a line, P for a part of one.
 *     journald    datagrams to the journal of systemd, in its native protocol
 *
 * A line of more than 16 KiB becomes several records, of which only the last ends the line; so does a last line that the container never
 * ended. A record is written whole or not at all: when the disk is full, or the journal takes nothing, its bytes are counted as
 * lost and the container goes on; how many there are by now is in the file LOSS of the run directory.
 *
 * Rotation: a record that would make the file longer than the limit starts a new file; PATH is the newest, PATH.1 the
 * one before. A rotated file always has a new inode, also where only one file is kept: that is how a reader that follows
 * the log sees it. With COMPRESS a process of its own makes PATH.N.gz of each PATH.N (log_compress.h); it is ended before anything gets
 * another name.
 */
#ifndef PROA_LOG_H
#define PROA_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define LOG_LOSS "log-lost" /* in the run directory: decimal number of the bytes lost in this life, where there are any */

struct log;

enum log_stream { LOG_STDOUT, LOG_STDERR };
enum log_driver { LOG_JSON_FILE, LOG_K8S_FILE, LOG_JOURNALD };

/* `log` of the request of `run`. Strings are borrowed from its JSON until the log is open. */
struct log_options {
	enum log_driver driver;
	const char *path;         /* "" for journald */
	uint64_t max_size;        /* bytes of a file, 0: no rotation */
	unsigned max_files;       /* files kept, PATH counted, at least 1 */
	bool compress;
	bool temporary;           /* it goes with the container: what has been rotated need not be compressed at the end */
	json_t *attributes;       /* object of strings, or NULL: "attrs" */
	json_t *fields;           /* object of strings: what each entry of the journal has */
	const char *socket;       /* of the journal */
	bool non_blocking;        /* the journal is not waited for */
	json_int_t buffer;        /* bytes that wait for it, 0: the system's default */
	const char *run_dir;
};

/* Unpack OBJECT, null for no log: then OUT->PATH is NULL. Return: 0, or -errno with ERR. */
int log_parse(json_t *object, const char *run_dir, struct log_options *out, struct err *err);

/*
 * Open or go on with a log; files are made with mode 0600. A torn record that an earlier writer left at the end is cut off.
 * Return: 0 with *OUT, or -errno with ERR.
 */
int log_open(const struct log_options *options, struct log **out, struct err *err);

/* Add DATA, any bytes; an unended line is kept back (at most 16 KiB) until its end comes. Never fails, see log_close(). */
void log_write(struct log *log, enum log_stream stream, const void *data, size_t len);

/* Give memory back; called when the container is quiet. */
void log_idle(struct log *log);

/*
 * A process that compresses comes and goes. Its pidfd is kept in *FD, -1 while there is none, from here to log_close(); when it is readable the process
 * has ended, and is to be reaped.
 */
void log_watch(struct log *log, int *fd);
void log_reap(struct log *log);

/* Write unended lines, close and free. Return: bytes of the container that could not be written in all this time. */
uint64_t log_close(struct log *log);

#endif
