/* The specs' own HTTPS client, as the Lua module `client`. Test only. */
#ifndef CLIENT_H
#define CLIENT_H

#include <lua.h>

int luaopen_client(lua_State *L);

#endif
