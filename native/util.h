/*
 * util: descriptors, memory and strings. Nothing here knows what a container is.
 */
#ifndef PROA_UTIL_H
#define PROA_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static inline void autoclose_cleanup(int *fd) { if (*fd >= 0) close(*fd); }
static inline void autofree_cleanup(void *p) { free(*(void **)p); }
static inline void autofclose_cleanup(FILE **f) { if (*f) fclose(*f); }
#define autoclose __attribute__((cleanup(autoclose_cleanup)))
#define autofree __attribute__((cleanup(autofree_cleanup)))
#define autofclose __attribute__((cleanup(autofclose_cleanup)))

/* Hand a descriptor over: the variable becomes -1 and its cleanup does nothing. */
static inline int steal_fd(int *fd) { int taken = *fd; *fd = -1; return taken; }

/* Close it if it is open; the variable becomes -1. */
static inline void close_fd(int *fd) { autoclose_cleanup(fd); *fd = -1; }

/* Switch on an option of a socket. Return: 0 or -errno. */
int socket_on(int fd, int level, int option);

/* Write all of BUF, again after EINTR. Return: 0 or -errno. */
int write_all(int fd, const void *buf, size_t len);

/* Read up to LEN bytes until end of file. Return: bytes read, or -errno. */
ssize_t read_all(int fd, void *buf, size_t len);

/* Read a whole file of at most LIMIT bytes into a fresh NUL-terminated buffer. Return: length, or -errno (-EFBIG). */
ssize_t read_file_at(int dirfd, const char *path, char **out, size_t limit);

/* As read_file_at(), from an open descriptor at its position. */
ssize_t read_fd(int fd, char **out, size_t limit);

/* Write TEXT to PATH through a temporary name in the same directory and rename(2); fsync when SYNC. Return: 0 or -errno. */
int write_file_atomically(int dirfd, const char *name, const char *text, size_t len, bool sync);

/* malloc family that aborts when memory is gone: nothing useful can be done then. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Milliseconds of the wall clock since the epoch. */
int64_t now_ms(void);

/* Milliseconds of the monotonic clock. */
int64_t monotonic_ms(void);

#endif
