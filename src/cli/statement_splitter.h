// Cuts text into statements at semicolons outside quotes, dollar quotes and comments, as it is typed or read.
//
// It does not understand SQL; the server does. A text of whole statements costs time in proportion to its length.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hyprstream::cli {

class StatementSplitter {
 public:
  // Adds text, line ends included.
  void Add(std::string_view text) { text_ += text; }
  // The next whole statement, without its semicolon and the blanks around it; nothing when more text is needed.
  std::optional<std::string> Next();
  // What is left, as a statement of its own; empty when it is only blanks and comments.
  std::string TakeRest();
  // Is a statement begun but not ended?
  bool IsInside() const;
  void Clear();

 private:
  std::string_view pending() const { return std::string_view(text_).substr(begin_); }

  std::string text_;
  std::size_t begin_ = 0;  // of what is still to be cut; what is before it goes when no whole statement is left
};

}  // namespace hyprstream::cli
