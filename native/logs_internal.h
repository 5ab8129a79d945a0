/*
 * logs_internal: between logs.c (the verb, and following), logs_files.c (the files of a log), logs_sink.c (what is printed) and
 * logs_journal.c (the journal of systemd).
 */
#ifndef PROA_LOGS_INTERNAL_H
#define PROA_LOGS_INTERNAL_H

#include <jansson.h>
#include <sys/types.h>

#include "logs.h"

#define LOGS_BUFFER_BYTES (1 << 20) /* read at once; a longer line is none of ours */

/* What is printed, and how. */
struct logs_sink {
	bool timestamps, details, multiplexed;
	bool wanted[2];           /* streams */
	int64_t since, until;     /* nanoseconds; INT64_MIN and INT64_MAX: no bound */
	char *out;                /* mapped */
	size_t len;
	enum log_stream stream;   /* of what is in OUT */
	int error;                /* errno of a write that failed */
	int64_t second;           /* the one whose text is in TIME */
	char time[24];
	char *attributes, *shown; /* the last ones, and how they are shown */
	size_t attributes_len;
};

struct logs_source {
	enum log_driver driver;
	const char *path, *run_dir, *prefix;
	unsigned max_files;
	const char *journalctl, *id;  /* of journald: the program, and the container */
	int fd;                   /* the newest file, or the program's output; -1: there is none yet */
	uint64_t inode;
	off_t position;           /* behind the last whole line that was read */
	bool inside[2];           /* of a line, of each stream */
	bool ended;
	pid_t pid;                /* of journalctl, or 0 */
	uint64_t skip;            /* lines that are still to be passed over */
	off_t only_before;        /* up to here only records of ONLY: parts of a line that ends behind it */
	enum log_stream only;
	char *rest;               /* of journalctl's output: a line that is not whole yet */
	size_t rest_len;
};

bool logs_sink_open(struct logs_sink *sink);
void logs_sink_close(struct logs_sink *sink);

/* Would it be printed? */
bool logs_sink_wants(const struct logs_sink *sink, const struct logs_record *record);

/* Print it, if it is wanted. */
void logs_sink_add(struct logs_sink *sink, struct logs_source *source, const struct logs_record *record);

/* Hand over what has been printed so far. */
void logs_sink_flush(struct logs_sink *sink);

/* Print what there is now, its last TAIL lines (negative: all); BUFFER has LOGS_BUFFER_BYTES. Return: 0, or -errno with ERR. */
int logs_files_print(struct logs_source *source, struct logs_sink *sink, int64_t tail, char *buffer, struct err *err);

/* Print what has come since then, through any number of rotations. */
void logs_files_go_on(struct logs_source *source, struct logs_sink *sink, char *buffer);

/* The same from the journal: begin, with FOLLOW to go on for ever; then read what there is at source->fd. Return: 0, or -errno with ERR. */
int logs_journal_start(struct logs_source *source, struct logs_sink *sink, int64_t tail, bool follow, struct err *err);

/* Return: false at the end. */
bool logs_journal_read(struct logs_source *source, struct logs_sink *sink);
void logs_journal_stop(struct logs_source *source);

#endif
