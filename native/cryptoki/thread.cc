#include "cryptoki/thread.h"

#include <pthread.h>
#include <signal.h>

#include <memory>
#include <utility>

namespace hsm {
namespace {

void* entry(void* argument) {
  const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

bool startDetachedThread(const char* name, std::function<void()> body) {
  auto argument = std::make_unique<std::function<void()>>(std::move(body));
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The new thread inherits this mask: signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // What a fault in a library raises ends the process where it is, by the program's handlers if it has any.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, entry, argument.get()) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (!started) return false;
#ifdef __linux__
  pthread_setname_np(thread, name);
#endif
  (void)argument.release();
  return true;
}

}  // namespace hsm
