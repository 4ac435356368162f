#include "journal.h"
int luaopen_host_journal(lua_State *L);
struct journal *journal_check(lua_State *L, int index) {
  (void)luaL_checkudata(L, index, JOURNAL);
  return NULL;
}
const char *journal_audit(struct journal *journal, const char *kind, const char *text, size_t length) {
  (void)journal, (void)kind, (void)text, (void)length;
  return "this build has no journal";
}
const char *journal_commit(struct journal *journal) {
  (void)journal;
  return "this build has no journal";
}
int luaopen_host_journal(lua_State *L) {
  lua_newtable(L);
  return 1;
}
