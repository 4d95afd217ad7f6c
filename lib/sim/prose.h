/* lib/sim/prose.h: what the language models of the simulated world write: the same text for the
 * same draw. */
#pragma once

#include "lib/base/buf.h"
#include "lib/sim/scenario.h"

struct json_object;

/* Whom a prompt is about. */
struct prose_lead {
	char first[48];   /* first name, "there" when none was found */
	char company[96]; /* at most 6 words, "your team" when none was found */
	bool has_company;
};

/*
 * Looks for `Name: …`, `"first_name": "…"`, `Company: …` and the like, else for `to Ann Smith, CTO
 * at Acme Ltd`. Cannot fail: there is always somebody to write to.
 */
void prose_find(const char *prompt, size_t len, struct prose_lead *ret);
/*
 * An e-mail text without subject. GOOD: 50 to 70 words (text_words), no closing line, nothing open.
 * SHORT has fewer words, LONG more; SIGNED ends with a signature, PLACEHOLDER has an open one (both
 * 50 to 70 words).
 */
void prose_email(
    struct buf *out, const struct prose_lead *lead, uint64_t draw, enum copy_flaw flaw);
void prose_subject(struct buf *out, const struct prose_lead *lead, uint64_t draw);
/* Two or three sentences with source marks [1] to [3]; how many sources: prose_sources. */
void prose_facts(struct buf *out, const struct prose_lead *lead, uint64_t draw);
size_t prose_sources(uint64_t draw);
/* A JSON value that fits the JSON Schema: text is put where a mail body or a finding would be;
 * names of fields decide. */
void prose_schema(struct buf *out, struct json_object *schema, const struct prose_lead *lead,
    uint64_t draw, const char *text);
