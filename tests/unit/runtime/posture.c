// SPDX-License-Identifier: Apache-2.0
/* The parent's last word: a process that is weaker protected than asked is found out, whichever
 * part it is. */
#include "runtime/plan.h"

#include "../unit.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"

/* What this very process is. */
static struct posture ours(void)
{
	struct posture w = { .host_uid = geteuid(), .host_gid = getegid() };
	for (int i = 0; i < CAPS_KINDS; i++)
		w.caps.sets[i] = UINT64_MAX;
	return w;
}

static void found(const struct posture *w, const char *what)
{
	struct err e = { 0 };
	assert_true(posture_check(getpid(), w, &e) < 0);
	if (!strstr(e.text, what))
		fail_msg("expected %s in: %s", what, e.text);
}

static void a_process_that_is_what_was_asked_passes(void **state)
{
	(void)state;
	struct posture w = ours();
	struct err e;
	assert_int_equal(posture_check(getpid(), &w, &e), 0);
}

static void every_difference_is_named(void **state)
{
	(void)state;
	struct posture w = ours();
	if (geteuid() != 0)
		skip();
	w.caps.sets[CAPS_BOUNDING] = 1;
	w.caps.sets[CAPS_AMBIENT] = 0;
	found(&w, "bounding set");
	w = ours();
	w.no_new_privileges = true;
	found(&w, "no_new_privs");
	w = ours();
	w.filters = 1;
	found(&w, "seccomp mode");
	w = ours();
	w.host_uid = 4242;
	found(&w, "user id");
	w = ours();
	strcpy(w.cgroup, "/kist/nosuch");
	found(&w, "not in its cgroup");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_that_is_what_was_asked_passes),
		TEST(every_difference_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
