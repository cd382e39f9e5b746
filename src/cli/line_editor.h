// Lines typed at a terminal: editing, a history that is kept, completion with Tab.
//
// Thread safety: one thread. One at a time in a process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hyprstream::cli {

class LineEditor {
 public:
  // Words that may follow what is typed: `word` is the one before the cursor.
  using Complete = std::function<std::vector<std::string>(std::string_view word)>;

  // Keeps its history in `history_file` (empty: nowhere).
  static std::unique_ptr<LineEditor> Make(std::string history_file, Complete complete);
  virtual ~LineEditor() = default;

  enum class Outcome { kLine, kInterrupted, kEnd };
  struct Input {
    Outcome outcome = Outcome::kEnd;
    std::string line;  // with its line end
  };
  virtual Input Read(const std::string& prompt) = 0;
  // One entry of the history, which may have several lines.
  virtual void Remember(const std::string& statement) = 0;
};

}  // namespace hyprstream::cli
