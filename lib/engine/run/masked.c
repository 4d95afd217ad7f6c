/* See masked.h. Fields that name a person keep their first letter, addresses anywhere are masked, and what has parts is not shown. */
#include "lib/engine/run/masked.h"

#include "lib/engine/config/config.h"
#include "lib/engine/run/approve.h"
#include "lib/engine/run/run.h"
#include "lib/lead/mask.h"

bool masked_is(const struct run *r)
{
	return r->campaign != NULL && r->campaign->mask && (r->pipeline == NULL || approve_is_open(r));
}

static bool is_personal(const char *name, size_t len)
{
	static const char *const words[] = {"email", "name", "linkedin", "phone", "mobile", "address", "photo"};
	static const char *const others[] = {"company", "organization", "organisation"};
	char lower[64];
	size_t n = len < sizeof(lower) - 1 ? len : sizeof(lower) - 1;

	for (size_t i = 0; i < n; i++) {
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	}
	lower[n] = 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strstr(lower, others[i]) != NULL && strstr(lower, "email") == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(lower, words[i]) != NULL) {
			return true;
		}
	}
	return false;
}

struct value masked_value(const char *name, size_t name_len, const struct value *v, struct buf *b)
{
	buf_reset(b);
	if (v->kind == VALUE_JSON) {
		return value_text("***");
	}
	if (v->kind != VALUE_STRING || v->len == 0) {
		return *v;
	}
	(is_personal(name, name_len) ? mask_email : mask_addresses)(b, v->text, v->len);
	return b->failed || b->data == NULL ? value_text("***")
					    : (struct value){.kind = VALUE_STRING, .text = b->data, .len = (uint32_t)b->len};
}
