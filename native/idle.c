#include "idle.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Unmap the pages of our own program that nobody can have changed: the few that waiting needs come back by themselves. Where
 * each supervisor has an executable of its own (a memfd), they would be most of what it costs.
 */
static int drop_program(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			madvise((void *)start, end - start, MADV_DONTNEED); // NOLINT(performance-no-int-to-ptr)
	}
	return 1; /* the first is the program; a sanitizer build has libraries behind it */
}

void idle_give_back(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_program, NULL);
}
