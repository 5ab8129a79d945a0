/*
 * budget: how often something may happen. A bucket of BURST, refilled at RATE a second; zeroed it is full.
 */
#ifndef PROA_NET_BUDGET_H
#define PROA_NET_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
	int64_t at_ms;  /* when it was last counted; 0: never */
	uint32_t spent; /* of the burst */
};

/* Take one at NOW_MS (monotonic clock). Return: whether there was one. */
static inline bool budget_take(struct budget *budget, int64_t now_ms, uint32_t rate, uint32_t burst)
{
	int64_t back = budget->at_ms ? (now_ms - budget->at_ms) * rate / 1000 : burst;

	if (back > 0) {
		budget->spent = back >= budget->spent ? 0 : budget->spent - (uint32_t)back;
		budget->at_ms = now_ms;
	}
	if (budget->spent >= burst)
		return false;
	budget->spent++;
	return true;
}

#endif
