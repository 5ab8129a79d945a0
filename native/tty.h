/*
 * tty: the user's terminal: raw mode and back, its size, and the detach keys among what is typed.
 */
#ifndef PROA_TTY_H
#define PROA_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#define DETACH_KEYS_LIMIT 64 /* bytes of the longest detach sequence */

/* Put the terminal FD into raw mode and keep in SAVED how it was. Return: 0 or -errno (-ENOTTY: not a terminal). */
int tty_raw(int fd, struct termios *saved);

/* Put it back. Never stops the process, also when it is in the background by now. */
void tty_restore(int fd, const struct termios *saved);

/* The size of terminal FD. Return: 0 or -errno. */
int tty_size(int fd, int *rows, int *columns);

/* Looks for the detach sequence in a stream of bytes. */
struct detach_scan {
	unsigned char keys[DETACH_KEYS_LIMIT];
	size_t count;   /* bytes of the sequence, 0 for none */
	size_t matched; /* of them seen, and kept back */
};

/*
 * Pass LEN bytes through: OUT gets those that cannot belong to the sequence any more, in their order; it has room for LEN +
 * DETACH_KEYS_LIMIT. Return: bytes in OUT; *FOUND when the sequence is complete, what follows it is dropped.
 */
size_t detach_scan(struct detach_scan *scan, const unsigned char *in, size_t len, unsigned char *out, bool *found);

/* What is kept back at the end of input, to OUT. Return: its length. */
size_t detach_scan_end(struct detach_scan *scan, unsigned char *out);

#endif
