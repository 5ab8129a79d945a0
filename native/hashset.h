/*
 * hashset: 64-bit keys that were seen, each 8 to 16 bytes of memory.
 */
#ifndef PROA_HASHSET_H
#define PROA_HASHSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty set. */
struct hashset {
	uint64_t *slots;
	size_t n, room; /* room: a power of two, or 0 */
};

void hashset_add(struct hashset *set, uint64_t key);
bool hashset_has(const struct hashset *set, uint64_t key);
void hashset_free(struct hashset *set);

/* A key for NAME in the directory with inode PARENT: the name's FNV-1a hash mixed with it, never 0. */
uint64_t hashset_key(uint64_t parent, const char *name);

#endif
