#include "orphan.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define LOOK_MS 250
#define LOOKS 4 /* after the last deletion: whoever removes a tree takes the directory soon after what was in it */

static void ready(struct relay_guest *guest)
{
	struct orphan *orphan = (struct orphan *)((char *)guest - offsetof(struct orphan, guest));
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];
	struct stat st;

	while (read(guest->fd, events, sizeof(events)) > 0)
		orphan->looks = LOOKS;
	guest->wake_ms = 0;
	if (fstat(orphan->run_dir_fd, &st) == 0 && st.st_nlink == 0)
		life_end(orphan->life);
	else if (orphan->looks > 0 && orphan->looks--)
		guest->wake_ms = monotonic_ms() + LOOK_MS;
}

void orphan_watch(struct orphan *orphan, int run_dir_fd, struct life *life)
{
	char path[32];

	*orphan = (struct orphan){ .life = life, .run_dir_fd = run_dir_fd, .guest = { .fd = -1, .ready = ready } };
	orphan->guest.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (orphan->guest.fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", run_dir_fd);
	if (inotify_add_watch(orphan->guest.fd, path, IN_DELETE | IN_DELETE_SELF | IN_ATTRIB | IN_ONLYDIR) < 0)
		close_fd(&orphan->guest.fd);
}
