#include "tty.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

int tty_raw(int fd, struct termios *saved)
{
	struct termios raw;

	if (tcgetattr(fd, saved) < 0)
		return -errno;
	raw = *saved;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* In the background this stops us by SIGTTOU until the user brings us back, as it should. */
	while (tcsetattr(fd, TCSANOW, &raw) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void tty_restore(int fd, const struct termios *saved)
{
	sigset_t stop, old;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stop, &old);
	tcsetattr(fd, TCSANOW, saved);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

int tty_size(int fd, int *rows, int *columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0)
		return -errno;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return 0;
}

size_t detach_scan(struct detach_scan *scan, const unsigned char *in, size_t len, unsigned char *out, bool *found)
{
	size_t n = 0;

	*found = false;
	if (scan->count == 0) {
		memcpy(out, in, len);
		return len;
	}
	for (size_t i = 0; i < len; i++) {
		/* Let go of as little as possible: the end of what matched may be the start of the sequence again. */
		while (scan->matched > 0 && in[i] != scan->keys[scan->matched]) {
			size_t kept = scan->matched - 1;
			while (kept > 0 && memcmp(scan->keys, scan->keys + (scan->matched - kept), kept) != 0)
				kept--;
			memcpy(out + n, scan->keys, scan->matched - kept);
			n += scan->matched - kept;
			scan->matched = kept;
		}
		if (in[i] != scan->keys[scan->matched]) {
			out[n++] = in[i];
			continue;
		}
		if (++scan->matched == scan->count) {
			scan->matched = 0;
			*found = true;
			return n;
		}
	}
	return n;
}

size_t detach_scan_end(struct detach_scan *scan, unsigned char *out)
{
	size_t n = scan->matched;

	memcpy(out, scan->keys, n);
	scan->matched = 0;
	return n;
}
