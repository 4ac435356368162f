/* host.process in the product starts the programs of the host's own list, and no others. */
#include "process.h"

#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int luaopen_host_process(lua_State *L);

static void the_list_has_the_hosts_own_programs(void **state) {
  char self[4096];
  (void)state;
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_true(length > 0);
  self[length] = 0;
  assert_true(process_is_own(self));
  assert_true(process_is_own("/usr/bin/secret-tool"));
  assert_true(process_is_own("/usr/bin/xdg-open"));
  static const char *const foreign[] = {"/bin/sh", "/usr/bin/touch",     "secret-tool",
                                        "",        "/usr/bin/xdg-ope",   "/usr/bin/xdg-open2",
                                        "/",       "/usr/bin//xdg-open", "/tmp/../usr/bin/xdg-open"};
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
    if (process_is_own(foreign[i])) fail_msg("%s", foreign[i]);
}

static void nothing_else_is_started(void **state) {
  (void)state;
  static const char script[] =
      "local process, path = ...\n"
      "for _, start in ipairs { process.start, process.detach } do\n"
      "  for _, words in ipairs { { '/usr/bin/touch', path }, { '/bin/sh', '-c', 'touch ' .. path } } do\n"
      "    local child, message = start(words)\n"
      "    assert(child == nil, 'it was started')\n"
      "    assert(message == \"cannot start '\" .. words[1] .. \"': it is none of the programs that Moonlatch itself "
      "\"\n"
      "      .. \"uses; a script's programs are named in the profile\", message)\n"
      "  end\n"
      "end\n";
  const char *path = "process_own_test.touched";
  unlink(path);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "host.process", luaopen_host_process, 0);
  assert_int_equal(luaL_loadstring(L, script), LUA_OK);
  lua_insert(L, -2);
  lua_pushstring(L, path);
  int status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  lua_close(L);
  usleep(100000);
  assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_list_has_the_hosts_own_programs),
      cmocka_unit_test(nothing_else_is_started),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
