/* Inside of host.oauth: what oauth.c and oauth_judge.c share. */
#ifndef OAUTH_INTERNAL_H
#define OAUTH_INTERNAL_H

#include "request.h"

/* Raise unless the argument is an origin and one path segment, the tenant. */
const char *oauth_check_authority(lua_State *L, int index);

/* What judges answers, for the module's table: see stdlib/meta/host/oauth.lua. */
int oauth_judge_token(lua_State *L);
int oauth_judge_identity(lua_State *L);
int oauth_judge_device_code(lua_State *L);
int oauth_judge_discovery(lua_State *L);
int oauth_given(lua_State *L);

#endif
