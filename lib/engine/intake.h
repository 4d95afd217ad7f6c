/* lib/engine/intake.h: bytes of an upload become rows, and rows become items. */
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
	uint64_t loose_rows, first_loose; /* rows with something under no header */
	bool asked, failed;
	char error[200];
};

struct import_part {
	uint32_t run;
	char *bytes;
	size_t len;
	char error[160];
	struct import_part *next;
};

void intake_apply(struct engine *e, struct import_part *p);
void intake_ask(struct engine *e, struct run *r);
void import_free(struct import *i);
