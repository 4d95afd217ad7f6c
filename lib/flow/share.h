/*
 * lib/flow/share.h: fair shares of one service between runs: deficit round robin.
 *
 * Strict priority first (lower number goes first), then turns in proportion to
 * the weights among those that have work. A run without work collects no credit. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct share_member {
	uint32_t id;       /* run number */
	uint8_t priority;  /* 0 first */
	uint32_t weight;   /* 1 to 1,000,000; more counts as that */
	bool ready;        /* has work that could be granted now; set by the caller */
	int64_t deficit;   /* owned by share_* */
};

struct share {
	struct share_member *members; /* in order of id */
	size_t n, cap;
	size_t turn;                  /* whose turn it is */
};

void share_fini(struct share *s);
/* Adds or finds; NULL when out of memory. The pointer is good until the next add or remove. */
struct share_member *share_member(struct share *s, uint32_t id);
void share_remove(struct share *s, uint32_t id);
/* Whose turn it is among the ready ones, NULL when none is ready. */
struct share_member *share_next(struct share *s);
/* The member was granted `cost` (1 for a call; more than 1,000,000 counts as that). Looking with share_next is free: turns move on only here. */
void share_charge(struct share *s, struct share_member *m, uint32_t cost);
