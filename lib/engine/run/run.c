/* Runs at work: what memory has of them, their counters, and their end. Their queue is in run_queue.c, what ties it to services in run_bind.c. */
#include "lib/engine/run/run.h"

#include "lib/base/json_list.h"
#include "lib/engine/call/busy.h"
#include "lib/engine/call/lane.h"
#include "lib/engine/item/intake.h"
#include "lib/engine/state.h"

#include <stdio.h>

struct run *run_get(struct engine *e, uint32_t id)
{
	struct run *r = NULL;

	HASH_FIND(hh, e->runs, &id, sizeof(id), r);
	return r;
}

void run_touch(struct run *r)
{
	r->dirty = true;
	r->changed = true;
}

bool run_is_over(const struct run *r)
{
	return r->row.state == RUN_CANCELLED || r->row.state == RUN_FAILED;
}

struct stage_count *run_count(struct run *r, uint8_t stage)
{
	return &r->row.stages[stage < r->row.n_stages ? stage : 0].count;
}

const struct stage *run_stage(const struct run *r, uint8_t stage)
{
	if (r->pipeline == NULL || stage >= r->row.n_stages || r->stage_of[stage] < 0) {
		return NULL;
	}
	return &r->pipeline->stages[r->stage_of[stage]];
}

const char *run_org_name(const char *organisation, char out[RUN_TEXT])
{
	(void)snprintf(out, RUN_TEXT, "@%s", organisation);
	return out;
}

uint64_t *run_outcomes(struct run *r, enum item_level level)
{
	return level == LEVEL_LEAD ? r->row.outcomes : level == LEVEL_COMPANY ? r->row.companies : r->root_outcomes;
}

bool run_has_open(const struct run *r)
{
	uint64_t waits = 0;

	for (size_t s = 0; s < r->row.n_stages; s++) {
		const struct stage_count *c = &r->row.stages[s].count;

		waits += c->waiting + c->retrying + c->held; /* the run's own item is in no other count */
	}
	return waits > 0 || r->row.outcomes[ITEM_OPEN] + r->row.companies[ITEM_OPEN] > 0;
}

static bool read_columns(const struct buf *kept, struct columns *ret)
{
	return kept->len > 0 && columns_read(kept->data, kept->len, ret) == 0;
}

/* Its params, taken apart once. */
static void read_params(struct run *r)
{
	struct json_list members;
	struct value name, value;

	if (r->row.params.len == 0 || !json_members_open(&members, r->row.params.data, r->row.params.len)) {
		return;
	}
	r->params = arena_zalloc(&r->arena, RUN_PARAMS * sizeof(*r->params));
	while (r->params != NULL && r->n_params < RUN_PARAMS && json_members_next(&members, &r->arena, &name, &value)) {
		r->params[r->n_params++] = (struct run_param){name, value};
	}
}

void run_open_row(struct run *r, const struct run_row *row)
{
	r->row = *row;
	r->id = row->id;
	r->has_columns[LEVEL_LEAD] = read_columns(&row->columns, &r->columns[LEVEL_LEAD]);
	r->has_columns[LEVEL_COMPANY] = read_columns(&row->company_columns, &r->columns[LEVEL_COMPANY]);
	read_params(r);
}

void run_close_row(struct run *r)
{
	for (enum item_level l = LEVEL_LEAD; l < LEVEL_RUN; l++) {
		if (r->has_columns[l]) {
			columns_fini(&r->columns[l]);
		}
	}
	arena_free(&r->arena);
	free(r->json);
	run_row_fini(&r->row);
}

struct run *run_add(struct engine *e, struct run_row *row)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		return NULL;
	}
	run_open_row(r, row);
	r->root_ready = true;
	HASH_ADD(hh, e->runs, id, sizeof(r->id), r);
	run_bind(e, r);
	return r;
}

void run_free(struct engine *e, struct run *r)
{
	for (size_t i = 0; i < r->n_slots; i++) {
		share_remove(&r->slots[i].lane->share, r->id);
	}
	HASH_DEL(e->runs, r);
	import_free(r->import);
	busy_free(r);
	run_close_row(r);
	free(r);
}

void runs_write(struct engine *e)
{
	struct run *r, *next;

	HASH_ITER(hh, e->runs, r, next) {
		if (r->dirty) {
			run_write(e->txn, &r->row);
			r->dirty = false;
		}
	}
}

/* Done when every item has an outcome; items held when nothing else can move are parked first (a sweep). */
void run_check_end(struct engine *e, struct run *r)
{
	uint64_t moving = 0, held = 0;

	if (r->row.state != RUN_RUNNING || r->row.importing || r->row.open || r->sweeping || r->moving) {
		return;
	}
	for (size_t s = 0; s < r->row.n_stages; s++) {
		moving += r->row.stages[s].count.waiting + r->row.stages[s].count.retrying;
		held += r->row.stages[s].count.held;
	}
	if (moving > 0) {
		return;
	}
	if (held > 0) {
		r->sweeping = true;
		r->sweep = 0;
		e->more = true;
		return;
	}
	r->row.state = r->row.ends_as != RUN_RUNNING ? r->row.ends_as : RUN_DONE;
	r->row.ends_as = RUN_RUNNING;
	r->row.ended_us = e->now.wall_us;
	r->row.written = false;
	run_share(r);
	run_touch(r);
}
