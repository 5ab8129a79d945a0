#include "hangup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

#define FILE_LIMIT 8192 /* bytes of a file of /proc that is read here */

/* The number behind KEY ("Pid:") in the file PATH, in BASE. Return: true with *OUT. */
static bool number_in(const char *path, const char *key, int base, uint64_t *out)
{
	autofree char *text = NULL;
	const char *at;

	if (read_file_at(AT_FDCWD, path, &text, FILE_LIMIT) < 0)
		return false;
	at = strstr(text, key);
	if (at)
		*out = strtoull(at + strlen(key), NULL, base);
	return at != NULL;
}

void hangup_end(int pidfd)
{
	uint64_t pid, ignored, caught;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (!number_in(path, "\nPid:", 10, &pid))
		return;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (number_in(path, "\nSigIgn:", 16, &ignored) && number_in(path, "\nSigCgt:", 16, &caught) &&
	    !((ignored | caught) & (UINT64_C(1) << (SIGHUP - 1))))
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}
