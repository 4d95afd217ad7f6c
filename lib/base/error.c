/*
 * lib/base/error.c: writes the one line a failure is told with. The line is
 * built aside first, so that a caller may wrap the text that err already holds.
 */
#include "lib/base/error.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

/* The cut at the end of a line that was too long may have gone through a character. */
static void drop_half_character(char *line, size_t len)
{
	size_t start = len - 1;
	uint32_t c;

	while (start > 0 && len - start < 4 && ((unsigned char)line[start] & 0xC0) == 0x80) {
		start--;
	}
	if (text_next(line + start, line + len, &c) == 0) {
		line[start] = '\0';
	}
}

int lead_fail(struct lead_error *err, enum lead_err code, const char *format, ...)
{
	char line[sizeof(err->text)];
	va_list args;
	int n;

	if (err == NULL) {
		return code;
	}
	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0) {
		line[0] = '\0';
	}
	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ') {
			*p = ' '; /* libraries like to end their messages with a newline */
		}
	}
	if (n >= (int)sizeof(line)) {
		drop_half_character(line, sizeof(line) - 1);
	}
	err->code = code;
	memcpy(err->text, line, sizeof(line));
	return code;
}
