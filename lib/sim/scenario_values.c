/* lib/sim/scenario_values.c: readers of single values: shares, counts, words. */
#include "lib/sim/scenario_read.h"

#include <string.h>

#include "lib/base/decimal.h"
#include "lib/base/text.h"

bool scenario_share(const struct yaml_node *n, uint32_t *ret_ppm)
{
	int64_t value;
	bool exact;

	if (n->text == NULL || n->len < 2 || n->text[n->len - 1] != '%' ||
	    !decimal_scaled(n->text, n->len - 1, 4, &value, &exact) || !exact || value < 0 ||
	    value > PPM) {
		return false;
	}
	*ret_ppm = (uint32_t)value;
	return true;
}

void scenario_read_share(
    struct scenario_reader *r, const struct yaml_node *map, const char *key, uint32_t *ret_ppm)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (n != NULL && !scenario_share(n, ret_ppm)) {
		problems_add(r->p, r->y, n,
		    "%s: a share such as 5%% or 0.5%% is wanted, at most 100%%", key);
	}
}

void scenario_read_uint(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    int64_t min, int64_t max, uint64_t *ret)
{
	int64_t value;

	if (yaml_read_int(r->y, map, key, min, max, &value, r->p)) {
		*ret = (uint64_t)value;
	}
}

void scenario_read_size(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    int64_t max, size_t *ret)
{
	int64_t value;

	if (yaml_read_int(r->y, map, key, 1, max, &value, r->p)) {
		*ret = (size_t)value;
	}
}

void scenario_read_shares(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], uint32_t ppm[])
{
	const struct yaml_node *n = yaml_get(map, key);
	uint64_t sum = 0;

	if (n == NULL || !yaml_only_keys(r->y, n, words + 1, key, r->p)) {
		return;
	}
	for (size_t i = 1; words[i] != NULL; i++) {
		scenario_read_share(r, n, words[i], &ppm[i]);
		sum += ppm[i];
	}
	if (sum > PPM) {
		problems_add(r->p, r->y, n, "%s: the shares make more than 100%%", key);
	}
}

void scenario_take_text(struct scenario_reader *r, const struct yaml_node *n, const char *text,
    const char *what, char *out, size_t size)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len >= size) {
		problems_add(r->p, r->y, n, "%s: 1 to %zu bytes are wanted", what, size - 1);
		return;
	}
	memcpy(out, text, len + 1);
}

void scenario_read_mask(struct scenario_reader *r, const struct yaml_node *map, const char *key,
    const char *const words[], size_t first, uint64_t *ret)
{
	const char **list;
	size_t n = yaml_read_strings(r->y, map, key, &list, r->p), i;
	uint64_t mask = 0;

	for (size_t k = 0; k < n; k++) {
		for (i = first; words[i] != NULL && strcmp(words[i], list[k]) != 0; i++) {
		}
		if (words[i] == NULL) {
			const char *near = text_nearest(list[k], words + first);
			problems_add(r->p, r->y, yaml_get(map, key), "%s: '%s' is unknown%s%s%s",
			    key, list[k], near != NULL ? ", did you mean '" : "",
			    near != NULL ? near : "", near != NULL ? "'?" : "");
			continue;
		}
		mask |= UINT64_C(1) << i;
	}
	if (n > 0) {
		*ret = mask;
	}
}
