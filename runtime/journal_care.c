/* host.journal, the part that takes care of a journal as a whole: whose it is and was.
 */
#include "journal_parts.h"

#include <string.h>

/* journal:installations() -> ids, its own first */
static int installations(lua_State *L) {
  const char *ids = journal_check(L, 1)->installations;
  lua_Integer count = 0;
  lua_newtable(L);
  for (; *ids; ids += INSTALLATION_SIZE) {
    lua_pushlstring(L, ids, INSTALLATION_SIZE);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* journal:restored_at() -> time | nil */
static int restored_at(lua_State *L) {
  double time = journal_check(L, 1)->restored_at;
  if (time == 0) return 0;
  lua_pushnumber(L, time);
  return 1;
}

/* journal:mark_restored(time, replaces) */
static int mark_restored(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  double time = journal_check_time(L, 2);
  int replaces = lua_toboolean(L, 3);
  luaL_argcheck(L, time > 0, 2, "a time after 1970 expected");
  return owner_restored(journal, time, replaces, buffer_new(L)) ? 0 : journal_raise(L, journal);
}

const luaL_Reg journal_care_methods[] = {
    {"installations", installations},
    {"restored_at", restored_at},
    {"mark_restored", mark_restored},
    {NULL, NULL},
};
