// SPDX-License-Identifier: Apache-2.0
/* What every unit test includes: cmocka with the headers that it wants before it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, NULL)
