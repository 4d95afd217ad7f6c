/*
 * lib/lead/identity.h: who a lead is, for duplicates: address, else LinkedIn profile, else name at
 * company.
 */
#pragma once

#include "lib/lead/record.h"

enum identity_kind { IDENTITY_NONE, IDENTITY_EMAIL, IDENTITY_LINKEDIN, IDENTITY_NAME, IDENTITY_DOMAIN, IDENTITY_COMPANY };
const char *identity_word(enum identity_kind k); /* none, email, linkedin, name, domain, company */

struct identity {
	enum identity_kind kind;
	uint64_t hash; /* keyed: never the address itself */
};

/*
 * The lead's identities, strongest first; n of them in ret (at most 3). Addresses are compared
 * case-folded (both parts; plus tags are kept: they are different boxes at most providers),
 * LinkedIn by the public identifier of /in/ or /pub/ URLs whatever the host's language prefix,
 * names folded with company folded. The first one that exists is the lead's key (`email > LinkedIn
 * > name@company`); a lead is a duplicate when its first identity is known in the run.
 */
size_t identity_of(const struct record *r, const struct value *normal_email, const uint8_t key[16],
    struct identity ret[3]);

/*
 * A company's: its domain (of an address or URL too, without `www.`), else its name, folded. False when it has neither. `domain`
 * and `name` may be blank.
 */
bool identity_of_company(const struct value *domain, const struct value *name, const uint8_t key[16], struct identity *ret);
