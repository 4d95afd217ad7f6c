/* See xlsx_internal.h. No document type is taken, so there are no entities but XML's own five. */
#include "lib/table/xlsx_internal.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 64

/* Without the prefix: programs differ in those, and no part has two names that would meet. */
static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

const char *xml_pair(const char **pairs, const char *name)
{
	for (; pairs[0] != NULL; pairs += 2) {
		if (strcmp(local_name(pairs[0]), name) == 0) {
			return pairs[1];
		}
	}
	return NULL;
}

void xml_fail(struct xml *x, int code, const char *format, ...)
{
	char text[200];
	va_list args;

	if (x->rc != 0) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	x->rc = lead_fail(x->err, (enum lead_err)code, "the workbook's %s: %s", x->part, text);
	(void)XML_StopParser(x->parser, XML_FALSE);
}

static void XMLCALL on_begin(void *arg, const char *name, const char **pairs)
{
	struct xml *x = arg;

	if (++x->depth > MAX_DEPTH) {
		xml_fail(x, LEAD_EINPUT, "elements lie in each other more than %d deep", MAX_DEPTH);
	} else if (x->rc == 0 && x->begin != NULL) {
		x->begin(x, local_name(name), pairs);
	}
}

static void XMLCALL on_end(void *arg, const char *name)
{
	struct xml *x = arg;

	x->depth--;
	if (x->rc == 0 && x->end != NULL) {
		x->end(x, local_name(name));
	}
}

static void XMLCALL on_text(void *arg, const char *text, int len)
{
	struct xml *x = arg;

	if (x->rc == 0 && x->text != NULL) {
		x->text(x, text, (size_t)len);
	}
}

static void XMLCALL on_doctype(
    void *arg, const char *name, const char *system, const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	xml_fail(arg, LEAD_EINPUT, "has a document type, which no spreadsheet program writes");
}

int xml_open(struct xml *x)
{
	x->parser = XML_ParserCreate(NULL);
	if (x->parser == NULL) {
		return lead_fail(x->err, LEAD_ENOMEM, "out of memory");
	}
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_begin, on_end);
	XML_SetCharacterDataHandler(x->parser, on_text);
	XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
	return 0;
}

int xml_feed(struct xml *x, const void *bytes, size_t len, bool last)
{
	if (x->rc == 0 && XML_Parse(x->parser, bytes, (int)len, last) != XML_STATUS_OK &&
	    x->rc == 0) {
		xml_fail(x, LEAD_EINPUT, "line %lu: %s", XML_GetCurrentLineNumber(x->parser),
		    XML_ErrorString(XML_GetErrorCode(x->parser)));
	}
	return x->rc;
}

void xml_close(struct xml *x)
{
	XML_ParserFree(x->parser);
	x->parser = NULL;
}
