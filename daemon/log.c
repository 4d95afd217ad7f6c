/* Log lines: to stderr, journald's priority prefix when it listens, escaped, at most 200 lines in 10 s. */
#include "daemon/leadd.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST 200
#define BURST_US (10 * US_PER_S)

static enum log_level max_level = LOG_NOTE_;
static bool to_journal;
static int64_t window_us;
static unsigned lines, suppressed;

void log_open(enum log_level level)
{
	max_level = level;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

static bool allowed(void)
{
	int64_t now = clock_boot_us();

	if (now - window_us > BURST_US) {
		unsigned lost = suppressed;

		window_us = now;
		lines = suppressed = 0;
		if (lost > 0) {
			log_line(LOG_WARN_, "%u log lines suppressed", lost);
		}
	}
	if (lines >= BURST) {
		suppressed++;
		return false;
	}
	lines++;
	return true;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const int priorities[] = {3, 4, 5, 6, 7};
	char text[1024];
	struct buf out = {0};
	va_list ap;
	ssize_t n;

	if (level > max_level || !allowed()) {
		return;
	}
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (to_journal) {
		buf_printf(&out, "<%d>", priorities[level]);
	} else {
		buf_add_text(&out, "leadd: ");
	}
	text_write_safe(&out, text, strlen(text));
	buf_add_char(&out, '\n');
	if (!out.failed) {
		n = write(STDERR_FILENO, out.data, out.len); /* a lost line is not worth stopping for */
		(void)n;
	}
	buf_free(&out);
}
