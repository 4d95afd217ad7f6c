/*
 * lib/base/expr_message.c: what jq says about a failed run, without the data.
 */
#include "lib/base/expr_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/*
 * Words of jq's own messages. A message quotes pieces of the input, and those
 * are a lead's data: every word that stands neither here nor in the program
 * itself is left out.
 */
static const char JQ_WORDS[] =
    "a abandoned add added an and another any array arrays as at base64 be because boolean both "
    "bounds byte can can't cannot check checked codepoint column containment converted converting "
    "csv-formatted data date datetime deep delete depth digit divided divisor does element empty "
    "end endswith eof error escape escaped expected failure field fields for format found from "
    "gmtime has have implode imploded in index indexed indices input inputs invalid is it iterate "
    "iterated json key keys length limit line literal long match matched mktime modifier "
    "multiplied "
    "must near negated negative no not null number numbers numeric object objects of only or out "
    "parsed parsing parenthesis path pattern range regex remainder repeat requires result row "
    "searched seconds separator shell since slice sort sorted specified split start startswith "
    "strftime string strings strptime subtracted than they to too trailing unexpected unfinished "
    "unicode unmatched update use valid value values whether while with zero";

static bool stands_in(const char *text, const char *word, size_t len)
{
	size_t at = 0;

	for (; text[at] != '\0'; at++) {
		if ((at == 0 || !isalnum((unsigned char)text[at - 1])) &&
		    strncasecmp(text + at, word, len) == 0 &&
		    !isalnum((unsigned char)text[at + len])) {
			return true;
		}
	}
	return false;
}

static bool may_be_shown(const char *program, const char *word, size_t len)
{
	while (len > 0 && !isalnum((unsigned char)word[0])) {
		word++;
		len--;
	}
	while (len > 0 && !isalnum((unsigned char)word[len - 1])) {
		len--;
	}
	return len > 0 && (stands_in(JQ_WORDS, word, len) || stands_in(program, word, len));
}

void expr_message_write(struct buf *out, const char *message, const char *program)
{
	static const char SPACE[] = " \t\n";
	bool hidden = false;

	while (*(message += strspn(message, SPACE)) != '\0') {
		size_t len = strcspn(message, SPACE);
		bool show = may_be_shown(program, message, len);

		if (show) {
			buf_add_char(out, ' ');
			buf_add(out, message, len);
		} else if (!hidden) {
			buf_add_text(out, " …");
		}
		hidden = !show;
		message += len;
	}
}
