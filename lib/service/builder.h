/* lib/service/builder.h: pieces while they are put together; for pieces.c and tree.c alone. */
#pragma once

#include "lib/service/parts.h"

struct builder {
	struct piecework *w;
	const struct yaml_node *node; /* blamed for problems */
	enum encoding encoding;
	const char *where;
	struct buf bytes; /* literal run not yet pushed */
	struct piece *v;
	size_t n, cap;
	bool bad;
};

void builder_piece(struct builder *b, struct piece piece);
/* The literal run becomes a piece. */
void builder_flush(struct builder *b);
/* Literals and holes of one text; the holes are pieces of kind PIECE_HOLE. */
void builder_text(struct builder *b, const char *text, size_t len);
/* Frees the builder; false when anything went wrong. */
bool builder_finish(struct builder *b, struct pieces *ret);
