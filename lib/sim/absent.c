/* lib/sim/absent.c: services whose name the world knows and whose part nobody plays yet: 501. */
#include "lib/sim/model.h"

const struct model model_apollo = {.host = "apollo.io"};
const struct model model_apify = {.host = "apify.com"};
