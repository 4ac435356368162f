/* host.sys: SIGINT, SIGTERM and SIGHUP, which a terminal sends when it closes.
 *
 * The first signal asks the program to stop: the loop of stdlib/task.lua calls sys.interrupts() in each turn, and
 * stops where stopping is safe. Three things end code that does not return to the loop:
 *
 * 1. A count hook raises an error in functions of scripts, never in those of the library. In a person's script, while
 * no change is possible (no journal is open), it does so at once; else only after SLOW_NS of computing without a call
 * of sys.interrupts(), because a script may be between two parts of a change.
 * 2. A timer ends the process by the signal's default action after twice that time: for loops inside C (a pattern)
 * and in finalizers, where Lua calls no hook. The journal survives that as it survives a power failure.
 * 3. A third signal ends the process at once.
 *
 * While a change is in flight, 1 and 2 wait for a second signal, and their time begins with that signal. The timer
 * counts processor time: waiting for a disk or a child does not count.
 */
#include "sys.h"

#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOW_NS 300000000          /* processor time without a call of sys.interrupts() */
#define PROMPT_INSTRUCTIONS 100000 /* instructions between two calls of the hook at the prompt */
#define TERMINATION 0x10000

/* The only mutable static variable, because a signal handler has no argument. Only the main thread handles signals,
 * so two threads never write it. */
static struct {
  volatile sig_atomic_t signals; /* number of signals, plus TERMINATION for each one but SIGINT */
  volatile sig_atomic_t latest;  /* number of the last signal */
  volatile sig_atomic_t expired; /* how often the timer expired since the last call of sys.interrupts() */
  volatile sig_atomic_t prompt;  /* 1: at the prompt, library code is interrupted too, and the process is not ended */
  volatile sig_atomic_t journals, changes; /* open journals; changes in flight */
  lua_State *volatile running;             /* the running coroutine; NULL before scripts can be stopped */
  pthread_t thread;                        /* the main thread */
  timer_t timer;
  int has_timer; /* 1: there is a timer */
} interrupt;

static const char raise_key; /* registry key of the function that raises the error in a script */

static int interrupt_signal_count(void) {
  return interrupt.signals % TERMINATION;
}

static void set_interrupt_timer(long ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  struct itimerspec when = {.it_value = time, .it_interval = time};
  if (interrupt.has_timer) timer_settime(interrupt.timer, 0, &when, NULL);
}

int sys_interrupt_count(void) {
  interrupt.expired = 0;
  if (interrupt.signals) set_interrupt_timer(SLOW_NS);
  return interrupt_signal_count();
}

int sys_interrupt_may_end(void) {
  return interrupt.journals == 0;
}

void sys_interrupt_count_journal(int by) {
  interrupt.journals += by;
}

void sys_interrupt_count_change(int by) {
  interrupt.changes += by;
}

/* ---- in Lua code ---- */

/* May an error be raised in this function? Not in the library, and in bundled scripts (such as the emulator's service
 * loop) only when they do not stop by themselves. */
static int may_raise_interrupt(lua_State *L, lua_Debug *record) {
  lua_getinfo(L, "S", record);
  if (strncmp(record->source, "@stdlib/", 8) == 0) return 0;
  return strncmp(record->source, "@scripts/", 9) != 0 || interrupt.expired > 0 || interrupt_signal_count() >= 2;
}

/* Is it time to raise an error in a script, or in any code at the prompt? */
static int is_interrupt_due(void) {
  if (interrupt.prompt || interrupt_signal_count() >= 2) return interrupt_signal_count() > 0;
  if (!interrupt.signals) return 0;
  return interrupt.changes == 0 && (interrupt.journals == 0 || interrupt.expired > 0);
}

static void on_interrupt_count(lua_State *L, lua_Debug *record) {
  if (!is_interrupt_due()) return;
  if (interrupt.prompt) luaL_error(L, "interrupted");
  if (!may_raise_interrupt(L, record)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &raise_key);
  lua_call(L, 0, 0);
}

/* Set the hook when an error is due. In a script it runs at every instruction, so a script that catches the error is
 * stopped again. At the prompt it also interrupts the library, which has to make progress between two errors, so it
 * runs every PROMPT_INSTRUCTIONS instructions. A signal handler may call it, as in Lua's own lua.c. */
static void set_interrupt_hook(lua_State *L) {
  if (L && is_interrupt_due())
    lua_sethook(L, on_interrupt_count, LUA_MASKCOUNT, interrupt.prompt ? PROMPT_INSTRUCTIONS : 1);
}

/* Make L the running coroutine, and set its hook when an error is due. Returns the coroutine that ran before. */
static lua_State *enter_coroutine(lua_State *L) {
  lua_State *before = interrupt.running;
  if (before) interrupt.running = L;
  if (before) set_interrupt_hook(L);
  return before;
}

/* Resume a coroutine, as Lua's lcorolib.c does. Returns the number of results on top of L, or -1 and the error on
 * top. */
static int resume_coroutine(lua_State *L, lua_State *co, int arguments) {
  int results = 0;
  if (!lua_checkstack(co, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, arguments);
  lua_State *before = enter_coroutine(co);
  int status = lua_resume(co, L, arguments, &results);
  if (before) enter_coroutine(before);
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
  int results = resume_coroutine(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  lua_insert(L, results >= 0 ? -(results + 1) : -2);
  return results >= 0 ? results + 1 : 2;
}

/* The function that coroutine.wrap(fn) returns. */
static int call_wrapped_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int results = resume_coroutine(L, co, lua_gettop(L));
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
  lua_pushcclosure(L, call_wrapped_coroutine, 1);
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

/* Is this the main thread? Else send the signal to it: libcurl looks names up in threads of its own. */
static int is_main_thread(int number) {
  if (pthread_equal(pthread_self(), interrupt.thread)) return 1;
  pthread_kill(interrupt.thread, number);
  return 0;
}

static void on_interrupt_signal(int number) {
  if (!is_main_thread(number)) return;
  interrupt.signals += number == SIGINT ? 1 : 1 + TERMINATION;
  interrupt.latest = number;
  if (interrupt_signal_count() >= 2) signal(number, SIG_DFL);
  if (interrupt_signal_count() <= 2) set_interrupt_timer(SLOW_NS);
  set_interrupt_hook(interrupt.running);
}

/* Time before the signal that may end the code does not count: code that the second signal ends has the whole time. */
static void on_interrupt_timer(int number) {
  int needed = interrupt.prompt || interrupt.changes ? 2 : 1;
  if (!is_main_thread(number) || interrupt_signal_count() < needed) return;
  interrupt.expired++;
  set_interrupt_hook(interrupt.running);
  if (interrupt.expired < 2) return;
  signal(interrupt.latest, SIG_DFL);
  raise(interrupt.latest);
}

static void set_signal_handler(int number, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* Stop scripts with the function at index from now on. [-0, +0, m] */
static void set_interrupt_function(lua_State *L, int index) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  if (interrupt.has_timer) return;
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &interrupt.timer) != 0)
    luaL_error(L, "cannot catch interrupts: the system has no timer left");
  lua_pushvalue(L, index);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &raise_key);
  set_signal_handler(SIGALRM, on_interrupt_timer, SA_RESTART);
  interrupt.has_timer = 1;
  interrupt.running = L;
}

/* Without SA_RESTART, so that blocking calls return. SIGHUP stays ignored where it was: nohup(1). */
static void catch_interrupt_signals(void) {
  struct sigaction now;
  set_signal_handler(SIGINT, on_interrupt_signal, 0);
  set_signal_handler(SIGTERM, on_interrupt_signal, 0);
  sigaction(SIGHUP, NULL, &now);
  if (now.sa_handler != SIG_IGN) set_signal_handler(SIGHUP, on_interrupt_signal, 0);
}

/* sys.catch_interrupts(raise) */
static int sys_catch_interrupts(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  interrupt.thread = pthread_self();
  if (!lua_isnoneornil(L, 1)) set_interrupt_function(L, 1);
  catch_interrupt_signals();
  return 0;
}

/* sys.forget_interrupts() */
static int sys_forget_interrupts(lua_State *L) {
  set_interrupt_timer(0);
  interrupt.signals = interrupt.expired = 0;
  lua_sethook(L, NULL, 0, 0);
  catch_interrupt_signals(); /* the second signal removed a handler */
  return 0;
}

/* sys.interruptible(yes) */
static int sys_interruptible(lua_State *L) {
  interrupt.prompt = lua_toboolean(L, 1);
  if (!interrupt.prompt) lua_sethook(L, NULL, 0, 0);
  return 0;
}

/* sys.interrupts() -> integer */
static int sys_interrupts(lua_State *L) {
  lua_pushinteger(L, sys_interrupt_count());
  return 1;
}

/* sys.terminated() -> "SIGTERM" | "SIGHUP" | nothing */
static int sys_terminated(lua_State *L) {
  if (interrupt.signals < TERMINATION) return 0;
  lua_pushstring(L, interrupt.latest == SIGHUP ? "SIGHUP" : "SIGTERM");
  return 1;
}

const luaL_Reg sys_interrupt_functions[] = {
    {"catch_interrupts", sys_catch_interrupts},
    {"forget_interrupts", sys_forget_interrupts},
    {"interruptible", sys_interruptible},
    {"interrupts", sys_interrupts},
    {"terminated", sys_terminated},
    {NULL, NULL},
};
