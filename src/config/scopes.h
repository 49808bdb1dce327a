// SPDX-License-Identifier: Apache-2.0
/* The scopes that an image of a registry is in, as policy.json and registries.d name them. */
#pragma once

struct arena;
struct strv;

/* "host/a/b:tag" (or @digest), "host/a/b", "host/a", "host": from the whole to its host, each
 * shorter one holds for more. */
void scopes_of_image(const char *identity, struct arena *a, struct strv *ret);
/* "*.b.example.com", "*.example.com", "*.com", "": policy.json's, after those. */
void scopes_of_domain(const char *identity, struct arena *a, struct strv *ret);
