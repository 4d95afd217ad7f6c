/* lib/sim/leads.h: what was pushed into the simulated Instantly workspace: leads and campaigns. */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lead_text {
	LEAD_EMAIL,
	LEAD_CAMPAIGN,
	LEAD_LIST,
	LEAD_FIRST_NAME,
	LEAD_LAST_NAME,
	LEAD_COMPANY,
	LEAD_JOB_TITLE,
	LEAD_PHONE,
	LEAD_WEBSITE,
	LEAD_PERSONALIZATION,
	LEAD_TEXTS,
};
extern const char *const lead_text_names[LEAD_TEXTS]; /* as in a request's body and in a Lead */

struct pushed {
	const char *text[LEAD_TEXTS]; /* NULL: not given */
	const char *payload;          /* custom variables as JSON object; NULL: none */
	char id[37];
	uint64_t meaning;      /* of the push */
	int64_t created_us;    /* wall clock */
	uint32_t prev;         /* lead + 1 with the same address before this one; 0: none */
	bool contacted;        /* something was sent to it */
	bool deleted, doubled; /* doubled: another one with this address and campaign was there */
};

struct campaign {
	const char *id, *name;
	int status; /* 0 draft, 1 active */
	int64_t created_us;
};

struct leads {
	struct pushed *all;
	size_t n, cap;
	struct lead_slot {
		uint64_t hash; /* of the address in lower case; 0: free */
		uint32_t last; /* lead + 1 */
	} * slots;
	size_t n_slots, cap_slots; /* cap: a power of 2 */
	struct campaign *campaigns;
	size_t n_campaigns, cap_campaigns;
	size_t n_deleted, n_doubled;
	struct arena arena; /* all texts */
};

void leads_fini(struct leads *l);
/* A name for a lead: looks random, holds its place. lost: for one that is not kept. */
void leads_name(char out[37], uint64_t draw, size_t index, bool lost);
/* Copies the lead's texts and keeps it; id, prev and doubled are set here. ret: borrowed until the
 * next push. LEAD_ENOMEM. */
int leads_push(
    struct leads *l, const struct pushed *p, uint64_t draw, const struct pushed **ret) MUST_CHECK;
/* NULL when there is none (any more). */
struct pushed *leads_get(struct leads *l, const char *id);
void leads_delete(struct leads *l, struct pushed *p);
/* Puts a text or the custom variables (a JSON object) in place of what the lead had. LEAD_ENOMEM.
 */
int leads_set(struct leads *l, struct pushed *p, enum lead_text which, const char *text) MUST_CHECK;
int leads_set_payload(struct leads *l, struct pushed *p, const char *payload) MUST_CHECK;
/* Newest lead + 1 with this address (any case); 0: none. Follow prev for the others. */
uint32_t leads_last(const struct leads *l, const char *email);
/* The live lead with this address in this campaign; NULL campaign: in any. */
const struct pushed *leads_find(const struct leads *l, const char *email, const char *campaign);
/* Appends the Lead object. */
void leads_write(struct buf *out, const struct pushed *p);
/* LEAD_ENOMEM. ret: borrowed until the next one is added. */
int leads_add_campaign(struct leads *l, const char *id, const char *name, int64_t wall_us,
    struct campaign **ret) MUST_CHECK;
struct campaign *leads_campaign(struct leads *l, const char *id);
