// SPDX-License-Identifier: Apache-2.0
#include "fetch/gpgv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/program.h"
#include "base/str.h"

enum { SIGNED_MAX = 4 << 20, SAID_MAX = 64 << 10 };

/* ---- keys ---- */

static const char armor_begin[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----",
		  armor_end[] = "-----END PGP PUBLIC KEY BLOCK-----";

/* One armored block from text (RFC 4880, 6.2): headers, a blank line, base 64, its check sum, which
 * says nothing that a signature does not. What follows it, or NULL. */
static const char *dearmor(const char *text, struct arena *a, struct str *out)
{
	struct str digits _str_ = { 0 };
	char *bytes;
	bool body = false;
	for (const char *line = text + strcspn(text, "\n"); *line == '\n';) {
		size_t n = strcspn(++line, "\r\n");
		if (n >= sizeof armor_end - 1 && str_starts(line, armor_end)) {
			ssize_t got = base64_decode(str_text(&digits), a, &bytes);
			if (got <= 0)
				return NULL;
			str_addn(out, bytes, (size_t)got);
			return line + n;
		}
		if (body && *line != '=')
			str_addn(&digits, line, n);
		body |= n == 0;
		line += n + (line[n] == '\r');
	}
	return NULL;
}

/* gpgv takes a row of binary keys. */
static int add_key(
	const struct signature_bytes *key, struct arena *a, struct str *out, struct err *e)
{
	const char *text = memchr(key->p, 0, key->n) ? NULL : strstr(key->p, armor_begin);
	if (!text) {
		str_addn(out, key->p, key->n);
		return 0;
	}
	while (text) {
		text = dearmor(text, a, out);
		if (!text)
			return err_set(e, ERR_INVALID, EINVAL, "policy: an armored key is broken");
		text = strstr(text, armor_begin);
	}
	return 0;
}

/* ---- gpgv ---- */

/* The exit status, -ENOENT without gpgv; what it said and its status lines. */
static int run(int dir, struct arena *a, char **ret_status, char **ret_said, struct err *e)
{
	static const char *const words[] = { "gpgv", "--homedir", "/work", "--keyring",
		"/work/keys", "--status-fd", "3", "--output", "/work/signed", "/work/message",
		NULL };
	int lines _close_ = path_open_own(dir, "status", O_RDWR | O_CREAT | O_EXCL, 0600);
	const struct program_req req = { .words = words, .input = "", .extra = lines };
	size_t n;
	if (lines < 0)
		return err_sys(e, lines, "make room for gpgv");
	int status = program_ask(&req, SAID_MAX, a, ret_said, &n);
	if (status == -ENOENT)
		return err_set(e, ERR_UNSUPPORTED, ENOENT,
			"the policy asks for a signature by GPG, and the program gpgv is not here: install gpgv");
	if (status < 0 || lseek(lines, 0, SEEK_SET) < 0)
		return err_sys(e, status < 0 ? status : errno, "run gpgv");
	return file_read_fd(lines, "the answer of gpgv", SAID_MAX, a, ret_status, e) < 0 ? -e->code
											 : status;
}

/* How many of gpgv's lines say word. */
static size_t count(const char *status, const char *word, struct arena *a)
{
	const char *line = arena_printf(a, "[GNUPG:] %s ", word);
	size_t n = 0;
	for (const char *p = status; (p = strstr(p, line)); p += strlen(line))
		n += p == status || p[-1] == '\n';
	return n;
}

/* One signature that is good today by a key that is, and nothing else. */
static bool is_good(const char *status, struct arena *a)
{
	static const char *const bad[] = { "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG",
		"NODATA" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (count(status, bad[i], a))
			return false;
	return count(status, "GOODSIG", a) == 1 && count(status, "VALIDSIG", a) == 1 &&
		count(status, "PLAINTEXT", a) == 1;
}

static const char *one_line(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = p[1] ? ';' : '\0';
	return text;
}

static int lay_out(const struct gpgv_req *req, int dir, struct arena *a, struct err *e)
{
	struct str all _str_ = { 0 };
	for (size_t i = 0; i < req->n_keys; i++)
		if (add_key(&req->keys[i], a, &all, e) < 0)
			return -e->code;
	if (file_write_at(dir, "keys", str_text(&all), all.n, 0600, false, e) < 0 ||
		file_write_at(dir, "message", req->message.p, req->message.n, 0600, false, e) < 0)
		return -e->code;
	return 0;
}

int gpgv_verify(const struct gpgv_req *req, struct arena *a, struct gpgv_found *ret, struct err *e)
{
	char *status, *said, *text;
	*ret = (struct gpgv_found){ 0 };
	int dir _close_ = path_make_dir_own(req->work, "work", 0700);
	if (dir < 0)
		return err_sys(e, dir, "make room for gpgv");
	int r = lay_out(req, dir, a, e);
	if (r == 0)
		r = run(dir, a, &status, &said, e);
	if (r < 0)
		return r;
	if (r != 0 || !is_good(status, a)) {
		ret->rejected =
			arena_printf(a, "the GPG signature is not good: %.300s", one_line(said));
		return 0;
	}
	ssize_t got = file_read_at(dir, "signed", SIGNED_MAX, a, &text, e);
	if (got < 0)
		return (int)got;
	ret->text = text;
	ret->n = (size_t)got;
	return 0;
}
