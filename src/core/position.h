// How far the server got: the place of an accepted batch in the order of commits.
//
// Opaque and partially ordered, so that an LSN today may become partition offsets one day; nothing above the log takes
// a bare integer. A client sees it only through ToString() and hands it back as a read-your-writes token.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace hyprstream {

class Position {
 public:
  constexpr Position() = default;  // before the first commit
  constexpr explicit Position(std::uint64_t lsn) : lsn_(lsn) {}

  Position Next() const { return Position(lsn_ + 1); }
  std::string ToString() const { return std::to_string(lsn_); }
  // For the log, metrics and the wire only.
  constexpr std::uint64_t lsn() const { return lsn_; }

  friend std::partial_ordering operator<=>(const Position&, const Position&) = default;
  friend bool operator==(const Position&, const Position&) = default;

 private:
  std::uint64_t lsn_ = 0;
};

}  // namespace hyprstream
