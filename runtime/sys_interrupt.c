/* host.sys: SIGINT and SIGTERM.
 *
 * The first one asks the program to stop: the loop of stdlib/task.lua looks at
 * sys.interrupts() in each turn and stops where stopping is safe. Three things
 * end code that does not come back to that loop:
 *
 * 1. A count hook raises an error in the functions of scripts, never in those of
 *    the library. In a person's script, where nothing can be changed (no journal is
 *    open), it does so at once; else only after SLOW_NS of computing without a look,
 *    because a script between two calls may be in the middle of a change.
 * 2. A timer ends the process by the signal's default action after twice that time:
 *    for loops inside C (a pattern) and in finalizers, where Lua calls no hook. The
 *    journal survives that as it survives a power cut.
 * 3. A third signal ends the process at once.
 *
 * While a change is in flight, 1 and 2 wait for a second signal, and their time begins with that signal. The
 * timer counts processor time, so waiting for a disk or a child does not count.
 */
#include "sys.h"

#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOW_NS 300000000 /* of processor time without a look at the interrupts */
#define SELDOM 100000     /* instructions between two calls of the hook at the prompt */
#define TERMINATION 0x10000

/* The only static that changes, because a signal handler gets no argument. Signals are
 * handled on the main thread, so that it is never written from two threads. */
static struct {
  volatile sig_atomic_t signals; /* SIGINT and SIGTERM, plus TERMINATION for each that was a SIGTERM */
  volatile sig_atomic_t latest;  /* number of the last signal */
  volatile sig_atomic_t expired; /* how often the timer ran out since the last look */
  volatile sig_atomic_t prompt;  /* a person sits at the prompt: stop library code too, do not end the process */
  volatile sig_atomic_t journals, changes; /* open, and in flight */
  lua_State *volatile running;             /* the coroutine that runs; NULL until a way to stop is given */
  pthread_t thread;                        /* the main one */
  timer_t timer;
  int timed; /* is there a timer? */
} interrupt;

static const char raise_key; /* in the registry: the function that raises in a script */

static int signal_count(void) {
  return interrupt.signals % TERMINATION;
}

static void set_timer(long ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  struct itimerspec when = {.it_value = time, .it_interval = time};
  if (interrupt.timed) timer_settime(interrupt.timer, 0, &when, NULL);
}

int sys_interrupts(void) {
  interrupt.expired = 0;
  if (interrupt.signals) set_timer(SLOW_NS);
  return signal_count();
}

int sys_may_end(void) {
  return interrupt.journals == 0;
}

void sys_journal_opened(int by) {
  interrupt.journals += by;
}

void sys_change_sent(int by) {
  interrupt.changes += by;
}

/* ---- in Lua code ---- */

/* May an error be raised in this function? Never in the library's, and in those of bundled scripts (the emulator's
 * service loop is one) only when they do not stop by themselves. */
static int may_raise(lua_State *L, lua_Debug *record) {
  lua_getinfo(L, "S", record);
  if (strncmp(record->source, "@stdlib/", 8) == 0) return 0;
  return strncmp(record->source, "@scripts/", 9) != 0 || interrupt.expired > 0 || signal_count() >= 2;
}

/* Is now the time to raise an error in a script, or in whatever runs at the prompt? */
static int is_due(void) {
  if (interrupt.prompt || signal_count() >= 2) return signal_count() > 0;
  if (!interrupt.signals) return 0;
  return interrupt.changes == 0 && (interrupt.journals == 0 || interrupt.expired > 0);
}

static void on_count(lua_State *L, lua_Debug *record) {
  if (!is_due()) return;
  if (interrupt.prompt) luaL_error(L, "interrupted");
  if (!may_raise(L, record)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &raise_key);
  lua_call(L, 0, 0);
}

/* Set the hook when an interrupt is due. In a script it runs at every instruction, so a script that
 * catches the error gets no further. At the prompt it runs every SELDOM instructions: there it
 * interrupts the library too, which has to get some way between two errors. May be called in a
 * signal handler, as Lua's own lua.c does. */
static void set_hook(lua_State *L) {
  if (L && is_due()) lua_sethook(L, on_count, LUA_MASKCOUNT, interrupt.prompt ? SELDOM : 1);
}

/* Know which coroutine runs, and give it the hook when a signal has come. Returns the one that ran before. */
static lua_State *enter(lua_State *L) {
  lua_State *before = interrupt.running;
  if (before) interrupt.running = L;
  if (before) set_hook(L);
  return before;
}

/* As in Lua's lcorolib.c: results on top of L and their count, or -1 and the error. */
static int resume(lua_State *L, lua_State *co, int arguments) {
  int results = 0;
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, arguments);
  lua_State *before = enter(co);
  int status = lua_resume(co, L, arguments, &results);
  if (before) enter(before);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

/* coroutine.resume(co, ...) */
static int coroutine_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  int results = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  lua_insert(L, results >= 0 ? -(results + 1) : -2);
  return results >= 0 ? results + 1 : 2;
}

/* What coroutine.wrap(fn) returns. */
static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int results = resume(L, co, lua_gettop(L));
  if (results >= 0) return results;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = lua_resetthread(co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* coroutine.wrap(fn) */
static int coroutine_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

void sys_interrupt_end(void) {
  interrupt.running = NULL;
}

void sys_interrupt_coroutines(lua_State *L) {
  lua_getglobal(L, LUA_COLIBNAME);
  lua_pushcfunction(L, coroutine_resume);
  lua_setfield(L, -2, "resume");
  lua_pushcfunction(L, coroutine_wrap);
  lua_setfield(L, -2, "wrap");
  lua_pop(L, 1);
}

/* ---- signals ---- */

/* Is this the main thread? If not, it gets the signal (libcurl looks names up in threads of its own). */
static int on_main_thread(int number) {
  if (pthread_equal(pthread_self(), interrupt.thread)) return 1;
  pthread_kill(interrupt.thread, number);
  return 0;
}

static void on_signal(int number) {
  if (!on_main_thread(number)) return;
  interrupt.signals += number == SIGTERM ? 1 + TERMINATION : 1;
  interrupt.latest = number;
  if (signal_count() >= 2) signal(number, SIG_DFL);
  if (signal_count() <= 2) set_timer(SLOW_NS);
  set_hook(interrupt.running);
}

/* Time before the signal that may end the code does not count: what the second signal stops gets its whole time. */
static void on_timer(int number) {
  int least = interrupt.prompt || interrupt.changes ? 2 : 1;
  if (!on_main_thread(number) || signal_count() < least) return;
  interrupt.expired++;
  set_hook(interrupt.running);
  if (interrupt.expired < 2) return;
  signal(interrupt.latest, SIG_DFL);
  raise(interrupt.latest);
}

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* From now on scripts are stopped with the function at index. [-0, +0, m] */
static void stop_with(lua_State *L, int index) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  if (interrupt.timed) return;
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &interrupt.timer) != 0)
    luaL_error(L, "the system has no timer left for this program");
  lua_pushvalue(L, index);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &raise_key);
  handle(SIGALRM, on_timer, SA_RESTART);
  interrupt.timed = 1;
  interrupt.running = L;
}

/* sys.catch_interrupts(raise). Without SA_RESTART, so that whatever blocks returns. */
static int catch_interrupts(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  interrupt.thread = pthread_self();
  if (!lua_isnoneornil(L, 1)) stop_with(L, 1);
  handle(SIGINT, on_signal, 0);
  handle(SIGTERM, on_signal, 0);
  return 0;
}

/* sys.forget_interrupts() */
static int forget_interrupts(lua_State *L) {
  set_timer(0);
  interrupt.signals = interrupt.expired = 0;
  lua_sethook(L, NULL, 0, 0);
  handle(SIGINT, on_signal, 0); /* the second one took the handler away */
  handle(SIGTERM, on_signal, 0);
  return 0;
}

/* sys.interruptible(yes) */
static int interruptible(lua_State *L) {
  interrupt.prompt = lua_toboolean(L, 1);
  if (!interrupt.prompt) lua_sethook(L, NULL, 0, 0);
  return 0;
}

/* sys.interrupts() -> integer */
static int interrupts_so_far(lua_State *L) {
  lua_pushinteger(L, sys_interrupts());
  return 1;
}

/* sys.terminated() -> boolean */
static int terminated(lua_State *L) {
  lua_pushboolean(L, interrupt.signals >= TERMINATION);
  return 1;
}

const luaL_Reg sys_interrupt_functions[] = {
    {"catch_interrupts", catch_interrupts},
    {"forget_interrupts", forget_interrupts},
    {"interruptible", interruptible},
    {"interrupts", interrupts_so_far},
    {"terminated", terminated},
    {NULL, NULL},
};
