#include "cli/interrupt_watch.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <utility>

namespace hyprstream::cli {
namespace {

constexpr int kInterruptedExit = 130;

sigset_t Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void BlockInterrupts() {
  const sigset_t signals = Interrupt();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

InterruptWatch::InterruptWatch(std::function<void()> on_interrupt)
    : on_interrupt_(std::move(on_interrupt)), thread_([this] { Watch(); }) {}

InterruptWatch::~InterruptWatch() {
  stop_ = true;
  thread_.join();
}

void InterruptWatch::Watch() {
  constexpr timespec kPatience{.tv_sec = 0, .tv_nsec = 20'000'000};
  const sigset_t signals = Interrupt();
  for (int interrupts = 0; !stop_;) {
    if (sigtimedwait(&signals, nullptr, &kPatience) != SIGINT) continue;
    if (++interrupts > 1) _exit(kInterruptedExit);
    on_interrupt_();
  }
}

}  // namespace hyprstream::cli
