#include "idle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEGMENTS 4 /* that nobody can have changed; GNU ld makes three */

struct segment {
	uintptr_t start;
	size_t bytes;
};

static struct segment segments[SEGMENTS];
static size_t n_segments;

static int find_segments(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum && n_segments < SEGMENTS; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + header->p_vaddr) & ~(page - 1);
		uintptr_t end = info->dlpi_addr + header->p_vaddr + header->p_memsz;

		if (header->p_type == PT_LOAD && !(header->p_flags & PF_W))
			segments[n_segments++] = (struct segment){ start, end - start };
	}
	return 1; /* the first is the program; a sanitizer build has libraries behind it */
}

/*
 * Most of what a waiting process costs are the pages of its program: where each supervisor has an executable of its own (a
 * memfd), it alone pays for them. The kernel maps 64 KiB around each one that is touched, so nothing is called from when they
 * are unmapped until the wait is over but this function and syscall(): with the loop's own functions and libc's it was three
 * times as much.
 */
static __attribute__((noinline)) int unmap_and_poll(struct pollfd *fds, nfds_t n, const struct timespec *timeout)
{
	for (size_t i = 0; i < n_segments; i++)
		syscall(SYS_madvise, segments[i].start, segments[i].bytes, MADV_DONTNEED);
	return (int)syscall(SYS_ppoll, fds, n, timeout, NULL, 0);
}

int idle_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	malloc_trim(0);
	if (n_segments == 0)
		dl_iterate_phdr(find_segments, NULL);
	return unmap_and_poll(fds, n, timeout_ms < 0 ? NULL : &timeout);
}
