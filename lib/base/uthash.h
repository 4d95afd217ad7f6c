/* lib/base/uthash.h: uthash as it is used here: out of memory ends the process, which then starts again from the store. */
#pragma once

#include <stdlib.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>
