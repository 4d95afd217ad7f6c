/*
 * lib/base/json_list.h: the elements of a JSON array and the members of an object, one after the other, without a tree.
 *
 * For texts that were checked already (json_check, VALUE_JSON): nothing is validated again.
 */
#pragma once

#include "lib/base/value.h"

struct json_list {
	const char *at, *end;
};

/* text: one JSON value that json_check accepts. False (and an empty list) when it is no array. */
bool json_list_open(struct json_list *l, const char *text, size_t len);
/* The next element as it stands there, without blanks around it; false when there are no more. Borrowed from the text. */
bool json_list_next(struct json_list *l, const char **ret, size_t *ret_len);

/* The same for an object. Texts of strings are decoded into the arena, all others point into the text. */
bool json_members_open(struct json_list *l, const char *text, size_t len);
bool json_members_next(struct json_list *l, struct arena *a, struct value *ret_name, struct value *ret);
