/* GET /v1/metrics: the process's own part, then the engine's. See routes.h. */
#include "daemon/routes.h"
#include "lib/engine/show/show.h"
#include "lib/table/prometheus.h"

#define MERGED 4 /* buckets of struct times that make one of the histogram */
#define EDGES (TIMES_BUCKETS / MERGED - 1)

static void gauge(struct buf *out, const char *name, const char *help, double v)
{
	prometheus_family(out, name, PROMETHEUS_GAUGE, help);
	prometheus_sample(out, name, NULL, v);
}

static void put_times(struct buf *out, const char *name, const char *help, const struct times *t)
{
	uint64_t counts[EDGES + 1] = {0};
	double edges[EDGES], edge = 50e-6;

	for (int i = 0; i < TIMES_BUCKETS; i++, edge *= 1.25) {
		counts[i / MERGED] += t->buckets[i];
		if (i % MERGED == MERGED - 1 && i / MERGED < EDGES) {
			edges[i / MERGED] = edge;
		}
	}
	prometheus_family(out, name, PROMETHEUS_HISTOGRAM, help);
	prometheus_histogram(out, name, NULL, edges, counts, EDGES, (double)t->sum_us / US_PER_S);
}

static void put_process(struct leadd *l, struct buf *out)
{
	struct store_room room;
	uint64_t left = 0;

	prometheus_family(out, "leadd_build_info", PROMETHEUS_GAUGE, "Always 1; the label is what matters.");
	prometheus_sample(out, "leadd_build_info", (const char *const[]){"version", LEADD_VERSION, NULL}, 1);
	gauge(out, "leadd_start_time_seconds", "When the process started, in seconds since 1970.", (double)l->started_wall_us / US_PER_S);
	store_room(l->store, &room);
	(void)store_disk_low(l->store, &left);
	gauge(out, "leadd_store_used_bytes", "Pages of the store in use.", (double)room.used_bytes);
	gauge(out, "leadd_store_limit_bytes", "What the store may grow to.", (double)room.map_bytes);
	gauge(out, "leadd_disk_free_bytes", "Room on the disk of the store.", (double)left);
	prometheus_family(out, "leadd_commits_total", PROMETHEUS_COUNTER, "Commits of the store since the start.");
	prometheus_sample(out, "leadd_commits_total", NULL, (double)room.commits);
	put_times(out, "leadd_turn_seconds", "How long turns took, without their commit.", &l->turn_times);
	put_times(out, "leadd_commit_seconds", "How long the commits of turns took.", &l->commit_times);
}

void get_metrics(void *app, struct http_request *r)
{
	struct leadd *l = app;
	struct txn *t = read_begin(l, r);
	struct buf out = {0};
	struct lead_error err;

	if (t == NULL) {
		return;
	}
	put_process(l, &out);
	show_metrics(l->engine, t, clock_now(), &out);
	txn_abort(t);
	if (out.failed) {
		(void)lead_fail(&err, LEAD_ENOMEM, "out of memory");
		http_reply_error(r, &err);
	} else {
		http_reply_text(r, 200, PROMETHEUS_TYPE, out.data, out.len);
	}
	buf_free(&out);
}
