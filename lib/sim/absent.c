/* lib/sim/absent.c: services whose name the world knows and whose part nobody plays yet: 501. */
#include "lib/sim/model.h"

const struct model model_apollo = {.host = "apollo.io"};
const struct model model_apify = {.host = "apify.com"};
const struct model model_hubspot = {.host = "hubapi.com"};
const struct model model_supabase = {.host = "supabase.co"};
const struct model model_n8n = {.host = "n8n.cloud"};
const struct model model_close = {.host = "close.com"};
