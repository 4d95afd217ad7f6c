/*
 * lib/base/error.c: writes the one line a failure is told with. The line is
 * built aside first, so that a caller may wrap the text that err already holds.
 */
#include "lib/base/error.h"

#include <stdio.h>
#include <string.h>

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
		size_t end = sizeof(line) - 1;

		while (end > 0 && ((unsigned char)line[end - 1] & 0xC0) == 0x80) {
			end--;
		}
		if (end > 0 && (unsigned char)line[end - 1] >= 0xC0) {
			end--; /* the cut may have gone through a character: leave it out */
		}
		line[end] = '\0';
	}
	err->code = code;
	memcpy(err->text, line, sizeof(line));
	return code;
}
