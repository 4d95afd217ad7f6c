/*
 * lib/lead/gates.h: the free checks that a lead passes before a cent is spent, and the copy checks.
 *
 * Each returns NULL for pass or a short stable reason code. Pure; lists come from etc/lists.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/value.h"

/* A sorted set of words from a list file (one a line, # comments, lower case). */
struct word_list;
int word_list_load(const char *file, struct word_list **ret, struct lead_error *err) MUST_CHECK;
int word_list_parse(const char *name, const char *text, size_t len, struct word_list **ret,
    struct lead_error *err) MUST_CHECK;
void word_list_free(struct word_list *w);
/* word must be lower case. A NULL list holds nothing. */
bool word_list_has(const struct word_list *w, const char *word, size_t len);
size_t word_list_count(const struct word_list *w);

/* All zero: no lists, nothing is refused for standing in one. */
struct gate_lists {
	/* local parts: info, sales, office … (own list, about 90: RFC 2142 and the usual ones) */
	struct word_list *role;
	struct word_list *noreply;    /* local parts without separators */
	struct word_list *disposable; /* domains */
	/* domains of portals and contact forms, not of a person's own organisation */
	struct word_list *portal;
	/* words that make a name no person's: office, team, leasing, department … */
	struct word_list *name_words;
	/* the system's public suffix list (libpsl); NULL: any top level is known */
	const struct psl_ctx_st *psl;
};

/*
 * Reads role.txt, noreply.txt, disposable.txt, portal.txt and name-words.txt of the folder, and the
 * public suffix list. LEAD_EINPUT names the file that is missing or wrong; *ret is then empty.
 */
int gate_lists_load(const char *dir, struct gate_lists *ret, struct lead_error *err) MUST_CHECK;
void gate_lists_free(struct gate_lists *l); /* what it holds; all zero is fine */

/*
 * E-mail address, RFC 5321 dot-atom form, no quoted local parts, no address literals; international
 * domains by IDNA (its result checked: libidn2 alone lets `a..com` pass), top level known to
 * the public suffix list. Reasons: email-missing, email-is-url, email-malformed, email-domain. ret
 * (may be NULL): the normal form, in the arena: domain lower case in ASCII form, local part as
 * written.
 */
const char *gate_address(const struct value *email, const struct gate_lists *l, struct arena *a,
    struct value *ret_normal);
#define GATE_DOMAIN_MAX 253
#define GATE_ADDRESS_MAX 254 /* of a normal form */
/* A domain alone, by the same rules: its ASCII form, lower case. False when it is none. */
bool gate_domain(const char *text, size_t len, const struct gate_lists *l, char ret[GATE_DOMAIN_MAX + 1]);
/* Reasons: role-address, no-reply, disposable-domain, portal-domain (registrable domain and every
 * parent of the address's domain). */
const char *gate_role(const struct value *normal, const struct gate_lists *l);
const char *gate_noreply(const struct value *normal, const struct gate_lists *l);
const char *gate_disposable(const struct value *normal, const struct gate_lists *l);
const char *gate_portal(const struct value *normal, const struct gate_lists *l);
/*
 * A person's name: at least two tokens that look like names, capitals included; generic words,
 * digits and signs are refused ("Office", "Leasing Team"); accents, particles, initials,
 * apostrophes, nicknames in quotes or brackets and Jr./III are people. Reasons: name-missing,
 * name-single, name-generic, name-characters. At most 2 % of 15,014 real names of openstates/people
 * may be refused; measured: see tests/unit/test_gates.c.
 */
const char *gate_name(const struct value *full_name, const struct gate_lists *l);

/* Copy gates. Reasons: copy-missing, copy-short, copy-long, copy-signature, copy-placeholder. */
const char *gate_copy_words(const struct value *copy, unsigned min, unsigned max);
/* A closing line such as "Best regards," or "Cheers, Anna" at the end. */
const char *gate_copy_signature(const struct value *copy);
/* Anything still open: [Name], {{first_name}}, ${…}, <company>, a row of X or _, INSERT … HERE. */
const char *gate_copy_placeholder(const struct value *copy);
