/*
 * lib/table/prometheus.h: writes the Prometheus text format, version 0.0.4.
 *
 *   prometheus_family, then its samples -> the next family …
 *
 * Every name is given with its unit and, for counters, with _total; a family is written once, samples of it only after it.
 * Labels are name, value, name, value, …, NULL; values are escaped, names are taken as they are. Source: the format's page
 * "Exposition formats" of the Prometheus documentation.
 */
#pragma once

#include "lib/base/buf.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prometheus_kind { PROMETHEUS_COUNTER, PROMETHEUS_GAUGE, PROMETHEUS_HISTOGRAM };

/* help: one line. */
void prometheus_family(struct buf *out, const char *name, enum prometheus_kind kind, const char *help);
/* Whole numbers are written as such, up to 2^53 exactly. labels: NULL for none. */
void prometheus_sample(struct buf *out, const char *name, const char *const labels[], double value);
/* counts[i]: values up to edges[i] and above the edge before; counts[n]: above all edges. sum: of all values. At most 8 labels. */
void prometheus_histogram(struct buf *out, const char *name, const char *const labels[], const double edges[], const uint64_t counts[],
    size_t n, double sum);
