/*
 * Result folders that are older than `results: keep` are removed. One look a day, a few folders at a time; a run that has not
 * ended, or whose results are not written yet, is never touched. Its leads stay in the store.
 */
#include "daemon/leadd.h"
#include "lib/engine/show.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLICE_FOLDERS 20

struct tidy {
	struct leadd *l;
	struct event *next_step;
	DIR *runs; /* while a look is under way */
	unsigned removed;
};

/* Files only: there are no folders in it. */
static bool remove_folder(const char *path)
{
	char file[4096];
	struct dirent *e;
	DIR *d = opendir(path);

	if (d == NULL) {
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    (size_t)snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < sizeof(file)) {
			(void)unlink(file);
		}
	}
	closedir(d);
	return rmdir(path) == 0;
}

/* A folder's name is its run's number. */
static bool is_old(struct leadd *l, const char *name)
{
	const struct run_row *row;
	unsigned long run;
	char *end;

	if (name[0] < '1' || name[0] > '9') {
		return false;
	}
	run = strtoul(name, &end, 10);
	row = *end == 0 && run <= UINT32_MAX ? show_run_row(l->engine, (uint32_t)run) : NULL;
	return row != NULL && row->state >= RUN_DONE && row->written && row->ended_us != 0 &&
	       clock_now().wall_us - row->ended_us >= engine_config(l->engine)->results_keep_us;
}

static void look_at(struct tidy *y, const char *name)
{
	char path[4096];

	if (!is_old(y->l, name) ||
	    (size_t)snprintf(path, sizeof(path), "%s/runs/%s", engine_config(y->l->engine)->state_dir, name) >= sizeof(path)) {
		return;
	}
	if (remove_folder(path)) {
		y->removed++;
	} else {
		log_line(LOG_WARN_, "run=%s its old results cannot be removed: %s", name, strerror(errno));
	}
}

static void look_ends(struct tidy *y)
{
	struct timeval day = {.tv_sec = 24 * 3600};

	closedir(y->runs);
	y->runs = NULL;
	if (y->removed > 0) {
		log_line(LOG_NOTE_, "results of %u runs were old and are removed; their leads are kept", y->removed);
	}
	y->removed = 0;
	event_add(y->next_step, &day);
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct tidy *y = arg;
	struct timeval now = {0}, day = {.tv_sec = 24 * 3600};
	struct dirent *e = NULL;
	char path[4096];

	(void)fd;
	(void)what;
	if (y->runs == NULL) {
		(void)snprintf(path, sizeof(path), "%s/runs", engine_config(y->l->engine)->state_dir);
		y->runs = opendir(path);
		if (y->runs == NULL) {
			log_line(LOG_WARN_, "cannot look for old results in %s: %s", path, strerror(errno));
			event_add(y->next_step, &day);
			return;
		}
	}
	for (int i = 0; i < SLICE_FOLDERS && (e = readdir(y->runs)) != NULL; i++) {
		look_at(y, e->d_name);
	}
	if (e != NULL) {
		event_add(y->next_step, &now);
	} else {
		look_ends(y);
	}
}

void tidy_look(struct leadd *l)
{
	struct timeval now = {0};

	if (l->tidy != NULL) { /* else leadd is at its end: a reload that did not commit is answered after tidy_stop */
		event_add(l->tidy->next_step, &now);
	}
}

void tidy_start(struct leadd *l)
{
	l->tidy = calloc(1, sizeof(*l->tidy));
	if (l->tidy == NULL || (l->tidy->next_step = evtimer_new(l->base, on_step, l->tidy)) == NULL) {
		abort();
	}
	l->tidy->l = l;
	tidy_look(l);
}

void tidy_stop(struct leadd *l)
{
	if (l->tidy == NULL) {
		return;
	}
	if (l->tidy->runs != NULL) {
		closedir(l->tidy->runs);
	}
	event_free(l->tidy->next_step);
	free(l->tidy);
	l->tidy = NULL;
}
