// Cuts text into statements at semicolons outside quotes, dollar quotes and comments, as it is typed or read.
//
// It does not understand SQL; the server does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hyprstream::cli {

class StatementSplitter {
 public:
  // Adds text, line ends included.
  void Add(std::string_view text) { pending_ += text; }
  // The next whole statement, without its semicolon and the blanks around it; nothing when more text is needed.
  std::optional<std::string> Next();
  // What is left, as a statement of its own; empty when it is only blanks and comments.
  std::string TakeRest();
  // Is a statement begun but not ended?
  bool IsInside() const;
  void Clear() { pending_.clear(); }

 private:
  std::string pending_;
};

}  // namespace hyprstream::cli
