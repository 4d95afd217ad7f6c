/*
 * Which version of a prompt wrote what: the number stands in the call's row from the grant on, so that a reload or a restart while it
 * is under way changes nothing; with the answer it goes into the fact, as number and as a field of its own, and is counted in the run.
 */
#include "lib/engine/stage/credit.h"

#include "lib/engine/run/run.h"
#include "lib/engine/state.h"
#include "lib/store/names.h"

int credit_number(struct engine *e, const struct step *step, uint16_t *ret)
{
	*ret = 0;
	return step->prompt != NULL ? names_number(e->names, NAME_PROMPT, step->prompt, ret, NULL) : 0;
}

void credit_fact(struct engine *e, const struct stage *st, uint16_t prompt, struct fact *f)
{
	struct fact_field *field = &f->fields[f->n_fields];
	const char *name = st->prompt_field;

	if (prompt == 0 && (name == NULL || names_number(e->names, NAME_PROMPT, PROMPT_INLINE, &prompt, NULL) != 0)) {
		return;
	}
	f->prompt = prompt;
	name = name != NULL ? name : arena_printf(&e->arena, "%s" PROMPT_FIELD, st->name); /* a reload took the file out of the stage meanwhile */
	if (name != NULL && f->n_fields < FACT_FIELDS) {
		*field = (struct fact_field){.name = name, .name_len = (uint32_t)strlen(name), .value = value_text(names_text(e->names, NAME_PROMPT, prompt))};
		f->n_fields++;
	}
}

static struct prompt_count *count_of(struct run_row *row, uint8_t stage, uint16_t prompt)
{
	struct prompt_count *last = &row->prompts[RUN_PROMPTS - 1];

	for (size_t i = 0; i < row->n_prompts; i++) {
		if (row->prompts[i].stage == stage && row->prompts[i].prompt == prompt) {
			return &row->prompts[i];
		}
	}
	if (row->n_prompts == RUN_PROMPTS) {
		return last;
	}
	row->prompts[row->n_prompts] = (struct prompt_count){.stage = stage, .prompt = prompt};
	if (row->n_prompts == RUN_PROMPTS - 1) {
		last->prompt = 0;
	}
	return &row->prompts[row->n_prompts++];
}

void credit_count(struct run *r, const struct fact *f, bool passed)
{
	struct prompt_count *n;

	if (f->prompt == 0) {
		return;
	}
	n = count_of(&r->row, f->stage, f->prompt);
	n->written++;
	n->passed += passed;
	run_touch(r);
}
