#include "engine/pattern_size_internal.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace hyprstream::engine {

namespace {

// Of what stands for any of many characters: of all, and of a class of Unicode's.
constexpr double kAnyCharacter = 10;
constexpr double kUnicodeClass = 300;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class PatternReader {
 public:
  explicit PatternReader(std::string_view pattern) : pattern_(pattern) {}

  double Size() {
    while (at_ < pattern_.size()) Step(pattern_[at_++]);
    while (groups_.size() > 1) Close();
    return std::max(1.0, groups_.back());
  }

 private:
  void Step(char c) {
    switch (c) {
      case '\\':
        return Add(Escape());
      case '[':
        return Add(Class());
      case '.':
        return Add(kAnyCharacter);
      case '(':
        return groups_.push_back(0);
      case ')':
        return Close();
      case '{':
        return Repeat();
      case '*':
      case '+':
      case '?':
        groups_.back() += 1;
        return;
      default:
        return Add(1);
    }
  }

  void Add(double size) {
    last_ = size;
    groups_.back() += size;
  }

  void Close() {
    if (groups_.size() == 1) return;
    const double size = groups_.back() + 2;
    groups_.pop_back();
    Add(size);
  }

  double Escape() {
    if (at_ == pattern_.size()) return 1;
    const char c = pattern_[at_++];
    if (c == 'p' || c == 'P') return kUnicodeClass;
    return c >= 'A' && c <= 'Z' ? kAnyCharacter : 1;
  }

  double Class() {
    double size = 1;
    if (pattern_.substr(at_).starts_with('^')) {
      size = kAnyCharacter;
      ++at_;
    }
    for (bool first = true; at_ < pattern_.size() && (first || pattern_[at_] != ']'); first = false) {
      size += Member(pattern_[at_++]);
    }
    ++at_;
    return size;
  }

  // What a class has more for it.
  double Member(char c) {
    if (c == '\\') return Escape();
    if (c == '[' && pattern_.substr(at_).starts_with(':')) {
      at_ = std::min(pattern_.find(']', at_), pattern_.size() - 1) + 1;
      return kAnyCharacter;
    }
    return static_cast<unsigned char>(c) >= 0x80 ? kAnyCharacter : 0;
  }

  // {n}, {n,} or {n,m}: what comes before it stands there as often. Anything else is a brace.
  void Repeat() {
    std::size_t at = at_;
    double most = 0;
    for (double number = 0; at < pattern_.size() && (IsDigit(pattern_[at]) || pattern_[at] == ','); ++at) {
      number = pattern_[at] == ',' ? 0 : number * 10 + (pattern_[at] - '0');
      most = std::max(most, number);
    }
    if (at == at_ || at == pattern_.size() || pattern_[at] != '}') return Add(1);
    at_ = at + 1;
    groups_.back() += last_ * std::max(0.0, most - 1);
    last_ *= std::max(1.0, most);
  }

  const std::string_view pattern_;
  std::size_t at_ = 0;
  std::vector<double> groups_ = {0};
  double last_ = 0;
};

}  // namespace

double PatternSize(std::string_view pattern) { return PatternReader(pattern).Size(); }

}  // namespace hyprstream::engine
