/* tests/sim/hooks.h: what the linker puts between engine and store in this program: deaths, a full
 * disk, planted bugs. */
#pragma once

#include <stdbool.h>

enum commit_hook { COMMIT_AS_IT_IS, COMMIT_DIE_BEFORE, COMMIT_DIE_AFTER };
struct hooks {
	enum commit_hook commit;
	bool full, nearly_full;
};
extern struct hooks hooks;
enum planted {
	PLANTED_NONE,
	PLANTED_COMMIT_SKIPPED,
	PLANTED_WINDOW_OFF_BY_ONE,
	PLANTED_STAMP_AT_GRANT,
	PLANTED_LEDGER_AFTER_SEND,
	PLANTED_RESEND,
	PLANTED_BUDGET_WITHOUT_RESERVED,
	PLANTED_BREAKER_BY_VERDICTS,
	PLANTED_RETRY_AFTER_IGNORED,
	PLANTED_DOUBT_LOST,
	PLANTED_SHARE_BROKEN,
	PLANTED_WALL_FOR_BOOT,
	PLANTED_WINDOWS_FORGOTTEN,
	PLANTED_OPEN_CALLS_FORGOTTEN,
	PLANTED_DUPLICATES_MISSED,
	PLANTED_GATES_OFF,
	PLANTED_RUN_ROW_STALE,
	PLANTED_RETRY_LOST,
	PLANTED_PRICE_WRONG,
	PLANTED_START_TWICE,
	PLANTED_BROKEN_NOT_COUNTED,
	PLANTED_IDS_BY_WALL,
	PLANTED_QUOTA_IGNORED,
	PLANTED_BREAKER_NEVER_OPENS,
	PLANTED_N
};
extern enum planted planted;
const char *planted_word(enum planted p);
void hooks_reset(void);
