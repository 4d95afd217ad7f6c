/*
 * lib/engine/config/config_agenda.h: `schedule:` of a campaign: when its runs begin by themselves. For config*.c and agenda.c.
 */
#pragma once

#include "lib/engine/config/config.h"
#include "lib/flow/agenda.h"

struct campaign_agenda {
	struct agenda when;
	bool late;             /* a moment that was missed is made up for */
	int64_t within_us;     /* so long after it */
	int until;             /* minute of the day by which the run is to be done; -1: none */
	uint64_t quantity;
	const char *params_json; /* object of single values; NULL: none */
	const char *text;      /* for people: `22:00 mon tue` */
};

/* m has its pipeline. NULL: none, or it was reported. */
const struct campaign_agenda *agenda_read(struct config *c, const struct yaml_node *campaign, const struct campaign *m, struct problems *p);
void agenda_diff(const struct campaign *from, const struct campaign *to, struct buf *out);
