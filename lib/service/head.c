/*
 * lib/service/head.c: the top of a service file: name, base, keys, breaker, quota and other plain
 * settings.
 */
#include "lib/service/parts.h"

#include <string.h>

static void base_read(struct reading *r, const char *base)
{
	const struct yaml_node *root = r->y->root, *node = yaml_get(root, "base");
	const char *host;
	size_t len;

	yaml_read_string(r->y, root, "base", &r->s->base, r->p);
	if (base != NULL) {
		r->s->base = base;
	}
	if (r->s->base == NULL) {
		problems_add(r->p, r->y, node == NULL ? root : node,
		    "a service needs 'base', such as https://api.example.com/v1");
		return;
	}
	host = strncmp(r->s->base, "https://", 8) == 0  ? r->s->base + 8
	       : strncmp(r->s->base, "http://", 7) == 0 ? r->s->base + 7
							: "";
	len = strlen(r->s->base);
	if (*host == '\0' || *host == '/' || strpbrk(host, "@?#$ {}\\\"<>") != NULL ||
	    r->s->base[len - 1] == '/') {
		problems_add(r->p, r->y, node == NULL ? root : node,
		    "a base is https://host[:port][/path], without user, parameters or a slash at "
		    "its end");
	}
	r->s->base = arena_dup(&r->s->arena, r->s->base, len);
	r->nomem |= r->s->base == NULL;
}

static bool secret_ok(const char *name)
{
	return *name != '\0' && *name != '.' && strlen(name) <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   strlen(name);
}

/* `zerobounce` or {name:, secret:, group:}. */
static void key_read(struct reading *r, const struct yaml_node *node, struct service_key *key)
{
	static const char *const keys[] = {"name", "secret", "group", NULL};

	if (node->kind == YAML_STRING) {
		key->name = key->secret = node->text;
	} else if (!yaml_only_keys(r->y, node, keys, "key", r->p)) {
		return;
	} else {
		yaml_read_string(r->y, node, "secret", &key->secret, r->p);
		key->name = key->secret;
		yaml_read_string(r->y, node, "name", &key->name, r->p);
		yaml_read_string(r->y, node, "group", &key->group, r->p);
	}
	if (key->name == NULL) {
		problems_add(r->p, r->y, node, "a key needs 'secret', the name of its credential");
	} else {
		reading_name(r, node, key->name, "key");
	}
	if (key->secret != NULL && !secret_ok(key->secret)) {
		problems_add(
		    r->p, r->y, node, "'%s' is no name for a credential file", key->secret);
	}
}

/* Keys of one group share a number. */
static void group_read(struct reading *r, const struct yaml_node *node, size_t i)
{
	struct service *s = r->s;
	struct service_key *key = &s->keys[i];

	key->group = key->group == NULL ? key->name : key->group;
	key->group_index = s->n_groups;
	for (size_t k = 0; k < i && key->name != NULL && s->keys[k].name != NULL; k++) {
		if (strcmp(s->keys[k].name, key->name) == 0) {
			problems_add(r->p, r->y, node, "there are two keys named '%s'", key->name);
		}
		if (strcmp(s->keys[k].group, key->group) == 0) {
			key->group_index = s->keys[k].group_index;
		}
	}
	s->n_groups += key->group_index == s->n_groups;
}

static void keys_read(struct reading *r)
{
	const struct yaml_node *list = yaml_get(r->y->root, "keys");
	struct service *s = r->s;

	s->keys = reading_alloc(r, list == NULL ? 1 : list->n + 1, sizeof *s->keys);
	if (s->keys == NULL) {
		return;
	}
	if (list == NULL) {
		s->keys[0] = (struct service_key){.name = "main", .group = "main"};
		s->n_keys = s->n_groups = 1;
		return;
	}
	for (const struct yaml_node *v = reading_first(list); v != NULL;
	     v = v == list ? NULL : v->next) {
		key_read(r, v, &s->keys[s->n_keys]);
		group_read(r, v, s->n_keys++);
	}
	if (s->n_keys == 0) {
		problems_add(r->p, r->y, list,
		    "'keys' must not be empty: leave it out for a service without secrets");
	}
}

static void breaker_read(struct reading *r)
{
	static const char *const keys[] = {"failures", "open", "probe", NULL};
	const struct yaml_node *node = yaml_get(r->y->root, "breaker");
	struct breaker_spec *spec = &r->s->breaker;
	int64_t failures;

	*spec = (struct breaker_spec){
	    .enabled = true, .failures = 5, .open_us = 300 * US_PER_S, .probe_us = 60 * US_PER_S};
	if (node == NULL) {
		return;
	}
	if (node->kind == YAML_STRING && strcmp(node->text, "off") == 0) {
		spec->enabled = false;
	} else if (yaml_only_keys(r->y, node, keys, "breaker", r->p)) {
		if (yaml_read_int(r->y, node, "failures", 1, 10000, &failures, r->p)) {
			spec->failures = (uint32_t)failures;
		}
		yaml_read_duration(r->y, node, "open", US_PER_S, US_PER_DAY, &spec->open_us, r->p);
		yaml_read_duration(
		    r->y, node, "probe", US_PER_S, US_PER_DAY, &spec->probe_us, r->p);
	}
}

static void quota_read(struct reading *r)
{
	static const char *const keys[] = {"probe", NULL};
	const struct yaml_node *node = yaml_get(r->y->root, "quota");

	r->s->quota.probe_us = 900 * US_PER_S;
	if (node != NULL && yaml_only_keys(r->y, node, keys, "quota", r->p)) {
		yaml_read_duration(r->y, node, "probe", US_PER_S, 31 * US_PER_DAY,
		    &r->s->quota.probe_us, r->p);
	}
}

void head_read(struct reading *r, const struct service_options *o)
{
	static const char *const keys[] = {"service", "about", "base", "keys", "auth", "headers",
	    "call_id_header", "limits", "margin", "concurrency", "http2", "timeout", "max_answer",
	    "breaker", "quota", "hints", "outcomes", "message", "retry", "calls", NULL};
	const struct yaml_node *root = r->y->root;
	struct service *s = r->s;
	int64_t concurrency = 64;

	yaml_only_keys(r->y, root, keys, "service file", r->p);
	if (yaml_get(root, "service") == NULL) {
		problems_add(r->p, r->y, root, "a service file begins with 'service: NAME'");
	} else if (yaml_read_string(r->y, root, "service", &s->name, r->p)) {
		reading_name(r, yaml_get(root, "service"), s->name, "service");
	}
	yaml_read_string(r->y, root, "about", &s->about, r->p);
	base_read(r, o == NULL ? NULL : o->base);
	keys_read(r);
	s->margin_us = US_PER_S;
	yaml_read_duration(r->y, root, "margin", 0, 60 * US_PER_S, &s->margin_us, r->p);
	yaml_read_int(r->y, root, "concurrency", 1, 10000, &concurrency, r->p);
	s->concurrency = (uint32_t)concurrency;
	yaml_read_bool(r->y, root, "http2", &s->http2, r->p);
	breaker_read(r);
	quota_read(r);
}
