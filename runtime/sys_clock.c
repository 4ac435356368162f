/* host.sys: dates in UTC, and the emulator's clock (host.sys.clock): real time plus an offset that only grows. The
 * offset is a counter of microseconds that all processes of the emulator share. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MICROSECONDS 1e6
#define MAX_OFFSET 1e12 /* seconds: a larger time is not exact in a double or gmtime */

struct clock {
  _Atomic int64_t *offset; /* mapped; NULL once closed */
};

static void set_integer_field(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* sys.utc(time) -> table */
static int sys_utc(lua_State *L) {
  double seconds = floor(luaL_checknumber(L, 1));
  struct tm parts;
  luaL_argcheck(L, seconds > -1e15 && seconds < 1e15, 1, "time out of range");
  time_t time = (time_t)seconds;
  if (!gmtime_r(&time, &parts)) return luaL_argerror(L, 1, "time out of range");
  lua_createtable(L, 0, 6);
  set_integer_field(L, "year", (lua_Integer)parts.tm_year + 1900);
  set_integer_field(L, "month", parts.tm_mon + 1);
  set_integer_field(L, "day", parts.tm_mday);
  set_integer_field(L, "hour", parts.tm_hour);
  set_integer_field(L, "minute", parts.tm_min);
  set_integer_field(L, "second", parts.tm_sec);
  return 1;
}

/* Return the argument as an int. timegm carries months and days beyond their range over. */
static int check_time_part(lua_State *L, int index) {
  lua_Integer value = luaL_checkinteger(L, index);
  luaL_argcheck(L, value > -1000000 && value < 1000000, index, "out of range");
  return (int)value;
}

/* sys.from_utc(year, month, day, hour, minute, second) -> seconds since 1970 */
static int sys_from_utc(lua_State *L) {
  struct tm parts = {
      .tm_year = check_time_part(L, 1) - 1900,
      .tm_mon = check_time_part(L, 2) - 1,
      .tm_mday = check_time_part(L, 3),
      .tm_hour = check_time_part(L, 4),
      .tm_min = check_time_part(L, 5),
      .tm_sec = check_time_part(L, 6),
  };
  lua_pushnumber(L, (lua_Number)timegm(&parts));
  return 1;
}

struct clock *sys_clock_check(lua_State *L, int index) {
  struct clock *clock = luaL_checkudata(L, index, SYS_CLOCK);
  luaL_argcheck(L, clock->offset, index, "clock is closed");
  return clock;
}

double sys_clock_offset(const struct clock *clock) {
  return clock->offset ? (double)atomic_load(clock->offset) / MICROSECONDS : 0;
}

/* clock:offset() -> seconds */
static int clock_offset(lua_State *L) {
  lua_pushnumber(L, sys_clock_offset(sys_clock_check(L, 1)));
  return 1;
}

/* clock:advance(seconds) */
static int clock_advance(lua_State *L) {
  struct clock *clock = sys_clock_check(L, 1);
  double seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0, 2, "an emulator's clock never goes back");
  luaL_argcheck(L, seconds + sys_clock_offset(clock) <= MAX_OFFSET, 2, "too far");
  atomic_fetch_add(clock->offset, (int64_t)(seconds * MICROSECONDS));
  return 0;
}

/* clock:close(), __close and __gc. Idempotent. */
static int clock_close(lua_State *L) {
  struct clock *clock = luaL_checkudata(L, 1, SYS_CLOCK);
  sys_counter_unmap(clock->offset);
  clock->offset = NULL;
  return 0;
}

static const char *clock_file_problem(int code) {
  return code == EINVAL ? "it is not a clock file" : strerror(code);
}

/* sys.clock(path, create) -> clock | nil, message */
static int sys_clock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int create = lua_toboolean(L, 2) ? O_CREAT : 0;
  struct clock *clock = lib_new(L, sizeof *clock, SYS_CLOCK);
  int fd = sys_files_open_private(L, path, O_RDWR | O_NOFOLLOW | create, 077);
  if (fd < 0) return 3;
  int code = sys_counter_map(fd, create, &clock->offset);
  if (code) return lib_fail(L, "cannot use '%s' as the emulator's clock: %s", path, clock_file_problem(code));
  return 1;
}

const luaL_Reg sys_clock_functions[] = {
    {"utc", sys_utc},
    {"from_utc", sys_from_utc},
    {"clock", sys_clock},
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"offset", clock_offset},
    {"advance", clock_advance},
    {"close", clock_close},
    {NULL, NULL},
};

void sys_clock_type(lua_State *L) {
  lib_type(L, SYS_CLOCK, methods, clock_close);
}
