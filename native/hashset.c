#include "hashset.h"

#include <string.h>

#include "util.h"

static size_t slot_of(const struct hashset *set, uint64_t key)
{
	size_t at = (size_t)(key ^ key >> 32) & (set->room - 1);

	while (set->slots[at] && set->slots[at] != key)
		at = (at + 1) & (set->room - 1);
	return at;
}

static void grow(struct hashset *set)
{
	struct hashset bigger = { NULL, set->n, set->room ? 2 * set->room : 1024 };

	bigger.slots = xcalloc(bigger.room, sizeof(*bigger.slots));
	for (size_t i = 0; i < set->room; i++)
		if (set->slots[i])
			bigger.slots[slot_of(&bigger, set->slots[i])] = set->slots[i];
	free(set->slots);
	*set = bigger;
}

void hashset_add(struct hashset *set, uint64_t key)
{
	if (set->n + 1 > set->room / 2)
		grow(set);
	size_t at = slot_of(set, key);
	if (!set->slots[at]) {
		set->slots[at] = key;
		set->n++;
	}
}

bool hashset_has(const struct hashset *set, uint64_t key)
{
	return set->room && set->slots[slot_of(set, key)];
}

void hashset_free(struct hashset *set)
{
	free(set->slots);
	memset(set, 0, sizeof(*set));
}

uint64_t hashset_key(uint64_t parent, const char *name)
{
	uint64_t key = 14695981039346656037u ^ parent;

	for (; *name; name++)
		key = (key ^ (unsigned char)*name) * 1099511628211u;
	key ^= key >> 29;
	key = (key + parent) * 0x9e3779b97f4a7c15u;
	return key ? key : 1;
}
