/* Declarations that graph.c (requests) and graph_judge.c (answers) of host.graph share. */
#ifndef GRAPH_INTERNAL_H
#define GRAPH_INTERNAL_H

#include <lua.h>

/* graph.judge(request, answer) -> value, date | nil, failure */
int graph_judge(lua_State *L);

/* graph.judge_batch(request, answer) -> outcomes, date | nil, failure */
int graph_judge_batch(lua_State *L);

#endif
