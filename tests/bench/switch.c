/* switch TASKS ROUNDS: the cost of resuming and yielding in C alone. Makes TASKS coroutines, and resumes each ROUNDS
 * times, in turn. Prints
 *
 * MICROSECONDS_A_SWITCH BYTES_A_COROUTINE
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double used_bytes(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return lua_gc(L, LUA_GCCOUNT) * 1024.0 + lua_gc(L, LUA_GCCOUNTB);
}

static const char body[] = "local yield = coroutine.yield while true do yield() end";

int main(int argc, char **argv) {
  int tasks = argc > 1 ? atoi(argv[1]) : 0, rounds = argc > 2 ? atoi(argv[2]) : 0, count;
  if (tasks < 1 || rounds < 1) {
    fputs("usage: switch TASKS ROUNDS\n", stderr);
    return 2;
  }
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_State **all = calloc((size_t)tasks, sizeof *all);
  if (!all || luaL_loadstring(L, body) != LUA_OK) return 1;
  lua_createtable(L, tasks, 0);
  double before = used_bytes(L);
  for (int i = 0; i < tasks; i++) {
    all[i] = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, all[i], 1);
    lua_rawseti(L, 2, i + 1);
    lua_resume(all[i], L, 0, &count);
  }
  double bytes = (used_bytes(L) - before) / tasks, start = now();
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < tasks; i++) lua_resume(all[i], L, 0, &count);
  printf("%.4f %.0f\n", (now() - start) * 1e6 / tasks / rounds, bytes);
  lua_close(L);
  free(all);
  return 0;
}
