/* lib/sim/scenario_read.h: between the files that read scenarios. */
#pragma once

#include "lib/sim/scenario.h"

struct scenario_reader {
	const struct yaml *y;
	struct problems *p;
	bool running; /* the world is: see scenario_parse */
};

extern const char *const scenario_service_words[WORLD_SERVICES + 1];
extern const char *const scenario_fault_words[FAULT_N + 1];

/* The endpoints that a limit of this service counts when it names none: what the provider counts.
 */
uint64_t scenario_counted(enum world_service s);

/* `5%`, `0.5%` in parts per million. */
bool scenario_share(const struct yaml_node *n, uint32_t *ret_ppm);
/* The readers report what is wrong and leave *ret for what is absent. */
void scenario_read_share(
    struct scenario_reader *r, const struct yaml_node *map, const char *key, uint32_t *ret_ppm);
/* Shares of words[1] and on, together at most 100 %; words[0] takes the rest. */
void scenario_read_shares(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], uint32_t ppm[]);
void scenario_read_uint(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    int64_t min, int64_t max, uint64_t *ret);
void scenario_read_size(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    int64_t max, size_t *ret);
/* Words of a list as bits: words[i] is bit i; those below first are not allowed. */
void scenario_read_mask(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], size_t first, uint64_t *ret);
/* What only this service has: the keys of its map, ended by NULL, and the reader for them. */
const char *const *scenario_own_keys(enum world_service id);
void scenario_read_own(struct scenario_reader *r, const struct yaml_node *map,
    enum world_service id, struct scenario *s);
/* HubSpot, Supabase and n8n (scenario_crm.c). */
void scenario_crm_default(struct scenario *s);
void scenario_crm_read(struct scenario_reader *r, const struct yaml_node *map,
    enum world_service id, struct scenario *s);
/* A copy into a fixed array. */
void scenario_take_text(struct scenario_reader *r, const struct yaml_node *n, const char *text,
    const char *what, char *out, size_t size);
