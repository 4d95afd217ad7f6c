/*
 * tests/fault/record.h: a night as the disk saw it: what leadd wrote, synced, was asked and told, in this order.
 *
 * A record is a head and `len` bytes. Writes stand there once they were handed to the system, syncs once they returned,
 * answers and requests to services before their first byte left.
 */
#pragma once

#include <stdint.h>

enum record_kind {
	RECORD_START = 'B',   /* leadd was started */
	RECORD_WRITE = 'W',   /* bytes of the store at offset */
	RECORD_META = 'M',    /* the same through the O_DSYNC descriptor: durable at its return */
	RECORD_SYNC = 'S',    /* fdatasync of the store */
	RECORD_CUT = 'T',     /* the store's length becomes offset */
	RECORD_NEW = 'C',     /* a store or an upload (bytes: its path) is made; a store under another name */
	RECORD_RENAME = 'N',  /* the store gets its name */
	RECORD_FOLDER = 'D',  /* fsync of a folder (bytes: its path): names in it are durable */
	RECORD_SPOOL = 'w',   /* an upload (bytes: its path) was written up to offset */
	RECORD_SPOOLED = 's', /* fdatasync of it */
	RECORD_ASKED = 'R',   /* on control connection fd: bytes of a request */
	RECORD_TOLD = 'A',    /* on it: bytes of an answer */
	RECORD_SENT = 'O',    /* bytes of a request to a service */
};

struct record_head {
	uint8_t kind;
	uint8_t unused;
	uint16_t fd;
	uint32_t len;
	uint64_t offset;
};
