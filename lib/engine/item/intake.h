/* lib/engine/item/intake.h: bytes of an upload become rows, and rows become items. */
#pragma once

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv_reader;
struct csv_sniff;
struct engine;
struct run;

enum import_phase { IMPORT_SNIFF, IMPORT_ROWS };

struct import {
	enum import_phase phase;
	struct csv_sniff *sniff;
	struct csv_reader *reader;
	uint64_t offset;        /* next byte to ask for */
	uint64_t skip;          /* rows already taken before a restart */
	uint64_t known;         /* bytes that held them */
	uint64_t loose_rows, first_loose; /* rows with something under no header */
	bool asked, failed, resumed; /* resumed: of a run that was cancelled in the middle */
	char error[200];
};

struct import_part {
	uint32_t run;
	char *bytes;
	size_t len;
	char error[160];
	struct import_part *next;
};

#define INTAKE_BYTES ((size_t)32 * 1024) /* of a slice: some hundred rows, about 5 ms with their checks */
#define INTAKE_KNOWN_BYTES ((size_t)256 * 1024) /* of one that is only looked at, or holds rows that are there: nothing of it is written */

void intake_apply(struct engine *e, struct import_part *p);
/* The run was cancelled while its file was read, and is put back: the rest is read, too. False: there is no rest. */
bool intake_resume(struct engine *e, struct run *r);
/* Asks for the next slice of a run that takes in rows, when none is under way; a paused one goes on: it costs nothing. false: it does not. */
bool intake_ask(struct engine *e, struct run *r);
void import_free(struct import *i);
