/* The Lua state and everything native it can require. */
#ifndef STATE_H
#define STATE_H

#include <lua.h>

/* Open the libraries scripts stand on, preload the native modules, and make
 * require find the library in the binary (or below stdlib_dir when given).
 * [-0, +0, e] */
void state_open(lua_State *L, const char *stdlib_dir);

/* Put every native module where require finds it. Part of state_open; by
 * itself for the test launcher. [-0, +0, m] */
void state_preload(lua_State *L);

/* Message handler: text of any error value, with a traceback for plain
 * strings (bugs), passed through redaction. */
int state_message(lua_State *L);

#endif
