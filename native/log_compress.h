/*
 * log_compress: rotated log files in gzip's format. Each becomes PATH.N.gz by one rename, and PATH.N goes then; where both are there, the
 * compressed one is whole and counts. A file is a chain of members, each of at most LOG_MEMBER_BYTES of the log, so that neither side
 * holds more in memory; any gunzip reads it. Each member's extra field "PR" names the inode that the log had: a reader that follows tells by it
 * how far it has come.
 */
#ifndef PROA_LOG_COMPRESS_H
#define PROA_LOG_COMPRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOG_MEMBER_BYTES (1 << 20)
#define LOG_UNFINISHED ".gz-new" /* behind PATH: what is being made */

/* Is there a PATH.N, 0 < N < FILES, that is not compressed? */
bool log_compress_wanted(const char *path, unsigned files);

/*
 * Start a process that compresses every such file and ends; it dies with the caller. Nothing may be renamed while it runs.
 * Return: its pidfd, with *PID for the caller to reap, or -1: then the files stay as they are.
 */
int log_compress_start(const char *path, unsigned files, pid_t *pid);

/* Reads a compressed log, member by member. */
struct log_member_reader;

/* Read FD, which stays the caller's. Return: NULL with errno where it cannot be read. */
struct log_member_reader *log_members_open(int fd);

/* The next part of the log, at most LOG_MEMBER_BYTES. Return: bytes at *DATA, good until the next call; 0 at the end, and where it is damaged. */
size_t log_members_next(struct log_member_reader *reader, const char **data);

/* The log's inode before it was compressed; 0 where it is not told. */
uint64_t log_members_inode(const struct log_member_reader *reader);

void log_members_close(struct log_member_reader *reader);

#endif
