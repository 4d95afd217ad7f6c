/* lib/engine/show/show_put.h: putting values into json-c objects, for the show_*.c files only. */
#pragma once

#include "lib/base/time.h"
#include "lib/base/value.h"

#include <json-c/json.h>

void put_text(struct json_object *o, const char *key, const char *text); /* NULL or "" gives null */
void put_word(struct json_object *o, const char *key, const char *text); /* as it is */
void put_int(struct json_object *o, const char *key, int64_t v);
void put_bool(struct json_object *o, const char *key, bool v);
void put_wall(struct json_object *o, const char *key, int64_t wall_us);  /* 0 and TIME_NEVER give null */
/* A boot time as wall time. */
void put_boot(struct json_object *o, const char *key, int64_t boot_us, struct now now);
void put_value(struct json_object *o, const char *key, size_t key_len, const struct value *v);
/* The end of a list: its items (taken), and the cursor behind which it goes on. */
void put_page(struct json_object *o, struct json_object *items, bool more, uint32_t cursor);
void put_call_id(struct json_object *o, const char *key, uint64_t id);   /* 0 gives null */
