/* tests/sim/conf.h: the scratch folder of all nights, and the configurations in it. */
#pragma once

#include "lib/engine/config/config.h"
#include "tests/sim/night.h"

/* Changes of a configuration, as bits. */
enum conf_variant { CONF_BASE, CONF_LOW = 1, CONF_TIGHT = 2, CONF_VARIANTS = 4 };

/* What CONF_TIGHT leaves of the budgets. */
#define TIGHT_ONE_TOTAL 900000
#define TIGHT_NORTH_TOTAL 1200000
#define TIGHT_VERIFY_DAY 700000

void conf_begin(void);
void conf_end(void);
/* Borrowed; read at the first use. */
struct config *conf_get(unsigned shape, unsigned variant);
const char *conf_store_dir(void);
/* The store's files are gone. */
void conf_clear_store(void);
