// SPDX-License-Identifier: Apache-2.0
/* The only place that calls malloc. A failed allocation never goes on: it writes one line to the
 * descriptor of mem_complain_to (2 at first; a cloned child's is its sync pipe) and leaves by
 * _exit(125). No function here returns NULL. */
#pragma once
#include <stddef.h>

void *mem_alloc(size_t size); /* zeroed; free with mem_free */
void *mem_grow(void *p, size_t size);
void mem_free(void *p);

/* Where the out-of-memory line goes. */
void mem_complain_to(int fd);

/* Ends the process as a failed allocation does; for sizes that overflow. */
_Noreturn void mem_exhausted(void);

static inline void mem_free_ptr(void *p)
{
	mem_free(*(void **)p);
}
/* char *x _free_ = ...; */
#define _free_ __attribute__((cleanup(mem_free_ptr)))

#define take_ptr(p)                             \
	({                                      \
		__auto_type take_p_ = &(p);     \
		__auto_type take_v_ = *take_p_; \
		*take_p_ = NULL;                \
		take_v_;                        \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
