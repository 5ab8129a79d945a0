/*
 * logs: reading back what log.h has written. The verb `logs` prints the logs of containers, also as they grow; it reads files only, so that it costs
 * the container nothing, whether or not anybody takes what it prints.
 *
 * One buffer in, one out, whatever the size of the log. A line is what ends in a newline: the records of a long one are joined, and what
 * stands before it (a name, the time) stands there once.
 */
#ifndef PROA_LOGS_H
#define PROA_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

#define LOGS_NO_TIME INT64_MIN

/* What a line of a log file says. Strings point into the line. */
struct logs_record {
	enum log_stream stream;
	const char *time;         /* RFC 3339, see logs_time() */
	size_t time_len;
	const char *text;         /* as it stands in the file: of json-file with its escapes */
	size_t text_len;
	bool is_escaped, ends;    /* ends: the text, decoded, ends in a newline; k8s-file's TEXT lacks it */
	const char *attributes;   /* JSON, or NULL */
	size_t attributes_len;
};

/* Read LINE, without its newline. Return: false where it is torn, or something else. */
bool logs_parse(enum log_driver driver, const char *line, size_t len, struct logs_record *out);

/*
 * The record of a line that holds a torn one and, behind it, a whole one: where it begins. NULL where there is none. No text can hold the bytes that a record
 * of json-file begins with.
 */
const char *logs_resume(enum log_driver driver, const char *line, size_t len);

/* Write what TEXT of json-file stands for, at most LEN bytes. Return: the end. */
char *logs_decode(char *out, const char *text, size_t len);

/* Nanoseconds since the epoch of a time in RFC 3339, or LOGS_NO_TIME. */
int64_t logs_time(const char *text, size_t len);

#endif
