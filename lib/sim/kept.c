/* lib/sim/kept.c: arrays that grow, with an index over each. */
#include "lib/sim/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"

/* --- index --- */

static struct index_slot *slot_of(const struct index *i, uint64_t key)
{
	size_t at = (key ^ key >> 32) & (i->cap - 1);

	while (i->slots[at].value != 0 && i->slots[at].key != key) {
		at = (at + 1) & (i->cap - 1);
	}
	return &i->slots[at];
}

uint32_t index_get(const struct index *i, uint64_t key)
{
	return i->cap > 0 ? slot_of(i, key)->value : 0;
}

int index_put(struct index *i, uint64_t key, uint32_t value)
{
	struct index_slot *slot;

	if (i->n * 2 >= i->cap) {
		struct index more = {.cap = i->cap > 0 ? i->cap * 2 : 64, .n = i->n};

		more.slots = calloc(more.cap, sizeof(*more.slots));
		if (more.slots == NULL) {
			return LEAD_ENOMEM;
		}
		for (size_t k = 0; k < i->cap; k++) {
			if (i->slots[k].value != 0) {
				*slot_of(&more, i->slots[k].key) = i->slots[k];
			}
		}
		free(i->slots);
		*i = more;
	}
	slot = slot_of(i, key);
	i->n += slot->value == 0;
	*slot = (struct index_slot){key, value};
	return 0;
}

void index_fini(struct index *i)
{
	free(i->slots);
	*i = (struct index){0};
}

/* --- the rest --- */

/* Room for one more of size bytes. */
static int grow(void *array, size_t n, size_t *cap, size_t size)
{
	void *old, *more;

	if (n < *cap) {
		return 0;
	}
	memcpy(&old, array, sizeof(old));
	more = realloc(old, (*cap * 2 + 64) * size);
	if (more == NULL) {
		return LEAD_ENOMEM;
	}
	memcpy(array, &more, sizeof(more));
	*cap = *cap * 2 + 64;
	return 0;
}

static const char *copy(struct kept *k, const char *text, int *rc)
{
	const char *mine = text != NULL ? arena_dup(&k->arena, text, strlen(text)) : NULL;

	*rc = text != NULL && mine == NULL ? LEAD_ENOMEM : *rc;
	return mine;
}

void kept_fini(struct kept *k)
{
	for (size_t i = 0; i < k->n_lists; i++) {
		free(k->lists[i].members);
	}
	free(k->records);
	free(k->rows);
	free(k->jobs);
	index_fini(&k->by_id);
	index_fini(&k->members);
	index_fini(&k->by_domain);
	index_fini(&k->by_job);
	arena_free(&k->arena);
	memset(k, 0, sizeof(*k));
}

struct record *kept_find(struct kept *k, uint64_t id)
{
	uint32_t at = index_get(&k->by_id, id);

	return at > 0 ? &k->records[at - 1] : NULL;
}

int kept_record(struct kept *k, const struct record *r, struct record **ret)
{
	struct record *there;
	int rc = grow(&k->records, k->n_records, &k->cap_records, sizeof(*k->records));

	there = kept_find(k, r->id);
	if (rc == 0 && there == NULL) {
		there = &k->records[k->n_records];
		*there = *r;
		there->key = copy(k, r->key, &rc);
		rc = rc == 0 ? index_put(&k->by_id, r->id, (uint32_t)k->n_records + 1) : rc;
		if (rc != 0) {
			return rc;
		}
		k->n_records++;
		k->n_made += r->made;
	}
	if (rc == 0) {
		there->properties = copy(k, r->properties, &rc);
		*ret = there;
	}
	return rc;
}

struct crm_list *kept_list(struct kept *k, unsigned id)
{
	return id > 0 && id <= k->n_lists ? &k->lists[id - 1] : NULL;
}

struct crm_list *kept_list_named(struct kept *k, const char *name, const char *object)
{
	for (size_t i = 0; i < k->n_lists; i++) {
		if (strcmp(k->lists[i].name, name) == 0 &&
		    (object == NULL || strcmp(k->lists[i].object, object) == 0)) {
			return &k->lists[i];
		}
	}
	return NULL;
}

struct crm_list *kept_new_list(struct kept *k, const char *name, const char *object)
{
	struct crm_list *l = &k->lists[k->n_lists];

	if (k->n_lists == KEPT_LISTS || kept_list_named(k, name, NULL) != NULL) {
		return NULL;
	}
	*l = (struct crm_list){.id = (unsigned)++k->n_lists};
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	(void)snprintf(l->object, sizeof(l->object), "%s", object);
	return l;
}

int kept_join(struct kept *k, struct crm_list *list, uint64_t record, bool *ret_new)
{
	const uint64_t both[] = {list->id, record};
	uint64_t hash = hash_plain(both, sizeof(both));
	int rc;

	*ret_new = index_get(&k->members, hash) == 0;
	if (!*ret_new) {
		return 0;
	}
	rc = grow(&list->members, list->n, &list->cap, sizeof(*list->members));
	rc = rc == 0 ? index_put(&k->members, hash, 1) : rc;
	if (rc == 0) {
		list->members[list->n++] = record;
	}
	return rc;
}

const struct row *kept_row_of(const struct kept *k, const char *domain)
{
	uint32_t at = index_get(&k->by_domain, hash_plain(domain, strlen(domain)));

	return at > 0 ? &k->rows[at - 1] : NULL;
}

int kept_row(struct kept *k, const struct row *row, bool merge, bool *ret_there)
{
	uint64_t hash = hash_plain(row->domain, strlen(row->domain));
	uint32_t at = index_get(&k->by_domain, hash);
	int rc = grow(&k->rows, k->n_rows, &k->cap_rows, sizeof(*k->rows));
	struct row new = {copy(k, row->name, &rc), copy(k, row->domain, &rc),
	    copy(k, row->city, &rc), copy(k, row->state, &rc), copy(k, row->pms, &rc)};

	*ret_there = at > 0;
	if (rc == 0 && at == 0) {
		rc = index_put(&k->by_domain, hash, (uint32_t)k->n_rows + 1);
		k->rows[k->n_rows] = new;
		k->n_rows += rc == 0;
	} else if (rc == 0 && merge) {
		k->rows[at - 1] = new;
	}
	return rc;
}

int kept_job(struct kept *k, const struct job *j)
{
	int rc = grow(&k->jobs, k->n_jobs, &k->cap_jobs, sizeof(*k->jobs));

	rc = rc == 0 ? index_put(&k->by_job, j->id, (uint32_t)k->n_jobs + 1) : rc;
	if (rc == 0) {
		k->jobs[k->n_jobs] = *j;
		k->jobs[k->n_jobs].result = copy(k, j->result, &rc);
		k->n_jobs += rc == 0;
	}
	return rc;
}

const struct job *kept_job_of(const struct kept *k, uint64_t id)
{
	uint32_t at = index_get(&k->by_job, id);

	return at > 0 ? &k->jobs[at - 1] : NULL;
}
