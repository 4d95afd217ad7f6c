/* daemon/leadctl_watch.h: a run being watched: leadctl_watch.c hears of it, leadctl_bars.c shows
 * it. */
#pragma once

#include "daemon/leadctl.h"

#define WATCH_STAGES 32

struct mark {
	int64_t at_us, done;
};

struct watch {
	struct ctl *c;
	uint64_t number;
	struct json_object *run; /* the newest state */
	bool ended;
	struct buf line, name, data; /* the event that is coming in */
	struct {
		struct mark old, newer;
	} marks[WATCH_STAGES];
	struct buf frame; /* what the screen shows, of so many lines */
	size_t drawn;
	int64_t next_line_us;
	const char *note; /* what is wrong with the connection; "" for nothing */
};

int64_t watch_now_us(void); /* monotonic */

/* leadctl_bars.c: after each event and each second; arg is the watch. */
void bars_show(void *arg);
