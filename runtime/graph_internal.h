/* The two halves of host.graph: graph.c builds requests, graph_judge.c judges answers. */
#ifndef GRAPH_INTERNAL_H
#define GRAPH_INTERNAL_H

#include <lua.h>

/* graph.judge(request, answer) -> value, date | nil, failure */
int graph_judge(lua_State *L);

/* graph.judge_batch(request, answer) -> outcomes, date | nil, failure */
int graph_judge_batch(lua_State *L);

#endif
