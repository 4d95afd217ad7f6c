/*
 * Result folders that are older than `results: keep` are removed, and uploads a day after their last byte or use. One look a day, one removal at a
 * time; a run that has not ended, or whose results are not written yet, is never touched, nor a list that is still being read. The leads stay
 * in the store.
 *
 *   runs/ -> uploads/ -> again in a day
 */
#include "daemon/leadd.h"
#include "lib/engine/show/show.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLICE_FOLDERS 20
#define UPLOAD_KEEP_S (24 * 3600)

struct tidy {
	struct leadd *l;
	struct event *next_step;
	DIR *runs, *uploads; /* while a look is under way */
	unsigned removed, uploads_removed;
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

/* true: there was something to remove, which may be long work for the disk. */
static bool look_at(struct tidy *y, const char *name)
{
	char path[4096];

	if (!is_old(y->l, name) ||
	    (size_t)snprintf(path, sizeof(path), "%s/runs/%s", engine_config(y->l->engine)->state_dir, name) >= sizeof(path)) {
		return false;
	}
	if (remove_folder(path)) {
		y->removed++;
	} else {
		log_line(LOG_WARN_, "run=%s its old results cannot be removed: %s", name, strerror(errno));
	}
	return true;
}

/* A file of the spool; what was made of it has the same name with an ending. */
static void look_at_upload(struct tidy *y, const char *name)
{
	char id[33], path[4096];
	struct stat st;

	(void)snprintf(id, sizeof(id), "%s", name);
	if ((size_t)snprintf(path, sizeof(path), "%s/uploads/%s", engine_config(y->l->engine)->state_dir, name) >= sizeof(path) ||
	    lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || clock_now().wall_us / US_PER_S - st.st_mtime < UPLOAD_KEEP_S ||
	    upload_is_read(y->l, id)) {
		return;
	}
	if (unlink(path) == 0) {
		y->uploads_removed += strlen(name) == sizeof(id) - 1;
	} else {
		log_line(LOG_WARN_, "the old upload %s cannot be removed: %s", path, strerror(errno));
	}
}

static void look_ends(struct tidy *y)
{
	struct timeval day = {.tv_sec = 24 * 3600};

	if (y->runs != NULL) {
		closedir(y->runs);
	}
	if (y->uploads != NULL) {
		closedir(y->uploads);
	}
	y->runs = y->uploads = NULL;
	if (y->removed > 0) {
		log_line(LOG_NOTE_, "results of %u runs were old and are removed; their leads are kept", y->removed);
	}
	if (y->uploads_removed > 0) {
		log_line(LOG_NOTE_, "%u uploads were old and are removed", y->uploads_removed);
	}
	y->removed = y->uploads_removed = 0;
	event_add(y->next_step, &day);
}

static DIR *open_dir(struct tidy *y, const char *name)
{
	char path[4096];
	DIR *d;

	(void)snprintf(path, sizeof(path), "%.4000s/%s", engine_config(y->l->engine)->state_dir, name);
	d = opendir(path);
	if (d == NULL) {
		log_line(LOG_WARN_, "cannot look for what is old in %s: %s", path, strerror(errno));
	}
	return d;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct tidy *y = arg;
	struct timeval now = {0};
	struct dirent *e = NULL;

	(void)fd;
	(void)what;
	if (y->runs == NULL && ((y->runs = open_dir(y, "runs")) == NULL || (y->uploads = open_dir(y, "uploads")) == NULL)) {
		look_ends(y);
		return;
	}
	for (int i = 0; i < SLICE_FOLDERS && (e = readdir(y->runs)) != NULL && !look_at(y, e->d_name); i++) {
	}
	if (e == NULL && (e = readdir(y->uploads)) != NULL) {
		look_at_upload(y, e->d_name);
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
	if (l->tidy->uploads != NULL) {
		closedir(l->tidy->uploads);
	}
	event_free(l->tidy->next_step);
	free(l->tidy);
	l->tidy = NULL;
}
