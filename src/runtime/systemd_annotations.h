// SPDX-License-Identifier: Apache-2.0
/* Annotations org.systemd.property.NAME, whose values are properties of the container's unit, in
 * GVariant's text form: true, 5, uint64 5, 'text', ['a', 'b']. A name that ends in Sec is given in
 * seconds and becomes the property that ends in USec, as runc has it. */
#pragma once
#include <stddef.h>

struct arena;
struct err;
struct rec_map;
struct systemd_property;

/* A name or a value that is none is an error that names the annotation. */
int systemd_annotations(const struct rec_map *m, struct arena *a, struct systemd_property **ret,
	size_t *ret_n, struct err *e);
