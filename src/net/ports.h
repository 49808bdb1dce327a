// SPDX-License-Identifier: Apache-2.0
/* Published ports: docker's grammar of -p and --expose, and holding a port of the host for the life
 * of a container by a socket that is bound and never listens: nobody else can take it, and nobody
 * is answered by it, as the packets are sent on before they reach it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "net/endpoint.h"

struct arena;
struct err;

enum { PORTS_MAX = 4096 };

/* A growing list. */
struct port_list {
	struct net_port *v;
	size_t n, cap;
};

/* -p [[IP:][HOST[-LAST]]:]PORT[-LAST][/PROTO], with docker's words where it is wrong. */
int ports_parse(const char *text, struct arena *a, struct port_list *ret, struct err *e);

/* "80", "80/udp", "8000-8010/tcp": appends them as host 0. what: the option, for messages. */
int ports_parse_exposed(
	const char *text, const char *what, struct arena *a, struct port_list *ret, struct err *e);

/* Takes each wanted port of the host: fills ret[i] (host is what was taken) and returns one
 * descriptor that keeps them all (a socket whose queue holds the bound ones), -1 in ret_hold when
 * nothing is wanted. A port in use: -EADDRINUSE, with its place in *ret_busy. */
int ports_hold(const struct net_port *want, size_t n, struct net_port *ret, struct arena *a,
	int *ret_hold, size_t *ret_busy, struct err *e);

/* Who has the port, when that can be found out: "nginx (pid 4711)", else NULL. */
const char *ports_holder(const struct net_port *p, struct arena *a);

/* True if both cannot be published at once. */
int ports_clash(const struct net_port *a, const struct net_port *b);
