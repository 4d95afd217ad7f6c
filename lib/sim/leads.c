/* lib/sim/leads.c: leads in the order of their coming, and a table from address to its newest lead.
 */
#include "lib/sim/leads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/ids.h"
#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

const char *const lead_text_names[LEAD_TEXTS] = {"email", "campaign", "list_id", "first_name",
    "last_name", "company_name", "job_title", "phone", "website", "personalization"};

void leads_fini(struct leads *l)
{
	free(l->all);
	free(l->slots);
	free(l->campaigns);
	arena_free(&l->arena);
	*l = (struct leads){0};
}

static uint64_t email_hash(const char *email)
{
	char lower[320];
	size_t len = strnlen(email, sizeof(lower));
	uint64_t hash;

	memcpy(lower, email, len);
	text_lower(lower, len);
	hash = hash_plain(lower, len);
	return hash != 0 ? hash : 1;
}

static struct lead_slot *slot_of(struct lead_slot *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i].hash != 0 && slots[i].hash != hash) {
		i = (i + 1) & (cap - 1);
	}
	return &slots[i];
}

static int grow_slots(struct leads *l)
{
	size_t cap = l->cap_slots > 0 ? l->cap_slots * 2 : 256;
	struct lead_slot *slots = calloc(cap, sizeof(*slots));

	if (slots == NULL) {
		return LEAD_ENOMEM;
	}
	for (size_t i = 0; i < l->cap_slots; i++) {
		if (l->slots[i].hash != 0) {
			*slot_of(slots, cap, l->slots[i].hash) = l->slots[i];
		}
	}
	free(l->slots);
	l->slots = slots;
	l->cap_slots = cap;
	return 0;
}

static int grow_all(struct leads *l)
{
	size_t cap = l->cap > 0 ? l->cap * 2 : 256;
	struct pushed *all = realloc(l->all, cap * sizeof(*all));

	if (all == NULL) {
		return LEAD_ENOMEM;
	}
	l->all = all;
	l->cap = cap;
	return 0;
}

void leads_name(char out[37], uint64_t draw, size_t index, bool lost)
{
	(void)snprintf(out, 37, "%08x-%04x-4%03x-%04x-%04x%08x", (unsigned)(draw & 0xffffffff),
	    (unsigned)(draw >> 32 & 0xffff), (unsigned)(draw >> 48 & 0xfff),
	    (unsigned)(0x8000 | (draw >> 50 & 0x3fff)),
	    lost ? 0xffffU : (unsigned)(draw >> 7 & 0x7fff), (unsigned)index);
}

static const char *copy_text(struct leads *l, const char *text, bool *failed)
{
	const char *copy = text != NULL ? arena_dup(&l->arena, text, strlen(text)) : NULL;

	*failed = *failed || (text != NULL && copy == NULL);
	return copy;
}

int leads_push(struct leads *l, const struct pushed *p, uint64_t draw, const struct pushed **ret)
{
	struct lead_slot *slot;
	struct pushed *kept;
	uint64_t hash = email_hash(p->text[LEAD_EMAIL]);
	bool failed = false;

	if ((l->n == l->cap && grow_all(l) != 0) ||
	    (l->n_slots * 2 >= l->cap_slots && grow_slots(l) != 0)) {
		return LEAD_ENOMEM;
	}
	kept = &l->all[l->n];
	*kept = *p;
	for (size_t i = 0; i < LEAD_TEXTS; i++) {
		kept->text[i] = copy_text(l, p->text[i], &failed);
	}
	kept->payload = copy_text(l, p->payload, &failed);
	if (failed) {
		return LEAD_ENOMEM;
	}
	leads_name(kept->id, draw, l->n, false);
	kept->deleted = false;
	kept->doubled =
	    leads_find(l, kept->text[LEAD_EMAIL],
		kept->text[LEAD_CAMPAIGN] != NULL ? kept->text[LEAD_CAMPAIGN] : "") != NULL;
	l->n_doubled += kept->doubled;
	slot = slot_of(l->slots, l->cap_slots, hash);
	l->n_slots += slot->hash == 0;
	kept->prev = slot->last;
	*slot = (struct lead_slot){hash, (uint32_t)++l->n};
	*ret = kept;
	return 0;
}

struct pushed *leads_get(struct leads *l, const char *id)
{
	size_t index;

	if (strlen(id) != 36) {
		return NULL;
	}
	index = strtoul(id + 28, NULL, 16);
	return index < l->n && strcmp(l->all[index].id, id) == 0 && !l->all[index].deleted
		   ? &l->all[index]
		   : NULL;
}

void leads_delete(struct leads *l, struct pushed *p)
{
	p->deleted = true;
	l->n_deleted++;
}

int leads_set(struct leads *l, struct pushed *p, enum lead_text which, const char *text)
{
	bool failed = false;

	p->text[which] = copy_text(l, text, &failed);
	return failed ? LEAD_ENOMEM : 0;
}

int leads_set_payload(struct leads *l, struct pushed *p, const char *payload)
{
	bool failed = false;

	p->payload = copy_text(l, payload, &failed);
	return failed ? LEAD_ENOMEM : 0;
}

uint32_t leads_last(const struct leads *l, const char *email)
{
	return l->cap_slots > 0 ? slot_of(l->slots, l->cap_slots, email_hash(email))->last : 0;
}

const struct pushed *leads_find(const struct leads *l, const char *email, const char *campaign)
{
	for (uint32_t i = leads_last(l, email); i != 0; i = l->all[i - 1].prev) {
		const struct pushed *p = &l->all[i - 1];
		const char *its = p->text[LEAD_CAMPAIGN] != NULL ? p->text[LEAD_CAMPAIGN] : "";

		if (!p->deleted && (campaign == NULL || strcmp(its, campaign) == 0)) {
			return p;
		}
	}
	return NULL;
}

void leads_write(struct buf *out, const struct pushed *p)
{
	const char *at = strchr(p->text[LEAD_EMAIL], '@');
	char when[25];

	time_write_utc(p->created_us, when);
	buf_printf(out, "{\"id\":\"%s\",\"timestamp_created\":\"%s\",\"timestamp_updated\":\"%s\"",
	    p->id, when, when);
	if (p->contacted) {
		buf_printf(out, ",\"timestamp_last_contact\":\"%s\"", when);
	}
	buf_add_text(
	    out, ",\"organization\":\"00000000-0000-4000-8000-000000000001\",\"status\":1");
	for (size_t i = 0; i < LEAD_TEXTS; i++) {
		if (p->text[i] != NULL) {
			buf_printf(out, ",\"%s\":", lead_text_names[i]);
			json_write_string(out, p->text[i], strlen(p->text[i]));
		}
	}
	buf_add_text(out, ",\"company_domain\":");
	json_write_string(out, at != NULL ? at + 1 : "", at != NULL ? strlen(at + 1) : 0);
	buf_printf(out,
	    ",\"payload\":%s,\"email_open_count\":0,\"email_reply_count\":0,\"email_click_count\":"
	    "0}",
	    p->payload != NULL ? p->payload : "{}");
}

int leads_add_campaign(
    struct leads *l, const char *id, const char *name, int64_t wall_us, struct campaign **ret)
{
	bool failed = false;
	struct campaign c = {.id = copy_text(l, id, &failed),
	    .name = copy_text(l, name, &failed),
	    .created_us = wall_us};

	if (failed) {
		return LEAD_ENOMEM;
	}
	if (l->n_campaigns == l->cap_campaigns) {
		size_t cap = l->cap_campaigns > 0 ? l->cap_campaigns * 2 : 16;
		struct campaign *all = realloc(l->campaigns, cap * sizeof(*all));

		if (all == NULL) {
			return LEAD_ENOMEM;
		}
		l->campaigns = all;
		l->cap_campaigns = cap;
	}
	*ret = &l->campaigns[l->n_campaigns++];
	**ret = c;
	return 0;
}

struct campaign *leads_campaign(struct leads *l, const char *id)
{
	for (size_t i = 0; i < l->n_campaigns; i++) {
		if (strcmp(l->campaigns[i].id, id) == 0) {
			return &l->campaigns[i];
		}
	}
	return NULL;
}
