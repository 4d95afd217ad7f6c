/* daemon/replay.h: what the daemon and its child say to each other about a replay. */
#pragma once

#define REPLAY_OPTION "--replay"     /* STATE_DIR SCRATCH RUN LIMIT STEPS FILE file|bundle */
#define REPLAY_RESULT "result.json"  /* in SCRATCH, with exit status 0 */
#define REPLAY_REFUSED 3             /* exit status: a problem object was printed */

/* In the child; its exit status. argv as of main. */
int replay_main(char *argv[]);
