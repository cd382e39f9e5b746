// The gate between commits and reads: held alone by a commit's last step, shared for a moment by every read.
//
// Whoever waits to hold it alone keeps newcomers out, so that a stream of reads cannot starve commits
// (std::shared_mutex alone prefers readers here).
//
// Thread safety: all methods; use with std::unique_lock and std::shared_lock.
#pragma once

#include <mutex>
#include <shared_mutex>

namespace hyprstream::commit {

class CommitGate {
 public:
  void lock() {
    const std::lock_guard turnstile(turnstile_);
    gate_.lock();
  }
  void unlock() { gate_.unlock(); }
  void lock_shared() {
    const std::lock_guard turnstile(turnstile_);
    gate_.lock_shared();
  }
  void unlock_shared() { gate_.unlock_shared(); }

 private:
  std::mutex turnstile_;  // held while waiting for gate_
  std::shared_mutex gate_;
};

}  // namespace hyprstream::commit
