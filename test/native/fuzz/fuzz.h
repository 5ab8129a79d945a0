/*
 * fuzz: what a target provides. With clang, LLVMFuzzerTestOneInput() is libFuzzer's; with gcc, main.c mutates the seeds by itself.
 */
#ifndef PROA_FUZZ_H
#define PROA_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_SIZE (64 << 10) /* bytes of an input, at most */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write the N-th valid input to OUT, which has room for FUZZ_SIZE bytes. Return: its size, or 0 when there is no N-th. */
size_t fuzz_seed(unsigned int n, uint8_t *out);

#endif
