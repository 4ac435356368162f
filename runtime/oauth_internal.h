/* Declarations that oauth.c (requests) and oauth_judge.c (answers) of host.oauth share. */
#ifndef OAUTH_INTERNAL_H
#define OAUTH_INTERNAL_H

#include "request.h"

/* Return the authority at index; raise an argument error unless it is an origin and one path segment, the tenant. */
const char *oauth_check_authority(lua_State *L, int index);

/* Functions of host.oauth in oauth_judge.c; stdlib/meta/host/oauth.lua describes them. */
int oauth_judge_token(lua_State *L);
int oauth_judge_identity(lua_State *L);
int oauth_judge_device_code(lua_State *L);
int oauth_judge_discovery(lua_State *L);
int oauth_judge_given(lua_State *L);
int oauth_judge_expiry(lua_State *L);

#endif
