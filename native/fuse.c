#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "util.h"

#define DEVICE_FD 3 /* in the program */

/* The option string; fuse-overlayfs takes ':' and ',' in names behind a '\'. */
static char *options_of(const struct rootfs *rootfs)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return xstrdup("");
	fputs("lowerdir=", out);
	for (size_t i = 0; i < rootfs->n_lower; i++) {
		if (i > 0)
			fputc(':', out);
		for (const char *c = rootfs->lower[i]; *c; c++) {
			if (*c == ':' || *c == ',' || *c == '\\')
				fputc('\\', out);
			fputc(*c, out);
		}
	}
	fprintf(out, ",upperdir=%s,workdir=%s", rootfs->upper, rootfs->work);
	fclose(out);
	return text;
}

static int become(int userns, int device, int words)
{
	/* EINVAL: we are in it. */
	if ((setns(userns, CLONE_NEWUSER) < 0 && errno != EINVAL) || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
	    dup2(words, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0 || chdir("/") < 0)
		return -1;
	if (device == DEVICE_FD)
		return fcntl(device, F_SETFD, 0);
	return dup2(device, DEVICE_FD);
}

int fuse_start(struct fuse *fuse, const struct rootfs *rootfs, pid_t pid, int device, struct err *err)
{
	autofree char *options = options_of(rootfs), *path = xasprintf("/proc/%d/ns/user", (int)pid);
	char *argv[] = { (char *)rootfs->program, (char *)"-f", (char *)"-o", options, (char *)"/dev/fd/3", NULL };
	autoclose int userns = open(path, O_RDONLY | O_CLOEXEC), words = memfd_create("words", MFD_CLOEXEC);
	int told[2], code = 0;
	pid_t child;

	if (userns < 0 || words < 0 || pipe2(told, O_CLOEXEC) < 0)
		return err_set(err, errno, "start fuse-overlayfs", rootfs->program);
	child = fork();
	if (child == 0) {
		if (become(userns, device, words) >= 0)
			execv(argv[0], argv);
		code = errno;
		write_all(told[1], &code, sizeof(code));
		_exit(127);
	}
	close(told[1]);
	if (child < 0)
		code = errno;
	else if (read_all(told[0], &code, sizeof(code)) < 0)
		code = EIO;
	close(told[0]);
	if (code) {
		if (child > 0)
			waitpid(child, NULL, 0);
		return err_set(err, code, "start fuse-overlayfs", rootfs->program);
	}
	fuse->pid = child;
	fuse->words = steal_fd(&words);
	return 0;
}

void fuse_explain(struct fuse *fuse, struct err *err)
{
	char words[4096], *line;
	ssize_t length;

	if (fuse->pid <= 0 || err->detail[0])
		return;
	length = pread(fuse->words, words, sizeof(words) - 1, 0);
	words[length > 0 ? length : 0] = '\0';
	/* The last line: what comes before are warnings. */
	while (length > 0 && words[length - 1] == '\n')
		words[--length] = '\0';
	line = strrchr(words, '\n');
	snprintf(err->detail, sizeof(err->detail), "%.*s", (int)sizeof(err->detail) - 1, line ? line + 1 : words);
}

void fuse_stop(struct fuse *fuse)
{
	if (fuse->pid <= 0)
		return;
	kill(fuse->pid, SIGKILL);
	while (waitpid(fuse->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fuse->pid = 0;
	close(fuse->words);
}

void fuse_release(struct fuse *fuse)
{
	if (fuse->words >= 0)
		close(fuse->words);
	fuse->words = -1;
}
