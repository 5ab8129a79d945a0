/*
 * err: what failed, as facts that TypeScript puts into words (native/PROTOCOL.md, FACTS).
 */
#ifndef PROA_ERR_H
#define PROA_ERR_H

#include <stdio.h>

struct err {
	char step[64];     /* what was tried: "mount", "create user namespace" */
	char object[512];  /* what it was tried on; cut at its end when longer */
	char detail[512];  /* further words, or "" */
	int code;          /* errno, 0 where the reason is not a system call's */
	int exit;          /* exit status for the command: 125, 126, 127; 0 means 125 */
};

/*
 * Fill ERR (which may be NULL) from CODE, STEP and OBJECT.
 * Return: -CODE, or -EINVAL when CODE is 0, so that callers can `return err_set(…)`.
 */
int err_set(struct err *err, int code, const char *step, const char *object);

/* As err_set(), with further words in printf's form. */
int err_setf(struct err *err, int code, const char *step, const char *object, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Write ERR as one JSON object (FACTS) to OUT, without a newline. Invalid UTF-8 becomes U+FFFD. */
void err_write_json(const struct err *err, FILE *out);

/* Symbolic name of an errno ("EPERM"), or "" for 0 and unknown numbers. */
const char *err_name(int code);

#endif
