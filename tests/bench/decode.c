/* decode FILE RUNS: decode the same text with host.json and with lua-cjson alone, in turn, RUNS times each. Prints
 * megabytes per second of the fastest runs:
 *
 * CJSON OURS
 */
#include "json.h"
#include "state.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void push_file(lua_State *L, const char *path) {
  luaL_Buffer text;
  FILE *file = fopen(path, "rb");
  if (!file) luaL_error(L, "cannot read %s", path);
  luaL_buffinit(L, &text);
  for (int c = getc(file); c != EOF; c = getc(file)) luaL_addchar(&text, (char)c);
  fclose(file);
  luaL_pushresult(&text);
}

/* Return the seconds of one call of the function at index with the text at index 1. */
static double time_one_decode(lua_State *L, int function) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCSTOP);
  double start = now();
  lua_pushvalue(L, function);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  double seconds = now() - start;
  if (!lua_istable(L, -1)) luaL_error(L, "it was not decoded");
  lua_pop(L, 1);
  lua_gc(L, LUA_GCRESTART);
  return seconds;
}

static int compare_decoders(lua_State *L) {
  char **argv = lua_touserdata(L, 1);
  lua_settop(L, 0);
  push_file(L, argv[1]);
  double size = (double)lua_rawlen(L, 1) / 1e6, best[2] = {1e9, 1e9};
  luaL_openlibs(L);
  state_preload(L);
  luaL_requiref(L, "cjson", luaopen_cjson, 0);
  lua_getfield(L, -1, "decode");
  lua_replace(L, 2);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "host.json");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "decode");
  lua_replace(L, 3);
  for (int i = 0; i < 2 * atoi(argv[2]); i++) {
    double seconds = time_one_decode(L, 2 + i % 2);
    if (seconds < best[i % 2]) best[i % 2] = seconds;
  }
  printf("%.2f %.2f\n", size / best[0], size / best[1]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: decode FILE RUNS\n", stderr);
    return 2;
  }
  lua_State *L = luaL_newstate();
  lua_pushcfunction(L, compare_decoders);
  lua_pushlightuserdata(L, argv);
  int status = lua_pcall(L, 1, 0, 0);
  if (status != LUA_OK) fprintf(stderr, "decode: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? 0 : 1;
}
