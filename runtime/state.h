/* The Lua state: its libraries, the native modules, and where `require` finds Lua files. */
#ifndef STATE_H
#define STATE_H

#include <lua.h>

/* Open the standard libraries, preload the native modules, and make require find the library in the program (or below
 * stdlib_dir when given). [-0, +0, e] */
void state_open(lua_State *L, const char *stdlib_dir);

/* Preload every native module for require. Part of state_open; the test launcher calls it alone. [-0, +0, m] */
void state_preload(lua_State *L);

/* Message handler: return the text of any error value, with a traceback for plain strings (bugs), redacted. */
int state_message_handler(lua_State *L);

#endif
