/* lib/base/mail.h: headers that cannot be broken out of, text that arrives as it was. */
#include "lib/base/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static char *write(const char *subject, const char *text)
{
	struct buf b = {0};

	mail_write(&(struct mail){.from = "leadd@night.example", .to = "ops@example.com", .id = "0123", .subject = subject, .text = text,
		       .text_len = strlen(text), .wall_us = INT64_C(1700000000) * 1000000}, &b);
	assert_false(b.failed);
	/* ASCII, CRLF, and no line too long for SMTP */
	for (const char *p = b.data, *line = b.data; *p != 0; p++) {
		assert_true((unsigned char)*p < 0x7f);
		if (*p == '\n') {
			assert_int_equal(p[-1], '\r');
			assert_true(p - line < 990);
			line = p + 1;
		} else {
			assert_true(*p != '\r' || p[1] == '\n');
		}
	}
	return buf_take(&b);
}

static void has(const char *subject, const char *text, const char *part)
{
	char *mail = write(subject, text);

	if (strstr(mail, part) == NULL) {
		fail_msg("no '%s' in:\n%s", part, mail);
	}
	free(mail);
}

static void has_not(const char *subject, const char *text, const char *part)
{
	char *mail = write(subject, text);

	assert_null(strstr(mail, part));
	free(mail);
}

static void test_headers(void **state)
{
	(void)state;
	has("hello", "", "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: leadd <leadd@night.example>\r\nTo: <ops@example.com>\r\n"
			 "Subject: hello\r\nMessage-ID: <0123@night.example>\r\nMIME-Version: 1.0\r\n");
}

static void test_nothing_begins_a_header(void **state)
{
	(void)state;
	has_not("x\r\nBcc: evil@example.com", "", "\r\nBcc");
	has_not("x\nBcc: evil@example.com", "", "Bcc:");
	has("a\nb", "", "Subject: =?utf-8?B?YSBi?=\r\n");
}

static void test_subjects_are_encoded(void **state)
{
	(void)state;
	has("Müller", "", "Subject: =?utf-8?B?TcO8bGxlcg==?=\r\n");
	/* words are cut between characters, and looks like a word is one */
	has("=?utf-8?B?YQ==?=", "", "Subject: =?utf-8?B?PT91");
	has("ääääääääääääääääääääääääääääääää", "",
	    "=?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?=\r\n =?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpA==?=\r\n");
}

static void test_text_is_quoted(void **state)
{
	char line[3000], *mail;

	(void)state;
	has("s", "a=b\nend \nÄ\n", "\r\n\r\na=3Db\r\nend=20\r\n=C3=84\r\n");
	has("s", "one\r\ntwo", "\r\n\r\none\r\ntwo\r\n");
	has("s", "bare\rreturn", "bare=0Dreturn");
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	mail = write("s", line);
	for (char *p = strstr(mail, "\r\n\r\n") + 4; *p != 0;) {
		size_t len = strcspn(p, "\r");

		assert_true(len <= 76);
		p += len + 2;
	}
	free(mail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_nothing_begins_a_header),
	    cmocka_unit_test(test_subjects_are_encoded),
	    cmocka_unit_test(test_text_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
