/* lib/lead/mask.h: personal data made unreadable for logs and previews. */
#pragma once

#include "lib/base/buf.h"

/* `j***@e***.com`; text that is no address is shown as its first letter and ***. */
void mask_email(struct buf *out, const char *text, size_t len);
/* Replaces every e-mail address inside a longer text. */
void mask_addresses(struct buf *out, const char *text, size_t len);
