/*
 * lib/engine/config/config_verify.h: `verify: {scheme: …, secret: NAME, …}`: how a webhook in proves whom it comes from. For config*.c.
 */
#pragma once

#include "lib/base/signature.h"
#include "lib/base/yaml.h"

struct verify {
	struct signature_rule rule;
	const char *secret; /* name of the credential; NULL: there is no `verify` */
};

/* From the map's key `verify`; what is wrong, or that it is missing, becomes a problem. False then. */
bool verify_read(const struct yaml *y, const struct yaml_node *map, struct verify *ret, struct problems *p);
