/*
 * main [SECONDS [RANDOM_SEED]] | main FILE...: run a target on mutations of its seeds for some time, or on files. The input that
 * is being tried lies in ./fuzz-last, so that a crash can be repeated.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define SEEDS 200

static uint64_t state;

static uint64_t next(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? state % below : state;
}

static size_t mutate(uint8_t *data, size_t size)
{
	static const char *const words[] = { "0", "9999999999999999999", "-1", "\xff\xff\xff\xff", "\x80", "../", "/", "x", "g", "L",
		"S", "size=", "GNU.sparse.map=", "\n", "1 " };

	for (uint64_t times = 1 + next(6); times; times--) {
		size_t at = size ? next(size) : 0, n = 1 + next(16);
		if (at + n > size)
			n = size - at;
		switch (next(8)) {
		case 0:
			if (size)
				data[at] ^= (uint8_t)(1 << next(8));
			break;
		case 1:
			if (size)
				data[at] = (uint8_t)next(256);
			break;
		case 2: /* take away */
			memmove(data + at, data + at + n, size - at - n);
			size -= n;
			break;
		case 3: /* put in again */
			if (size + n < FUZZ_SIZE) {
				memmove(data + at + n, data + at, size - at);
				size += n;
			}
			break;
		case 4:
			size = at;
			break;
		case 5: {
			const char *word = words[next(sizeof(words) / sizeof(*words))];
			if (at + strlen(word) < size)
				memcpy(data + at, word, strlen(word));
			break;
		}
		case 6:
			memset(data + at, (int)next(256), n);
			break;
		default:
			if (size > n)
				memmove(data + at, data + next(size - n), n);
		}
	}
	return size;
}

static int run_files(int argc, char **argv)
{
	static uint8_t data[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "rb");
		if (!in) {
			perror(argv[i]);
			return 1;
		}
		size_t size = fread(data, 1, sizeof(data), in);
		fclose(in);
		LLVMFuzzerTestOneInput(data, size);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && (argv[1][0] < '0' || argv[1][0] > '9'))
		return run_files(argc, argv);
	int seconds = argc > 1 ? atoi(argv[1]) : 10;
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761u | 1;
	printf("%s: %d s, seed %llu\n", argv[0], seconds, (unsigned long long)state);

	/* Shared, so that it outlives a crash without a write(2) for each input. */
	int fd = open("fuzz-last", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, FUZZ_SIZE + 8) < 0)
		return 1;
	uint8_t *last = mmap(NULL, FUZZ_SIZE + 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	static uint8_t data[FUZZ_SIZE + 16];
	unsigned long runs = 0;
	unsigned int seeds = 0;
	static uint8_t *seed[SEEDS];
	static size_t seed_size[SEEDS];
	while (seeds < SEEDS && (seed_size[seeds] = fuzz_seed(seeds, data))) {
		seed[seeds] = malloc(seed_size[seeds]);
		memcpy(seed[seeds], data, seed_size[seeds]);
		seeds++;
	}
	for (time_t end = time(NULL) + seconds; time(NULL) < end; runs++) {
		size_t which = (size_t)next(seeds), size = seed_size[which];
		memcpy(data, seed[which], size);
		if (runs % 64) /* now and then a whole one */
			size = mutate(data, size);
		memcpy(last, data, size);
		memcpy(last + FUZZ_SIZE, &size, sizeof(size));
		uint8_t *exact = malloc(size ? size : 1); /* of just this size: a read beyond it is seen */
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	printf("%lu runs, %u seeds\n", runs, seeds);
	for (unsigned int i = 0; i < seeds; i++)
		free(seed[i]);
	unlink("fuzz-last");
	return 0;
}
